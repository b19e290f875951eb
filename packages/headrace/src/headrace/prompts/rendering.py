"""A request → the prompt, by the model's chat template."""

from collections.abc import Callable
from functools import partial
from typing import Any, Final

from jinja2.exceptions import SecurityError

from headrace.errors import RequestError
from headrace.formats import Format
from headrace.prompts.budget import budget, spend
from headrace.prompts.efforts import EFFORT_VARIABLES
from headrace.prompts.escaping import escape, unescape
from headrace.prompts.messages import template_input
from headrace.prompts.rejected_part import rejected_part
from headrace.prompts.template import ChatTemplate, TemplateError
from headrace.wire.request import ChatRequest

__all__ = ["render_request"]

_SEARCH_UNITS: Final = 10_000_000  # some 100 ms, to find out what a template rejects


def render_request(
    template: ChatTemplate,
    request: ChatRequest,
    format: Format | None = None,
    special_tokens: frozenset[str] = frozenset(),
) -> str:
    """Render the prompt of a request.

    Args:
        template: the model's.
        request: the source of messages, tools, thinking options and variables.
        format: the format whose markup is escaped in the texts of users and tools; None for none.
        special_tokens: names of the vocabulary's special tokens, which are escaped as well.

    Raises:
        RequestError: the template rejects a part of the request, or has no such variable; 1212, it leaves
            the results of tools out of the prompt.
    """
    template.check_variables(request.template_variables)
    names = template.tags | special_tokens
    written = str if format is None else partial(escape, format=format, names=names)
    try:
        prompt = _render(template, request, written)
    except TemplateError as failure:
        part = _find_part(template, request, failure.reason)
        raise TemplateError(failure.reason, is_rejection=failure.is_rejection, part=part) from None
    if template.findings.drops_results:
        _check_results(request, prompt)
    return prompt


def _render(template: ChatTemplate, request: ChatRequest, written: Callable[[str], str]) -> str:
    clear = request.thinking.clear_thinking
    thinks = request.wants_thinking or template.must_think
    options: dict[str, Any] = {
        "clear_thinking": clear,  # GLM
        "preserve_thinking": not clear,  # Qwen
        "drop_thinking": clear,  # DeepSeek
    }
    if effort := template.efforts.choose(request.reasoning_effort, thinking=thinks):
        options |= dict.fromkeys(EFFORT_VARIABLES, effort)
    shape = template.findings.shape
    messages, tools = template_input(request.messages, request.tools, shape, written)
    return template.render(
        messages,
        tools=tools,
        thinking=thinks,
        **options | _escaped(request.template_variables, written),
    )


def _escaped(value: Any, written: Callable[[str], str]) -> Any:
    """Escape every text of a value that a user has written."""
    if isinstance(value, str):
        return written(value)
    if isinstance(value, list):
        return [_escaped(item, written) for item in value]
    if isinstance(value, dict):
        return {written(key): _escaped(item, written) for key, item in value.items()}
    return value


def _find_part(template: ChatTemplate, request: ChatRequest, reason: str) -> str:
    def is_rejected(other: ChatRequest) -> bool:
        try:
            _render(template, other, str)
        except TemplateError as failure:
            spend(0)  # nothing follows from a failure for lack of units
            return failure.reason == reason
        return False

    try:
        with budget(_SEARCH_UNITS):
            return rejected_part(request, is_rejected)
    except SecurityError:
        return "messages"


def _check_results(request: ChatRequest, prompt: str) -> None:
    """Reject tools of which the results would not be in the prompt, and results that are not."""
    path = "tools" if request.tools else ""
    texts = ((index, one.text.strip()) for index, one in enumerate(request.messages) if one.role == "tool")
    index, text = next(((index, text) for index, text in texts if text), (0, ""))
    if text not in unescape(prompt):
        path = f"messages[{index}].role"
    if path:
        msg = (
            f"{path}: the model's chat template leaves tool results out of the prompt; send no tools and"
            " results, or set chat_template to one that has them"
        )
        raise RequestError(msg, code="1212")
