"""`kpi-exporter explain`: a number, in words, by hour and down to single interactions."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from exporter.commands.main import main
from exporter.domain.classify.evaluator import Evaluator
from exporter.domain.interaction import Row
from exporter.domain.windows import hour_of
from exporter.notes import COPIED, EXPOSED_SINCE
from exporter.stores.sqlite import SqliteStore
from testing.exporter_process import write_config
from tests.builders import (
    BOUNCE,
    FEWER_SEGMENTS,
    NEW_USER,
    RETURNING,
    batch,
    fewer_segments,
    row,
    sqlite_store,
)

DAY = datetime(2013, 7, 1, tzinfo=UTC)
MORNING, NOON = DAY + timedelta(hours=9, minutes=10), DAY + timedelta(hours=12, minutes=20)
WEEK_BEFORE = DAY - timedelta(days=7)
SIGNED_UP = (*NEW_USER, "assertion_generated")
ON_THE_DAY = ("--day=2013-07-01",)


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    """Six interactions of one day: three in time, two late, one imported before anyone looked.

    Around it one interaction of another day, one ignored row and three rejected ones.
    """
    store = sqlite_store(tmp_path / "kpi.db", (), fewer_segments())
    store.remember(EXPOSED_SINCE, (MORNING + timedelta(minutes=5)).isoformat())

    def arrive(at: datetime, *rows: Row) -> None:
        store.add(batch(rows, fewer_segments()), at)

    arrive(MORNING, row(*BOUNCE, id_="first", at=MORNING, number_sites_signed_in=2))
    arrive(
        NOON,
        row(*RETURNING, id_="returning", at=MORNING + timedelta(minutes=20)),
        row(*BOUNCE, id_="bounced", at=NOON, email_type="IdP"),
        row(*SIGNED_UP, id_="new", at=NOON, number_sites_signed_in=5),
    )
    arrive(
        DAY + timedelta(days=2, hours=13),
        row(*BOUNCE, id_="late", at=NOON),
        row(*RETURNING, id_="elsewhen", at=WEEK_BEFORE),
        row(id_="empty", at=NOON),
        Row(id="seconds", raw=b'{"event_stream": [["a", 0]], "timestamp": 1372680000}'),
        Row(id="stream", raw=b'{"event_stream": 7, "timestamp": "1372680000000"}'),
        Row(id="broken", raw=b"{"),
    )
    arrive(NOON + timedelta(minutes=44), row(*BOUNCE, id_="just in time", at=NOON))
    return store


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return write_config(
        tmp_path / "config.yml",
        "http://127.0.0.1:9/",
        segmentations=FEWER_SEGMENTS,
        windows=["1d", "7d"],
    )


def explain(config: Path, *arguments: str) -> int:
    return main(["explain", f"--config.file={config}", *arguments])


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("name", ["bounce_ratio", "kpi_bounce_ratio", "kpi_segment_bounce_ratio"])
def test_a_ratio_is_worked_out_from_its_parts(
    config: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert explain(config, name, *ON_THE_DAY) == 0

    definitions = Evaluator(fewer_segments()).digest
    assert (
        capsys.readouterr().out
        == f"""\
Bounce rate: 1 - engaged / shown dialogs.
day 2013-07-01: from 2013-07-01T00:00Z until before 2013-07-02T00:00Z, 24 hours
all interactions
counted under definitions {definitions}

kpi_bounce_ratio = 0.666667
  = (A - B) / A
  = (6 - 2) / 6

   A  6  interactions of general_progress at '1 - Dialog shown'
   B  2  interactions of general_progress at '2 - User engaged'

hour               interactions  late  A  B
2013-07-01T09:00Z             2     1  2  1
2013-07-01T12:00Z             4     1  4  1
in all                        6     2  6  2

late: 2 of 5 arrived more than 5m after the end of their hour, the latest 2d
late: not known of 1 that arrived before KPIs were first exposed, or with a copy
check: recomputed from the interactions themselves, it is the same
not used: 1 rows ignored for an empty event stream, in the whole store
not used: 3 rows rejected there (1 not_json, 1 timestamp_in_seconds, 1 event_stream)
  of these, by their timestamp from these hours: stream, seconds
