"""The API key as it is sent: raw, or as the JSON Web Token that Z.ai accepts."""

import time
from binascii import b2a_base64
from typing import Final

import msgspec

from zai.arguments import check_argument
from zai.errors import ZaiError

__all__ = ["check_api_key", "generate_token", "generate_turn_token"]

_LIFETIME_MS: Final = 210_000


def check_api_key(api_key: str | None) -> str:
    """Return the key, or raise an error about it."""
    if not api_key:
        msg = "api_key is missing; pass api_key= or set ZAI_API_KEY"
        raise ZaiError(msg)
    check_argument("api_key", api_key, "a string", valid=isinstance(api_key, str))
    if not api_key.isascii() or not api_key.isprintable() or api_key != api_key.strip():
        msg = "api_key has characters that are invalid in a key; copy it again, without spaces around it"
        raise ZaiError(msg)
    return api_key


def generate_token(apikey: str) -> str:
    """Sign a token, valid for 210 s, with the secret half of `id.secret`."""
    return _sign(apikey, _LIFETIME_MS, {})


def generate_turn_token(api_key: str, turn: str, *, scope: str = "read", lifetime: float = 3600.0) -> str:
    """Sign a token for the URL of one turn of a Headrace, as its parameter `token`; it permits nothing else.

    Args:
        api_key: `id.secret`.
        turn: the id in the URL: the turn's, or its `request_id`.
        scope: `read`, `stop`, or `read stop`.
        lifetime: seconds until it expires.
    """
    return _sign(api_key, round(lifetime * 1000), {"turn": turn, "scope": scope})


def _sign(apikey: str, lifetime: int, claims: dict[str, str]) -> str:
    id, _, secret = apikey.partition(".")
    if not id or not secret or "." in secret:
        msg = "api_key must have the form id.secret, or pass disable_token_cache=True to send it as it is"
        raise ZaiError(msg)
    import hashlib  # these two load OpenSSL, which a raw key does not need
    import hmac

    now = round(time.time() * 1000)
    head = {"alg": "HS256", "typ": "JWT", "sign_type": "SIGN"}
    payload = {"api_key": id, "exp": now + lifetime, "timestamp": now, **claims}
    signed = b".".join(_base64url(msgspec.json.encode(part)) for part in (head, payload))
    signature = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + _base64url(signature)).decode()


def _base64url(data: bytes) -> bytes:
    return b2a_base64(data, newline=False).translate(bytes.maketrans(b"+/", b"-_"), b"=")
