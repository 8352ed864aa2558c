"""`check` of a number that cannot be followed, and the title of one that can."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from exporter.commands.main import main
from exporter.domain.titles import Titles
from tests.builders import BOUNCE, row, sqlite_store


def check(folder: Path, values: Sequence[object], more: str = "") -> int:
    """Check a configuration whose store holds interactions with these values."""
    rows = [row(*BOUNCE, number_sites_signed_in=value) for value in values]
    sqlite_store(folder / "kpi.db", rows).close()
    file = folder / "kpi-exporter.yml"
    file.write_text(
        f"data_server: {{url: 'http://127.0.0.1:1/'}}\nstore: {{url: 'sqlite:{folder}/kpi.db'}}\n"
        f"sites: {{field: number_sites_signed_in{more}}}\n"
    )
    return main(["check", f"--config.file={file}"])


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0.5, 0.5, 2], "0.5 and the like in 2 of 3 interactions"),
        ([2_000_000], "2000000 and the like in 1 of 1 interactions"),
        (["many", None], "'many' and the like in 1 of 1 interactions"),
    ],
)
def test_a_field_whose_values_count_as_zero_is_an_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], values: list[object], found: str
) -> None:
    assert check(tmp_path, values) == 1

    assert capsys.readouterr().err == (
        f"kpi-exporter check: sites: expected whole numbers from 0 to 1,000,000, found {found}"
        " that are stored: they count as 0\n"
    )


@pytest.mark.parametrize("values", [[0, 1, "3"], [0, 0], [None], [], [1.0, 0.5, 2]])
def test_a_field_with_whole_numbers_is_none(tmp_path: Path, values: list[object]) -> None:
    assert check(tmp_path, values) == 0


def test_a_store_that_cannot_be_read_is_not_what_is_checked(tmp_path: Path) -> None:
    assert check(tmp_path, [0.5]) == 1
    (tmp_path / "kpi.db").write_bytes(b"no database")
    file = tmp_path / "kpi-exporter.yml"
    assert main(["check", f"--config.file={file}"]) == 0


def test_what_is_followed_as_sites_can_have_a_title() -> None:
    titles = Titles(sites="Passkeys")
    assert titles.kpi("Sites signed in, mean") == "Passkeys, mean"
    assert titles.kpi("Bounce rate") == "Bounce rate"
    assert titles.meaning("Bounce rate", "what it means") == "what it means"
    assert Titles().kpi("Sites signed in, mean") == "Sites signed in, mean"
