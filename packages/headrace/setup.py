"""Compiles the path of a chunk to C with mypyc if HEADRACE_COMPILE=1; pyproject.toml has everything else.

Not every module can be compiled: by the tests that failed, mypyc 2.4.1

- drops the keywords of a class: a msgspec.Struct loses `frozen`, `tag`, `forbid_unknown_fields`;
- ignores a class attribute that is a method under another name (`engines/protocols/chat`);
- converts integers to floats in a tuple of both (`wire/decode_request`, `wire/sampling`);
- binds `y` in `{…: {…: str(x)} as y}` to the innermost value (`wire/content_parts`);
- checks types where code written for careless servers relies on their absence (`wire/call_assembler`).

So only the modules that a chunk passes through are, and `make test-compiled` tests them.
"""

import os
import shutil
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

    shutil.rmtree("build", ignore_errors=True)  # modules of an earlier list would be installed as well
    paths = [f"src/headrace/{module}.py" for module in _COMPILED.split()]
    extensions: list[Extension] = mypycify(paths, debug_level="0")
    return extensions


setup(ext_modules=_extensions() if os.environ.get("HEADRACE_COMPILE") == "1" else [])
