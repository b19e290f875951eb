"""Small named values that all processes of a store share, changed atomically."""

from headrace.documents.base import Documents, Snapshot
from headrace.documents.stores import open_documents

__all__ = ["Documents", "Snapshot", "open_documents"]
