"""The content of items: strings and lists of parts → those of chat completions."""

from collections.abc import Mapping
from typing import Any, Final

from headrace.errors import RequestError
from headrace.wire.content_parts import IMAGE_URL
from headrace.wire.expected import show

__all__ = ["decode_content", "decode_text", "read_text"]

_TEXTS: Final = {
    **dict.fromkeys(("input_text", "output_text", "text", "summary_text", "reasoning_text"), "text"),
    "refusal": "refusal",
}
"""The types of parts with a text, and its field."""

_EXAMPLES: Final = {
    "arguments": "{}",
    "call_id": "call_1",
    "image_url": "https://example.com/cat.png",
    "input": "Hello",
    "name": "get_weather",
    "refusal": "I can't do that.",
    "text": "Hello",
    "type": "function",
}
"""Values of the fields that are required, for messages."""


def decode_content(where: str, content: Any) -> str | list[dict[str, Any]]:
    """Convert a content with texts and images: a string if all parts are texts.

    A content of parts is for the model the same as one string with the same text.

    Raises:
        RequestError: 1210, a part is of an unsupported type; 1213, a field is missing; 1214, it is invalid.
    """
    parts = [_part(at, part) for at, part in _parts(where, content)]
    if any(part["type"] != "text" for part in parts):
        return parts
    return "".join(part["text"] for part in parts)


def decode_text(where: str, content: Any) -> str:
    """Convert a content with texts only.

    Raises:
        RequestError: as for `decode_content`; an image has 1210.
    """
    decoded = decode_content(where, content)
    if isinstance(decoded, str):
        return decoded
    at = next(index for index, part in enumerate(decoded) if part["type"] != "text")
    raise RequestError(f"{where}[{at}].type is {show(content[at]['type'])}; it must be a text", code="1210")


def read_text(value: Mapping[str, Any], where: str, name: str) -> str:
    """Return the string in a field.

    Raises:
        RequestError: 1213, it is missing; 1214, it is not a string.
    """
    text = value.get(name)
    if text is None:
        raise RequestError(f'{where}.{name} is missing; for example "{_EXAMPLES[name]}"', code="1213")
    if not isinstance(text, str):
        raise RequestError(f"{where}.{name} is {show(text)}; it must be a string")
    return text


def _parts(where: str, content: Any) -> list[tuple[str, Mapping[str, Any]]]:
    if content is None:
        return []
    if isinstance(content, str):
        return [(where, {"type": "text", "text": content})]
    if not isinstance(content, list):
        raise RequestError(f"{where} is {show(content)}; it must be a string or a list of parts")
    for index, part in enumerate(content):
        if not isinstance(part, dict):
            raise RequestError(f"{where}[{index}] is {show(part)}; it must be an object")
    return [(f"{where}[{index}]", part) for index, part in enumerate(content)]


def _part(where: str, part: Mapping[str, Any]) -> dict[str, Any]:
    kind = part.get("type", "input_text")
    if isinstance(kind, str) and (field := _TEXTS.get(kind)):
        return {"type": "text", "text": read_text(part, where, field)}
    if kind == "input_image":
        return _image(where, part)
    msg = f"{where}.type is {show(kind)}; it must be input_text, output_text or input_image"
    raise RequestError(msg, code="1210")


def _image(where: str, part: Mapping[str, Any]) -> dict[str, Any]:
    if part.get("file_id") is not None and part.get("image_url") is None:
        msg = f"{where}.file_id is {show(part['file_id'])}; there are no files here, send image_url"
        raise RequestError(msg, code="1210")
    url, detail = read_text(part, where, "image_url"), part.get("detail")
    if not IMAGE_URL.match(url):
        raise RequestError(f"{where}.image_url is {show(url)}; it must be an http, https or data:image URL")
    image = {"url": url, "detail": detail} if isinstance(detail, str) else {"url": url}
    return {"type": "image_url", "image_url": image}
