"""How servers differ in what they want to be sent. A server that is not listed here is a table, not code.

What they answer is read alike (`chat.py`, `completions.py`): every quirk that is known is tolerated
from everybody, because proxies hide who answers.

Sources: vLLM and SGLang `entrypoints/openai/…/protocol.py`, llama.cpp `tools/server/README.md`,
docs/wire.md for Z.ai.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

import msgspec

__all__ = ["DIALECTS", "FORWARDED", "LLAMA_CPP", "Dialect"]

FORWARDED: Final = frozenset(
    {
        "frequency_penalty",
        "ignore_eos",
        "logit_bias",
        "min_p",
        "min_tokens",
        "presence_penalty",
        "repetition_penalty",
        "top_k",
    }
)
"""Fields that Z.ai's API does not know and that are passed on: sampling, and nothing that could change
the shape of the answer, jump a queue or reach another user's cache."""

_USAGE: Final = {"stream_options": {"include_usage": True}}


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """What one kind of server wants to be sent.

    Args:
        name: as in `dialect` of headrace.toml.
        thinking: how thinking is switched: by Z.ai's `thinking` object, by variables of the chat
            template, or by `reasoning_effort` alone.
        always: fields of every request.
        completions: further fields of a request for raw text.
        sampling: what is sent where the client leaves the choice to the model. Empty where the
            server itself uses the model's own defaults.
        do_sample: whether `do_sample` is known; greedy is a temperature of 0 elsewhere.
        unlimited: `max_tokens` of a request for raw text where the client sets none.
        structure: how raw text is held to a structure: by llama.cpp's `grammar`, by the
            server's `response_format` (which cannot let thinking pass), or not at all.
        renamed: fields that have another name here.
        tool_stream: whether `tool_stream` is known.
        seed_bits: a seed has so many at most.
        token_prompts: whether a prompt may be text and tokens, mixed; `verbose` then tells tokens.
    """

    name: str
    thinking: Literal["object", "template", "effort"]
    always: Mapping[str, Any] = {}
    completions: Mapping[str, Any] = {}
    sampling: Mapping[str, Any] = {}
    do_sample: bool = False
    unlimited: int | None = 4096
    structure: Literal["grammar", "response_format", ""] = ""
    renamed: Mapping[str, str] = {}
    tool_stream: bool = False
    seed_bits: int = 63
    token_prompts: bool = False


_OPENAI: Final = Dialect(name="openai", thinking="effort", always=_USAGE)
_ZAI: Final = Dialect(name="zai", thinking="object", do_sample=True, tool_stream=True)
_VLLM: Final = Dialect(
    name="vllm",
    thinking="template",
    always=_USAGE,
    completions={
        "skip_special_tokens": False,
        "spaces_between_special_tokens": False,
        "add_special_tokens": False,  # the template writes them
        "return_token_ids": True,  # a chunk may hold several tokens
    },
    unlimited=None,  # its default is 16; null is what fits
    structure="response_format",
)
_SGLANG: Final = Dialect(
    name="sglang",
    thinking="template",
    always=_USAGE,
    completions={"skip_special_tokens": False, "return_token_ids": True},
    sampling={"temperature": 1.0, "top_p": 0.95},
    structure="response_format",
)
LLAMA_CPP: Final = Dialect(
    name="llama.cpp",
    thinking="template",
    always=_USAGE,
    completions={"return_progress": True, "timings_per_token": True},
    # Without a top_k, top_p sorts the whole vocabulary: +400 µs a token. min_p is 0.05 by default.
    sampling={"temperature": 1.0, "top_p": 0.95, "top_k": 40, "min_p": 0.0},
    unlimited=-1,
    structure="grammar",
    renamed={"repetition_penalty": "repeat_penalty"},
    seed_bits=32,
    token_prompts=True,
)

DIALECTS: Final[Mapping[str, Dialect]] = {
    dialect.name: dialect for dialect in (_OPENAI, _ZAI, _VLLM, _SGLANG, LLAMA_CPP)
}
"""Every dialect by its name. `zai` is api.z.ai and another Headrace."""
