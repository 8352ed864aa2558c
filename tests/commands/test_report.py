"""`kpi-exporter report` on a terminal: whatever its width, every name and value is there whole."""

from datetime import timedelta
from pathlib import Path

import pytest

from exporter.commands.main import main
from exporter.stores.sqlite import SqliteStore
from testing.exporter_process import write_config
from tests.builders import AT, RETURNING, persona, row, sqlite_store

NARROW, USUAL, WIDE = 20, 80, 300
SYSTEMS = ("Windows 7", "Windows XP", "Macintosh", "Linux", "Android", "iOS", "FirefoxOS")
DAY = "2013-07-01"


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """The configuration of a store with a dialog of each system, three sites and more each."""
    rows = [
        row(*RETURNING, user_agent={"os": system}, number_sites_signed_in=3 + n)
        for n, system in enumerate(SYSTEMS)
    ]
    sqlite_store(tmp_path / "kpi.db", rows)
    return write_config(tmp_path / "config.yml", "http://127.0.0.1:9/")


class Tables:
    """What was printed: the lines of each table, and the words of all cells."""

    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.tables = sum(line.startswith("┏") for line in self.lines)
        self.width = max(map(len, self.lines))
        self.words = " ".join(
            line.replace("┃", " ").replace("│", " ") for line in self.lines
        ).split()


def report(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    *arguments: str,
) -> Tables:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["report", f"--config.file={config}", *arguments]) == 0
    return Tables(capsys.readouterr().out)


@pytest.mark.parametrize(("width", "tables"), [(NARROW, 7), (USUAL, 2), (WIDE, 1)])
def test_segments_that_do_not_fit_beside_each_other_go_into_tables_of_their_own(
    config: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    width: int,
    tables: int,
) -> None:
    seen = report(config, capsys, monkeypatch, width, "sites", "--segmentation=OS")

    assert seen.tables == tables
    assert seen.width <= max(width, len(f"│ {DAY} │ Macintosh │"))
    assert seen.words.count(DAY) == tables
    for n, system in enumerate(SYSTEMS):
        assert set(system.split()) <= set(seen.words)
        assert str(3 + n) in seen.words


@pytest.mark.parametrize("width", [NARROW, WIDE])
def test_a_report_without_a_day_is_a_heading(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    seen = report(config, capsys, monkeypatch, width, "sites", "--from=2030-01-01")

    assert (seen.tables, seen.width) == (1, len("│ date │ Total │"))


def test_a_name_is_only_text(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "[/b] [red]Bridge :wave:"
    config = write_config(
        tmp_path / "config.yml",
        "http://127.0.0.1:9/",
        milestones=[{"name": name, "date": DAY}],
    )

    seen = report(config, capsys, monkeypatch, WIDE, "milestones")

    assert set(name.split()) <= set(seen.words)


def test_a_spreadsheets_columns_are_where_they_were_whatever_came_first(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    early = row(*RETURNING, at=AT - timedelta(days=1), user_agent={"os": "Linux"})
    sqlite_store(tmp_path / "kpi.db", [early])
    arguments = ("assertions", "--segmentation=OS", "--format=csv")

    assert main(["report", f"--config.file={config}", *arguments]) == 0

    known = next(s for s in persona().segmentations if s.name == "OS").all_segments
    header = capsys.readouterr().out.splitlines()[0].split(",")
    assert header == ["date", *(system for system in known if system in SYSTEMS)]


def test_a_report_of_a_flow_that_is_not_defined_is_not_said_to_be_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    steps = [{"name": "0 - Blob sent", "always": True}]
    first = {"flow": "general_progress", "step": "0 - Blob sent"}
    config = write_config(
        tmp_path / "config.yml",
        "http://127.0.0.1:9/",
        flows={"general_progress": {"steps": steps}},
        outcomes={"shown": first, "engaged": first, "signed_in": {"event": "a"}},
        segmentations={},
    )
    SqliteStore(tmp_path / "kpi.db").close()

    assert main(["report", f"--config.file={config}", "new_user"]) == 1

    said = capsys.readouterr().err
    assert said.startswith("kpi-exporter report: no report 'new_user'; there are sites, ")
    assert "general_progress_time" in said
    assert "new_user_time" not in said


def test_days_in_the_wrong_order_are_refused(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = ("sites", "--from=2013-07-02", "--to=2013-07-01")
    assert main(["report", f"--config.file={config}", *arguments]) == 2

    refused = "kpi-exporter report: --from 2013-07-02 is after --to 2013-07-01\n"
    assert capsys.readouterr().err == refused


def test_a_report_that_no_configuration_has_is_wrong_usage(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["report", f"--config.file={config}", "conversions"])

    assert ended.value.code == 2
    assert "no report 'conversions'; there are sites, sites_median," in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["reprot"], "no command 'reprot'; did you mean report?"),
        (["report", "bounce_rat"], "no report 'bounce_rat'; did you mean bounce_rate?"),
        (["explain", "bounce_ratoi"], "no KPI 'bounce_ratoi'; did you mean bounce_ratio?"),
    ],
)
def test_a_name_that_is_nearly_right_is_answered_with_the_right_one(
    arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert line in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["bounce_rate", "--segmentation=os"], "did you mean OS?"),
        (["flow:new_usr"], "did you mean flow:new_user?"),
        (["new_user_time", "--segmentation=OS"], "a report over time of a flow has no segments"),
    ],
)
def test_a_name_of_the_configuration_is_suggested_too(
    config: Path, arguments: list[str], line: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", f"--config.file={config}", *arguments]) == 1
    assert line in capsys.readouterr().err


def test_a_report_goes_by_the_name_of_its_kpi_as_well(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["report", f"--config.file={config}", "kpi_bounce_ratio", "--format=csv"]) == 0
    by_kpi = capsys.readouterr().out
    assert main(["report", f"--config.file={config}", "bounce_rate", "--format=csv"]) == 0
    assert capsys.readouterr().out == by_kpi


def test_every_flow_has_a_report(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["flow:general_progress", "--from=2013-07", "--to=2013-07", "--format=csv"]
    assert main(["report", f"--config.file={config}", *arguments]) == 0
    assert "1 - Dialog shown,7" in capsys.readouterr().out


def test_the_configuration_may_stand_before_the_command(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([f"--config.file={config}", "report", "sites", "--format=csv"]) == 0
    assert DAY in capsys.readouterr().out
