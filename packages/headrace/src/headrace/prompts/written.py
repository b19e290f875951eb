"""What a chat template writes for an answer and for calls with known values, so that their format shows."""

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import takewhile
from typing import Any, Final, NamedTuple

from headrace.errors import RequestError
from headrace.prompts.messages import template_messages
from headrace.prompts.template import ChatTemplate
from headrace.wire.request import RequestFunction, RequestMessage, RequestToolCall

__all__ = ["ANSWER", "CALLS", "REASONING", "Turn", "Written"]

REASONING: Final = "probe-reasoning"
ANSWER: Final = "probe-answer"
CALLS: Final[Mapping[str, Mapping[str, str]]] = {
    "probe_one": {"probe_key": "probe-value"},
    "probe_two": {"probe_key": "probe-other"},
}
"""The arguments of each call by its name."""

_USER: Final = RequestMessage("user", "probe-user")
_RESULT: Final = RequestMessage("tool", "probe-result", tool_call_id="probe0001")
_PARAMETERS: Final = {
    "type": "object",
    "properties": {"probe_key": {"type": "string", "description": "probe"}},
}
_TOOLS: Final = [
    {"type": "function", "function": {"name": name, "description": "probe", "parameters": _PARAMETERS}}
    for name in CALLS
]
# Mistral's templates require ids of nine letters or digits; Kimi's write the id instead of the name.
_IDS: Final = (("probe0001", "probe0002"), ("functions.probe_one:0", "functions.probe_two:1"))
_CUT_TAG: Final = re.compile(r"[<\[][^<>\[\]]*\Z")
_FIRST_TAG: Final = re.compile(r"[<\[]")


class Turn(NamedTuple):
    """An answer as a template writes it.

    Args:
        prompt: what precedes it, as far as a prompt for it has the same.
        text: what the model writes.
        end: what ends the turn.
        calls: the number of calls.
    """

    prompt: str
    text: str
    end: str = ""
    calls: int = 0


class Written:
    """What a template writes.

    Attributes:
        prompt: for an answer with thinking; "" if the template rejects every message.
        prompt_without_thinking: for an answer without thinking.
        answer: a turn with reasoning and an answer; None if the template rejects it.
        calls: a turn with reasoning and calls; None if the template writes none.
    """

    def __init__(self, template: ChatTemplate) -> None:
        self._template = template
        self.prompt = self._render(_USER) or ""
        self.prompt_without_thinking = self._render(_USER, thinking=False) or ""
        self.answer = self._turn(RequestMessage("assistant", ANSWER, reasoning_content=REASONING))
        self.calls = self._calls()
        if self.answer and self.calls:
            self.answer, self.calls = _without_end(self.answer, self.calls)

    @cached_property
    def thinks(self) -> bool:
        """Whether the template writes `<think>`, or drops it from earlier answers."""
        texts = [prompt.rpartition("probe-user")[2] for prompt in (self.prompt, self.prompt_without_thinking)]
        texts += [turn.text for turn in (self.answer, self.calls) if turn]
        if any(tag in text for tag in ("<think>", "</think>") for text in texts):
            return True
        thought = self._turn(RequestMessage("assistant", f"<think>\n{REASONING}\n</think>\n\n{ANSWER}"))
        return thought is not None and ANSWER in thought.text and REASONING not in thought.text

    @cached_property
    def prompts(self) -> str:
        """Everything that it writes, for images and tool results, too."""
        image = {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": _USER.content}]}
        others = (self._render(image), self._render(_USER, _RESULT))
        turns = [turn.prompt + turn.text for turn in (self.answer, self.calls) if turn]
        return "\n".join([self.prompt, self.prompt_without_thinking, *filter(None, others), *turns])

    def _calls(self) -> Turn | None:
        names = list(CALLS)
        for number, ids in ((2, _IDS[0]), (1, _IDS[0]), (2, _IDS[1])):
            calls = [
                RequestToolCall(RequestFunction(name, f'{{"probe_key": "{CALLS[name]["probe_key"]}"}}'), id)
                for name, id in zip(names[:number], ids, strict=False)
            ]
            turn = self._turn(RequestMessage("assistant", "", reasoning_content=REASONING, tool_calls=calls))
            if turn and all(part in turn.text for part in (*names[:number], "probe-value")):
                return turn._replace(calls=number)
        return None

    def _turn(self, message: RequestMessage) -> Turn | None:
        for tools in (_TOOLS, []):
            prompt = self._render(_USER, tools=tools)
            whole = self._render(_USER, message, tools=tools, generate=False)
            if prompt is not None and whole is not None:
                same = _common_beginning(prompt, whole)
                before = same if same == prompt else _CUT_TAG.sub("", same)
                return Turn(before, whole[len(before) :])
        return None

    def _render(
        self,
        *messages: RequestMessage | Mapping[str, Any],
        tools: Sequence[Mapping[str, Any]] = _TOOLS,
        **options: Any,
    ) -> str | None:
        shape = self._template.findings.shape
        shaped: list[Mapping[str, Any]] = []
        for message in messages:
            if isinstance(message, RequestMessage):
                shaped += template_messages([message], shape)
            else:
                shaped.append(message)
        try:
            return self._template.render(shaped, tools=tools, **options)
        except RequestError:
            return None


def _without_end(one: Turn, other: Turn) -> tuple[Turn, Turn]:
    """Move the tags with which both texts end to `end`."""
    common = _common_beginning(one.text[::-1], other.text[::-1])[::-1]
    tag = _FIRST_TAG.search(common)
    if tag is None:
        return one, other
    end = common[tag.start() :]
    first, second = (turn._replace(text=turn.text.removesuffix(end), end=end) for turn in (one, other))
    return first, second


def _common_beginning(one: str, other: str) -> str:
    return "".join(
        first for first, _ in takewhile(lambda pair: pair[0] == pair[1], zip(one, other, strict=False))
    )
