"""The limiter belongs to the store of the turns: where several processes share it, they share the limits."""

import secrets

from headrace.documents.stores import open_documents
from headrace.limits.limiter import Limiter, LocalLimiter
from headrace.limits.settings import CurrentLimits
from headrace.limits.shared import SharedLimiter
from headrace.turns import STORES, TurnSettings
from headrace.turns.stores import open_by_kind

__all__ = ["open_limiter"]


def open_limiter(settings: CurrentLimits, turns: TurnSettings) -> Limiter:
    """Open a limiter. It does not connect before a turn needs it.

    Args:
        settings: the limits of the server and of models.
        turns: names the store, and how long a process may be silent.

    Raises:
        RequestError: the store's address is invalid.
        EngineError: a required package is not installed.
    """

    def open_local(_: TurnSettings) -> Limiter:
        return LocalLimiter(settings)

    def open_shared(turns: TurnSettings) -> Limiter:
        return SharedLimiter(
            open_documents(turns, "limits"),
            settings,
            lease=turns.lease,
            process=secrets.token_hex(8),
            retry_timeout=turns.store_retry_timeout,
        )

    openers = {name: open_shared if kind.is_shared else open_local for name, kind in STORES.items()}
    return open_by_kind(turns, openers)
