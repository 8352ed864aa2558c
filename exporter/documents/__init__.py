"""YAML files in a form: every error at once, each with its file, line and key."""

from exporter.documents.errors import DocumentError, ErrorList
from exporter.documents.parse import Document, parse, read
from exporter.documents.shape import Section, shape

__all__ = ["Document", "DocumentError", "ErrorList", "Section", "parse", "read", "shape"]
