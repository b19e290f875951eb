"""Structures as structural tags, the notation of xgrammar, for vLLM and SGLang.

A delimiter is text there: xgrammar matches the text of every token that is not a stop token.
https://xgrammar.mlc.ai/docs/tutorials/structural_tag.html
"""

from typing import Any, Final, assert_never

from headrace.engines.protocols.structure import (
    Choice,
    FreeText,
    Json,
    Literal,
    Markup,
    Node,
    Optional,
    Pattern,
    Repeat,
    Sequence,
    Structure,
)

__all__ = ["structural_tag"]

_MAX_SPACE: Final = 16  # characters in a row: a small model fills its context with white space
_NOTHING: Final = {"type": "const_string", "value": ""}


def structural_tag(structure: Structure, prompt: str) -> dict[str, Any]:
    """Return the `response_format` for the structure, after a thinking if the prompt leaves room for one."""
    answer = Sequence((structure.prefix(prompt), structure.body))
    return {"type": "structural_tag", "format": _format(answer)}


def _format(node: Node) -> dict[str, Any]:
    match node:
        case Literal(text) | Markup(text):
            return _text(text)
        case FreeText(end, least, most):  # not its patterns: there is no intersection
            return _sequence(_free_text(end, least, most), _text(end))
        case Pattern(pattern):
            return {"type": "regex", "pattern": pattern}
        case Json(schema):
            return {"type": "json_schema", "json_schema": schema, "max_whitespace_cnt": _MAX_SPACE}
        case Sequence(items):
            return _sequence(*map(_format, items))
        case Choice(items):
            return {"type": "or", "elements": [_format(item) for item in items]}
        case Optional(item):
            return {"type": "or", "elements": [_format(item), _NOTHING]}
        case Repeat(item):
            return {"type": "star", "content": _format(item)}
        case _:
            assert_never(node)


def _text(text: str) -> dict[str, Any]:
    return {"type": "const_string", "value": text}


def _free_text(end: str, least: int, most: int | None) -> dict[str, Any]:
    if least == 0 and most is None:
        return {"type": "any_text", "excludes": [end]}
    return {"type": "regex", "pattern": f"[^<]{{{least},{'' if most is None else most}}}"}


def _sequence(*formats: dict[str, Any]) -> dict[str, Any]:
    """Return one sequence: those within it are resolved, and adjacent texts joined."""
    elements: list[dict[str, Any]] = []
    for format in formats:
        for element in format["elements"] if format["type"] == "sequence" else [format]:
            if element["type"] == "const_string" and elements and elements[-1]["type"] == "const_string":
                elements[-1] = _text(elements[-1]["value"] + element["value"])
            elif element != _NOTHING:
                elements.append(element)
    return elements[0] if len(elements) == 1 else {"type": "sequence", "elements": elements or [_NOTHING]}
