"""Compiles the path of a chunk, and part of a request's, to C with mypyc if HEADRACE_COMPILE=1.

pyproject.toml has everything else. Not every module can be compiled:

- One that defines a msgspec.Struct: mypyc does not pass the keywords of a class on, such as `frozen`.
- `wire/call_assembler`: its input has other types than declared, which a compiled module rejects.
- `wire/content_parts` and `wire/history`: in `{…: {…: str(x)} as y}`, mypyc binds `y` to the innermost value.
- `wire/decode_request` and `wire/sampling`: integers in a tuple of numbers become floats, as messages show.
- `wire/json_value`: compiled code lets no other thread run meanwhile.
- `telemetry/records`: the objects of a compiled class have no `__dict__`.
"""

import os
from typing import Final

from setuptools import Extension, setup

_COMPILED: Final = """
    chunks http1
    engines/defects engines/load_balancer engines/timeouts engines/upstream
    engines/http/connection engines/http/outgoing
    engines/protocols/chat engines/protocols/chat_messages engines/protocols/chat_reader
    engines/protocols/chunk_fields engines/protocols/completion_reader engines/protocols/event_pattern
    engines/protocols/token_limits
    limits/engine models/size_limits
    parsing/arguments parsing/call_buffer parsing/calls parsing/elements parsing/lexer parsing/parser
    server/apis server/channel server/connections server/frames server/origins server/request_head
    server/request_log server/stream server/metrics/instruments server/metrics/turns
    telemetry/line_writer telemetry/logs
    turns/interpreter turns/intervals turns/log turns/new_turn turns/observers turns/record turns/turn
    wire/expected wire/json_end
"""


def _extensions() -> list[Extension]:
    from mypyc.build import mypycify  # only installed where it is needed

    paths = [f"src/headrace/{module}.py" for module in _COMPILED.split()]
    extensions: list[Extension] = mypycify(paths, debug_level="0")
    return extensions


setup(ext_modules=_extensions() if os.environ.get("HEADRACE_COMPILE") == "1" else [])
