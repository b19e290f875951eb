"""The plan of a turn: how this process serves a request."""

from collections.abc import Callable

import msgspec

from headrace.engines import Engine, Generation
from headrace.turns.interpreter import Interpreter
from headrace.wire import ChatRequest

__all__ = ["Plan", "Planner"]


class Plan(msgspec.Struct, frozen=True):
    """The model and engine for a request.

    Args:
        model: the model's canonical name.
        engine: runs the generation.
        generation: the rendered request.
        new_interpreter: creates an interpreter for the engine's output.
        unenforced: the places of the keywords in the request's schemas that the engine cannot enforce.
    """

    model: str
    engine: Engine
    generation: Generation
    new_interpreter: Callable[[], Interpreter]
    unenforced: tuple[str, ...] = ()


Planner = Callable[[ChatRequest, str], Plan]
"""Plans a request of the owner of a key; raises `HeadraceError` if this process cannot serve it."""
