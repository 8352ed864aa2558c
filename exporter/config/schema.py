"""The file's form: every key, its type, default and meaning. The reference is made of this."""

from datetime import timedelta
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from exporter.config.scalars import (
    AlwaysTrue,
    Date,
    Duration,
    ExistingFile,
    FieldName,
    HttpUrl,
    Listen,
    Number,
    Origin,
    SecretText,
    Share,
    Size,
    StoreUrl,
    UrlPath,
    Value,
    WindowLength,
)
from exporter.documents import Section
from exporter.documents.scalars import FilePath, Text, TruthValue, Whole
from exporter.domain.windows import Window
from exporter.ingest.sweeps import Sweeps

Texts: TypeAlias = Annotated[list[Text], Field(min_length=1)]


class DataServerSection(Section):
    """Where interactions come from."""

    url: HttpUrl | None = Field(
        default=None,
        description="Address of KPIggybank's interaction data. A user and password in it are sent"
        " as an `Authorization` header. Required, unless `collect` is given: then, without it,"
        " nothing is imported.",
        examples=["http://127.0.0.1:3435/wsapi/interaction_data"],
    )
    timeout: Duration = Field(
        default=timedelta(seconds=30),
        description="For one request, wall clock, from the connection to the last byte.",
        examples=["1m30s"],
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="Certificates that `https://` trusts, in place of the system's.",
        examples=["/etc/ssl/kpiggybank-ca.pem"],
    )
    proxy: HttpUrl | None = Field(
        default=None,
        description="Address of an HTTP proxy through which to ask. Proxies of the environment are"
        " not used. A user and password in it are sent to the proxy alone.",
        examples=["http://proxy.example:3128"],
    )
    headers: dict[Text, SecretText] = Field(
        default={},
        description="Sent with every request. A name that ends in `_file` gives the file in which"
        " the header's value stands. Values are never shown.",
        examples=["{Authorization_file: /run/secrets/authorization}"],
    )


class StoreSection(Section):
    """Where interactions are kept."""

    url: StoreUrl = Field(
        default="sqlite:kpi.db",
        description="`sqlite:PATH` (relative to the working directory),"
        " `couchdb://HOST:PORT/DATABASE`, or `couchdbs://...` for TLS.",
        examples=["couchdb://127.0.0.1:5984/kpi"],
    )
    username: Text | None = Field(
        default=None, description="CouchDB's user, unless it stands in `url`.", examples=["kpi"]
    )
    password: SecretText | None = Field(
        default=None,
        description="CouchDB's password, unless it stands in `url`. Never shown.",
        examples=["${COUCHDB_PASSWORD}"],
    )
    password_file: FilePath | None = Field(
        default=None,
        description="A file that holds the password.",
        examples=["/run/secrets/couchdb"],
    )
    ca_file: FilePath | None = Field(
        default=None,
        description="Certificates that `couchdbs://` trusts, in place of the system's.",
        examples=["/etc/ssl/couchdb-ca.pem"],
    )


class TierSection(Section):
    """How often to fetch again what a source that cannot count may have got late."""

    every: Duration = Field(description="The interval.", examples=["1h"])
    up_to: Duration | None = Field(
        default=None, description="Up to this age; left out, all the rest.", examples=["1d"]
    )


class ImportSection(Section):
    """When to import."""

    every: Duration = Field(
        default=timedelta(minutes=5),
        description="From the beginning of one import to the next.",
        examples=["1m"],
    )
    history: Duration = Field(
        default=timedelta(days=30),
        description="How far back the first import reaches; not above `retention`.",
        examples=["90d"],
    )
    catch_up_share: Share = Field(
        default=Sweeps().share,
        description="While the source holds more than is accounted for, the past is fetched again,"
        " for this share of the source's time at most.",
        examples=["0.02"],
    )
    sweep_after: list[Duration] = Field(
        default=list(Sweeps().after),
        description="At these ages the past is divided for that; each part has its turn in every"
        " import, the youngest first.",
        examples=["[1d, 30d]"],
    )
    sweep_uncounted: list[TierSection] = Field(
        default=[
            TierSection.model_construct(
                every=tier.every, up_to=None if tier.up_to == timedelta.max else tier.up_to
            )
            for tier in Sweeps().uncounted
        ],
        description="How often the past is fetched again from a source that cannot count.",
        examples=["[{every: 1h, up_to: 1d}, {every: 7d}]"],
    )
    sweep_rows: Whole = Field(
        default=Sweeps().rows,
        description="How many rows one import fetches again at most; the next goes on.",
        examples=["20000"],
    )


