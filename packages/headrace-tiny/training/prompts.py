"""Dialogues as text: the chat template that ships in the model, and its end-of-turn token."""

from pathlib import Path
from typing import Any

from dialogues import Dialogue, Message

from headrace.prompts import ChatTemplate

TEMPLATE = (Path(__file__).parent / "chat_template.jinja").read_text(encoding="utf-8")
_template = ChatTemplate(TEMPLATE)

# The part of a tools prompt that is always the same. Most of the training leaves it out:
# it is half of a short prompt, and there is nothing to learn from it but where it stands.
_with_tools = _template.render([], tools=["\0"], generate=False)
TOOLS_HEAD, TOOLS_TAIL = (
    part.strip("\n") for part in _with_tools.removeprefix("[gMASK]<sop>").split('"\\u0000"')
)


def prompt(messages: list[Message], tools: list[dict[str, Any]], *, thinking: bool) -> str:
    return _template.render(messages, tools=tools, thinking=thinking)


def render(dialogue: Dialogue, *, brief: bool = False) -> str:
    """The whole dialogue with the token that ends its last turn."""
    messages = dialogue.messages
    if not dialogue.thinking:
        messages = [{k: v for k, v in m.items() if k != "reasoning_content"} for m in messages]
    text = _template.render(
        messages,
        tools=dialogue.tools,
        thinking=dialogue.thinking,
        generate=False,
        clear_thinking=not dialogue.keeps_thinking,
    )
    if brief:
        text = text.replace(TOOLS_HEAD, "<|system|>").replace(TOOLS_TAIL, "")
    return text + ("<|observation|>" if messages[-1].get("tool_calls") else "<|user|>")
