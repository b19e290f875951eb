"""The parts of a message's content, as clients write them → as OpenAI's API has them, still plain JSON.

Z.ai's API accepts an image as base64 alone. Other servers need a URL, so it becomes a `data:` URL.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

__all__ = ["IMAGE_TYPES", "IMAGE_URL", "translate_parts"]

IMAGE_URL: Final = re.compile(r"(?i:https?://|data:image/)")
"""The start of an image's URL."""

IMAGE_TYPES: Final = {"/9j/": "jpeg", "iVBOR": "png", "R0lG": "gif", "UklGR": "webp"}
"""Types of images by the start of their base64."""


def translate_parts(parts: Iterable[Any]) -> list[Any]:
    """Return parts that have types, and images that have URLs; what is invalid stays as it is."""
    return [_translate_part(part) for part in parts]


def _translate_part(part: Any) -> Any:
    match part:
        case {"type": "image_url", "image_url": str(url)}:  # Mistral
            return {**part, "image_url": {"url": _url(url)}}
        case {"type": "image_url", "image_url": {"url": str(url)} as image}:
            return {**part, "image_url": {**image, "url": _url(url)}}
        case Mapping() if "type" not in part:
            return {"type": "text", **part}
    return part


def _url(image: str) -> str:
    for start, kind in IMAGE_TYPES.items():
        if image.startswith(start):
            return f"data:image/{kind};base64,{image}"
    return image
