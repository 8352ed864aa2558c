"""What a configuration means."""

from datetime import date, timedelta
from importlib import resources
from pathlib import Path

import pytest

from exporter.commands.check_text import describe
from exporter.config import (
    Configuration,
    DataServer,
    ImportSettings,
    Secret,
    StoreSettings,
    load,
)
from exporter.domain.definitions import Segmentation
from exporter.domain.reports import Milestone
from exporter.domain.windows import Window
from tests.config.texts import ENVIRON, SECRET, SOURCE

GOOD = Path(__file__).parent / "good"


def good(name: str) -> Configuration:
    return load(GOOD / f"{name}.yaml", ENVIRON)


def segmentation(configuration: Configuration, name: str) -> Segmentation:
    found = configuration.definitions.segmentation(name)
    assert found is not None
    return found


@pytest.mark.parametrize("told", sorted(GOOD.glob("*.txt")), ids=lambda file: file.stem)
def test_check_tells_what_stands_beside_the_file(told: Path) -> None:
    configuration = good(told.stem)
    said = describe(configuration).replace(f"{GOOD}/", "")
    # What the metric families and the definitions' digest come to is for other tests.
    said = said.replace(f" {sum(configuration.series.values())} of", " N of")
    said = said.replace(configuration.definitions.digest, "DIGEST")
    assert f"{said}\n" == told.read_text("utf-8")


def test_defaults_are_those_of_the_contract() -> None:
    minimal = good("minimal")
    assert minimal.data_server == DataServer(
        url="http://127.0.0.1:3435/wsapi/interaction_data", timeout=timedelta(seconds=30)
    )
    assert minimal.store == StoreSettings(url="sqlite:kpi.db")
    assert minimal.import_ == ImportSettings(every=timedelta(minutes=5), history=timedelta(days=30))
    assert minimal.retention == timedelta(days=400)
    assert minimal.windows == (
        Window(name="1h", hours=1, by_segment=False),
        Window(name="6h", hours=6),
        Window(name="1d", hours=24),
        Window(name="7d", hours=168),
        Window(name="30d", hours=720),
    )
    assert minimal.series_limit == 10_000
    assert minimal.milestones == ()
    assert minimal.listen == "127.0.0.1:3434"


def test_every_key_arrives() -> None:
    everything = good("everything")
    assert everything.data_server == DataServer(
        url="https://kpiggybank.example.com/wsapi/interaction_data",
        timeout=timedelta(seconds=90),
        headers={
            "X-Tenant": Secret("17"),
            "X-Key": Secret(SECRET),
            "Authorization": Secret("Basic cmVhZGVyOm9ubHktZm9yLXRlc3Rz"),
        },
        ca_file=GOOD / "ca.pem",
        proxy="http://proxy.example.com:3128",
        proxy_headers={"Proxy-Authorization": Secret("Basic cHJveHk6b25seS1mb3ItdGVzdHM=")},
    )
    assert everything.store == StoreSettings(
        url="couchdbs://couchdb.example.com:6984/kpi",
        username="kpi",
        password=Secret(SECRET),
        ca_file=GOOD / "ca.pem",
        password_file=GOOD / "secret_file",
    )
    assert everything.import_ == ImportSettings(
        every=timedelta(minutes=10), history=timedelta(weeks=12)
    )
    assert everything.collect is not None
    assert everything.collect.model_dump() == {
        "listen": ":3435",
        "path": "/kpi",
        "allow_origins": ["http://localhost:8000", "https://login.example.org"],
        "max_body": 256 * 1024,
        "max_rate": 5000,
        "web_config_file": GOOD / "secret_file",
    }
    assert everything.retention == timedelta(days=365)
    assert everything.windows == (
        Window(name="6h", hours=6),
        Window(name="1d", hours=24),
        Window(name="1w", hours=168),
        Window(name="90d", hours=2160),
    )
    assert everything.series_limit == 20_000
    assert everything.milestones == (
        Milestone(name="Second, later in time", date=date(2013, 9, 1)),
        Milestone(name="Gmail Bridge Live", date=date(2013, 7, 23)),
    )
    assert everything.listen == "[::1]:8080"


def test_collecting_needs_no_source() -> None:
    configuration = load("collect: {}", {})

    assert configuration.data_server is None
    assert configuration.collect is not None
    assert configuration.collect.model_dump() == {
        "listen": "127.0.0.1:3435",
        "path": "/wsapi/interaction_data",
        "allow_origins": [],
        "max_body": 1024 * 1024,
        "max_rate": 1000,
        "web_config_file": None,
    }


def test_nothing_is_collected_unless_asked_for() -> None:
    assert load(SOURCE, {}).collect is None


def test_windows_that_are_given_are_those_of_segments_unless_those_are_given_too() -> None:
    both = load(SOURCE + "windows: [1h, 1d]", {})
    one = load(SOURCE + "windows: [1h, 1d]\nsegment_windows: [1d]", {})

    assert [window.by_segment for window in both.windows] == [True, True]
    assert [window.by_segment for window in one.windows] == [False, True]


def test_a_milestone_is_quiet_where_it_says_so() -> None:
    marked = "milestones: [{name: a, date: 2013-07-23, quiet: true}, {name: b, date: 2013-07-23}]"

    assert [each.quiet for each in load(SOURCE + marked, {}).milestones] == [True, False]


