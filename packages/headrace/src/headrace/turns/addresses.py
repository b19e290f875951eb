"""The addresses of turn stores, what of them may be shown, and the names of Redis databases."""

import re
from urllib.parse import parse_qs, unquote, urlsplit

__all__ = ["addresses_of", "database_name", "without_secrets"]

_OPTIONS = re.compile(r"\w+=")


def addresses_of(store: str) -> list[str]:
    """Return the addresses in a value of `store`. Only a comma before another address separates them."""
    return re.split(r",\s*(?=\w+://|sqlite:|memory\b)", store) if store else []


def without_secrets(store: str) -> str:
    """Remove users, passwords and queries, which can contain secrets, from the URLs of a store."""
    return ", ".join(map(_without_secrets, addresses_of(store)))


def database_name(url: str) -> str:
    """Return the URL of a Redis database without secrets, the same one for all spellings of it.

    Raises:
        ValueError: a part of the URL would be ignored or mistaken for another one.
    """
    parts = urlsplit(url)
    is_socket = parts.scheme == "unix"
    is_cut = "@" in parts.query and not _OPTIONS.match(parts.query)
    if parts.fragment or is_cut or ("@" in parts.path and not is_socket):
        raise ValueError('encode "/", "?", "#" and "@" in a password as %2F, %3F, %23 and %40')
    database = parse_qs(parts.query).get("db", [""])[0]
    if not is_socket:
        database = database or parts.path.strip("/") or "0"
    if not re.fullmatch("[0-9]*", database):
        raise ValueError(f'the database "{database}" is not a number')
    if is_socket:
        if parts.hostname:
            raise ValueError("the path of a socket begins with /, as in unix:///run/redis.sock")
        return f"unix://{unquote(parts.path)}" + (f"?db={int(database)}" if int(database or 0) else "")
    host = unquote(parts.hostname or "localhost")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}:{parts.port or 6379}/{int(database)}"


def _without_secrets(address: str) -> str:
    found = re.fullmatch(r"(?!sqlite:)(\w+:/+|)(?:[^?#]*@)?([^?#]*)(?:[?#](.*))?", address, re.DOTALL)
    if not found:
        return address
    scheme, place, rest = found.groups("")
    is_cut = "@" in rest and not _OPTIONS.match(rest)  # a password with a "?" or "#", which is an error
    return scheme + ("…" if is_cut else place)
