"""`$ref` in a JSON Schema → the subschema that it refers to.

The grammar, the parser of arguments and the checks of schemas all resolve references here.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote, urldefrag, urljoin

__all__ = ["SchemaReferences"]

_INDEX: Final = re.compile(r"[0-9]{1,9}")
_MAX_CHAIN: Final = 32
_ANCHORS: Final = ("$anchor", "$dynamicAnchor")
_VALUES: Final = frozenset({"const", "default", "enum", "examples"})  # not schemas
_IDS: Final = ("$id", "id")  # `id` is draft 4's


class SchemaReferences:
    """The references within one document.

    Args:
        root: the document; any JSON value.
    """

    def __init__(self, root: Any) -> None:
        self._root = root
        self._base: str = next((root[key] for key in _IDS if _has_text(root, key)), "")
        self._named: dict[str, Any] | None = None
        self._found: dict[str, Any] = {}

    def resolve(self, reference: str) -> Any:
        """Return the target of a reference: `#`, a JSON pointer, an anchor, or an `$id` of the document.

        Raises:
            LookupError: the document has no such part.
        """
        if reference not in self._found:
            self._found[reference] = self._find(reference)
        return self._found[reference]

    def follow(self, schema: Any) -> Any:
        """Return a schema, or what it refers to, through chained references; None if there is no such."""
        for _ in range(_MAX_CHAIN):
            reference = schema.get("$ref") if isinstance(schema, Mapping) else None
            if not isinstance(reference, str):
                return schema
            try:
                schema = self.resolve(reference)
            except LookupError:
                return None
        return None

    def _find(self, reference: str) -> Any:
        try:
            address, fragment = urldefrag(reference)
            address = address and urljoin(self._base, address)
        except ValueError as error:  # it is not a URL
            raise LookupError(reference) from error
        part = self._root if address in ("", urldefrag(self._base).url) else self._names()[address]
        if fragment and not fragment.startswith("/"):
            return self._names()["#" + unquote(fragment)]
        for key in fragment.split("/")[1:]:
            part = _child(part, unquote(key).replace("~1", "/").replace("~0", "~"))
        return part

    def _names(self) -> dict[str, Any]:
        """Return the parts that have an anchor or an id, by that name."""
        if self._named is None:
            self._named = {}
            for part in _objects(self._root):
                for key in _ANCHORS:
                    if _has_text(part, key):
                        self._named.setdefault(f"#{part[key]}", part)
                for key in _IDS:
                    if _has_text(part, key):
                        name = part[key] if part[key].startswith("#") else urljoin(self._base, part[key])
                        self._named.setdefault(name, part)
        return self._named


def _child(part: Any, key: str) -> Any:
    if isinstance(part, list) and _INDEX.fullmatch(key):
        return part[int(key)]
    if isinstance(part, Mapping):
        return part[key]
    raise LookupError(key)


def _has_text(part: Any, key: str) -> bool:
    return isinstance(part, Mapping) and isinstance(part.get(key), str)


def _objects(root: Any) -> Iterator[Any]:
    waiting = [root]
    while waiting:
        part = waiting.pop()
        if isinstance(part, Mapping):
            yield part
            waiting += (value for key, value in part.items() if key not in _VALUES)
        elif isinstance(part, list):
            waiting += part
