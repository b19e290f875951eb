"""A question of the evaluation, and what came back."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from dialogues import Message


@dataclass
class Answer:
    thought: str = ""
    content: str = ""
    calls: list[tuple[str, Any]] = field(default_factory=list)
    well_formed: bool = False
    text: str = ""


@dataclass
class Case:
    kind: str
    messages: list[Message]
    tools: list[dict[str, Any]]
    thinking: bool
    right: Callable[[Answer], bool]
    request: dict[str, Any] = field(default_factory=dict)


def user(text: str) -> list[Message]:
    return [{"role": "user", "content": text}]
