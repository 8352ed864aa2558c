"""The tree of a row's revisions: what each of them counts, and which leaf is to stay.

In a cluster several nodes may each accept a revision of the same row. CouchDB keeps them all, as
leaves of one tree, and shows one. A revision counts what it changes of its parent, by the batch
that it names. So a row is counted rightly if exactly the revisions on the way to one leaf count.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

from exporter.stores.couchdb.documents import Change, Document, row_id
from exporter.stores.couchdb.server import Leaf

RowLeaf: TypeAlias = Leaf[Document]


class Edge(NamedTuple):
    """A revision of a row, and what it changed."""

    rev: str
    change: Change

    @property
    def batch(self) -> str:
        """The batch that counts it."""
        return self.change.after.batch


def edges(leaf: RowLeaf) -> dict[str, Edge]:
    """Return the revisions on the way to a leaf by their names, as far back as it remembers."""
    if leaf.document is None:
        return {}
    versions = leaf.document.versions()
    remembered = leaf.path[-len(versions) :]
    row = row_id(leaf.id, leaf.document)
    known = {}
    for place, (rev, version) in enumerate(zip(remembered, versions, strict=False)):
        before = versions[place - 1] if place else None
        # The oldest that is remembered of many is there as a parent; what it changed is not known.
        if place or len(versions) in (1, len(leaf.path)):
            known[rev] = Edge(rev, Change(row, before, version))
    return known


def edges_of(leaves: Iterable[RowLeaf]) -> dict[str, Edge]:
    """Return what all the leaves of a row remember."""
    return {rev: edge for leaf in leaves for rev, edge in edges(leaf).items()}


def to_stay(leaves: Sequence[RowLeaf]) -> RowLeaf:
    """Return the leaf of a row that is to stay; the first of all if none is.

    Where the ways to two leaves part, the greater revision decides, and nothing that comes
    later changes that: a revision that is to go once is to go for good, whatever other
    leaves an exporter knows. CouchDB's own choice would not do, since a leaf becomes the winner
    when it grows.
    """
    return max(leaves, key=_order)


def _order(leaf: RowLeaf) -> tuple[tuple[int, str], ...]:
    return tuple(
        (int(generation), hash_)
        for generation, _, hash_ in (rev.partition("-") for rev in leaf.path)
    )


def lost(leaves: Sequence[RowLeaf]) -> tuple[list[RowLeaf], list[str]]:
    """Return the leaves of a row that are to go, and the revisions that go with them."""
    staying = to_stay(leaves)
    losing = [leaf for leaf in leaves if leaf.rev != staying.rev]
    revisions = {rev for leaf in losing for rev in leaf.path} - set(staying.path)
    return losing, sorted(revisions)


def by_id(leaves: Iterable[RowLeaf]) -> Mapping[str, list[RowLeaf]]:
    """Group the leaves by row, deleted ones left out."""
    rows: dict[str, list[RowLeaf]] = {}
    for leaf in leaves:
        if leaf.document is not None:
            rows.setdefault(leaf.id, []).append(leaf)
    return rows
