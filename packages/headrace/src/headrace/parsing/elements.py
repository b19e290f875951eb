"""Arguments as nested elements → JSON text, incrementally: `<size><x>1</x></size>` → `{"size":{"x":1}}`.

The items of an array are elements, too, whatever their name; without a schema, `item`. As for other markup,
the schema of an element without children decides between bare text and JSON.
"""

from json.encoder import encode_basestring
from typing import Any, Final

import msgspec

from headrace.parsing.arguments import ArgumentsWriter
from headrace.parsing.schema import ANY, ParametersSchema

__all__ = ["ElementsWriter"]

_ITEM: Final = "item"
_EMPTY: Final = {"array": "[]", "object": "{}", "null": "null"}
_CLOSING: Final = {"[": "]", "{": "}"}


class _Element(msgspec.Struct):
    """An open element.

    Args:
        name: its tag.
        schema: of its value; None if there is none.
        container: the bracket that opens its children; "" if it has none.
        names: of its children.
    """

    name: str
    schema: Any
    container: str = ""
    names: list[str] = []


class ElementsWriter(ArgumentsWriter):
    """Writes the arguments of one call.

    Args:
        schema: of the tool's parameters.
    """

    def __init__(self, schema: ParametersSchema) -> None:
        super().__init__(schema)
        self._open = [_Element("", schema.root, "{")]
        self._has_text = False  # in the innermost element

    def open(self, name: str) -> str:
        """Open an element."""
        closed = ""
        if self._end is not None and (self._has_text or self._types.names == {"string"}):
            closed = self._close_to(self._depth_beside(name))  # its closing tag is missing
        parent = self._open[-1]
        if not parent.container:
            self._end = None
            names = self._types.names
            is_array = "array" in names and ("object" not in names or name == _ITEM)
            parent.container = "[" if is_array else "{"
        separator = "," if parent.names else parent.container
        key = f"{encode_basestring(name)}:" if parent.container == "{" else ""
        parent.names.append(name)
        schema = self.schema.part(parent.schema, name if key else None)
        self._open.append(_Element(name, schema))
        self._has_text = False
        types = ANY if schema is None else self.schema.types(schema)
        return closed + separator + key + self._begin_value(types)

    def feed(self, text: str) -> str:
        """Return the JSON for more text of the innermost element."""
        self._has_text = self._has_text or bool(text.strip())
        return super().feed(text)

    def close(self, name: str) -> str:
        """Close an element, and all elements within it; the innermost one if none has this name."""
        for depth in range(len(self._open) - 1, 0, -1):
            if self._open[depth].name == name:
                return self._close_to(depth)
        return "" if self._end is None else self._close_to(len(self._open) - 1)

    def finish(self) -> str:
        """Close all elements that are still open, and the call."""
        return self._close_to(1) + ("}" if self._open[0].names else "{}")

    def _depth_beside(self, name: str) -> int:
        """Return the depth of the innermost element whose parent's schema names a child that is missing."""
        depths = range(len(self._open) - 1, 0, -1)
        parents = ((depth, self._open[depth - 1]) for depth in depths)
        lacking = (
            depth
            for depth, parent in parents
            if name not in parent.names and self.schema.part(parent.schema, name) is not None
        )
        return next(lacking, depths[0])

    def _close_to(self, depth: int) -> str:
        """Close all elements from `depth` on."""
        output = []
        while len(self._open) > depth:
            element = self._open.pop()
            if element.names:
                output.append(_CLOSING[element.container])
            elif self._has_text or "string" in self._types.names:
                output.append(self.end())
            else:
                output.append(next((_EMPTY[name] for name in _EMPTY if name in self._types.names), '""'))
            self._end = None
        return "".join(output)