class MilestoneSection(Section):
    """Something that happened on a day, to be marked in charts."""

    name: Text = Field(description="What happened.", examples=["Gmail Bridge Live"])
    date: Date = Field(description="The day, in UTC.", examples=["2013-07-23"])
    quiet: TruthValue = Field(
        default=False,
        description="Whether other people come on this day than on its weekday, as on a holiday:"
        " alerts do not compare it with others.",
        examples=["true"],
    )


class WebSection(Section):
    """Where to serve; TLS and authentication have a file of their own."""

    listen: Listen = Field(
        default="127.0.0.1:3434",
        description="Address and port; `--web.listen-address` goes before it. Without a host,"
        " on all addresses.",
        examples=[":3434"],
    )


class CollectSection(Section):
    """Interactions that sign-in dialogs send straight to the exporter, on a socket of its own."""

    listen: Listen = Field(
        default="127.0.0.1:3435",
        description="Address and port that interactions are posted to. Without a host, on all"
        " addresses.",
        examples=[":3435"],
    )
    path: UrlPath = Field(
        default="/wsapi/interaction_data",
        description="Path that they are posted to; KPIggybank's by default.",
        examples=["/kpi"],
    )
    allow_origins: Annotated[list[Origin], AfterValidator(sorted)] = Field(
        default=[],
        description="Origins whose pages may read the answer (CORS). Pages of the same origin need"
        " no entry.",
        examples=["[https://login.example.org]"],
    )
    max_body: Size = Field(
        default=1 << 20,
        description="The largest request body; a larger one is answered 413.",
        examples=["256KiB"],
    )
    max_rate: Whole = Field(
        default=1000,
        description="Interactions a second, over all clients; beyond it the answer is 429.",
        examples=["5000"],
    )
    web_config_file: ExistingFile | None = Field(
        default=None,
        description="TLS and passwords for this socket, in the format of `--web.config.file`.",
        examples=["collect-web.yml"],
    )


class SitesSection(Section):
    """Which field says how many sites a user is signed in to."""

    field: FieldName | None = Field(
        default=None, description="The field.", examples=["number_sites_logged_in"]
    )
    fields: Annotated[list[FieldName], Field(min_length=1)] | None = Field(
        default=None,
        description="The first of these with a number that is not 0 counts.",
        examples=["[number_sites_logged_in, sites_signed_in]"],
    )
    title: Text | None = Field(
        default=None,
        description="What the page and `explain` call it; left out, `Sites signed in`.",
        examples=["Passkeys"],
    )


class RuleSection(Section):
    """A condition on one interaction; everything that is given must hold."""

    always: AlwaysTrue | None = Field(
        default=None, description="Every interaction.", examples=["true"]
    )
    event: Text | None = Field(
        default=None,
        description="This event happened: `requires` with one event.",
        examples=["assertion_generated"],
    )
    requires: Texts | None = Field(
        default=None,
        description="All of these events happened.",
        examples=["[user.email_staged, user.email_confirmed]"],
    )
    any_of: Texts | None = Field(
        default=None,
        description="At least one of these events happened.",
        examples=["[screen.set_password, screen.pick_email]"],
    )
    excludes: Texts | None = Field(
        default=None,
        description="None of these events happened.",
        examples=["[authenticate.enter_password]"],
    )
    contains: Text | None = Field(
        default=None,
        description="An event happened whose name contains this text.",
        examples=["screen.error"],
    )
    field: FieldName | None = Field(
        default=None, description="This field of the blob ...", examples=["new_account"]
    )
    equals: Value | None = Field(
        default=None,
        description='... has exactly this value: `true` is not `"true"`, `1` is not `"1"`.',
        examples=["true"],
    )
    flow: Text | None = Field(
        default=None, description="The interaction belongs to this flow ...", examples=["new_user"]
    )
    step: Text | None = Field(
        default=None,
        description="... and reached this step of it.",
        examples=["3 - Email verified"],
    )


class StepSection(RuleSection):
    """A step of a flow: a name and a rule."""

    name: Text = Field(
        description="The step's name, once in its flow.", examples=["1 - Enter email"]
    )
    title: Text | None = Field(
        default=None,
        description="What the page calls it; left out, its name without the number before it.",
        examples=["E-mail entered"],
    )
    aside: AlwaysTrue | None = Field(
        default=None,
        description="The step is not on the way (an error screen, say): it is counted, but no step"
        " comes before or after it in drop-off and completion. Not for the first step.",
        examples=["true"],
    )


