"""Operations of Jinja and Python that can build much more than they read: charged before they run."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from jinja2.environment import Environment
from jinja2.exceptions import SecurityError
from jinja2.filters import do_batch, do_indent, do_round, do_sum, make_attrgetter
from jinja2.utils import pass_environment

from headrace.prompts.budget import ITEM, charge, charge_deep, spend
from headrace.prompts.escaping import ESCAPED

__all__ = ["FILTERS", "METHODS", "calculate", "check_format", "join"]

_MAX_BITS: Final = 4096  # of an integer
_MAX_DIGITS: Final = 100  # of `round`
_MAX_INDENT: Final = 16  # of `tojson`, and characters of its separators
# A width or precision of five digits, one from the values, or one computed by a nested field.
_WIDE: Final = re.compile(r"[0-9]{5}|%[^a-zA-Z%]{0,9}\*|:[^{}]{0,9}\{")
_WIDTH: Final = re.compile(r"[0-9]{1,4}")
_NOT_ASCII: Final = re.compile(f"[^\x00-~{ESCAPED}]")


def check_format(text: str, *values: Any) -> None:
    """Charge `text % values` or `text.format(*values)`: each field may show all of the values.

    Raises:
        SecurityError: a width is too large or not a number.
    """
    if _WIDE.search(text):
        msg = "a format has a width of more than four digits, or a variable one"
        raise SecurityError(msg)
    charge(text)
    spend(sum(map(int, _WIDTH.findall(text))))
    spend((text.count("{") + text.count("%")) * sum(map(charge_deep, values)))


def join(values: Iterable[Any], separator: Any = "") -> str:
    """Join the texts of values."""
    texts = [str(value) for value in values if charge_deep(value)]
    between = str(separator)
    spend(len(between) * len(texts))
    return between.join(texts)


def calculate(operator: str, left: Any, right: Any) -> None:
    """Charge `left operator right`.

    Raises:
        SecurityError: an integer is too large.
    """
    if operator == "%" and isinstance(left, str):
        check_format(left, right)
    for one, other in ((left, right), (right, left)):
        if isinstance(one, int):
            bits = one.bit_length()
            if operator == "*" and isinstance(other, str | list | tuple):
                spend(one * charge(other))
            elif operator == "**" and one is left and isinstance(other, int):
                bits *= abs(other)
            if bits > _MAX_BITS:
                msg = f"an integer has more than {_MAX_BITS} bits"
                raise SecurityError(msg)
        else:
            charge(one)


def _replace(s: Any, old: Any, new: Any, count: int | None = None) -> str:
    text, replacement = str(s), str(new)
    spend(text.count(str(old)) * len(replacement))
    return text.replace(str(old), replacement, -1 if count is None else count)


@pass_environment
def _join(environment: Environment, values: Any, d: Any = "", attribute: str | int | None = None) -> str:
    return join(values if attribute is None else map(make_attrgetter(environment, attribute), values), d)


def _indent(s: Any, width: int | str = 4, first: bool = False, blank: bool = False) -> str:  # noqa: FBT001, FBT002
    spend((str(s).count("\n") + 1) * (len(width) if isinstance(width, str) else width))
    return do_indent(str(s), width, first, blank)


def _center(value: Any, width: int = 80) -> str:
    spend(width)
    return str(value).center(width)


def _batch(value: Any, linecount: int, fill_with: Any = None) -> Iterator[list[Any]]:
    spend(ITEM * linecount)
    return do_batch(value, linecount, fill_with)


def _round(value: Any, precision: int = 0, method: Any = "common") -> float:
    if abs(precision) > _MAX_DIGITS:
        msg = f"round cannot round to {precision} digits"
        raise SecurityError(msg)
    return do_round(value, precision, method)


def _format(value: Any, *args: Any, **kwargs: Any) -> str:
    check_format(str(value), *args, kwargs)
    return str(value) % (kwargs or args)


@pass_environment
def _sum(environment: Environment, iterable: Any, attribute: str | int | None = None, start: Any = 0) -> Any:
    if not isinstance(start, int | float):  # lists are copied for each item
        msg = "sum adds only numbers"
        raise SecurityError(msg)
    return do_sum(environment, iterable, attribute, start)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,  # noqa: FBT001, FBT002 - as in transformers
    indent: Any = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,  # noqa: FBT001, FBT002
) -> str:
    """Encode without the HTML escapes of Jinja's own `tojson`, which would change the prompt."""
    for text in (indent, *(separators or ())):
        if text is not None and (text if isinstance(text, int) else len(text)) > _MAX_INDENT:
            msg = f"tojson indents by {_MAX_INDENT} at most, and its separators have as many characters"
            raise SecurityError(msg)
    encoder = json.JSONEncoder(ensure_ascii=False, indent=indent, separators=separators, sort_keys=sort_keys)
    if indent is None:
        encoded = encoder.encode(value)  # its length is bounded by what the caller has spent for the value
    else:
        pieces = []
        for piece in encoder.iterencode(value):
            spend(len(piece))
            pieces.append(piece)
        encoded = "".join(pieces)
    # An escaped `<` must stay one character, which is found in the prompt.
    return _NOT_ASCII.sub(lambda match: json.dumps(match[0])[1:-1], encoded) if ensure_ascii else encoded


FILTERS: Final[Mapping[str, Any]] = {
    "batch": _batch,
    "center": _center,
    "format": _format,
    "indent": _indent,
    "join": _join,
    "replace": _replace,
    "round": _round,
    "sum": _sum,
    "tojson": _to_json,
}
"""In place of Jinja's filters."""

METHODS: Final[Mapping[str, Any]] = {
    "join": lambda separator, values: join(values, separator),
    "replace": _replace,
}
"""In place of the methods of strings."""
