"""The store on CouchDB 3: interactions in a database a month, their tallies beside them."""

from exporter.stores.couchdb.store import CouchdbStore
from exporter.stores.couchdb.transport import Transport

__all__ = ["CouchdbStore", "Transport"]
