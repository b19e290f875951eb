"""A model's chat template: messages → the prompt. Sandboxed: no access to files or sockets."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

import jinja2
import msgspec
from jinja2.sandbox import ImmutableSandboxedEnvironment

from headrace.errors import EngineError, RequestError
from headrace.formats import Format
from headrace.prompts.escaping import escape
from headrace.wire.request import ChatRequest, RequestMessage

__all__ = ["ChatTemplate", "render_request"]

# A template is third-party code and can raise any of these.
_FAILURES: Final = (
    jinja2.TemplateError,
    ArithmeticError,
    AttributeError,
    LookupError,
    RecursionError,
    TypeError,
    ValueError,
)


class ChatTemplate:
    """A Jinja template with Hugging Face's extensions: trimmed blocks, `tojson`, `raise_exception`.

    Args:
        source: the text of a GGUF's `tokenizer.chat_template` or of a `chat_template.jinja`.
        tokens: variables such as `bos_token`.

    Raises:
        EngineError: invalid Jinja.
    """

    def __init__(self, source: str, **tokens: str) -> None:
        environment = ImmutableSandboxedEnvironment(
            trim_blocks=True, lstrip_blocks=True, extensions=["jinja2.ext.loopcontrols"]
        )
        environment.filters["tojson"] = _to_json
        environment.globals["raise_exception"] = _raise
        environment.globals["strftime_now"] = _now
        try:
            self._template = environment.from_string(source, globals=tokens)
        except jinja2.TemplateSyntaxError as error:
            msg = f"the chat template is not valid Jinja: line {error.lineno}: {error.message}"
            raise EngineError(msg) from None
        self.tags: Final = frozenset(re.findall(r"</?[A-Za-z_]+>", source))
        """The template's own tags, such as `<tool_response>`; in a user's text they must be escaped."""

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
            return self._template.render(
                messages=messages,
                tools=list(tools) or None,
                enable_thinking=thinking,  # GLM, Qwen
                thinking=thinking,  # DeepSeek
                add_generation_prompt=generate,
                **options,
            )
        except _FAILURES as error:
            msg = f"messages: the model's chat template rejects them: {error}"
            raise RequestError(msg) from None


def render_request(template: ChatTemplate, request: ChatRequest, format: Format | None = None) -> str:
    """Render the prompt of a request.

    Args:
        template: the model's.
        request: the source of messages, tools and thinking options.
        format: the format whose special tokens are escaped in the texts of users and tools; None for none.
    """
    options: dict[str, Any] = (
        {"reasoning_effort": request.reasoning_effort} if request.reasoning_effort else {}
    )
    return template.render(
        [_template_message(message, format, template.tags) for message in request.messages],
        tools=request.raw_tools,
        thinking=request.wants_thinking,
        clear_thinking=request.thinking.clear_thinking,
        **options,
    )


def _template_message(message: RequestMessage, format: Format | None, tags: frozenset[str]) -> dict[str, Any]:
    content = message.text
    if format is not None and message.role in ("user", "tool"):
        content = escape(content, format, tags)
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
                    "arguments": msgspec.json.decode(call.function.arguments or "{}"),
                },
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id:
        plain["tool_call_id"] = message.tool_call_id
    return plain


def _to_json(value: Any, *, ensure_ascii: bool = False, indent: int | None = None, **_: Any) -> str:
    """Encode without the HTML escapes of Jinja's own `tojson`, which would change the prompt."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent)


def _now(layout: str) -> str:
    return datetime.now().astimezone().strftime(layout)


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)
