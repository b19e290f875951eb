"""Runs `python -m MODULE …`, its arguments; reports each import and each pattern that is compiled to stderr."""

import re
import sys
from runpy import run_module

_compile = re._compiler.compile


def _report(kind, what):
    sys.stderr.write(f"WATCHED {kind} {what!r}\n")


def _watch(event, arguments):
    if event == "import":
        _report(event, arguments[0])


def _compile_watched(pattern, *arguments):
    _report("pattern", pattern)
    return _compile(pattern, *arguments)


sys.addaudithook(_watch)
re._compiler.compile = _compile_watched
_, _, _, module, *arguments = sys.argv
sys.argv = [module, *arguments]
run_module(module, run_name="__main__", alter_sys=True)
