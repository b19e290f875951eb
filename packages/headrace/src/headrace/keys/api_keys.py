"""Authentication, and what a key may do."""

import asyncio
import hmac
import time
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Final

import msgspec

from headrace.errors import AccessError
from headrace.keys.credentials import SignedToken, decode_token, read_credentials, wrong_key
from headrace.keys.issued import IssuedKeys
from headrace.keys.records import KeyRecord
from headrace.limits import KeyLimits, LimitSettings
from headrace.wire.expected import show

__all__ = ["ApiKeys", "Throttle"]

_NO_LIMITS: Final = LimitSettings()
_INTERVAL: Final = 0.1  # seconds between the responses to wrong keys
_LONGEST: Final = 2.0
_ADMIN: Final = "admin"


class ApiKeys:
    """The API keys of a server.

    Args:
        keys: HEADRACE_API_KEYS, each as `id.secret`.
        issued: the keys that `headrace keys` manages; None if the server has no master key.
        limits: those of keys that have none of their own.
    """

    def __init__(
        self, keys: Iterable[str], issued: IssuedKeys | None = None, limits: LimitSettings = _NO_LIMITS
    ) -> None:
        self._keys = {key.encode(): _id_of(key) for key in keys}
        self._issued = issued
        self.are_required = bool(self._keys) or issued is not None
        """Whether a caller needs a key."""
        self._defaults = KeyLimits(
            in_flight=limits.max_in_flight_per_key,
            requests_per_minute=limits.requests_per_minute,
            tokens_per_5h=limits.tokens_per_5h,
        )

    def open(self) -> None:
        """Follow changes of issued keys from now on."""
        if self._issued is not None:
            self._issued.open()

    async def close(self) -> None:
        """Release the store."""
        if self._issued is not None:
            await self._issued.close()

    async def check(self, headers: Mapping[str, str]) -> str:
        """Return the id of the caller's key; "" if the server needs no keys.

        Raises:
            AccessError: 1001 no key; 1002 wrong, unknown or revoked key; 1003 expired key or token.
            StoreError: an issued key that this process does not know cannot be looked up.
        """
        if not self.are_required:
            return ""
        credentials = read_credentials(headers)
        for token in credentials[:-1]:
            with suppress(AccessError):
                return await self._check(token)
        return await self._check(credentials[-1])

    async def check_url(self, token: str, turn: str, action: str) -> str:
        """Return the id of the key that has signed the URL of a turn.

        Args:
            token: of the URL. Only those that are for one turn are accepted, because URLs are logged.
            turn: the id in the URL.
            action: `read` or `stop`.

        Raises:
            AccessError: 1002 wrong token or revoked key; 1003 expired; 1220 not for a turn, for another one,
                or for other actions.
            StoreError: as in `check`.
        """
        if not self.are_required:
            return ""
        decoded = decode_token(token)
        owner = await self._check_signature(decoded)
        if not decoded.turn:
            msg = "token: a URL can only have the token of a turn; send others in the header Authorization"
            raise AccessError(msg, code="1220")
        if decoded.turn != turn:
            raise AccessError("token: it is for the URL of another turn", code="1220")
        if action not in decoded.scope.split():
            msg = f'token: its scope is "{decoded.scope[:40]}", which does not include {action}'
            raise AccessError(msg, code="1220")
        return owner

    async def _check(self, token: str) -> str:
        encoded = token.encode()
        for key, id in self._keys.items():
            if hmac.compare_digest(key, encoded):
                return id
        if self._issued is not None and self._issued.master_key.has_issued(token):
            return await self._issued.check(_id_of(token))
        if token.count(".") != 2:
            raise wrong_key()
        decoded = decode_token(token)
        if decoded.turn or decoded.scope:
            raise AccessError("this token is for the URL of a turn, and for nothing else", code="1220")
        return await self._check_signature(decoded)

    def limits_of(self, owner: str) -> KeyLimits:
        """Return the limits of a key, by its id; the defaults for a key without a record."""
        record = self._record_of(owner)
        return self._defaults if record is None else _combined(record.limits, self._defaults)

    def may_use(self, owner: str, names: Collection[str]) -> bool:
        """Return whether a key may use a model.

        Args:
            owner: the id of the key.
            names: those of the model, and the one that the request has.
        """
        permitted = self._models_of(owner)
        return not permitted or not permitted.isdisjoint(name.lower() for name in names)

    def check_model(self, owner: str, model: str, names: Collection[str]) -> None:
        """Check that a key may use a model.

        Args:
            owner: the id of the key.
            model: the name that the request has.
            names: all names of the model.

        Raises:
            AccessError: 1220, status 403.
        """
        if self._issued is not None and not self.may_use(owner, [model, *names]):
            permitted = ", ".join(sorted(self._models_of(owner)))
            msg = f"model: this API key may not use {show(model)}; it may use {permitted}"
            raise AccessError(msg, code="1220")

    def check_admin(self, owner: str) -> None:
        """Check that a key may see what the server is doing: an issued one with that right, or `admin`.

        Raises:
            AccessError: 1220, status 403.
        """
        record = self._record_of(owner)
        if self.are_required and not (record.admin if record else owner == _ADMIN):
            msg = (
                "this API key may not see what the server is doing; create one with"
                " `headrace keys create --admin`, or use the one of HEADRACE_API_KEYS whose id is admin"
            )
            raise AccessError(msg, code="1220")

    def _models_of(self, owner: str) -> frozenset[str]:
        record = self._record_of(owner)
        return frozenset(name.lower() for name in record.models) if record else frozenset()

    def _record_of(self, owner: str) -> KeyRecord | None:
        return self._issued.get(owner) if self._issued is not None else None

    async def _check_signature(self, decoded: SignedToken) -> str:
        secrets = [key.decode().partition(".")[2] for key, id in self._keys.items() if id == decoded.id]
        is_fixed = any(decoded.is_signed_with(secret) for secret in secrets)
        issued = None if is_fixed else self._issued
        if not is_fixed and not (issued and decoded.is_signed_with(issued.master_key.secret_of(decoded.id))):
            raise wrong_key()
        if decoded.expires < time.time() * 1000:
            msg = "the API token has expired; sign a new one (exp and timestamp are in milliseconds)"
            raise AccessError(msg, code="1003")
        return await issued.check(decoded.id) if issued else decoded.id


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


@lru_cache
def _combined(own: KeyLimits, defaults: KeyLimits) -> KeyLimits:
    """Return the limits of a key, with defaults for those that it does not have."""
    limits = {name: limit for name, limit in msgspec.structs.asdict(own).items() if limit}
    return msgspec.structs.replace(defaults, **limits)


def _id_of(key: str) -> str:
    return key.partition(".")[0]
