"""Files of interactions, in every form that they come in."""

import gzip
import io
import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import zstandard

from exporter.domain.interaction import Row
from exporter.ports import SourceError
from exporter.sources.files import InteractionFile

BLOB = {"timestamp": 1_372_681_800_000, "event_stream": [["screen.rp_info", 10]]}
ODD = "0123456789abcdef0123456789abcdef01234567"


def blobs(n: int) -> list[dict[str, Any]]:
    return [{**BLOB, "_id": f"id{i}", "lang": "ü" * (i % 7)} for i in range(n)]


def read(path: Path) -> list[Row]:
    return [row for portion in InteractionFile(str(path)).portions() for row in portion]


def written(folder: Path, content: str | bytes) -> Path:
    path = folder / "interactions"
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def lines(values: Sequence[Any]) -> str:
    return "".join(f"{json.dumps(value)}\n" for value in values)


def kpiggybank(blob: dict[str, Any]) -> dict[str, Any]:
    value = {**blob, "_rev": "1-a"}
    return {"id": blob["_id"], "key": blob["timestamp"], "value": value}


def all_docs(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    rows = [
        {"id": b["_id"], "key": b["_id"], "value": {"rev": "1-a"}, "doc": {**b, "_rev": "1-a"}}
        for b in found
    ]
    design = {"id": "_design/x", "key": "_design/x", "value": {"rev": "1-b"}, "doc": {"views": {}}}
    return {"total_rows": len(found) + 1, "offset": 0, "rows": [*rows, design]}


def changes(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    rows = [
        {"seq": "1-x", "id": b["_id"], "changes": [{"rev": "1-a"}], "doc": {**b, "_rev": "1-a"}}
        for b in found
    ]
    gone = {"seq": "2-x", "id": "gone", "changes": [{"rev": "2-a"}], "deleted": True, "doc": None}
    return {"results": [*rows, gone], "last_seq": "3-x", "pending": 0}


@pytest.mark.parametrize("n", [1, 3, 5000])
@pytest.mark.parametrize(
    "form",
    [
        lines,
        lambda found: lines(found).rstrip(),
        lambda found: "\ufeff\n" + lines(found).replace("\n", "\r\n\n"),
        json.dumps,
        lambda found: json.dumps(found, indent=2),
        lambda found: json.dumps([kpiggybank(blob) for blob in found]),
        lambda found: lines([kpiggybank(blob) for blob in found]),
        lambda found: json.dumps(all_docs(found)),
        lambda found: json.dumps(all_docs(found), indent=1),
        lambda found: json.dumps(changes(found)),
        lambda found: lines(changes(found)["results"]),
        lambda found: lines(all_docs(found)["rows"]),
    ],
)
def test_each_form_gives_the_same_interactions(form: Any, n: int, tmp_path: Path) -> None:
    wanted = blobs(n)

    rows = read(written(tmp_path, form(wanted)))

    assert [row.id for row in rows] == [blob["_id"] for blob in wanted]
    for row, blob in zip(rows, wanted, strict=True):
        found = json.loads(row.raw)
        found.pop("_rev", None)
        assert found == blob


@pytest.mark.parametrize(
    "compress",
    [
        gzip.compress,
        zstandard.compress,
        lambda raw: gzip.compress(raw[:500]) + gzip.compress(raw[500:]),
        lambda raw: zstandard.compress(raw[:500]) + zstandard.compress(raw[500:]),
    ],
)
def test_compression_is_known_by_content(compress: Any, tmp_path: Path) -> None:
    raw = lines(blobs(3000)).encode()

    assert len(read(written(tmp_path, compress(raw)))) == 3000


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = io.BufferedReader(io.BytesIO(gzip.compress(lines(blobs(10)).encode())))
    monkeypatch.setattr("sys.stdin", SimpleNamespace(buffer=raw))
    file = InteractionFile("-")

    assert sum(len(portion) for portion in file.portions()) == 10
    assert file.done is None


def test_without_an_id_it_is_the_contents_digest(tmp_path: Path) -> None:
    other = dict(reversed(BLOB.items()))

    first, second, third = read(written(tmp_path, lines([BLOB, other, {**BLOB, "lang": "de"}])))

    assert first.id == second.id != third.id


def test_the_memory_backends_odd_id_is_one(tmp_path: Path) -> None:
    (row,) = read(written(tmp_path, json.dumps([{**BLOB, ODD: ODD}])))

    assert row.id == ODD


def test_a_line_that_is_no_json_spoils_itself_alone(tmp_path: Path) -> None:
    good = json.dumps(blobs(1)[0])

    rows = read(written(tmp_path, f'{good}\n{{"timestamp": NaN}}\n{good}, {good}\n[]\n{good[:20]}'))

    assert [row.raw for row in rows] == [
        good.encode(),
        b'{"timestamp": NaN}',
        f"{good}, {good}".encode(),
        b"[]",
        good[:20].encode(),
    ]


def test_what_is_no_interaction_is_counted(tmp_path: Path) -> None:
    for content in (all_docs(blobs(2)), changes(blobs(2))):
        file = InteractionFile(str(written(tmp_path, json.dumps(content))))

        assert sum(len(portion) for portion in file.portions()) == 2
        assert file.skipped == 1
        assert file.done == 1.0


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("", "it is empty"),
        ("timestamp,lang\n1,en\n", "its first line is no JSON object"),
        ("5\n6\n", "its first line is no JSON object"),
        ("\x00" * 100, "its first line is no JSON object"),
        ('{\n "timestamp": 5\n}\n', "its first line is no JSON object"),
        ("[" + json.dumps(BLOB) + ",", "it ends in the middle of the array"),
        ("[" + json.dumps(BLOB) + "] x", "it goes on after the array's end"),
        ('{"rows":[' + json.dumps(BLOB) + "]", "it ends after the array"),
        (
            '{"total_rows":1,"offset":0,"rows":[{"id":"a","key":"a","value":{"rev":"1-a"}}]}',
            "fetch it with include_docs=true",
        ),
        ('{"results":[{"seq":1,"id":"a","changes":[]}],"last_seq":1}', "include_docs=true"),
    ],
)
def test_a_file_that_is_none_is_refused_in_one_line(
    content: str, words: str, tmp_path: Path
) -> None:
    path = written(tmp_path, content)

    with pytest.raises(SourceError) as refused:
        read(path)

    assert str(refused.value).startswith(f"{path}: ")
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "none", tmp_path):
        with pytest.raises(SourceError, match="cannot be read"):
            read(path)


def test_damaged_compression_is_said(tmp_path: Path) -> None:
    raw = lines(blobs(3000)).encode()
    with pytest.raises(SourceError, match="its compression is damaged"):
        read(written(tmp_path, gzip.compress(raw)[:-100]))
    with pytest.raises(SourceError, match="its compression is damaged"):
        read(written(tmp_path, zstandard.compress(raw)[:-100]))
    with pytest.raises(SourceError, match="its compression is damaged"):
        read(written(tmp_path, zstandard.compress(raw) + b"x" * 100))
