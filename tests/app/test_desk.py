"""What the web asks for, when the answer is no."""

from contextlib import closing
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from exporter.config import Configuration, load
from exporter.desk import Desk
from exporter.stores.sqlite import SqliteStore
from exporter.work import Work
from tests.builders import AT

GOOD = "data_server: {url: 'http://127.0.0.1:1/'}\n"


def refuse(_: Configuration) -> None:
    pytest.fail("a configuration with problems was applied")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (None, "expected a file to read, found: No such file or directory"),
        (f"{GOOD}windos: [1d]\n", "windos: unknown key, did you mean windows?"),
        (f"{GOOD}store: {{url: 'sqlite:other.db'}}\n", "store: a change needs a restart"),
    ],
)
def test_a_reload_that_is_refused_is_logged_with_the_file_and_every_problem(
    text: str | None, problem: str, tmp_path: Path
) -> None:
    file = tmp_path / "kpi-exporter.yml"
    if text is not None:
        file.write_text(text)
    with closing(SqliteStore(tmp_path / "kpi.db")) as store:
        work = Work(load(GOOD, {}), store, now=lambda: AT)
        desk = Desk(work, config_file=file, now=lambda: AT, apply=refuse)

        with capture_logs() as log:
            assert [*desk.reload()] == [problem]

    (line,) = log
    assert (line["file"], line["problems"]) == (str(file), [problem])
    assert not work.journal.operations.reload_successful
