"""The design document: deployed under a new name, built, switched to; never rewritten."""

import hashlib
from contextlib import suppress
from importlib.resources import files

import msgspec

from exporter.stores.couchdb.database import Database
from exporter.stores.couchdb.transport import Conflict, Refused

VIEWS = {"tallies": "_sum", "held": "_sum", "newest": None, "open": None, "rejected": None}
_FAMILY = "kpi-"


def design() -> tuple[str, dict[str, object]]:
    """Give the design document and its name, which changes whenever its content does."""
    views = {}
    for name, reduce in VIEWS.items():
        script = files("exporter.stores.couchdb").joinpath(f"{name}.js").read_text("utf-8")
        function = script[script.index("function") :].strip()  # CouchDB wants nothing before it
        views[name] = {"map": function} | ({} if reduce is None else {"reduce": reduce})
    document: dict[str, object] = {"language": "javascript", "views": views}
    digest = hashlib.sha256(msgspec.json.encode(document, order="sorted")).hexdigest()[:12]
    return f"{_FAMILY}{digest}", document


def deployed(database: Database) -> str:
    """Make sure that the views are there and built; give the name of their design document.

    Older ones are removed only after that, so that whoever reads them is not left waiting.
    """
    name, document = design()
    id_ = f"_design/{name}"
    if database.get(id_, dict) is None:
        with suppress(Conflict):  # another exporter was quicker
            database.put(id_, document)
        database.view(name, "open", limit=1)
        _remove_others(database, id_)
    return name


def _remove_others(database: Database, present: str) -> None:
    gone = False
    for found in database.page(f"_design/{_FAMILY}", 100, dict):
        if found.id.startswith(f"_design/{_FAMILY}") and found.id != present:
            try:
                database.delete(found.id, found.rev)
            except Conflict:
                continue
            gone = True
    if gone:
        try:
            database.clean_up_views()
        except Refused:  # only frees disk space, and wants an administrator
            return
