"""Compiles the path of a chunk to C with mypyc if HEADRACE_COMPILE=1; pyproject.toml has everything else.

The modules are those that a chunk passes through. None of them may define a msgspec.Struct: mypyc does not
pass the keywords of a class on, such as `frozen`.
"""

import os
from typing import Final

from setuptools import Extension, setup

_COMPILED: Final = """
    chunks http1
    engines/load_balancer engines/timeouts engines/upstream
    engines/http/connection engines/http/outgoing
    engines/protocols/chat_reader engines/protocols/chunk_fields
    engines/protocols/completion_reader engines/protocols/event_pattern
    parsing/call_buffer parsing/lexer parsing/parser
    server/channel server/frames server/stream
    turns/interpreter turns/intervals turns/log turns/turn
"""


def _extensions() -> list[Extension]:
    from mypyc.build import mypycify  # only installed where it is needed

    paths = [f"src/headrace/{module}.py" for module in _COMPILED.split()]
    extensions: list[Extension] = mypycify(paths, debug_level="0")
    return extensions


setup(ext_modules=_extensions() if os.environ.get("HEADRACE_COMPILE") == "1" else [])
