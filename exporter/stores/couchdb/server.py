"""One CouchDB server and its databases: typed requests, every answer accounted for."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar
from urllib.parse import urlsplit

import couchdb
import msgspec

from exporter.escape import escaped
from exporter.ports import StoreError
from exporter.stores.couchdb.transport import Answer, Conflict, Exists, NotFound, Refused, Transport

T = TypeVar("T")
_SHOWN = 200  # characters of an answer that a message quotes
_DELETED_AT_ONCE = 1_000  # documents
FIRST_PAGE = 10  # documents, before it is known how large they are
_PAGE_BYTES = 16 * 1024 * 1024
TRIES = 10  # at a document that others change at the same time
BUILD_TRIES = 3  # a query that waits longer than 60 s for its index ends in an error


class Written(NamedTuple):
    """What became of one document of a bulk write: stored, in conflict, or refused and why.

    What only a part of a cluster took is in conflict as well: another part may have taken
    someone else's document of that id, and who won is to be asked.
    """

    conflict: bool
    refused: str | None


class Found(NamedTuple, Generic[T]):
    """A document found; `rev` is its revision."""

    id: str
    rev: str
    document: T


class Leaf(NamedTuple, Generic[T]):
    """A revision of a document that no other follows; `path` are the revisions from the first.

    `document` is None if the revision deletes the document.
    """

    id: str
    path: tuple[str, ...]
    document: T | None

    @property
    def rev(self) -> str:
        """The revision."""
        return self.path[-1]


class Touched(NamedTuple):
    """A document that was written, and the revisions of all its leaves."""

    id: str
    revs: Sequence[str]


class ViewRow(msgspec.Struct):
    """A row of a view."""

    value: Any
    key: Any = None
    id: str | None = None


class _Copies(msgspec.Struct, frozen=True):
    n: int = 1


class _Info(msgspec.Struct):
    db_name: str
    cluster: _Copies = _Copies()
    doc_count: int = 0


class _Result(msgspec.Struct):
    id: str
    accepted: bool = False
    error: str | None = None
    reason: str | None = None


class _Revision(msgspec.Struct):
    rev: str
    deleted: bool = False


class _Row(msgspec.Struct):
    id: str | None = None
    value: _Revision | None = None
    doc: msgspec.Raw = msgspec.Raw()
    error: str | None = None


class _Rows(msgspec.Struct):
    rows: list[_Row]


class _Missing(msgspec.Struct):
    possible_ancestors: list[str] = []


class _Revisions(msgspec.Struct):
    start: int
    ids: list[str]


class _Leaf(msgspec.Struct):
    id: str = msgspec.field(name="_id")
    revisions: _Revisions = msgspec.field(name="_revisions")
    deleted: bool = msgspec.field(name="_deleted", default=False)


class _Got(msgspec.Struct):
    ok: msgspec.Raw = msgspec.Raw()


class _GotDocument(msgspec.Struct):
    docs: list[_Got]


class _GotDocuments(msgspec.Struct):
    results: list[_GotDocument]


class _Change(msgspec.Struct):
    id: str
    changes: list[_Revision]


class _Changes(msgspec.Struct):
    results: list[_Change]
    last_seq: msgspec.Raw
    pending: int = 0


class _ViewRows(msgspec.Struct):
    rows: list[ViewRow]


class _Revised(msgspec.Struct):
    rev: str = msgspec.field(name="_rev")


# For a document that was never stored.
NEVER = ""
# Which no document has, and which would come behind any: CouchDB names what it could follow.
_NO_REVISION = "999999999-0"


class Server:
    """A CouchDB server, by its address (`couchdb://`, `couchdbs://`) and user."""

    def __init__(
        self, url: str, transport: Transport, *, username: str | None, password: str | None
    ) -> None:
        parts = urlsplit(url)
        secure = parts.scheme == "couchdbs"
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        port = parts.port or (6984 if secure else 5984)
        self.url = f"{'https' if secure else 'http'}://{host}:{port}"
        self.user = username or None
        self._transport = transport
        self._server = couchdb.Server(self.url, session=transport)
        if username:
            self._server.resource.credentials = (username, password or "")

    def database(self, name: str) -> "Database":
        """Return a database, whether it is there or not."""
        return Database(couchdb.Database(self._server.resource(name), name), self, name)

    def names(self, prefix: str) -> list[str] | None:
        """List the databases whose names start so; None if this user may not."""
        try:
            content = _query(
                self._server.resource, "_all_dbs", startkey=prefix, endkey=prefix + _LAST
            )
        except Refused as error:
            if not error.lacks_right:
                raise
            return None
        names: list[str] = _decoded(content, list[str])
        return [name for name in names if name.startswith(prefix)]

    def close(self) -> None:
        """Close connections."""
        self._transport.close()


class Database:
    """One database."""

    def __init__(self, database: couchdb.Database, server: Server, name: str) -> None:
        self._database = database
        self._server = server
        self.name = name
        self.url = f"{server.url}/{name}"
        self._copies: int | None = None

    @property
    def _resource(self) -> Any:
        return self._database.resource

    def create(self, *, shards: int | None = None) -> None:
        """Create the database unless it is there; `shards` is CouchDB's q.

        Whether it is there is read first: a user who may not create is refused either way.
        """
        if self.exists():
            return
        try:
            self._resource.put(**({} if shards is None else {"q": shards}))
        except Exists:
            return
        except Refused as error:
            if not error.lacks_right:
                raise
            query = "" if shards is None else f"?q={shards}"
            raise StoreError(
                f"the database {self.name} is missing, and user {self._server.user} may not"
                f" create it; let an administrator do so (curl -X PUT '{self.url}{query}') and"
                f" make {self._server.user} an administrator of it (in its _security)"
            ) from error

    def exists(self) -> bool:
        """Return whether the database is there."""
        return self._info() is not None

    def size(self) -> int:
        """Return how many documents there are, design documents left out; 0 without a database."""
        info = self._info()
        if info is None or not info.doc_count:
            return 0
        return info.doc_count - len(self.identifiers("_design/"))

    def _info(self) -> "_Info | None":
        try:
            info: _Info = _decoded(_body(self._resource.get()), _Info)
        except NotFound:
            return None
        self._copies = info.cluster.n
        return info

    @property
    def is_replicated(self) -> bool:
        """Whether several nodes hold copies, each of which may accept its own revision.

        With one copy a write that CouchDB refuses as a conflict is stored nowhere. With several,
        one of them may have stored it all the same.
        """
        if self._copies is None:
            self.exists()
        return (self._copies or 1) > 1

    def drop(self) -> bool:
        """Delete the database if it is there; return whether it is gone.

        A user who may not delete databases empties it: every document is deleted, and its
        content goes with the next compaction.
        """
        try:
            self._resource.delete()
        except NotFound:
            return True
        except Refused as error:
            if not error.lacks_right:
                raise
            self._empty()
            return False
        return True

    def _empty(self) -> None:
        emptied = False
        while self._delete_all():  # under a deleted document another, in conflict, may appear
            emptied = True
        if emptied:
            self._resource.post("_compact", body=b"{}")

    def _delete_all(self) -> int:
        deleted = 0
        after = ""
        while rows := self._rows_after(after, _DELETED_AT_ONCE)[0]:
            after = rows[-1].id or ""
            documents = {
                row.id: tombstone(row.id, row.value.rev)
                for row in rows
                if row.id and row.value and not row.id.startswith("_design/")
            }
            if documents:
                self.write([*documents], documents.values())
            deleted += len(documents)
        return deleted

    def _rows_after(self, after: str, limit: int, **options: object) -> tuple[list["_Row"], int]:
        """Read ids and revisions after an id, in the order of the ids, and how many bytes they are.

        `options` add documents.
        """
        content = _query(
            self._resource, "_all_docs", startkey=after or None, limit=limit + 1, **options
        )
        rows = [row for row in _decoded(content, _Rows).rows if row.id != after]
        return rows[:limit], len(content)

    def get(self, id_: str, kind: type[T]) -> Found[T] | None:
        """Read a document; None if there is none."""
        try:
            content = _body(self._resource.get(_path(id_)))
        except NotFound as error:
            if error.reason == "no_db_file" or "Database does not exist" in error.reason:
                raise
            return None
        return Found(id_, _decoded(content, _Revised).rev, _decoded(content, kind))

    def put(self, id_: str, document: object, rev: str = NEVER) -> str:
        """Write a document whose revision is known; return the new one. Raises `Conflict`."""
        revision = {"rev": rev} if rev else {}
        content = msgspec.json.encode(document)
        answer = self._resource.put(_path(id_), body=content, **revision)
        stored: _Revision = _decoded(_body(answer), _Revision)
        return stored.rev

    def change(self, id_: str, kind: type[T], change: Callable[[T], T], new: T | None = None) -> T:
        """Change a document, also when another exporter does so meanwhile; return what it is then.

        `new`: what it is where there is none.
        """
        for _ in range(TRIES):
            found = self.get(id_, kind)
            before = new if found is None else found.document
            if before is None:
                raise self.has_lost(id_)
            after = change(before)
            if after == before:
                return after
            try:
                self.put(id_, after, NEVER if found is None else found.rev)
            except Conflict:
                continue
            return after
        raise StoreError(f"{self.url}: too many exporters change {id_!r} at once")

    def has_lost(self, id_: str) -> StoreError:
        """Return the error that a document is gone which was there."""
        return StoreError(f"{self.url} has lost its document {id_!r}")

    def remove(self, id_: str) -> None:
        """Delete a document, unless another exporter changes it meanwhile."""
        found = self.get(id_, dict)
        if found is not None:
            with suppress(Conflict):
                self.delete(id_, found.rev)

    def delete(self, id_: str, rev: str) -> None:
        """Delete a document whose revision is known. Raises `Conflict`."""
        self._resource.delete(_path(id_), rev=rev)

    def write(self, ids: Sequence[str], documents: Iterable[bytes]) -> list[Written]:
        """Write documents (JSON with their `_id`) in one request; return what became of each."""
        body = b'{"docs":[' + b",".join(documents) + b"]}"
        results = _decoded(_body(self._resource.post("_bulk_docs", body=body)), list[_Result])
        # By id: servers of CouchDB's kind do not all answer in the order of the request.
        by_id = {result.id: result for result in results}
        if len(results) != len(ids) or by_id.keys() != set(ids):
            raise StoreError(
                f"CouchDB at {self.url} answered for {len(results)} of {len(ids)} documents, or"
                " for others; what it stored is found at the next import"
            )
        return [self._written(by_id[id_]) for id_ in ids]

    def _written(self, result: _Result) -> Written:
        if result.error is None:
            return Written(conflict=result.accepted, refused=None)
        if result.error == "conflict":
            return Written(conflict=True, refused=None)
        why = escaped(f"{result.error}: {result.reason}", _SHOWN)
        if result.error in {"forbidden", "unauthorized", "doc_validation", "bad_request"}:
            return Written(conflict=False, refused=why)
        raise StoreError(
            f"CouchDB at {self.url} could not write a document ({why}); its log says more, a full"
            " disk is one reason"
        )

    def write_revisions(self, ids: Sequence[str], documents: Iterable[bytes]) -> list[Written]:
        """Write documents with the revisions that they name; return what became of each.

        Each is stored, beside any other revision of its document: there is no conflict to
        report, and writing the same again changes nothing.
        """
        body = b'{"new_edits":false,"docs":[' + b",".join(documents) + b"]}"
        refused = _decoded(_body(self._resource.post("_bulk_docs", body=body)), list[_Result])
        by_id = {result.id: self._written(result) for result in refused}
        return [by_id.get(id_, Written(conflict=False, refused=None)) for id_ in ids]

    def known(self, ids: Sequence[str]) -> set[str]:
        """Return which of these ids have a revision on any node that answers, deleted or not."""
        body = msgspec.json.encode({id_: [_NO_REVISION] for id_ in ids})
        content = _body(self._resource.post("_revs_diff", body=body))
        missing: dict[str, _Missing] = _decoded(content, dict[str, _Missing])
        return {id_ for id_, row in missing.items() if row.possible_ancestors}

    def leaves(self, revisions: Iterable[tuple[str, str]], kind: type[T]) -> list[Leaf[T]]:
        """Read revisions of documents (id, revision), as far as they are there."""
        requested = [{"id": id_, "rev": rev} for id_, rev in revisions]
        if not requested:
            return []
        body = msgspec.json.encode({"docs": requested})
        content = _body(self._resource.post("_bulk_get", body=body, revs=True))
        got: _GotDocuments = _decoded(content, _GotDocuments)
        raw = [bytes(one.ok) for result in got.results for one in result.docs]
        return [_leaf(each, kind) for each in raw if each]

    def changes(self, since: str, limit: int) -> tuple[list[Touched], str, int]:
        """Read what was written since a place; with the next place and how many rows follow."""
        content = _body(
            self._resource.get(
                "_changes",
                style="all_docs",
                limit=limit,
                seq_interval=limit,
                since=since,
            )
        )
        read: _Changes = _decoded(content, _Changes)
        touched = [Touched(row.id, [each.rev for each in row.changes]) for row in read.results]
        return touched, str(_decoded(bytes(read.last_seq), Any)), read.pending

    def fetch(
        self, ids: Sequence[str], kind: type[T], *, conflicts: bool = False
    ) -> list[Found[T] | None]:
        """Read documents by their ids, in this order; None where there is none.

        With `conflicts` a document that has some names them (`_conflicts`).
        """
        body = msgspec.json.encode({"keys": ids})
        also = {"conflicts": True} if conflicts else {}
        content = _body(self._resource.post("_all_docs", body=body, include_docs=True, **also))
        rows = _decoded(content, _Rows).rows
        if len(rows) != len(ids):
            raise StoreError(f"CouchDB at {self.url} answered for {len(rows)} of {len(ids)} ids")
        return [_found(row, kind) for row in rows]

    def having(self, ids: Sequence[str]) -> list[bool]:
        """Return which of these ids are there."""
        content = _body(self._resource.post("_all_docs", body=msgspec.json.encode({"keys": ids})))
        rows = _decoded(content, _Rows).rows
        return [row.value is not None and not row.value.deleted for row in rows]

    def identifiers(self, prefix: str, *, limit: int | None = None) -> list[str]:
        """List the ids that start with these letters."""
        content = _query(
            self._resource, "_all_docs", startkey=prefix, endkey=prefix + _LAST, limit=limit
        )
        return [row.id for row in _decoded(content, _Rows).rows if row.id is not None]

    def page(
        self, after: str, limit: int, kind: type[T], *, conflicts: bool = False
    ) -> list[Found[T]]:
        """Read the documents after an id, in the order of their ids; at most `limit`."""
        return self._page(after, limit, kind, conflicts=conflicts)[0]

    def pages(self, most: int, kind: type[T]) -> Iterator[list[Found[T]]]:
        """Read a whole database by id, in portions of `most` documents, fewer if large."""
        after, limit = "", min(most, FIRST_PAGE)
        while True:
            portion, size = self._page(after, limit, kind)
            if not portion:
                return
            yield portion
            after = portion[-1].id
            limit = next_limit(most, len(portion), size)

    def _page(
        self, after: str, limit: int, kind: type[T], *, conflicts: bool = False
    ) -> tuple[list[Found[T]], int]:
        rows, size = self._rows_after(after, limit, include_docs=True, conflicts=conflicts or None)
        return [one for row in rows if (one := _found(row, kind)) is not None], size

    def view(self, design: str, name: str, **options: object) -> list[ViewRow]:
        """Query a view. Raises `StoreError` for an error inside a good answer too."""
        path = ["_design", design, "_view", name]
        for tried in range(1, BUILD_TRIES + 1):
            try:
                content = _query(self._resource, path, **options)
                break
            except Refused as error:
                if error.error not in _BUSY or tried == BUILD_TRIES:
                    raise
        rows: list[ViewRow] = _decoded(content, _ViewRows).rows
        for row in rows:
            if isinstance(row.value, dict) and "error" in row.value:
                why = escaped(f"{row.value.get('error')}: {row.value.get('reason')}", _SHOWN)
                raise StoreError(f"CouchDB at {self.url} cannot add up its view {name} ({why})")
        return rows

    def clean_up_views(self) -> None:
        """Remove the index files of views that are gone."""
        self._resource.post("_view_cleanup", body=b"{}")


def next_limit(most: int, documents: int, size: int) -> int:
    """Return how many documents to read next, by the size in bytes of those read last."""
    return max(1, min(most, 2 * documents, _PAGE_BYTES * documents // max(size, 1)))


_BUSY = frozenset({"timeout", "os_process_error"})  # CouchDB goes on with the index
_KEYS = frozenset({"startkey", "endkey"})
_LAST = "\ufff0"  # comes after whatever else an id may go on with


def _path(id_: str) -> list[str]:
    for reserved in ("_design/", "_local/"):
        if id_.startswith(reserved):
            return [reserved[:-1], id_[len(reserved) :]]
    return [id_]


def _query(resource: Any, path: str | list[str], **options: object) -> bytes:
    """Read an answer; options that are keys are encoded here, those that are None left out."""
    given = {
        option: msgspec.json.encode(value).decode() if option in _KEYS else value
        for option, value in options.items()
        if value is not None
    }
    return _body(resource.get(path, **given))


def tombstone(id_: str, rev: str) -> bytes:
    """Write what deletes a revision; each exporter writes the same."""
    return msgspec.json.encode({"_id": id_, "_rev": rev, "_deleted": True})


def _body(answer: Answer) -> bytes:
    return answer[2].getvalue()


def _decoded(content: bytes, kind: Any) -> Any:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise StoreError(f"CouchDB gave an answer that cannot be read: {error}") from error


def _leaf(content: bytes, kind: type[T]) -> Leaf[T]:
    """Read a revision; its document's kind may leave everything out."""
    leaf: _Leaf = _decoded(content, _Leaf)
    revisions = leaf.revisions
    path = tuple(f"{revisions.start - n}-{hash_}" for n, hash_ in enumerate(revisions.ids))
    return Leaf(leaf.id, path[::-1], None if leaf.deleted else _decoded(content, kind))


def _found(row: _Row, kind: type[T]) -> Found[T] | None:
    if row.id is None or row.value is None or row.value.deleted or bytes(row.doc) in (b"", b"null"):
        return None
    return Found(row.id, row.value.rev, _decoded(bytes(row.doc), kind))
