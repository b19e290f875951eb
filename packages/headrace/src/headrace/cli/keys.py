"""`headrace keys`: create, list, show and revoke API keys."""

import argparse
import asyncio
import os
import re
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, Final

from headrace.configuration import configure_turns
from headrace.documents import open_documents
from headrace.errors import RequestError
from headrace.keys import KeyRecord, KeyRecords, MasterKey, new_record
from headrace.keys.records import NEEDS_STORE, find
from headrace.limits import KeyLimits
from headrace.options import OptionError

__all__ = ["add_parser"]

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_MAX_NAME: Final = 100  # characters
_COLUMNS: Final = (
    "ID",
    "NAME",
    "STATE",
    "CREATED",
    "EXPIRES",
    "IN-FLIGHT",
    "PER-MINUTE",
    "TOKENS-5H",
    "MODELS",
    "ADMIN",
)
_MISSING: Final = (
    "HEADRACE_MASTER_KEY is not set; set it to the value that `headrace serve` has: any secret of at least 32"
    " characters, such as the output of `openssl rand -hex 32`"
)

Action = Callable[[KeyRecords, argparse.Namespace], Awaitable[None]]


def add_parser(commands: Any) -> None:
    """Add the command, its actions and their options."""
    parser = commands.add_parser(
        "keys",
        description="Create, list, show and revoke API keys. They are kept in the turn store; every server"
        " that shares it knows a change within a second. Secrets are derived from HEADRACE_MASTER_KEY and are"
        " not stored.",
    )
    actions = parser.add_subparsers(required=True, metavar="ACTION")
    create = _add(actions, "create", _create, "create a key, and print it to the standard output")
    create.add_argument("--name", type=_name, required=True, metavar="NAME", help="what the key is for")
    for flag, text in (
        ("--in-flight", "turns that run at a time"),
        ("--per-minute", "turns that start within any minute"),
        ("--tokens-per-5h", "tokens, prompts and answers, within any 5 hours"),
    ):
        default = " (default: the server's limit for keys, [limits])"
        create.add_argument(flag, type=_number, default=0, metavar="N", help=f"limit of {text}{default}")
    text = "names of the models that the key may use, separated by commas (default: all)"
    create.add_argument("--models", type=_models, default=(), metavar="NAMES", help=text)
    text = "how long the key is valid, such as 90d, 12h, 30m or 60s (default: until it is revoked)"
    create.add_argument("--expires", type=_lifetime, default=0, metavar="DURATION", help=text)
    text = "let the key see what the server is doing, at /admin and /metrics (default: it may not)"
    create.add_argument("--admin", action="store_true", help=text)
    _add(actions, "list", _list, "print a table of all keys")
    for name, action, text in (
        ("show", _show, "print what is known of a key, except for its secret"),
        ("revoke", _revoke, "refuse a key from now on"),
    ):
        _add(actions, name, action, text).add_argument("id", metavar="ID", help="the part before the dot")


def _add(actions: Any, name: str, action: Action, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}."
    )
    where = "turn store, the same as that of `headrace serve`: sqlite:FILE, or the URL of a Redis or Valkey"
    where += " (default: HEADRACE_STORE, or else `store` in [turns] of the configuration file)"
    parser.add_argument("--store", metavar="STORE", help=where)
    text = "configuration file (default: HEADRACE_CONFIG, or else headrace.toml if it exists)"
    parser.add_argument("--config", metavar="FILE", help=text)
    parser.set_defaults(run=_run, action=action)
    return parser


def _run(arguments: argparse.Namespace) -> int:
    settings = configure_turns({"store": arguments.store, "config": arguments.config})
    if settings.store == "memory":
        raise RequestError(f"--store: {NEEDS_STORE}")
    asyncio.run(_with_records(KeyRecords(open_documents(settings, "keys")), arguments))
    return 0


async def _with_records(records: KeyRecords, arguments: argparse.Namespace) -> None:
    try:
        await arguments.action(records, arguments)
    finally:
        await records.close()


async def _create(records: KeyRecords, arguments: argparse.Namespace) -> None:
    master_key = _master_key()
    limits = KeyLimits(
        in_flight=arguments.in_flight,
        requests_per_minute=arguments.per_minute,
        tokens_per_5h=arguments.tokens_per_5h,
    )
    record = new_record(arguments.name, arguments.expires, limits, arguments.models, admin=arguments.admin)
    await records.add(record)
    print(f"headrace: created the key {record.id}; it is shown only once", file=sys.stderr)
    print(f"{record.id}.{master_key.secret_of(record.id)}")


async def _list(records: KeyRecords, _: argparse.Namespace) -> None:
    by_id = (await records.read()).records
    rows = [_COLUMNS, *(tuple(_cells(record)) for record in by_id.values())]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


async def _show(records: KeyRecords, arguments: argparse.Namespace) -> None:
    by_id = (await records.read()).records
    for title, cell in zip(_COLUMNS, _cells(find(by_id, arguments.id)), strict=True):
        print(f"{title.lower():12}{cell}")


async def _revoke(records: KeyRecords, arguments: argparse.Namespace) -> None:
    record = await records.revoke(arguments.id)
    what = f"was revoked on {_date(record.revoked)} already" if record.revoked else "is revoked"
    print(f"headrace: the key {record.id} ({record.name}) {what}", file=sys.stderr)


def _cells(record: KeyRecord) -> Iterator[str]:
    yield from (record.id, record.name, _state(record), _date(record.created), _date(record.expires, "never"))
    limits = record.limits
    for limit in (limits.in_flight, limits.requests_per_minute, limits.tokens_per_5h):
        yield str(limit or "default")
    yield ",".join(record.models) or "all"
    yield "yes" if record.admin else "no"


def _state(record: KeyRecord) -> str:
    if record.revoked:
        return "revoked"
    return "expired" if record.expires and record.expires <= time.time() else "valid"


def _date(seconds: int, otherwise: str = "") -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.gmtime(seconds)) if seconds else otherwise


def _master_key() -> MasterKey:
    text = os.environ.get("HEADRACE_MASTER_KEY")
    if not text:
        raise RequestError(_MISSING)
    try:
        return MasterKey(text)
    except OptionError as error:
        raise RequestError(f"HEADRACE_MASTER_KEY: {error.reason}") from None


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable() or len(text) > _MAX_NAME:
        msg = f"{text!r} is not a name of 1 to {_MAX_NAME} printable characters"
        raise argparse.ArgumentTypeError(msg)
    return text.strip()


def _number(text: str) -> int:
    if not re.fullmatch("[0-9]{1,15}", text) or not int(text):
        msg = f"{text!r} is not an integer above 0"
        raise argparse.ArgumentTypeError(msg)
    return int(text)


def _models(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(","))
    if not all(names) or not text.isprintable():
        msg = f"{text!r} is not a list of names, separated by commas"
        raise argparse.ArgumentTypeError(msg)
    return names


def _lifetime(text: str) -> int:
    found = re.fullmatch("([0-9]{1,9})([smhd])", text)
    if not found or not int(found[1]):
        msg = f"{text!r} is not a duration such as 90d, 12h, 30m or 60s"
        raise argparse.ArgumentTypeError(msg)
    return int(found[1]) * _SECONDS[found[2]]
