"""A note that cannot be read is taken for missing, and logged in one line."""

import pytest
from structlog.testing import capture_logs

from exporter import notes
from exporter.domain.lateness import Lateness
from exporter.ingest.plan import Ledger


@pytest.mark.parametrize("text", ["soon", "2026-13-01", "2026-11-01", "\ud800", "{}"])
def test_an_instant_that_is_none_is_missing(text: str) -> None:
    with capture_logs() as log:
        assert notes.read_time(notes.POSITION, text) is None
    assert [(entry["note"], entry["log_level"]) for entry in log] == [("position", "warning")]


@pytest.mark.parametrize("kind", [Ledger, Lateness])
@pytest.mark.parametrize("text", ["{", "[]", '{"first": 1}', "\ud800", "[" * 100_000])
def test_json_that_is_damaged_is_missing(kind: type[object], text: str) -> None:
    with capture_logs() as log:
        assert notes.read_json(notes.LEDGER, text, kind) is None or kind is Lateness
    assert len(log) <= 1


@pytest.mark.parametrize("text", [None, ""])
def test_a_missing_note_is_no_event(text: str | None) -> None:
    with capture_logs() as log:
        assert notes.read_time(notes.POSITION, text) is None
        assert notes.read_json(notes.LEDGER, text, Ledger) is None
    assert log == []
