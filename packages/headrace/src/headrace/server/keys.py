"""Authentication by a raw API key, or by a token signed with it.

A key is `id.secret`. Clients send it in `Authorization`, with or without `Bearer`, in `x-api-key` or in
Azure's `api-key`. Z.ai's SDK sends it raw, or as a JSON Web Token: HS256, header
`{"alg":"HS256","sign_type":"SIGN"}`, payload `{"api_key": id, "exp": ms, "timestamp": ms}`, signed
with the secret. JWT libraries expect `exp` in seconds, so they cannot check these tokens.
"""

import asyncio
import hashlib
import hmac
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from headrace.errors import AccessError

__all__ = ["ApiKeys", "Throttle"]

_INTERVAL: Final = 0.1  # seconds between the responses to wrong keys
_LONGEST: Final = 2.0


class _TokenHeader(msgspec.Struct):
    alg: str
    crit: Any = msgspec.UNSET
    """Extensions that a recipient must understand (RFC 7515, 4.1.11); none is known here."""


class _TokenPayload(msgspec.Struct):
    api_key: str
    exp: float
    """Milliseconds since 1970."""


class ApiKeys:
    """The API keys of a server.

    Args:
        keys: each as `id.secret`; without keys, every caller is accepted.
    """

    def __init__(self, keys: Iterable[str]) -> None:
        self._keys = tuple(keys)

    def check(self, headers: Mapping[str, str]) -> str:
        """Return the id of the caller's key; "" if the server has no keys.

        Raises:
            AccessError: 1001 no key, 1002 wrong key, 1003 expired token.
        """
        if not self._keys:
            return ""
        token = _token(headers)
        if not token:
            msg = "no API key: send the header `Authorization: Bearer <key>`"
            raise AccessError(msg, code="1001")
        for key in self._keys:
            if hmac.compare_digest(key.encode(), token.encode()):
                return key.partition(".")[0]
        if token.count(".") == 2:
            return self._check_token(token)
        raise _wrong(token)

    def _check_token(self, token: str) -> str:
        signed, _, signature = token.rpartition(".")
        header, _, payload = signed.partition(".")
        try:
            head = msgspec.json.decode(_base64(header).decode(), type=_TokenHeader)
            claims = msgspec.json.decode(_base64(payload).decode(), type=_TokenPayload)
            given = _base64(signature)
        except (ValueError, RecursionError, msgspec.MsgspecError):
            raise _wrong(token) from None
        if head.alg != "HS256" or head.crit is not msgspec.UNSET:
            raise _wrong(token)
        secrets = [key.partition(".")[2] for key in self._keys if key.partition(".")[0] == claims.api_key]
        if not any(_has_signed(secret, signed, given) for secret in secrets):
            raise _wrong(token)
        if claims.exp < time.time() * 1000:
            msg = "the API token has expired; sign a new one (exp and timestamp are in milliseconds)"
            raise AccessError(msg, code="1003")
        return claims.api_key


class Throttle:
    """Delays responses to wrong keys: ten per second over all connections, and none by more than 2 s."""

    def __init__(self) -> None:
        self._next = 0.0

    async def wait(self) -> None:
        """Wait until the next of these responses may be sent."""
        now = asyncio.get_running_loop().time()
        at = max(self._next, now)
        self._next = min(at + _INTERVAL, now + _LONGEST)
        await asyncio.sleep(at - now)


def _has_signed(secret: str, signed: str, signature: bytes) -> bool:
    expected = hmac.digest(secret.encode(), signed.encode(), hashlib.sha256)
    return bool(secret) and hmac.compare_digest(expected, signature)


def _token(headers: Mapping[str, str]) -> str:
    """Return the key or token of a request; "" if there is none."""
    match headers.get("authorization", "").split(maxsplit=1):
        case [scheme, token] if scheme.lower() == "bearer":
            return token.strip()
        case [token] if token.lower() != "bearer":
            return token
    return (headers.get("x-api-key") or headers.get("api-key") or "").strip()


def _base64(text: str) -> bytes:
    """Decode base64url in its only spelling: no padding, no other characters, no unused bits (RFC 7515, 2).

    Raises:
        ValueError: it has another spelling.
    """
    data = urlsafe_b64decode(text + "=" * (-len(text) % 4))
    if urlsafe_b64encode(data).rstrip(b"=") != text.encode():
        msg = "not base64url"
        raise ValueError(msg)
    return data


def _wrong(token: str) -> AccessError:
    return AccessError(
        f"the API key {token[:4]}… is not valid for this server; its keys are in HEADRACE_API_KEYS",
        code="1002",
    )
