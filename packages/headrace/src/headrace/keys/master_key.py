"""The master key, from which the secrets of all issued keys are derived.

A key is `id.secret` with secret = HMAC-SHA256(master key, id). So every process that has the master key can
check a key without a lookup, and no store contains a secret.
"""

import hashlib
import hmac
from base64 import urlsafe_b64encode
from typing import Final

from headrace.options import OptionError

__all__ = ["MasterKey"]

_MIN_LENGTH: Final = 32  # characters


class MasterKey:
    """A master key.

    Args:
        text: HEADRACE_MASTER_KEY.

    Raises:
        OptionError: it is too short.
    """

    def __init__(self, text: str) -> None:
        if len(text) < _MIN_LENGTH:
            reason = f"{len(text)} characters are too few: at least {_MIN_LENGTH}; use `openssl rand -hex 32`"
            raise OptionError("master_key", reason)
        self._key = text.encode()

    def secret_of(self, id: str) -> str:
        """Return the secret of a key: 43 characters of base64url."""
        digest = hmac.digest(self._key, id.encode(), hashlib.sha256)
        return urlsafe_b64encode(digest).decode().rstrip("=")

    def has_issued(self, key: str) -> bool:
        """Return whether a key, `id.secret`, has the right secret, in constant time."""
        id, _, secret = key.partition(".")
        return hmac.compare_digest(self.secret_of(id).encode(), secret.encode())
