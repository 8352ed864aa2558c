"""A CouchDB of three nodes with a copy on each, in memory: what one node knows others learn later.

It does what CouchDB 3.5 was seen to do. A write reaches some nodes at once and the others when
they replicate. A revision that one copy takes and others refuse is answered 409, and stays where
it was taken. A document is read from two copies; a view, a range and the changes from one. Which
ones is drawn from `choices`, so that a test can repeat it.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from itertools import pairwise
from random import Random
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from exporter.ports import StoreError
from exporter.stores.couchdb.transport import Answer, Conflict, NotFound, Transport
from tests.stores.views import query

NODES = 3
WRITE_QUORUM = READ_QUORUM = 2
Json = dict[str, Any]


@dataclass(frozen=True)
class Revision:
    """A revision; of one that is known by name alone there is no body."""

    parent: str | None
    body: Json | None
    deleted: bool = False


class Tree:
    """The revisions of one document that a node knows."""

    def __init__(self) -> None:
        self.revisions: dict[str, Revision] = {}

    def leaves(self) -> list[str]:
        parents = {revision.parent for revision in self.revisions.values()}
        every = [rev for rev in self.revisions if rev not in parents]
        return sorted(every, key=self._rank, reverse=True)

    def _rank(self, rev: str) -> tuple[bool, int, str]:
        generation, _, hash_ = rev.partition("-")
        return not self.revisions[rev].deleted, int(generation), hash_

    def live(self) -> list[str]:
        return [rev for rev in self.leaves() if not self.revisions[rev].deleted]

    def path(self, rev: str) -> list[str]:
        path: list[str] = []
        at: str | None = rev
        while at is not None:
            path.append(at)
            known = self.revisions.get(at)
            at = known.parent if known else None
        return path

    def body(self, rev: str) -> Json:
        return self.revisions[rev].body or {}

    def put(self, rev: str, revision: Revision) -> bool:
        known = self.revisions.get(rev)
        if known is not None and (known.body is not None or revision.body is None):
            return False
        self.revisions[rev] = revision
        return True


@dataclass
class Copy:
    """One database on one node."""

    trees: dict[str, Tree] = field(default_factory=dict)
    changed: dict[str, int] = field(default_factory=dict)  # id -> sequence
    sequence: int = 0

    def put(self, id_: str, rev: str, revision: Revision) -> None:
        if self.trees.setdefault(id_, Tree()).put(rev, revision):
            self.sequence += 1
            self.changed.pop(id_, None)
            self.changed[id_] = self.sequence

    def take_from(self, other: "Copy") -> None:
        for id_, tree in other.trees.items():
            for rev, revision in tree.revisions.items():
                self.put(id_, rev, revision)


class Cluster:
    """Three nodes. `parts`: which of them see each other."""

    def __init__(self, choices: Random) -> None:
        self.choices = choices
        self.databases: dict[str, list[Copy]] = {}
        self.local: dict[tuple[str, str], Json] = {}
        self.parts: list[set[int]] = [set(range(NODES))]
        self.late: list[Callable[[], object]] = []

    def tear(self, alone: int) -> None:
        """Cut one node off."""
        self.parts = [{alone}, set(range(NODES)) - {alone}]

    def heal(self) -> None:
        """Connect all nodes, and bring what was on its way to any."""
        self.parts = [set(range(NODES))]
        for arrive in self.late:
            arrive()
        self.late.clear()

    def replicate(self) -> None:
        """Bring what a node knows to all that it sees."""
        for copies in self.databases.values():
            for part in self.parts:
                for one in part:
                    for other in part - {one}:
                        copies[one].take_from(copies[other])

    def replicate_one(self, name: str, source: int, target: int) -> None:
        """Bring what one node knows of one database to another, if it sees that."""
        if name in self.databases and target in self.seen_from(source):
            copies = self.databases[name]
            copies[target].take_from(copies[source])

    def seen_from(self, node: int) -> list[int]:
        (part,) = [part for part in self.parts if node in part]
        return sorted(part)

    def transport(self, node: int) -> "ClusterTransport":
        return ClusterTransport(self, node)

    def conflicts(self) -> list[str]:
        """Documents that have more than one live leaf, on any node."""
        return sorted(
            {
                f"{name}/{id_}"
                for name, copies in self.databases.items()
                for copy in copies
                for id_, tree in copy.trees.items()
                if len(tree.live()) > 1
            }
        )


class Cut(StoreError):
    """The process was killed at a request."""


class ClusterTransport(Transport):
    """What an exporter sends its requests through, to one node.

    `at_request` is called with the number of each; it may raise `Cut`, and before that have the
    request arrive, now or late.
    """

    def __init__(self, cluster: Cluster, node: int) -> None:
        super().__init__()
        self.cluster = cluster
        self.node = node
        self.number = 0
        self.at_request: Callable[[int, Callable[[], object]], None] = lambda *_: None

    def request(
        self,
        method: str,
        url: str,
        body: Any = None,
        headers: Any = None,  # noqa: ARG002
        credentials: Any = None,  # noqa: ARG002
        num_redirects: int = 0,  # noqa: ARG002
    ) -> Answer:
        node = Node(self.cluster, self.node)
        number, self.number = self.number, self.number + 1
        self.at_request(number, lambda: node.answer(method, url, body))
        status, content = node.answer(method, url, body)
        reason = content.get("reason", "") if isinstance(content, dict) else ""
        for wanted, kind in ((404, NotFound), (409, Conflict)):
            if status == wanted:
                raise kind(f"{method} {url}: {reason}", status=status, error="", reason=reason)
        return status, {}, BytesIO(json.dumps(content).encode())


class Node:
    """A node that coordinates one request."""

    def __init__(self, cluster: Cluster, node: int) -> None:
        self.cluster = cluster
        self.seen = cluster.seen_from(node)
        self.choices = cluster.choices

    def answer(self, method: str, url: str, body: Any) -> tuple[int, Any]:
        parts = urlsplit(url)
        path = [unquote(each) for each in parts.path.strip("/").split("/")]
        options = dict(parse_qsl(parts.query))
        content = json.loads(body) if body else None
        name, *rest = path
        if not rest:
            return self.database(method, name)
        copies = self.cluster.databases.get(name)
        if copies is None:
            return 404, {"error": "not_found", "reason": "Database does not exist."}
        if rest[0] == "_local":
            return self.local(method, name, rest[1], options, content)
        if rest[0] == "_design" and len(rest) > 2:
            return 200, query(rest[3], self.shown(copies), options)
        api = {
            "_bulk_docs": self.bulk_docs,
            "_all_docs": self.all_docs,
            "_bulk_get": self.bulk_get,
            "_revs_diff": self.revs_diff,
            "_changes": self.changes,
        }.get(rest[0])
        if api is not None:
            return api(copies, options, content)
        return self.document(method, copies, "/".join(rest), options, content)

    # Databases

    def database(self, method: str, name: str) -> tuple[int, Any]:
        databases = self.cluster.databases
        if name == "_all_dbs":
            return 200, sorted(databases)
        if method == "GET":
            if name not in databases:
                return 404, {"error": "not_found", "reason": "Database does not exist."}
            (node,) = self.chosen(1)
            there = sum(1 for tree in databases[name][node].trees.values() if tree.live())
            cluster = {"q": 2, "n": NODES, "w": 2, "r": 2}
            return 200, {"db_name": name, "doc_count": there, "cluster": cluster}
        if method == "PUT":
            databases.setdefault(name, [Copy() for _ in range(NODES)])
            return 201, {"ok": True}
        databases.pop(name, None)
        return 200, {"ok": True}

    def local(
        self, method: str, name: str, id_: str, options: Json, content: Any
    ) -> tuple[int, Any]:
        held = self.cluster.local.get((name, id_))
        if method == "GET":
            return (200, held) if held else (404, {"error": "not_found", "reason": "missing"})
        if held and options.get("rev") != held["_rev"]:
            return 409, {"error": "conflict", "reason": "Document update conflict."}
        rev = f"0-{int(held['_rev'][2:]) + 1 if held else 1}"
        self.cluster.local[name, id_] = {**content, "_rev": rev}
        return 201, {"ok": True, "id": id_, "rev": rev}

    # Documents

    def chosen(self, quorum: int) -> list[int]:
        return self.choices.sample(self.seen, min(quorum, len(self.seen)))

    def merged(self, copies: Sequence[Copy], id_: str) -> Tree:
        tree = Tree()
        for node in self.chosen(READ_QUORUM):
            if id_ in copies[node].trees:
                for rev, revision in copies[node].trees[id_].revisions.items():
                    tree.put(rev, revision)
        return tree

    def shown(self, copies: Sequence[Copy]) -> Iterator[Json]:
        (node,) = self.chosen(1)
        for id_, tree in sorted(copies[node].trees.items()):
            if live := tree.live():
                yield {"_id": id_, "_rev": live[0], **tree.body(live[0])}

    def document(
        self, method: str, copies: list[Copy], id_: str, options: Json, content: Any
    ) -> tuple[int, Any]:
        if method == "GET":
            tree = self.merged(copies, id_)
            live = tree.live()
            if not live:
                return 404, {"error": "not_found", "reason": "missing"}
            return 200, {"_id": id_, "_rev": live[0], **tree.body(live[0])}
        deleted = method == "DELETE"
        status, rev = self.write(copies, id_, options.get("rev"), content or {}, deleted=deleted)
        if status == 409:
            return 409, {"error": "conflict", "reason": "Document update conflict."}
        return status, {"ok": True, "id": id_, "rev": rev}

    def write(
        self, copies: list[Copy], id_: str, parent: str | None, body: Json, *, deleted: bool
    ) -> tuple[int, str]:
        """Write one document; each copy takes it by what it knows itself."""
        reached = self.reached()
        taken = 0
        rev = ""
        for node in reached:
            copy = copies[node]
            tree = copy.trees.get(id_, Tree())
            live, onto = tree.live(), parent
            if parent is None and not live and tree.leaves():
                onto = tree.leaves()[0]  # onto what deleted it
            elif (parent is None and live) or (parent is not None and parent not in live):
                continue
            rev = _next(onto, body, deleted=deleted)
            copy.put(id_, rev, Revision(onto, body, deleted))
            taken += 1
        if taken == 0 or (taken < len(reached) and taken < WRITE_QUORUM):
            return 409, ""
        return (201 if taken >= WRITE_QUORUM else 202), rev

    def reached(self) -> list[int]:
        least = min(WRITE_QUORUM, len(self.seen))
        return self.chosen(self.choices.randint(least, len(self.seen)))

    def bulk_docs(self, copies: list[Copy], _: Json, content: Any) -> tuple[int, Any]:
        if content.get("new_edits") is False:
            reached = self.reached()
            for document in content["docs"]:
                body, deleted = _body(document)
                start, hashes = (document["_revisions"][each] for each in ("start", "ids"))
                path = [f"{start - n}-{hash_}" for n, hash_ in enumerate(hashes)]
                for node in reached:
                    for rev, parent in pairwise([*path, None]):
                        known = Revision(parent, body, deleted) if rev == path[0] else None
                        copies[node].put(document["_id"], str(rev), known or Revision(parent, None))
            return (201 if len(reached) >= WRITE_QUORUM else 202), []
        answers = []
        for document in content["docs"]:
            body, deleted = _body(document)
            id_, parent = document["_id"], document.get("_rev")
            status, rev = self.write(copies, id_, parent, body, deleted=deleted)
            if status == 409:
                answers.append({"id": id_, "error": "conflict", "reason": "conflict"})
            else:
                answers.append({"ok": True, "id": id_, "rev": rev})
                if status == 202:
                    answers[-1]["accepted"] = True
        return 201, answers

    def all_docs(self, copies: list[Copy], options: Json, content: Any) -> tuple[int, Any]:
        whole = options.get("include_docs") == "true"
        if content is not None:
            rows = []
            for id_ in content["keys"]:
                tree = self.merged(copies, id_)
                rows.append(_row(id_, tree, whole=whole, options=options))
            return 200, {"rows": rows}
        (node,) = self.chosen(1)
        first = json.loads(options.get("startkey", '""'))
        last = json.loads(options.get("endkey", '"\uffff"'))
        trees = copies[node].trees
        ids = [id_ for id_ in sorted(trees) if first <= id_ <= last and trees[id_].live()]
        limit = int(options.get("limit", len(ids)))
        return 200, {
            "rows": [_row(id_, trees[id_], whole=whole, options=options) for id_ in ids[:limit]]
        }

    def bulk_get(self, copies: list[Copy], _: Json, content: Any) -> tuple[int, Any]:
        results = []
        for wanted in content["docs"]:
            id_, rev = wanted["id"], wanted["rev"]
            tree = self.merged(copies, id_)
            if rev not in tree.revisions:
                results.append({"id": id_, "docs": [{"error": {"error": "not_found"}}]})
                continue
            revision = tree.revisions[rev]
            path = tree.path(rev)
            revisions = {
                "start": int(rev.partition("-")[0]),
                "ids": [each.partition("-")[2] for each in path],
            }
            found = {"_id": id_, "_rev": rev, "_revisions": revisions, **tree.body(rev)}
            results.append(
                {
                    "id": id_,
                    "docs": [{"ok": found | ({"_deleted": True} if revision.deleted else {})}],
                }
            )
        return 200, {"results": results}

    def revs_diff(self, copies: list[Copy], _: Json, content: Any) -> tuple[int, Any]:
        return 200, {
            id_: {"missing": revs, "possible_ancestors": self.merged(copies, id_).leaves()}
            for id_, revs in content.items()
        }

    def changes(self, copies: list[Copy], options: Json, _: Any) -> tuple[int, Any]:
        (node,) = self.chosen(1)
        copy = copies[node]
        of, _, at = options.get("since", "0").rpartition(":")
        since = int(at) if of == str(node) else 0
        rows = [(seq, id_) for id_, seq in copy.changed.items() if seq > since]
        rows.sort()
        page = rows[: int(options["limit"])]
        last = page[-1][0] if page else max(since, 0)
        return 200, {
            "results": [
                {
                    "seq": f"{node}:{seq}",
                    "id": id_,
                    "changes": [{"rev": rev} for rev in copy.trees[id_].leaves()],
                }
                for seq, id_ in page
            ],
            "last_seq": f"{node}:{last}",
            "pending": len(rows) - len(page),
        }


def _body(document: Json) -> tuple[Json, bool]:
    body = {name: value for name, value in document.items() if not name.startswith("_")}
    return body, bool(document.get("_deleted"))


def _next(parent: str | None, body: Json, *, deleted: bool) -> str:
    generation = int(parent.partition("-")[0]) + 1 if parent else 1
    content = json.dumps([parent, body, deleted]).encode()
    return f"{generation}-{hashlib.md5(content, usedforsecurity=False).hexdigest()}"


def _row(id_: str, tree: Tree, *, whole: bool, options: Json) -> Json:
    live = tree.live()
    if not live:
        return {"key": id_, "error": "not_found"}
    row: Json = {"id": id_, "key": id_, "value": {"rev": live[0]}}
    if whole:
        row["doc"] = {"_id": id_, "_rev": live[0], **tree.body(live[0])}
        if options.get("conflicts") == "true" and live[1:]:
            row["doc"]["_conflicts"] = live[1:]
    return row
