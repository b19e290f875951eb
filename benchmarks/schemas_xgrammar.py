"""xgrammar for `benchmarks/schemas.py`: `[schema, texts]` per line in, `[error, accepted, seconds]` out.

It runs in an environment of its own, with xgrammar but without the large packages that it imports for its
masks and for other tokenizers.
"""

import json
import sys
import time
from types import ModuleType


class _Absent(ModuleType):
    def __getattr__(self, name: str) -> type:
        if name.startswith("__"):
            raise AttributeError(name)
        members = {"__init__": lambda *_, **__: None, "is_available": staticmethod(lambda: False)}
        return type(name, (), members)


for name in ("tokenizers", "torch", "transformers"):
    sys.modules[name] = _Absent(name)
import xgrammar  # noqa: E402

_VOCABULARY = [bytes([byte]) for byte in range(256)] + [b"<end>"]


def main() -> None:
    info = xgrammar.TokenizerInfo(_VOCABULARY, vocab_type=xgrammar.VocabType.RAW, stop_token_ids=[256])
    compiler = xgrammar.GrammarCompiler(info, max_threads=1, cache_enabled=False)
    for line in sys.stdin:
        schema, texts = json.loads(line)
        start = time.perf_counter()
        try:
            grammar = compiler.compile_json_schema(json.dumps(schema), any_whitespace=True, strict_mode=False)
        except Exception as error:  # noqa: BLE001 - whatever it raises, it refuses the schema
            answer = [str(error) or type(error).__name__, [], time.perf_counter() - start]
        else:
            seconds = time.perf_counter() - start
            answer = ["", [_accepts(grammar, text) for text in texts], seconds]
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _accepts(grammar: xgrammar.CompiledGrammar, text: str) -> bool:
    matcher = xgrammar.GrammarMatcher(grammar)
    return matcher.accept_string(text) and matcher.accept_token(256)


main()
