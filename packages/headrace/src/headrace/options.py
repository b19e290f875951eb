"""Options, each described once, in the annotation of its field in a settings class.

    class TurnSettings(msgspec.Struct):
        linger: Annotated[Seconds, describe("how long a turn continues without a client; …")] = 60.0

Flags, error messages and docs/configuration.md (by `docs/draw.py`) are generated from it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any, Final, Literal, NamedTuple, get_args, get_origin

import msgspec

from headrace.errors import EngineError, RequestError

__all__ = [
    "Bytes",
    "Option",
    "OptionError",
    "Seconds",
    "base_type",
    "describe",
    "errors_of",
    "options_of",
    "unit",
]

_Source = Literal["flag", "variable", "file"]
_SOURCES: Final[tuple[_Source, ...]] = ("flag", "variable", "file")


def describe(
    text: str,
    metavar: str = "",
    *,
    default: str = "",
    sources: tuple[_Source, ...] = _SOURCES,
    at_limit: str = "",
    reloads: bool = False,
) -> msgspec.Meta:
    """Describe the option of a field.

    Args:
        text: a sentence fragment: what the option sets, and the meaning of special values.
        metavar: placeholder of the value, if the type implies none.
        default: what happens without the option, if the field's default does not show it.
        sources: where the option can be set.
        at_limit: what happens at the limit, if it is one, as `status: code`; each place where this happens
            calls `report_limit`.
        reloads: whether a running server uses a new value after SIGHUP.
    """
    extra = {
        "metavar": metavar,
        "default": default,
        "sources": sources,
        "at_limit": at_limit,
        "reloads": reloads,
    }
    return msgspec.Meta(description=text, extra=extra)


def unit(metavar: str, *, least: float, most: float | None = None) -> msgspec.Meta:
    """Define the range of a number and its unit."""
    return msgspec.Meta(ge=least, le=most, extra={"metavar": metavar})


Seconds = Annotated[float, unit("SECONDS", least=0, most=1e9)]
Bytes = Annotated[int, unit("BYTES", least=1)]


class Option(NamedTuple):
    """An option as users see it.

    Args:
        name: the name in headrace.toml.
        metavar: placeholder of the value: its unit, or the choices as `{a,b}`.
        description: what it sets.
        default: a value or a description; "" if the option is required.
        sources: where it can be set.
        at_limit: what happens at the limit; "" if it is none.
        reloads: whether a running server uses a new value after SIGHUP.
    """

    name: str
    metavar: str
    description: str
    default: str
    sources: tuple[_Source, ...]
    at_limit: str = ""
    reloads: bool = False

    @property
    def flag(self) -> str:
        """The name on the command line."""
        return f"--{self.name.replace('_', '-')}"

    @property
    def variable(self) -> str:
        """The name of the environment variable."""
        return f"HEADRACE_{self.name.upper()}"


class OptionError(RequestError):
    """An invalid value of an option.

    Args:
        option: the name of the option.
        reason: what is wrong with the value, and what to do.
    """

    def __init__(self, option: str, reason: str) -> None:
        super().__init__(f"{option}: {reason}")
        self.option = option
        self.reason = reason


@contextmanager
def errors_of(option: str) -> Iterator[None]:
    """Translate an `EngineError`, such as that of an unreadable file, to an `OptionError`."""
    try:
        yield
    except EngineError as error:
        raise OptionError(option, error.message) from None


def options_of(kind: type[msgspec.Struct]) -> dict[str, Option]:
    """Return the options of a settings class by name, inherited ones first: its fields with a description."""
    options = (_option(field) for field in msgspec.structs.fields(kind))
    return {option.name: option for option in options if option.description}


def base_type(hint: Any) -> Any:
    """Return a type without its annotations."""
    return get_args(hint)[0] if get_origin(hint) is Annotated else hint


def _option(field: msgspec.structs.FieldInfo) -> Option:
    description = ""
    extra: dict[str, Any] = {}
    for meta in getattr(field.type, "__metadata__", ()):
        description = meta.description or description
        extra |= {key: value for key, value in (meta.extra or {}).items() if value}
    choices = get_args(field_type) if get_origin(field_type := base_type(field.type)) is Literal else ()
    return Option(
        name=field.name,
        metavar=extra.get("metavar") or f"{{{','.join(filter(None, choices))}}}",
        description=description,
        default=extra.get("default") or _shown(field.default),
        sources=extra.get("sources", ()),
        at_limit=extra.get("at_limit", ""),
        reloads=extra.get("reloads", False),
    )


def _shown(default: Any) -> str:
    if isinstance(default, float):
        return f"{default:g}"
    if isinstance(default, bool):
        return str(default).lower()
    return "" if default in (msgspec.NODEFAULT, None, ()) else str(default)
