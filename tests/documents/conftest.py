import pytest

from headrace.documents import open_documents
from headrace.documents.memory import MemoryDocuments
from turn_stores import redis_server, settings, store_kind, store_name

__all__ = ["redis_server", "store_kind", "store_name"]


@pytest.fixture
async def open_one(store_kind, store_name):
    """Opens documents; each call is another process's."""
    opened = []

    def open_it(namespace="limits"):
        if store_kind == "memory" and opened:
            documents = MemoryDocuments(beside=opened[0])
        else:
            documents = open_documents(settings(store=store_name), namespace)
        opened.append(documents)
        return documents

    yield open_it
    for documents in opened:
        await documents.close()