@pytest.mark.parametrize(
    ("windows", "warned"),
    [
        ("", ""),
        ("windows: [6h, 1d, 30d]", "without the window 1h the alert KpiSignInsFailing is silent"),
        ("windows: [1h, 7d, 30d]", "without a window of hours or 1d the alerts that compare"),
        ("segment_windows: [7d]", "no window of hours, nor 1d, is among segment_windows"),
        ("segment_windows: [1d, 7d]", "without 30d among segment_windows the alerts KpiSegment"),
        ("windows: [1h, 6h, 1d, 28d]", ""),
    ],
)
def test_check_warns_of_alerts_that_the_windows_leave_blind(windows: str, warned: str) -> None:
    said = describe(load(SOURCE + windows, {}))

    assert ("warnings" in said) == bool(warned)
    assert warned in said


def test_persona_written_out_is_the_default() -> None:
    persona = resources.files("exporter").joinpath("persona.yaml").read_text("utf-8")
    assert load(SOURCE + persona, {}).definitions == good("minimal").definitions


def test_own_segmentations_replace_all_of_the_packages_and_leave_the_flows() -> None:
    configuration = good("anchors")
    assert [s.name for s in configuration.definitions.segmentations] == ["OS", "OldOS", "SameOS"]
    assert configuration.definitions.flows == good("minimal").definitions.flows


def test_no_segmentations_are_a_choice() -> None:
    assert load(SOURCE + "segmentations: {}", {}).definitions.segmentations == ()


def test_values_are_what_is_written_whatever_they_look_like() -> None:
    configuration = good("looks")
    locale = segmentation(configuration, "Locale")
    assert locale.segments == ("No", "Yes", "on", "null_", "ja", "null", "2013-07-23", "true")
    assert locale.aliases == (("no", "No"), ("yes", "Yes"), ("~", "ja"))
    assert segmentation(configuration, "Version").segments == (
        *("1.10", "1.1", "1", "010", "0x10", "1e3", "12:30:45", "3+", "1_000", ".5", "=", "-"),
    )
    (span,) = segmentation(configuration, "Width").ranges
    assert (span.at_least, span.at_most) == (-1.5, 0)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("false", False),
        ("1", 1),
        ("1.5", 1.5),
        ('"true"', "true"),
        ("'1'", "1"),
        ("No", "No"),
        ("2013-07-23", "2013-07-23"),
    ],
)
def test_equals_takes_numbers_and_truth_values_unless_quoted(
    written: str,
    meant: str | float | bool,  # noqa: FBT001  # it is the value compared with
) -> None:
    rule = f"{{field: x, equals: {written}}}"
    outcomes = f"""
outcomes:
  shown: {{flow: general_progress, step: 1 - Dialog shown}}
  engaged: {{flow: general_progress, step: 2 - User engaged}}
  signed_in: {rule}
"""
    found = load(SOURCE + outcomes, {}).definitions.outcomes.signed_in.equals
    assert found == meant
    assert type(found) is type(meant)


def test_the_environment_fills_in_values() -> None:
    configuration = good("environment")
    assert configuration.data_server == DataServer(
        url="http://kpiggybank.example.com:3435/wsapi/interaction_data",
        timeout=timedelta(seconds=30),
        headers={"Authorization": Secret(f"Bearer {SECRET}")},
    )
    assert configuration.store.url == "sqlite:${KPI}/kpi.db"
    assert configuration.retention == timedelta(days=100)
    assert configuration.windows == (Window(name="24h", hours=24),)
    assert configuration.series_limit == 5000
    assert [milestone.name for milestone in configuration.milestones] == ["$5 {and} more"]


def test_credentials_in_an_address_are_decoded_and_taken_out_of_it() -> None:
    store = "store: {url: 'couchdb://us%40er:p%2Fa:ss@couchdb:5984/kpi'}"
    assert load(SOURCE + store, {}).store == StoreSettings(
        url="couchdb://couchdb:5984/kpi", username="us@er", password=Secret("p/a:ss")
    )


def test_a_user_in_an_address_goes_with_a_password_beside_it() -> None:
    store = "store: {url: 'couchdb://kpi@couchdb/kpi', password: '1234'}"
    assert load(SOURCE + store, {}).store == StoreSettings(
        url="couchdb://couchdb/kpi", username="kpi", password=Secret("1234")
    )


def test_only_the_last_line_break_of_a_secret_file_goes(tmp_path: Path) -> None:
    (tmp_path / "password").write_bytes(b" pass word \n\r\n")
    file = tmp_path / "kpi.yaml"
    file.write_text(
        SOURCE + "store: {url: couchdb://couchdb/kpi, username: kpi, password_file: password}"
    )
    assert load(file, {}).store.password == Secret(" pass word \n")


def test_a_secret_is_never_printed() -> None:
    configuration = good("everything")
    said = f"{configuration} {configuration!r} {describe(configuration)}"
    assert SECRET not in said
    assert "only-for-tests" not in said
    assert f"{Secret(SECRET)!s} {Secret(SECRET)!r}" == "*** ***"


def test_secrets_are_equal_as_their_texts_are() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert len({Secret("a"), Secret("a"), Secret("b")}) == 2


def test_outcomes_left_out_never_hold() -> None:
    outcomes = """
outcomes:
  shown: {flow: general_progress, step: 1 - Dialog shown}
  engaged: {flow: general_progress, step: 2 - User engaged}
  signed_in: {event: assertion_generated}
"""
    said = describe(load(SOURCE + outcomes, {}))
    assert "fallback    else, never\n" in said
    assert "idp         else, never\n" in said
