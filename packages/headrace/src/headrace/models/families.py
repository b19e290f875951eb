"""Which family a model is of, told from its chat template, or else from its name: a table of signs."""

import re
from collections.abc import Sequence
from typing import Final

import msgspec

__all__ = ["detect_format"]


class _Fingerprint(msgspec.Struct, frozen=True):
    """A template with all of `has` and none of `lacks`, or a name that matches, is of this family."""

    format: str
    has: Sequence[str]
    lacks: Sequence[str] = ()
    name: str = "$^"


# The first one that fits counts, so what is special stands before what is general.
_FAMILIES: Final = (
    _Fingerprint("glm-4.6v", has=("<arg_key>", "/nothink", "<|begin_of_image|>"), name=r"glm-?4\.[56]v"),
    _Fingerprint("glm-4.6", has=("<arg_key>", "/nothink"), name=r"glm-?4\.[56]"),
    _Fingerprint("glm-4.7", has=("<arg_key>",), name=r"glm-?(4\.[7-9]|[5-9])"),
    _Fingerprint("glm-z1", has=("<|observation|>", "<think>"), lacks=("<arg_key>",), name=r"glm-?z1"),
    _Fingerprint("glm-4-0414", has=("<|observation|>",), lacks=("<arg_key>",), name=r"glm-?4-.*0414"),
    _Fingerprint("deepseek-v3.2", has=("｜DSML｜",), name=r"deepseek-?v3\.2"),
    _Fingerprint("deepseek-v3.1", has=("<｜tool▁calls▁begin｜>", "thinking"), name=r"deepseek-?v3\.1"),
    _Fingerprint("deepseek-r1", has=("<｜tool▁calls▁begin｜>", "<think>"), name=r"deepseek-?r1"),
    _Fingerprint("deepseek-v3", has=("<｜tool▁calls▁begin｜>",), name=r"deepseek-?v3"),
    _Fingerprint(
        "kimi-k2-thinking", has=("<|tool_calls_section_begin|>", "<think>"), name=r"kimi-?k2-thinking"
    ),
    _Fingerprint("kimi-k2", has=("<|tool_calls_section_begin|>",), name=r"kimi-?k2"),
    _Fingerprint("minimax-m2", has=("<minimax:tool_call>",), name=r"minimax-?m2"),
    _Fingerprint("gpt-oss", has=("<|channel|>",), name=r"gpt-?oss"),
    _Fingerprint("mistral", has=("[TOOL_CALLS]",), name=r"mistral|mixtral|devstral|magistral|ministral"),
    _Fingerprint("qwen3.5", has=("<function=", "<think>"), name=r"qwen-?3\.5"),
    _Fingerprint("qwen3-coder", has=("<function=",), name=r"qwen-?3-coder"),
    _Fingerprint(
        "qwen3-thinking", has=("<tool_call>", "<|im_start|>assistant\\n<think>"), name=r"qwen-?3.*-thinking"
    ),
    _Fingerprint("qwen3", has=("<tool_call>", "<|im_start|>"), name=r"qwen-?[23]|qwq|hermes"),
    _Fingerprint("llama-3", has=("<|start_header_id|>",), name=r"llama-?3"),
)


def detect_format(template: str, name: str) -> str:
    """The name of a format; "" if nothing tells.

    Args:
        template: Jinja; "" if it is not known.
        name: of the model, with or without the organisation's.
    """
    by_template = (signs for signs in _FAMILIES if template and _fits(signs, template))
    by_name = (signs for signs in _FAMILIES if re.search(signs.name, name, re.IGNORECASE))
    return next((signs.format for signs in (*by_template, *by_name)), "")


def _fits(signs: _Fingerprint, template: str) -> bool:
    has_all = all(part in template for part in signs.has)
    return has_all and not any(part in template for part in signs.lacks)