class ContinuationSection(RuleSection):
    """How a flow goes on in a second dialog: a rule that says which interactions do.

    When it holds, nothing else of the interaction counts in this flow.
    """

    when: RuleSection = Field(
        description="The rule on which the steps count as reached.",
        examples=["{event: assertion_generated}"],
    )
    reaches: Texts = Field(
        description="The steps reached then; without `when`, none.",
        examples=["[3 - Email verified]"],
    )


class FlowSection(RuleSection):
    """A flow: a rule that says which interactions belong to it (without one, all), and steps."""

    title: Text | None = Field(
        default=None,
        description="What dashboards call it; left out, its name made readable.",
        examples=["New users"],
    )
    steps: Annotated[list[StepSection], Field(min_length=1)] = Field(
        description="In the order of the funnel; reached in whatever order.",
        examples=["[{name: 1 - Email staged, event: user.email_staged}]"],
    )
    continuation: ContinuationSection | None = Field(
        default=None,
        description="How the flow goes on in a second dialog.",
        examples=["{event: again, when: {event: signed_in}, reaches: [2 - Signed in]}"],
    )


class RangeSection(Section):
    """Numbers that make a segment; the first range that holds a number decides."""

    segment: Text = Field(
        description="The segment, one of `segments`.", examples=["Desktop (>= 1024)"]
    )
    at_least: Number | None = Field(
        default=None, description="From this number on, itself included.", examples=["1024"]
    )
    at_most: Number | None = Field(
        default=None, description="Up to this number, itself included.", examples=["640"]
    )


class SegmentationSection(Section):
    """A way to divide interactions: each has exactly one of the segments, or `Other`."""

    title: Text | None = Field(
        default=None,
        description="What dashboards call it; left out, its name made readable.",
        examples=["Operating system"],
    )
    field: FieldName | None = Field(
        default=None,
        description="The blob's field that decides; a dot leads into an object.",
        examples=["user_agent.os"],
    )
    fields: Annotated[list[FieldName], Field(min_length=1)] | None = Field(
        default=None,
        description="Several fields: the first with a value decides.",
        examples=["[user_agent.os, os]"],
    )
    segments: Texts = Field(
        description="The segments; a value that is none of them is `Other`.",
        examples=["[Windows 8, Linux, iOS]"],
    )
    aliases: dict[Text, Text] = Field(
        default={},
        description="Values that have another name as segment.",
        examples=["{iPhone: iOS, iPad: iOS}"],
    )
    ranges: list[RangeSection] = Field(
        default=[],
        description="Segments of numbers, looked at before `aliases`.",
        examples=["[{segment: 3+, at_least: 3}]"],
    )
    in_flow: dict[Text, Text] = Field(
        default={},
        description="Flow and segment: who belongs to the flow has the segment, whatever the"
        " field says. The first that fits decides.",
        examples=["{new_user: Fallback}"],
    )
    ignore_case: AlwaysTrue | None = Field(
        default=None,
        description="`aliases` and `segments` are looked up without regard to case.",
        examples=["true"],
    )


class StepNameSection(Section):
    """A step of a flow."""

    flow: Text = Field(description="The flow.", examples=["general_progress"])
    step: Text = Field(description="The step.", examples=["1 - Dialog shown"])


class OutcomesSection(Section):
    """How a dialog ended: bounce, continued, fail, fallback, idp, assertion: the first to hold."""

    shown: StepNameSection = Field(
        description="The step at which the dialog is shown; others have no outcome.",
        examples=["{flow: general_progress, step: 1 - Dialog shown}"],
    )
    engaged: StepNameSection = Field(
        description="The step at which the user engages; not reached, it is a `bounce`.",
        examples=["{flow: general_progress, step: 2 - User engaged}"],
    )
    signed_in: RuleSection = Field(
        description="The rule on which the user is signed in; else, it is a `fail`.",
        examples=["{event: assertion_generated}"],
    )
    fallback: RuleSection | None = Field(
        default=None,
        description="The rule on which it is a new user of the service's own: `fallback`."
        " Left out, none is.",
        examples=["{flow: new_user}"],
    )
    idp: RuleSection | None = Field(
        default=None,
        description="The rule on which it is a new user of an identity provider: `idp`."
        " Left out, none is.",
        examples=["{field: new_account, equals: true}"],
    )
    continued: RuleSection | None = Field(
        default=None,
        description="The rule on which the user left the page on purpose (social login, a link in"
        " a mail), to come back in a second interaction: `continued`, neither bounce nor fail."
        " Goes together with `continuation`.",
        examples=["{contains: method.social, excludes: [session.created]}"],
    )
    continuation: RuleSection | None = Field(
        default=None,
        description="The rule by which the second interaction is known: it is judged by"
        " `signed_in`, `fallback` and `idp`, shown or not.",
        examples=["{event: social.returned}"],
    )


