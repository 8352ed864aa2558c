"""`kpi-exporter import FILE...`: each line accounted for, the same file twice counted once."""

import json
import re
from datetime import timedelta
from pathlib import Path

from exporter.clock import now
from exporter.domain.windows import ms_of
from testing.collecting import blob, write_collect_config
from testing.exporter_process import exporter


def counts(said: str) -> dict[str, int]:
    line = next(line for line in said.splitlines() if "import finished" in line)
    return {name: int(n) for name, n in re.findall(r"([a-z]+)=(\d+)(?: |$)", line)}


def test_each_line_is_accounted_for_and_the_same_file_twice_counts_once(tmp_path: Path) -> None:
    config = write_collect_config(tmp_path)
    file = tmp_path / "old.jsonl"
    good = [json.dumps(blob(number_emails=n)) for n in range(30)]
    nameless = [json.dumps({k: v for k, v in blob().items() if k != "_id"} | {"n": 1})]
    empty = [json.dumps({**blob(), "event_stream": []})]
    broken = ["no json", json.dumps({**blob(), "timestamp": 5})]
    file.write_text("\n".join([*good, *nameless, *empty, *broken, good[0]]))

    first = exporter("import", f"--config.file={config}", str(file), cwd=tmp_path)
    again = exporter("import", f"--config.file={config}", str(file), str(file), cwd=tmp_path)

    assert first.returncode == again.returncode == 0, first.stderr + again.stderr
    assert counts(first.stderr) == {
        "imported": 31, "duplicate": 1, "ignored": 1, "rejected": 2, "skipped": 0
    }  # fmt: skip
    assert counts(again.stderr) == {
        "imported": 0, "duplicate": 64, "ignored": 2, "rejected": 4, "skipped": 0
    }  # fmt: skip
    report = exporter(
        "report", "assertions", "--format=json", f"--config.file={config}", cwd=tmp_path
    )
    assert json.loads(report.stdout)["Total"][0]["value"] == 31


def test_what_is_past_the_retention_is_said(tmp_path: Path) -> None:
    config = write_collect_config(tmp_path)
    old = {**blob(), "timestamp": ms_of(now() - timedelta(days=500))}
    (tmp_path / "old.jsonl").write_text(json.dumps(old))

    done = exporter("import", f"--config.file={config}", "old.jsonl", cwd=tmp_path)

    assert done.returncode == 0
    assert "past the retention" in done.stderr
    assert "interactions=1" in done.stderr


def test_a_file_that_breaks_off_is_one_line_and_what_came_before_stays(tmp_path: Path) -> None:
    config = write_collect_config(tmp_path)
    (tmp_path / "cut.json").write_text(json.dumps([blob(), blob()])[:-3])

    done = exporter("import", f"--config.file={config}", "cut.json", cwd=tmp_path)

    assert done.returncode == 1
    assert "cut.json: it ends in the middle of the array" in done.stderr
    assert "Traceback" not in done.stderr


def test_files_go_with_no_range_of_time(tmp_path: Path) -> None:
    done = exporter("import", "--since=2026-01-01", "old.jsonl", cwd=tmp_path)

    assert done.returncode == 2