"""
    )


@pytest.mark.usefixtures("store")
def test_a_segment_is_explained_alone(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    segment = ("--segmentation=EmailType", "--segment=IdP")

    assert explain(config, "abandonment_ratio", *ON_THE_DAY, *segment) == 0

    said = capsys.readouterr().out
    assert "\nthose of EmailType IdP\n" in said
    assert (
        'kpi_segment_abandonment_ratio{segmentation="EmailType",segment="IdP"} = 1\n'
        "  = (A - B) / C\n"
        "  = (1 - 0) / 1\n"
    ) in said
    assert "\nin all                        1     0  1  0  1\n" in said


@pytest.mark.usefixtures("store")
def test_the_interactions_behind_each_part_are_named(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(config, "new_user_success_ratio", *ON_THE_DAY, "--sample=3") == 0

    said = capsys.readouterr().out
    assert "\nsome of B, dialogs that ended as fallback:\n  2013-07-01T12:20:00Z  new\n\n" in said
    bounces = said.split("dialogs that ended as bounce:\n")[1].splitlines()
    assert len(bounces) == 3
    assert {line.split("Z  ")[1] for line in bounces} < {"first", "bounced", "late", "just in time"}
    assert explain(config, "new_user_success_ratio", *ON_THE_DAY, "--sample=3") == 0
    assert capsys.readouterr().out == said, "always the same ones"


@pytest.mark.usefixtures("store")
def test_of_a_median_it_says_how_many_there_are_of_each_number(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(config, "sites_signed_in_median", *ON_THE_DAY) == 0

    assert (
        "kpi_sites_signed_in_median = 0\n  = median over A\n  = median over 6\n\n"
        "   A  6  interactions\n"
        "      4 at 0 sites\n"
        "      1 at 2 sites\n"
        "      1 at 5 sites\n"
    ) in capsys.readouterr().out


@pytest.mark.usefixtures("store")
def test_flows_are_narrowed_down_to_one_step(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wanted = ("--flow=new_user", "--step=2 - Choose password")

    assert explain(config, "flow_step_ratio", *ON_THE_DAY, *wanted) == 0

    said = capsys.readouterr().out
    assert said.count("kpi_flow_step_ratio{") == 1
    assert 'kpi_flow_step_ratio{flow="new_user",step="2 - Choose password"} = 1\n' in said


def test_a_window_ends_with_the_hour_of_now(
    store: SqliteStore, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    clock = datetime.now(UTC)  # noqa: TID251 -- the command believes timestamps by it
    store.add(batch([row(*BOUNCE, at=clock)], fewer_segments()), clock)

    assert explain(config, "sign_in_attempts") == 0
    assert "window 1d: from " in (said := capsys.readouterr().out)
    assert "kpi_sign_in_attempts = 1\n" in said
    assert explain(config, "sign_in_attempts", "--window=7d") == 0
    assert ", 168 hours\n" in capsys.readouterr().out


def test_a_count_that_the_interactions_do_not_bear_out_is_not_passed_over(
    store: SqliteStore, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store.repair([hour_of(NOON)], {})

    assert explain(config, "sign_in_attempts", *ON_THE_DAY) == 0

    said = capsys.readouterr().out
    assert "kpi_sign_in_attempts = 2\n" in said
    assert "the interactions themselves come to other counts" in said


@pytest.mark.parametrize(
    ("note", "when"), [(EXPOSED_SINCE, ""), (COPIED, "2013-08-01T00:00:00+00:00")]
)
def test_nobody_knows_how_late_a_first_import_or_a_copy_was(
    store: SqliteStore, config: Path, capsys: pytest.CaptureFixture[str], note: str, when: str
) -> None:
    store.remember(note, when)

    assert explain(config, "sign_in_attempts", *ON_THE_DAY) == 0

    said = capsys.readouterr().out
    assert "\nlate: not known of 6 that arrived before" in said
    assert "\nin all                        6     ?  6\n" in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("bounce_ratio", "--window=2d"), "no window '2d'; there are 1d, 7d"),
        (
            ("flow_completion_ratio", "--flow=x"),
            "no flow 'x'; there are general_progress, new_user, password_reset, add_email",
        ),
        (("flow:nw_user",), "no flow 'nw_user'; did you mean new_user?"),
        (
            ("flow_step_ratio", "--flow=add_email", "--step=3"),
            "no step '3'; there are 1 - Email staged, 2 - Email confirmed",
        ),
        (
            ("bounce_ratio", "--segmentation=emailtyp", "--segment=IdP"),
            "no segmentation 'emailtyp'; did you mean EmailType?",
        ),
        (
            ("bounce_ratio", "--segmentation=EmailType", "--segment=idp"),
            "no segment 'idp' of EmailType; did you mean IdP?",
        ),
    ],
)
@pytest.mark.usefixtures("store")
def test_what_there_is_not_is_said_with_what_there_is(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    assert explain(config, *arguments) == 1

    assert capsys.readouterr().err.splitlines()[-1] == f"kpi-exporter explain: {complaint}"


@pytest.mark.parametrize("name", ["new_user", "flow:new_user", "new_user_time"])
@pytest.mark.usefixtures("store")
def test_the_name_of_a_flows_report_asks_for_that_flow(
    config: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert explain(config, name, *ON_THE_DAY) == 0

    said = capsys.readouterr().out
    assert '{flow="new_user",step="1 - Enter email"} = ' in said
    assert 'flow="general_progress"' not in said


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--segment=IdP",), "--segment needs --segmentation"),
        (
            ("--segmentation=EmailType",),
            "--segmentation needs --segment, one of IdP, Fallback, Other",
        ),
    ],
)
@pytest.mark.usefixtures("store")
def test_a_segment_is_named_with_its_segmentation(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    assert explain(config, "bounce_ratio", *arguments) == 2

    assert capsys.readouterr().err.splitlines()[-1] == f"kpi-exporter explain: {complaint}"


@pytest.mark.usefixtures("store")
def test_a_flow_of_a_kpi_without_flows_is_wrong_usage(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert explain(config, "bounce_ratio", "--flow=new_user") == 2

    said = capsys.readouterr().err.splitlines()[-1]
    assert said == "kpi-exporter explain: kpi_bounce_ratio has no label 'flow'"


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("moon",), "no KPI 'moon'; there are sign_in_attempts, dialogs, "),
        (("bounce_ratio", "--sample=few"), "a number from 0 on was expected, not 'few'"),
        (("bounce_ratio", "--window=1d", "--day=2013-07-01"), "not allowed with"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    config: Path, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], complaint: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        explain(config, *arguments)

    assert ended.value.code == 2
    assert complaint in capsys.readouterr().err
