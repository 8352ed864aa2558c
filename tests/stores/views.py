"""The views of `exporter/stores/couchdb/*.js`, once more, for a stand-in without JavaScript."""

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import groupby
from types import NoneType
from typing import Any

Json = dict[str, Any]
Emitted = tuple[Any, Any]


def query(view: str, documents: Iterable[Json], options: Json) -> Json:
    """Answer a query as CouchDB does, as far as the exporter asks."""
    rows = [
        {"id": document["_id"], "key": key, "value": value}
        for document in documents
        for key, value in MAPS[view](document)
    ]
    descending = options.get("descending") == "true"
    rows.sort(key=lambda row: _collated(row["key"]), reverse=descending)
    if "startkey" in options:
        start = _collated(json.loads(options["startkey"]))
        rows = [row for row in rows if _collated(row["key"]) >= start]
    if "endkey" in options:
        end = _collated(json.loads(options["endkey"]))
        with_end = options.get("inclusive_end") != "false"
        rows = [
            row
            for row in rows
            if _collated(row["key"]) < end or (with_end and _collated(row["key"]) == end)
        ]
    if view in REDUCED and options.get("reduce") != "false":
        rows = _reduced(rows, options)
    skip = int(options.get("skip", 0))
    return {"rows": rows[skip : skip + int(options.get("limit", len(rows)))]}


def _reduced(rows: list[Json], options: Json) -> list[Json]:
    level = 99 if options.get("group") == "true" else int(options.get("group_level", 0))
    return [
        {"key": key if level else None, "value": _sum([row["value"] for row in of_key])}
        for key, of_key in groupby(
            rows, lambda row: row["key"][:level] if level and isinstance(row["key"], list) else None
        )
    ]


def _sum(values: list[Any]) -> Any:
    if all(isinstance(value, int) for value in values):
        return sum(values)
    length = max(len(value) for value in values)
    return [sum(value[n] for value in values if n < len(value)) for n in range(length)]


def _tallies(document: Json) -> Iterator[Emitted]:
    for generation, rows in document.get("tallies", {}).items():
        for hour, row, slot, numbers in rows:
            key = [int(generation), row, slot, hour // 24, hour]
            if slot < 0:
                for position, n in numbers.items():
                    yield [*key, int(position)], n
            elif isinstance(numbers, list):
                yield key, numbers
            else:
                array = [0] * (max(map(int, numbers)) + 1)
                for position, n in numbers.items():
                    array[int(position)] = n
                yield key, array


def _held(document: Json) -> Iterator[Emitted]:
    for month, kinds in document.get("held", {}).items():
        yield ["month", month], kinds
        if document.get("collected"):
            yield ["collected", month], [kinds[0] + kinds[1]]
    if document.get("reason"):
        yield ["rejected", document["reason"]], [1]
        if document.get("collected"):
            yield ["collected", "rejected"], [1]


def _newest(document: Json) -> Iterator[Emitted]:
    if document.get("newest"):
        yield document["newest"], None


def _open(document: Json) -> Iterator[Emitted]:
    if "open" in document:
        yield document["opened"], None


def _rejected(document: Json) -> Iterator[Emitted]:
    if document.get("reason") and not document.get("emptied"):
        yield [document["refused"], document["number"]], None


MAPS: dict[str, Callable[[Json], Iterator[Emitted]]] = {
    "tallies": _tallies,
    "held": _held,
    "newest": _newest,
    "open": _open,
    "rejected": _rejected,
}
REDUCED = {"tallies", "held"}


_RANKS = {NoneType: 0, bool: 1, int: 2, float: 2, str: 3, list: 4, dict: 5}


def _collated(value: Any) -> tuple[int, Any]:
    """A value as one that compares as CouchDB collates it: by type, then by value."""
    if isinstance(value, list):
        return _RANKS[list], [_collated(part) for part in value]
    return _RANKS[type(value)], 0 if value is None or isinstance(value, dict) else value
