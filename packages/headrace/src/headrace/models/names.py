"""The names of models: those that Z.ai documents, and the one that stands for any."""

import re
from typing import Final

__all__ = ["ANY_NAME", "ZAI_NAMES", "has_vision"]

ANY_NAME: Final = "*"
"""The alias of a model that answers to every name that no other model has."""

ZAI_NAMES: Final = (
    "glm-4.6",
    "glm-5.3",
    "glm-5.3-flash",
    "glm-5.2",
    "glm-5.1",
    "glm-5",
    "glm-5-turbo",
    "glm-5v-turbo",
    "glm-4.7",
    "glm-4.7-flash",
    "glm-4.7-flashx",
    "glm-4.6v",
    "glm-4.6v-flash",
    "glm-4.6v-flashx",
    "glm-4.5",
    "glm-4.5-air",
    "glm-4.5-airx",
    "glm-4.5-flash",
    "glm-4.5-x",
    "glm-4.5v",
    "glm-4.1v-thinking-flash",
    "glm-4.1v-thinking-flashx",
    "glm-4",
    "glm-4-0520",
    "glm-4-32b-0414-128k",
    "glm-4-air",
    "glm-4-air-250414",
    "glm-4-airx",
    "glm-4-flash",
    "glm-4-flash-250414",
    "glm-4-flashx",
    "glm-4-flashx-250414",
    "glm-4-long",
    "glm-4-plus",
    "glm-z1-air",
    "glm-z1-airx",
    "glm-z1-flash",
    "glm-z1-flashx",
    "glm-3-turbo",
    "charglm-3",
    "charglm-4",
    "codegeex-4",
    "emohaa",
    "headrace-tiny",
)
"""Names of the embedded model, so that code written for Z.ai runs unchanged: the chat models on the pages of
docs.z.ai and docs.bigmodel.cn, older ones included."""

_VISION: Final = re.compile(
    r"glm-[\d.]+v|vl(?![a-z])|vision|pixtral|llava|gpt-(?:4o|4\.1|5)|gemma-?3(?:n|[-:](?:4|12|27)b)|llama-4",
    re.IGNORECASE,
)


def has_vision(model_name: str) -> bool:
    """Return whether a name is that of a model that accepts images, such as `glm-4.6v` or `Qwen3-VL-8B`."""
    return _VISION.search(model_name) is not None
