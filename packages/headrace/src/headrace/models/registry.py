"""The served models and their names."""

from collections.abc import Iterable, Sequence
from typing import Final, Literal

import msgspec

from headrace.engines import Engine, Generation
from headrace.engines.protocols.structure import Structure, is_structured
from headrace.engines.upstream import UpstreamEngine
from headrace.errors import ImageError, RequestError
from headrace.formats import Format, State
from headrace.models.names import ANY_NAME
from headrace.models.size_limits import check_request
from headrace.parsing import OutputParser
from headrace.parsing.initial_state import initial_state
from headrace.prompts import ChatTemplate, render_request
from headrace.wire import ChatRequest
from headrace.wire.expected import show
from headrace.wire.request import Thinking

__all__ = ["Model", "ModelRegistry"]

_MAX_NAME: Final = 256  # characters of a name that `ANY_NAME` stands for: every chunk repeats it


class Model(msgspec.Struct, frozen=True):
    """An engine, with the format and the chat template of the model that it runs.

    Args:
        names: names that clients may use; the first one is canonical. `ANY_NAME` stands for all others.
        engine: generates text.
        format: the markup of that text.
        template: renders the prompt; None if the engine takes messages.
        context: tokens of prompt and answer together; 0 if unknown.
        thinking_fallback: what to do if a request disables a thinking that the template cannot disable.
        accepts_images: whether the engine takes messages with images.
        enforces_schemas: whether the engine enforces JSON Schemas by a grammar of ours.
        special_tokens: names of special tokens that the engine would recognize in the texts of users.
        resources: what the engine uses in this process, for the operator; "" for nothing.
        default_stops: stop strings of a request that has none, for a base model, which has no chat template.
        upstreams: the servers that the engine uses.
    """

    names: Sequence[str]
    engine: Engine
    format: Format
    template: ChatTemplate | None
    context: int = 0
    thinking_fallback: Literal["reject", "low"] = "reject"
    accepts_images: bool = False
    enforces_schemas: bool = False
    special_tokens: frozenset[str] = frozenset()
    resources: str = ""
    default_stops: tuple[str, ...] = ()
    upstreams: tuple[UpstreamEngine, ...] = ()

    def generation(self, request: ChatRequest, owner: str = "") -> Generation:
        """Render a request for the engine.

        Args:
            request: the request.
            owner: id of the caller's API key.

        Raises:
            RequestError: the template rejects the messages; 1210, they have images, and the model accepts
                none; 1261, they cannot fit into the context; 1212, the request disables thinking, and the
                model only has levels of effort.
        """
        if not self.accepts_images:
            _check_texts(request)
        check_request(request, self.context)
        if self.default_stops and not request.stops:
            request = msgspec.structs.replace(request, stop=[*self.default_stops])
        if self.template is None:
            return Generation("", request, owner=owner)
        prompt = render_request(self.template, request, self.format, self.special_tokens)
        opens = initial_state(self.format, prompt, thinking=False) is State.THINKING
        must_think = self.template.has_efforts and (opens or self.template.must_think)
        if request.wants_thinking or not must_think:
            return Generation(prompt, request, owner=owner)
        if self.thinking_fallback == "reject" and request.reasoning_effort != "low":
            field = "reasoning_effort" if request.thinking.type == "enabled" else "thinking.type"
            msg = f'{field}: model {request.model} always thinks; use reasoning_effort "low" instead'
            raise RequestError(msg, code="1212")
        lowest = msgspec.structs.replace(request, thinking=Thinking(), reasoning_effort="low")
        prompt = render_request(self.template, lowest, self.format, self.special_tokens)
        return Generation(prompt, lowest, owner=owner)

    def unenforced(self, request: ChatRequest) -> tuple[str, ...]:
        """Check the schemas of a request; return the places of the keywords that are not enforced.

        Raises:
            RequestError: 1214, a schema is invalid; 1212, it cannot be enforced.
        """
        if not self.enforces_schemas or not is_structured(request):
            return ()
        return Structure(request, self.format).unenforced

    def parser(self, generation: Generation) -> OutputParser:
        """Create a parser for the output of a generation."""
        request = generation.request
        return OutputParser(
            self.format,
            request.schemas,
            prompt=generation.prompt,
            thinking=request.wants_thinking,
            tool_stream=request.tool_stream,
        )


def _check_texts(request: ChatRequest) -> None:
    for index, message in enumerate(request.messages):
        for at in message.images:
            msg = f'messages[{index}].content[{at}].type is "image_url"; this model accepts only text parts'
            raise ImageError(msg)


class ModelRegistry:
    """Models by name, case-insensitive; the first model wins a shared name."""

    def __init__(self, models: Iterable[Model]) -> None:
        self.models = tuple(models)
        self._by_name: dict[str, Model] = {}
        for model in self.models:
            for name in model.names:
                self._by_name.setdefault(name.lower(), model)

    @property
    def names(self) -> list[str]:
        """All names, without duplicates and without `ANY_NAME`."""
        names = dict.fromkeys(name for model in self.models for name in model.names)
        return [name for name in names if name != ANY_NAME]

    def find(self, name: str) -> Model:
        """Return the model of that name.

        Raises:
            RequestError: 1211, with the available names.
        """
        model = self._by_name.get(name.lower())
        if model is None and len(name) <= _MAX_NAME:
            model = self._by_name.get(ANY_NAME)
        if model is None:
            msg = f"model {show(name)} is not served here; available: {', '.join(self.names)}"
            raise RequestError(msg, code="1211")
        return model

    async def close(self) -> None:
        """Unload every model."""
        for model in self.models:
            await model.engine.close()
