"""A process that compiles grammars for `GrammarValidator`: a JSON string per line in, an error or "" out.

It runs as a script, and imports only llguidance. A grammar that takes too long ends it by SIGPROF.
"""

import json
import re
import resource
import signal
import sys
from pathlib import Path
from typing import Final

import llguidance

_MEMORY: Final = 100 * 2**20  # bytes, beyond what the process has after its start
_SECONDS: Final = 1.0  # of CPU time for a grammar: a busy machine changes no result
_TOKEN: Final = re.compile(r"<\[([0-9]+)\]>")
_VOCABULARY: Final = 256  # of the tokenizer here: a token per byte


def main() -> None:
    """Answer until the input ends."""
    tokenizer = llguidance.LLTokenizer("byte")
    _limit_memory()
    for line in sys.stdin:
        signal.setitimer(signal.ITIMER_PROF, _SECONDS)
        grammar = _TOKEN.sub(lambda match: f"<[{int(match[1]) % _VOCABULARY}]>", json.loads(line))
        matcher = llguidance.LLMatcher(tokenizer, grammar, log_level=0)
        if not matcher.is_error():
            matcher.compute_bitmask()  # the first step may exceed llguidance's limits
        signal.setitimer(signal.ITIMER_PROF, 0)
        sys.stdout.write(json.dumps(matcher.get_error()) + "\n")
        sys.stdout.flush()


def _limit_memory() -> None:
    statm = Path("/proc/self/statm")
    if statm.exists():
        size = int(statm.read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (size + _MEMORY, size + _MEMORY))


if __name__ == "__main__":
    main()
