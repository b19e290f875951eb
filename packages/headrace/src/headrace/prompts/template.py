"""A model's chat template: messages → the prompt. Sandboxed: no access to files or sockets, bounded work."""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import jinja2

from headrace.errors import EngineError, RequestError
from headrace.prompts.budget import budget, charge_deep
from headrace.prompts.compilation import CompiledTemplate, Rejection, compile_template, reason_of
from headrace.prompts.efforts import EFFORT_VARIABLES, Efforts, find_efforts
from headrace.prompts.escaping import unescape
from headrace.prompts.probes import Findings, one_message, probe, probe_described_tools

__all__ = ["ChatTemplate", "TemplateError"]

_UNITS: Final = 2_000_000  # some 20 ms
_UNITS_PER_UNIT: Final = 100
"""Units of work per unit of the request; real templates need 5 to 15."""
_TOKENS: Final = frozenset({"bos_token", "eos_token", "unk_token", "pad_token"})
_OF_REQUEST: Final = frozenset(
    {
        *("messages", "tools", "add_generation_prompt"),
        *("enable_thinking", "thinking", "clear_thinking", "preserve_thinking", "drop_thinking"),
    }
)
"""Variables that other fields of the request set."""


class ChatTemplate:
    """A Jinja template with the extensions of transformers: `generation`, `tojson`, `raise_exception`, ….

    Args:
        source: the text of a GGUF's `tokenizer.chat_template` or of a `chat_template.jinja`.
        with_tools: the text of another template, for requests with tools; "" for the same one.
        tokens: the special tokens of the vocabulary by variable, such as `bos_token`; None if unknown.
        variables: further variables, which take precedence over the tokens.

    Raises:
        EngineError: the source is not valid Jinja, reads a token that is unknown, or has no such variables.
    """

    def __init__(
        self,
        source: str,
        with_tools: str = "",
        *,
        tokens: Mapping[str, str] | None = None,
        variables: Mapping[str, Any] | None = None,
    ) -> None:
        self._template = compile_template(source)
        self._with_tools = compile_template(with_tools) if with_tools else self._template
        both = (self._template, self._with_tools)
        self.variables: Final = frozenset().union(*(one.variables for one in both)) - _OF_REQUEST
        """The variables that a request can set by name."""
        self._constants: Final = self._known(both, tokens, variables or {})
        self.tags: Final = frozenset(re.findall(r"</?[A-Za-z_]+>", source + with_tools))
        """The template's own tags, such as `<tool_response>`; in a user's text they must be escaped."""
        self.literals: Final = "\n".join(one.literals for one in both)
        """The texts in its source."""
        self.has_efforts: Final = not self.variables.isdisjoint(EFFORT_VARIABLES)
        """Whether the model has levels of effort."""
        self.findings: Findings = probe(self._probe)
        """How it expects messages, and what it leaves out of the prompt in any case."""
        self.efforts: Final = self._efforts() if self.has_efforts else Efforts()
        one = one_message(self.findings.shape)
        thinking, not_thinking = self._probe(one), self._probe(one, thinking=False)
        self.must_think: Final = thinking is not None and not_thinking is None
        """Whether it rejects requests that disable thinking."""
        self.switches_thinking: Final = not self.must_think and thinking != not_thinking
        """Whether the prompt of a request that disables thinking is another one."""

    def _known(
        self,
        templates: Sequence[CompiledTemplate],
        tokens: Mapping[str, str] | None,
        variables: Mapping[str, Any],
    ) -> dict[str, Any]:
        for name in sorted(variables.keys() - _TOKENS - self.variables):
            raise EngineError(f"chat_template_kwargs.{name}: {self._no_variable(name)}")
        known = {**(tokens or {}), **variables}
        required = frozenset().union(*(one.required for one in templates))
        missing = sorted(required & _TOKENS - known.keys())
        if missing and tokens is None:
            values = ", ".join(f'{token} = "…"' for token in missing)
            msg = (
                f"the chat template writes {' and '.join(missing)}, which is not known without the model's"
                " vocabulary; use the model's GGUF file or directory, put tokenizer_config.json beside the"
                f" template, or set chat_template_kwargs = {{ {values} }} in headrace.toml"
            )
            raise EngineError(msg)
        # Not every vocabulary has each of them. Undefined ones could fail, but only in a later message.
        return dict.fromkeys(missing, "") | known

    def describe_tools(self) -> None:
        """Describe tools in a message, for a model whose calls are JSON objects in its text."""
        self.findings = probe_described_tools(self._probe, self.findings)

    def check_variables(self, names: Iterable[str]) -> None:
        """Check the variables that a request sets.

        Raises:
            RequestError: the template has no such variable, or a request cannot set it.
        """
        for name in names:
            if name not in self.variables - _TOKENS:
                raise RequestError(f"chat_template_kwargs.{name}: {self._no_variable(name)}")

    def _no_variable(self, name: str) -> str:
        if name in _OF_REQUEST | _TOKENS:
            return "it cannot be set here; remove it"
        known = ", ".join(sorted(self.variables - _TOKENS)) or "no variables"
        return f"the model's chat template has no such variable; it has {known}"

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
            messages: plain dicts in the template's shape.
            tools: as in the request.
            thinking: the template's `enable_thinking`.
            generate: whether to end with the start of the assistant's message.
            options: further variables of the template.

        Raises:
            TemplateError: the template rejects the messages, or an operation in it failed.
        """
        template = self._with_tools if tools else self._template
        variables = {
            "thinking_mode": "enabled" if thinking else "disabled",  # MiniMax M3
            **({} if thinking else {"thinking_budget": 0}),  # Seed-OSS
            **self._constants,
            **options,
            "messages": messages,
            "tools": list(tools) or None,
            "enable_thinking": thinking,  # GLM, Qwen
            "thinking": thinking,  # DeepSeek, Kimi
            "add_generation_prompt": generate,
        }
        try:
            with budget(sys.maxsize):
                size = charge_deep(messages) + charge_deep(tools) + charge_deep(options)
            with budget(_UNITS + _UNITS_PER_UNIT * size):
                return _render(template.template, variables)
        except Exception as error:  # noqa: BLE001 - third-party code, which can raise anything
            reason = unescape(reason_of(error))
            raise TemplateError(reason, is_rejection=isinstance(error, Rejection)) from None

    def _probe(
        self,
        messages: Sequence[Mapping[str, Any]],
        tools: Sequence[Mapping[str, Any]] = (),
        **options: Any,
    ) -> str | None:
        try:
            return self.render(messages, tools=tools, **options)
        except TemplateError:
            return None

    def _efforts(self) -> Efforts:
        one = one_message(self.findings.shape)

        def render(effort: str | None, thinking: bool) -> str | None:  # noqa: FBT001
            efforts: dict[str, Any] = dict.fromkeys(EFFORT_VARIABLES, effort) if effort else {}
            return self._probe(one, thinking=thinking, **efforts)

        return find_efforts(render)


class TemplateError(RequestError):
    """A chat template rejects a request, or cannot render it.

    Args:
        reason: the template's own sentence, or the error of an operation.
        is_rejection: whether it is the former.
        part: path of the field to blame.
    """

    def __init__(self, reason: str, *, is_rejection: bool, part: str = "messages") -> None:
        what = "rejects this" if is_rejection else "failed"
        super().__init__(f"{part}: the model's chat template {what}: {reason}")
        self.reason = reason
        self.is_rejection = is_rejection


def _render(template: jinja2.Template, variables: dict[str, Any]) -> str:
    """Render as `jinja2.Template.render` does, but leave the variables in no cycle: a macro makes one."""
    context = template.new_context(variables)
    try:
        return "".join(template.root_render_func(context))
    finally:
        context.vars.clear()
        context.parent.clear()
