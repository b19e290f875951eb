"""What clients send to prove who they are: a raw API key, or a token signed with one.

A key is `id.secret`. Clients send it in `Authorization`, with or without `Bearer`, in `x-api-key` or in
Azure's `api-key`. Z.ai's SDK sends it raw, or as a JSON Web Token: HS256, header
`{"alg":"HS256","sign_type":"SIGN"}`, payload `{"api_key": id, "exp": ms, "timestamp": ms}`, signed
with the secret. JWT libraries expect `exp` in seconds, so they cannot check these tokens.

A token whose payload also has `"turn": id, "scope": "read stop"` is for the URL of that turn, and nothing
else.
"""

import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import msgspec

from headrace.errors import AccessError

__all__ = ["SignedToken", "decode_token", "read_credentials", "wrong_key"]


class _TokenHeader(msgspec.Struct):
    alg: str
    crit: Any = msgspec.UNSET
    """Extensions that a recipient must understand (RFC 7515, 4.1.11); none is known here."""


class _TokenPayload(msgspec.Struct):
    api_key: str
    exp: float
    turn: str = ""
    scope: str = ""


class SignedToken(msgspec.Struct, frozen=True):
    """A token whose signature is not checked yet.

    Args:
        id: of the key that has signed it.
        expires: milliseconds since 1970.
        turn: the id or request id of the only turn that it is for; "" if it stands for the whole key.
        scope: what it permits for that turn: `read`, `stop`, or both with a space between them.
        signed: the part of the token that the signature covers.
        signature: HMAC-SHA256.
    """

    id: str
    expires: float
    turn: str
    scope: str
    signed: bytes
    signature: bytes

    def is_signed_with(self, secret: str) -> bool:
        """Return whether the signature is that of a secret, in constant time."""
        expected = hmac.digest(secret.encode(), self.signed, hashlib.sha256)
        return bool(secret) and hmac.compare_digest(expected, self.signature)


def read_credentials(headers: Mapping[str, str]) -> list[str]:
    """Return the keys or tokens of a request: Claude Code sends two if it has both of its variables.

    Raises:
        AccessError: 1001, there is none.
    """
    found = []
    match headers.get("authorization", "").split(maxsplit=1):
        case [scheme, token] if scheme.lower() == "bearer":
            found.append(token.strip())
        case [token] if token.lower() != "bearer":
            found.append(token)
    key = headers.get("x-api-key", "").strip() or headers.get("api-key", "").strip()
    if key and key not in found:
        found.append(key)
    if not found:
        msg = "no API key: send the header `Authorization: Bearer <key>`"
        raise AccessError(msg, code="1001")
    return found


def decode_token(token: str) -> SignedToken:
    """Decode a JSON Web Token.

    Raises:
        AccessError: 1002, it is none that a key of this server can have signed.
    """
    signed, _, signature = token.rpartition(".")
    header, _, payload = signed.partition(".")
    try:
        head = msgspec.json.decode(_base64(header).decode(), type=_TokenHeader)
        claims = msgspec.json.decode(_base64(payload).decode(), type=_TokenPayload)
        decoded = SignedToken(
            claims.api_key, claims.exp, claims.turn, claims.scope, signed.encode(), _base64(signature)
        )
    except (ValueError, RecursionError, msgspec.MsgspecError):
        raise wrong_key() from None
    if head.alg != "HS256" or head.crit is not msgspec.UNSET:
        raise wrong_key()
    return decoded


def wrong_key() -> AccessError:
    """Return the error for a key or token that is not valid. It contains no part of it."""
    msg = (
        "the API key is not valid for this server; set one of HEADRACE_API_KEYS or of `headrace keys create`"
    )
    return AccessError(msg)


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
