"""A Python file → the functions in it, as tools."""

import runpy
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FunctionType
from typing import Any, Final

from headrace.errors import RequestError
from headrace.foreign_errors import reading
from zai import ZaiError
from zai.tools.function import ToolFunction

__all__ = ["load_tools"]

_MODULE: Final = "headrace_tools"


def load_tools(path: Path) -> Sequence[Callable[..., Any]]:
    """Run a file and return its public functions: those it defines whose names do not start with `_`.

    Raises:
        RequestError: the file fails, has no function, or one cannot be a tool.
    """
    with reading("the tools", path, RequestError):
        path.read_bytes()
    try:
        names = runpy.run_path(str(path), run_name=_MODULE)
    except (Exception, SystemExit) as error:  # noqa: BLE001 - the file may raise anything
        raise RequestError(f"{path} cannot be imported: {type(error).__name__}: {error}") from None
    functions = [
        value
        for name, value in names.items()
        if isinstance(value, FunctionType) and value.__module__ == _MODULE and not name.startswith("_")
    ]
    if not functions:
        raise RequestError(f"{path} defines no functions; each public function becomes a tool")
    try:
        for function in functions:
            ToolFunction(function)
    except (ZaiError, NameError, TypeError) as error:
        raise RequestError(f"{path}: {error}") from None
    return functions