class EventsSection(Section):
    """Events of an interaction, by name: one of the keys."""

    event: Text | None = Field(default=None, description="This event.", examples=["screen.rp_info"])
    any_of: Texts | None = Field(
        default=None,
        description="Any of these events.",
        examples=["[assertion_generated, user.user_confirmed]"],
    )
    contains: Text | None = Field(
        default=None,
        description="Any event whose name contains this text.",
        examples=["screen.error"],
    )


class DurationSection(Section):
    """How long an interaction takes, by the offsets of its events.

    From the earliest event of `from` to the earliest of `to` that is not before it. An
    interaction without the one or the other has no such duration.
    """

    title: Text | None = Field(
        default=None,
        description="What dashboards call it; left out, its name made readable.",
        examples=["Time to sign in"],
    )
    from_: EventsSection = Field(
        alias="from", description="Where it begins.", examples=["{event: screen.rp_info}"]
    )
    to: EventsSection = Field(
        description="Where it ends.", examples=["{event: assertion_generated}"]
    )
    flow: Text | None = Field(
        default=None,
        description="Only of interactions that belong to this flow.",
        examples=["new_user"],
    )


class PackageSection(Section):
    """The definitions that come with the package, in the form in which a file has its own."""

    sites: SitesSection
    segmentations: dict[Text, SegmentationSection]
    flows: dict[Text, FlowSection]
    outcomes: OutcomesSection
    durations: dict[Text, DurationSection]


class File(Section):
    """The whole configuration."""

    data_server: DataServerSection = Field(
        default=DataServerSection(), description="Where interactions come from."
    )
    store: StoreSection = Field(default=StoreSection(), description="Where interactions are kept.")
    import_: ImportSection = Field(
        default=ImportSection(), alias="import", description="When to import."
    )
    collect: CollectSection | None = Field(
        default=None,
        description="Take interactions from sign-in dialogs; `{}` with all defaults. Left out,"
        " nothing is taken.",
    )
    retention: Duration = Field(
        default=timedelta(days=400),
        description="Older interactions are dropped.",
        examples=["2y"],
    )
    windows: Annotated[list[WindowLength], Field(min_length=1)] = Field(
        default=[
            Window(name="1h", hours=1, by_segment=False),
            Window(name="6h", hours=6),
            Window(name="1d", hours=24),
            Window(name="7d", hours=7 * 24),
            Window(name="30d", hours=30 * 24),
        ],
        description="Trailing windows of the KPIs: whole hours, none longer than `retention`. The"
        " text is the metrics' label.",
        examples=["[1h, 6h, 1d, 28d]"],
    )
    segment_windows: list[WindowLength] | None = Field(
        default=None,
        description="Those of `windows` that segments have, too; each costs some 2,000 series. Left"
        " out, all that are configured, and of the default ones all but `1h`.",
        examples=["[1d, 30d]"],
    )
    series_limit: Whole = Field(
        default=10_000,
        description="More series than this are a configuration error.",
        examples=["20000"],
    )
    sites: SitesSection | None = Field(
        default=None, description="Which field says how many sites a user is signed in to."
    )
    segmentations: dict[Text, SegmentationSection] | None = Field(
        default=None,
        description="By name, ways to divide interactions. With `extends: persona` among them the"
        " package's stay, and one of the same name is added to.",
    )
    flows: dict[Text, FlowSection] | None = Field(
        default=None,
        description="By name, the steps that users take. With `extends: persona` among them the"
        " package's stay, but for those of the same name.",
    )
    outcomes: OutcomesSection | None = Field(default=None, description="How shown dialogs end.")
    durations: dict[Text, DurationSection] | None = Field(
        default=None,
        description="By name, how long what takes. With `flows` of your own and without this"
        " key, there are none.",
    )
    milestones: list[MilestoneSection] = Field(
        default=[],
        description="Days to be marked in charts.",
        examples=["[{name: Gmail Bridge Live, date: 2013-07-23}]"],
    )
    web: WebSection = Field(default=WebSection(), description="Where to serve.")
