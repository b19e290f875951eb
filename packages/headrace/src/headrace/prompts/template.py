"""A model's chat template: messages → the prompt. Sandboxed: no access to files or sockets, bounded work."""

import re
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import jinja2

from headrace.errors import EngineError, RequestError
from headrace.formats import Format
from headrace.prompts.budget import budget, charge_deep
from headrace.prompts.escaping import escape
from headrace.prompts.operations import check_format
from headrace.prompts.sandbox import BoundedEnvironment
from headrace.wire.request import ChatRequest, RequestMessage

__all__ = ["ChatTemplate", "render_request"]

_MAX_SOURCE: Final = 128 * 1024  # characters; those of real templates have up to 40,000
_UNITS: Final = 2_000_000  # some 20 ms
_UNITS_PER_UNIT: Final = 100
"""Units of work per unit of the request; real templates need 5 to 15."""
_SHOWN: Final = 300  # characters of a template's error message


class ChatTemplate:
    """A Jinja template with Hugging Face's extensions: trimmed blocks, `tojson`, `raise_exception`.

    Args:
        source: the text of a GGUF's `tokenizer.chat_template` or of a `chat_template.jinja`.
        tokens: variables such as `bos_token`.

    Raises:
        EngineError: invalid Jinja.
    """

    def __init__(self, source: str, **tokens: str) -> None:
        environment = BoundedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = _now
        if len(source) > _MAX_SOURCE:
            msg = f"the chat template has {len(source)} characters; at most {_MAX_SOURCE} are supported"
            raise EngineError(msg)
        try:
            with budget(_UNITS):
                self._template = environment.from_source(source, tokens)
        except jinja2.TemplateSyntaxError as error:
            msg = f"the chat template is not valid Jinja: line {error.lineno}: {error.message}"
            raise EngineError(msg) from None
        except Exception as error:  # noqa: BLE001 - third-party code, which Jinja partly runs already
            msg = f"the chat template cannot be compiled: {_reason(error)}"
            raise EngineError(msg) from None
        self.tags: Final = frozenset(re.findall(r"</?[A-Za-z_]+>", source))
        """The template's own tags, such as `<tool_response>`; in a user's text they must be escaped."""
        self.has_efforts: Final = "reasoning_effort" in source
        """Whether the model has levels of effort."""

    def render(
        self,
        messages: Sequence[Mapping[str, Any]],
        *,
        tools: Sequence[Mapping[str, Any]] = (),
        thinking: bool = True,
        generate: bool = True,
        **options: Any,
    ) -> str:
        """Render the prompt.

        Args:
            messages: plain dicts; a call's `arguments` are a dict, since templates iterate over them.
            tools: as in the request.
            thinking: the template's `enable_thinking`.
            generate: whether to end with the start of the assistant's message.
            options: further variables of the template.

        Raises:
            RequestError: the template rejects the messages.
        """
        try:
            with budget(sys.maxsize):
                size = charge_deep(messages) + charge_deep(tools)
            with budget(_UNITS + _UNITS_PER_UNIT * size):
                return self._render(
                    messages=messages,
                    tools=list(tools) or None,
                    enable_thinking=thinking,  # GLM, Qwen
                    thinking=thinking,  # DeepSeek
                    add_generation_prompt=generate,
                    **options,
                )
        except Exception as error:  # noqa: BLE001 - third-party code, which can raise anything
            msg = f"messages: the model's chat template rejects them: {_reason(error)}"
            raise RequestError(msg) from None

    def _render(self, **variables: Any) -> str:
        """Render as `jinja2.Template.render` does, but leave the variables in no cycle: a macro makes one."""
        context = self._template.new_context(variables)
        try:
            return "".join(self._template.root_render_func(context))
        finally:
            context.vars.clear()
            context.parent.clear()


def render_request(
    template: ChatTemplate,
    request: ChatRequest,
    format: Format | None = None,
    special_tokens: frozenset[str] = frozenset(),
) -> str:
    """Render the prompt of a request.

    Args:
        template: the model's.
        request: the source of messages, tools and thinking options.
        format: the format whose markup is escaped in the texts of users and tools; None for none.
        special_tokens: names of the vocabulary's special tokens, which are escaped as well.
    """
    names = template.tags | special_tokens
    options: dict[str, Any] = (
        {"reasoning_effort": request.reasoning_effort} if request.reasoning_effort else {}
    )
    return template.render(
        [_template_message(message, format, names) for message in request.messages],
        tools=request.raw_tools,
        thinking=request.wants_thinking,
        clear_thinking=request.thinking.clear_thinking,
        **options,
    )


def _template_message(
    message: RequestMessage, format: Format | None, names: frozenset[str]
) -> dict[str, Any]:
    content = message.text
    if format is not None and message.role in ("user", "tool"):
        content = escape(content, format, names)
    plain: dict[str, Any] = {"role": message.role, "content": content}
    if message.reasoning_content:
        plain["reasoning_content"] = message.reasoning_content
    if message.tool_calls:
        plain["tool_calls"] = [
            {
                "id": call.id,
                "type": call.type,
                "function": {
                    "name": call.function.name,
                    "arguments": call.function.parsed,
                },
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    return plain


def _now(layout: str) -> str:
    check_format(layout)
    return datetime.now().astimezone().strftime(layout)


def _reason(error: Exception) -> str:
    """Describe any exception; some, such as `MemoryError`, have no text."""
    text = str(error) or type(error).__name__
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)
