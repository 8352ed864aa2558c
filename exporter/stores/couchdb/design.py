"""The design document: deployed under a new name, built, switched to; never rewritten."""

import hashlib
from contextlib import suppress
from importlib.resources import files

import msgspec

from exporter.stores.couchdb.server import Database, ViewRow
from exporter.stores.couchdb.transport import Conflict, NotFound, Refused

VIEWS = {"tallies": "_sum", "held": "_sum", "newest": None, "open": None, "rejected": None}
_FAMILY = "kpi-"


def design() -> tuple[str, dict[str, object]]:
    """Return the design document and its name, which changes whenever its content does."""
    views = {}
    for name, reduce in VIEWS.items():
        script = files("exporter.stores.couchdb").joinpath(f"{name}.js").read_text("utf-8")
        function = script[script.index("function") :].strip()  # CouchDB wants nothing before it
        views[name] = {"map": function} | ({} if reduce is None else {"reduce": reduce})
    document: dict[str, object] = {"language": "javascript", "views": views}
    digest = hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()[:12]
    return f"{_FAMILY}{digest}", document


class Views:
    """The views over the tallies' database."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._name, self._document = design()

    def deploy(self) -> None:
        """Create the views that are missing, and wait until they are built.

        Older ones are removed only after that, so that nobody who reads them waits.
        """
        id_ = f"_design/{self._name}"
        if self._database.get(id_, dict) is None:
            with suppress(Conflict):  # another exporter was quicker
                self._database.put(id_, self._document)
            self._database.view(self._name, "open", limit=1)
            _remove_others(self._database, id_)

    def rows(self, view: str, **options: object) -> list[ViewRow]:
        """Query a view; if an exporter of another version removed it, deploy it again."""
        try:
            return self._database.view(self._name, view, **options)
        except NotFound:
            self.deploy()
            return self._database.view(self._name, view, **options)


def _remove_others(database: Database, present: str) -> None:
    removed = False
    for found in database.page(f"_design/{_FAMILY}", 100, dict):
        if found.id.startswith(f"_design/{_FAMILY}") and found.id != present:
            try:
                database.delete(found.id, found.rev)
            except Conflict:
                continue
            removed = True
    if removed:
        try:
            database.clean_up_views()
        except Refused:  # only frees disk space, and wants an administrator
            return
