"""headrace.toml: its tables, checked; and the file of API keys."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from headrace.configuration.table import closest
from headrace.errors import RequestError
from headrace.foreign_errors import reading
from headrace.options import OptionError, errors_of

__all__ = ["read_file", "read_keys"]

_TABLES: Final = ("server", "turns", "limits", "telemetry", "models")


def read_file(path: Path, origin: str) -> dict[str, Any]:
    """Read a configuration file.

    Args:
        path: of the file.
        origin: the option that names it, for messages.

    Raises:
        RequestError: it cannot be read, it is not TOML, or it has a table of another name or form.
    """
    tables = _read(path, origin)
    _check(tables, path)
    return tables


def read_keys(path: str) -> list[str]:
    """Read a file of API keys: one on each line, but for empty lines and comments (`#`).

    Raises:
        OptionError: it cannot be read, or contains no key.
    """
    with errors_of("api_keys_file"), reading("the API keys", Path(path)):
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    lines = (line.strip() for line in text.splitlines())
    if keys := [line for line in lines if line and not line.startswith("#")]:
        return keys
    raise OptionError("api_keys_file", f"{path} contains no key; write one as id.secret on each line")


def _read(path: Path, origin: str) -> dict[str, Any]:
    with reading(origin, path, RequestError):
        encoded = path.read_bytes()
    try:
        return tomllib.loads(encoded.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        reason = str(error)
    except RecursionError:
        reason = "arrays or tables are nested too deeply"
    except ValueError:
        reason = "a number has too many digits"
    raise RequestError(f"{path} is not valid TOML: {reason}")


def _check(tables: Mapping[str, Any], path: Path) -> None:
    """Reject unknown tables and values in place of tables."""
    for name, table in tables.items():
        if name not in _TABLES:
            msg = f"{path}: unknown table [{name}]{closest(name, _TABLES)}"
            raise RequestError(msg)
        if not isinstance(table, dict):
            msg = f"{path}: {name} is {table!r}; it must be a table: [{name}]"
            raise RequestError(msg)
    for name, table in tables.get("models", {}).items():
        if not isinstance(table, dict):
            msg = f'{path}: models.{name} is {table!r}; it must be a table: [models."{name}"]'
            raise RequestError(msg)
        for option, value in table.items():
            if isinstance(value, dict) and option != "chat_template_kwargs":
                full = f"{name}.{option}"
                msg = f'{path}: [models.{full}]: put a name that has a dot in quotes: [models."{full}"]'
                raise RequestError(msg)
    for option in ("api_keys", "master_key"):
        if option in tables.get("server", {}):
            msg = f"{path}: [server] {option}: keys cannot be set in a file; set HEADRACE_{option.upper()}"
            raise RequestError(msg)
