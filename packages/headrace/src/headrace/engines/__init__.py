"""Engines: one interface, several ways to run a model."""

from headrace.engines.base import Engine, Generation, Listener, Run
from headrace.engines.scripted import ScriptedEngine

__all__ = ["Engine", "Generation", "Listener", "Run", "ScriptedEngine"]
