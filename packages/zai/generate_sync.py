"""Generate the blocking half of the SDK from its asyncio half; `make fix` runs it.

Each `async_NAME.py` listed below becomes `NAME.py` beside it: `async` and `await` are dropped, and names lose
their `Async` or `async_`. A comment "# sync: `CODE`" replaces the line after it. What blocking and asyncio do
in different ways is written by hand, under the same names: `zai/http/interruptible.py`, `zai/tools/calls.py`.
"""  # noqa: INP001 - a script

import io
import re
import subprocess
import sys
import tokenize
from itertools import accumulate
from pathlib import Path
from typing import Final

__all__ = ["GENERATED", "generate"]

_PACKAGE: Final = Path(__file__).parent / "src" / "zai"
GENERATED: Final = {
    _PACKAGE / name: _PACKAGE / name.replace("async_", "")
    for name in (
        "_async_client.py",
        "async_chat.py",
        "http/async_http_client.py",
        "streaming/async_iteration.py",
        "streaming/async_completion_stream.py",
        "streaming/async_stream.py",
        "tools/async_run.py",
    )
}
"""The file to generate for each source."""

_KEPT: Final = {"AsyncCompletion", "AsyncTaskStatus", "async_chat_completion"}  # types of the API's tasks
_NAMES: Final = {
    "aclose": "close",
    "aclosing": "closing",
    "aiter": "iter",
    "aiter_body": "iter_body",
    "anext": "next",
    "StopAsyncIteration": "StopIteration",
    "aread": "read",
    "__aenter__": "__enter__",
    "__aexit__": "__exit__",
    "__aiter__": "__iter__",
    "__anext__": "__next__",
}
_PHRASES: Final = {
    " for asyncio": "",
    "An `Async": "A `",
    "`async with`": "`with`",
    "another task of the event loop": "another thread",
    "the other task's": "the other thread's",
}
_SYNC: Final = re.compile(r"^( *)# sync: `(.*)`\n.*$", re.MULTILINE)
_ALIAS: Final = re.compile(r"^ *(\w+) = \1\n", re.MULTILINE)


def generate(source: Path) -> str:
    """Return the blocking form of a module."""
    code = _SYNC.sub(r"\1\2", source.read_text("utf-8"))
    code = _ALIAS.sub("", _convert(code))
    header = f"# Generated from {source.name} by generate_sync.py: edit that file, and run `make fix`.\n"
    return _format(header + code)


def _convert(code: str) -> str:
    """Drop `async` and `await`, and replace names and phrases."""
    starts = [0, *accumulate(map(len, code.splitlines(keepends=True)))]
    for token in reversed([*tokenize.generate_tokens(io.StringIO(code).readline)]):
        start, end = (starts[row - 1] + column for row, column in (token.start, token.end))
        if token.type == tokenize.NAME and token.string in ("async", "await"):
            code = code[:start] + code[end + 1 :]
        elif token.type == tokenize.NAME:
            code = code[:start] + _name(token.string) + code[end:]
        elif token.type in (tokenize.STRING, tokenize.COMMENT):
            code = code[:start] + _text(token.string) + code[end:]
    return code


def _name(name: str) -> str:
    if name in _KEPT:
        return name
    return _NAMES.get(name) or re.sub(r"^Async(?=[A-Z])|(?<![^_])async_", "", name)


def _text(text: str) -> str:
    for phrase, replacement in _PHRASES.items():
        text = text.replace(phrase, replacement)
    return re.sub(r"\w+", lambda match: _name(match[0]), text)


def _format(code: str) -> str:
    """Sort imports, remove unused ones, and format, as `make fix` does."""
    ruff = [sys.executable, "-m", "ruff"]
    for command in (["check", "--fix-only", "--select=F401,I,RUF022"], ["format"]):
        arguments = [*ruff, *command, "--quiet", "--stdin-filename", str(_PACKAGE / "generated.py"), "-"]
        done = subprocess.run(arguments, input=code, capture_output=True, text=True, check=True)  # noqa: S603
        code = done.stdout
    return code


if __name__ == "__main__":
    for source, target in GENERATED.items():
        target.write_text(generate(source), "utf-8")
