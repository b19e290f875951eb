"""Plans for turns that run on a given engine."""

from continuing_engine import ASSISTANT
from headrace.engines import Generation
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.turns import Interpreter, Plan

__all__ = ["planner"]


def planner(engine, prompt=f"q{ASSISTANT}", tools=None):
    """Plan every request for this engine, and for a model whose output is GLM's."""

    def new_interpreter():
        return Interpreter(lambda: OutputParser(FORMATS["glm-4.6"], tools))

    def plan(request, owner=""):
        return Plan("glm", engine, Generation(prompt, request, owner=owner), new_interpreter)

    return plan
