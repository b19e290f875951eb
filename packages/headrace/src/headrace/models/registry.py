"""Which names are served, and by what."""

from collections.abc import Iterable, Sequence

import msgspec

from headrace.engines import Engine, Generation
from headrace.errors import RequestError
from headrace.formats import Format
from headrace.parsing import OutputParser
from headrace.prompts import ChatTemplate, render_request
from headrace.wire import ChatRequest

__all__ = ["Model", "ModelRegistry"]


class Model(msgspec.Struct, frozen=True):
    """An engine, and how to speak with what it runs.

    Args:
        names: what clients may call it.
        engine: generates text.
        format: how to read that text.
        template: how to write its prompt; None for an engine that takes the messages.
    """

    names: Sequence[str]
    engine: Engine
    format: Format
    template: ChatTemplate | None

    def generation(self, request: ChatRequest) -> Generation:
        """What the engine is asked to do."""
        prompt = "" if self.template is None else render_request(self.template, request, self.format)
        return Generation(prompt, request)

    def parser(self, request: ChatRequest) -> OutputParser:
        """A fresh parser for the answer to this request."""
        return OutputParser(
            self.format,
            request.schemas,
            thinking=request.wants_thinking,
            tool_stream=request.tool_stream,
        )


class ModelRegistry:
    """Models by their names; case makes no difference, and the first of two with one name has it."""

    def __init__(self, models: Iterable[Model]) -> None:
        self.models = tuple(models)
        self._by_name: dict[str, Model] = {}
        for model in self.models:
            for name in model.names:
                self._by_name.setdefault(name.lower(), model)

    @property
    def names(self) -> list[str]:
        """Every name that is served."""
        return list(dict.fromkeys(name for model in self.models for name in model.names))

    def find(self, name: str) -> Model:
        """The model of that name.

        Raises:
            RequestError: 1211, naming those that are served.
        """
        model = self._by_name.get(name.lower())
        if model is None:
            msg = f'model "{name}" is not served here; available: {", ".join(self.names)}'
            raise RequestError(msg, code="1211")
        return model

    async def close(self) -> None:
        """Unload every model."""
        for model in self.models:
            await model.engine.close()
