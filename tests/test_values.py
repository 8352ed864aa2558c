"""One rule for values: dataclasses, but for what is made for each row, document or count."""

import ast
from collections.abc import Iterator
from pathlib import Path

EXPORTER = Path(__file__).parent.parent / "exporter"

NAMED_TUPLES = {
    "of each row": {"StoredInteraction", "Ignored", "Rejected", "RejectedRow", "Entry", "Change"},
    "of each document of CouchDB": {"Found", "Written", "Leaf", "Touched", "Edge"},
    "of each count": {"PeriodCounts", "Number"},
    "a key, or a place that is looked up for each count": {"Key", "Tile", "DurationSlots"},
    "read for each interaction": {"_Test", "_FieldTest", "_Duration", "_Span", "_EventPattern"},
}
MUTABLE = {"Batch", "_Written", "StoredRows"}  # of stores/couchdb: filled while answers come in
CACHED = {"Definitions", "Kpi", "Layout"}  # a cached property needs a __dict__


def classes() -> Iterator[ast.ClassDef]:
    for path in EXPORTER.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ClassDef):
                yield node


def test_a_named_tuple_is_made_often_or_is_a_key() -> None:
    named = {
        one.name
        for one in classes()
        if any(ast.unparse(base).startswith("NamedTuple") for base in one.bases)
    }
    assert named == set().union(*NAMED_TUPLES.values())


def test_a_dataclass_is_frozen_slotted_and_keyword_only() -> None:
    others = {
        one.name
        for one in classes()
        for decorator in one.decorator_list
        if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == "dataclass"
        if {keyword.arg for keyword in decorator.keywords} != {"frozen", "slots", "kw_only"}
    }
    assert others == MUTABLE | CACHED
