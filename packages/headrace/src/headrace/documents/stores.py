"""Documents are kept where the turns are: in the store that `[turns]` names."""

from collections.abc import Callable, Mapping
from functools import partial

from headrace.documents.base import Documents
from headrace.documents.memory import MemoryDocuments
from headrace.documents.sqlite import SqliteDocuments
from headrace.foreign_errors import needs_extra
from headrace.turns.settings import TurnSettings
from headrace.turns.stores import open_by_kind

__all__ = ["open_documents"]


def open_documents(settings: TurnSettings, namespace: str) -> Documents:
    """Open the documents of a namespace. Does not connect yet.

    Args:
        settings: names the store.
        namespace: "keys" or "limits".

    Raises:
        RequestError: the store's address is invalid.
        EngineError: a required package is not installed.
    """
    openers: Mapping[str, Callable[[TurnSettings], Documents]] = {
        "memory": lambda _: MemoryDocuments(),
        "sqlite": partial(SqliteDocuments, namespace=namespace),
        "redis": partial(_open_redis, namespace=namespace),
    }
    return open_by_kind(settings, openers)


def _open_redis(settings: TurnSettings, namespace: str) -> Documents:
    with needs_extra("redis"):
        from headrace.documents.redis import RedisDocuments
    return RedisDocuments(settings, namespace)
