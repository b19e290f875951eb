"""Content blocks of the Messages API → contents of Z.ai's API, plain JSON on both sides."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.errors import RequestError
from headrace.wire.expected import show

__all__ = ["blocks_of", "content_of", "field", "missing", "rejected", "text_of_blocks", "wrong"]

_ATTRIBUTION: Final = "x-anthropic-billing-header:"
_MISSING: Final = object()
_FILES: Final = ("base64", "url", "file")
_NOTE: Final = [{"type": "text", "text": "[A document that this model cannot read, such as a PDF.]"}]
_EXAMPLES: Final = {
    "content": '"Hello"',
    "id": '"toolu_1"',
    "input": '{"location": "Paris"}',
    "input_schema": '{"type": "object", "properties": {}}',
    "max_tokens": "1024",
    "messages": '[{"role": "user", "content": "Hello"}]',
    "model": '"glm-4.6"',
    "name": '"get_weather"',
    "role": '"user"',
    "schema": '{"type": "object", "properties": {}}',
    "source": '{"type": "url", "url": "https://example.com/cat.png"}',
    "stop_sequences": '["END"]',
    "text": '"Hello"',
    "thinking": '{"type": "adaptive"}',
    "thinking.type": '"adaptive"',
    "tool_choice.type": '"auto"',
    "tool_use_id": '"toolu_1"',
    "type": '"text"',
}
"""Values for messages, by the path or the name of the field."""

_KINDS: Final = {str: "a string", list: "a list", dict: "an object", bool: "true or false", int: "an integer"}


def wrong(where: str, value: Any, expected: str) -> RequestError:
    """Return the error for a value of the wrong type, or one that is not allowed."""
    return RequestError(f"{where}: {show(value)} is not {expected}")


def missing(where: str) -> RequestError:
    """Return the error for a field that is required."""
    return RequestError(f"{where}: field required{_example(where)}", code="1213")


def rejected(where: str, reason: str) -> RequestError:
    """Return the error for something that is not supported here."""
    return RequestError(f"{where}: {reason}", code="1210")


def field(owner: Mapping[str, Any], where: str, name: str, *kinds: type, default: Any = _MISSING) -> Any:
    """Return a field.

    Args:
        owner: has the field.
        where: the path of the owner, for messages.
        name: of the field.
        kinds: the types that it may have.
        default: for an absent field, and for null; without one, the field is required.

    Raises:
        RequestError: 1213, the field is missing; 1214, it has another type.
    """
    value = owner.get(name)
    path = f"{where}.{name}" if where else name
    if value is None:
        if default is _MISSING:
            raise missing(path)
        return default
    if type(value) not in kinds:
        raise wrong(path, value, " or ".join(_KINDS[kind] for kind in kinds) + _example(path))
    return value


def _example(where: str) -> str:
    example = _EXAMPLES.get(where) or _EXAMPLES.get(where.rpartition(".")[2])
    return f", such as {example}" if example else ""


def blocks_of(content: Any, where: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the blocks of a content with their paths; a string is one text block.

    Raises:
        RequestError: 1214, it is neither a string nor a list of objects with a type.
    """
    if isinstance(content, str):
        content = [{"type": "text", "text": content}]
    elif not isinstance(content, list):
        raise wrong(where, content, "a string or a list of content blocks")
    for index, block in enumerate(content):
        path = f"{where}.{index}"
        if not isinstance(block, dict):
            raise wrong(path, block, "a content block, such as an object of type text")
        field(block, path, "type", str)
        yield path, block


def text_of_blocks(content: Any, where: str) -> str:
    """Return the text of a content that can only have text blocks.

    Clients write their version and a checksum of the conversation into a block of the system prompt. It would
    make every prompt different from its beginning, so it is left out.
    """
    texts = []
    for path, block in blocks_of(content, where):
        if block["type"] != "text":
            raise rejected(f"{path}.type", f"{show(block['type'])} is not allowed here; only text is")
        texts.append(field(block, path, "text", str))
    return "".join(text for text in texts if not text.startswith(_ATTRIBUTION))


def content_of(
    blocks: Sequence[tuple[str, dict[str, Any]]], *, is_result: bool = False
) -> str | list[dict[str, Any]]:
    """Return the content for blocks of a user or of a tool's result: a string if there are no images.

    So a message given as blocks becomes the same prompt as the same text given as a string. A document that
    cannot be read is rejected in a user's message. In a result, a note replaces it: an error would end the
    session of an agent that has opened a PDF.

    Raises:
        RequestError: 1210, a block of another type; 1214, one that is invalid.
    """
    parts: list[dict[str, Any]] = []
    for path, block in blocks:
        convert = _PARTS.get(block["type"])
        if convert is None:
            reason = f"{show(block['type'])} is not supported here; it must be one of {', '.join(_PARTS)}"
            raise rejected(f"{path}.type", reason)
        parts += _NOTE if is_result and _is_unreadable(block) else convert(block, path)
    if all(part["type"] == "text" for part in parts):
        return "".join(part["text"] for part in parts)
    return parts


def _text(block: dict[str, Any], path: str) -> list[dict[str, Any]]:
    return [{"type": "text", "text": field(block, path, "text", str)}]


def _image(block: dict[str, Any], path: str) -> list[dict[str, Any]]:
    source = field(block, path, "source", dict)
    where = f"{path}.source"
    match source.get("type"):
        case "base64":
            media_type, data = (field(source, where, name, str) for name in ("media_type", "data"))
            url = f"data:{media_type};base64,{data}"
        case "url":
            url = field(source, where, "url", str)
        case kind:
            raise rejected(f"{where}.type", f"{show(kind)} is not supported here; use base64 or url")
    if not url.startswith(("data:image/", "http://", "https://")):
        raise wrong(where, url, "an image, or an http or https URL")
    return [{"type": "image_url", "image_url": {"url": url}}]


def _document(block: dict[str, Any], path: str) -> list[dict[str, Any]]:
    source = field(block, path, "source", dict)
    title = field(block, path, "title", str, default="")
    match source.get("type"):
        case "text":
            text = field(source, f"{path}.source", "data", str)
        case "content":
            text = text_of_blocks(source.get("content"), f"{path}.source.content")
        case kind:
            raise rejected(f"{path}.source.type", f"{show(kind)} is not supported here; send the text")
    return [{"type": "text", "text": f"{title}\n\n{text}" if title else text}]


def _is_unreadable(block: Mapping[str, Any]) -> bool:
    source = block.get("source")
    return block["type"] == "document" and isinstance(source, dict) and source.get("type") in _FILES


def _search_result(block: dict[str, Any], path: str) -> list[dict[str, Any]]:
    title, source = (field(block, path, name, str) for name in ("title", "source"))
    text = text_of_blocks(block.get("content"), f"{path}.content")
    return [{"type": "text", "text": f"{title}\n{source}\n\n{text}"}]


def _tool_reference(block: dict[str, Any], path: str) -> list[dict[str, Any]]:
    name = field(block, path, "tool_name", str)
    return [{"type": "text", "text": f"The tool {msgspec.json.encode(name).decode()} is now available.\n"}]


_PARTS: Final[Mapping[str, Callable[[dict[str, Any], str], list[dict[str, Any]]]]] = {
    "text": _text,
    "image": _image,
    "document": _document,
    "search_result": _search_result,
    "tool_reference": _tool_reference,
}
