"""The registered families, and their formats by name."""

from typing import Final

from headrace.formats import (
    apertus,
    call_objects,
    command,
    deepseek,
    functionary,
    gemma,
    glm,
    glm_4,
    gpt_oss,
    hunyuan,
    kimi,
    llama,
    minimax,
    mistral,
    pythonic,
    qwen,
    seed,
    solar,
    step,
    text,
)
from headrace.formats.format import Format

__all__ = ["FAMILIES", "FORMATS"]

FAMILIES: Final = (
    glm,
    functionary,
    glm_4,
    deepseek,
    kimi,
    minimax,
    gpt_oss,
    mistral,
    qwen,
    call_objects,
    seed,
    step,
    hunyuan,
    apertus,
    solar,
    llama,
    pythonic,
    gemma,
    command,
    text,
)
"""The modules of the families. If several formats read the same, the first one is detected."""

FORMATS: Final[dict[str, Format]] = {
    name: format for module in FAMILIES for format in module.FAMILY for name in (format.name, *format.aliases)
}
"""Every format by its name and aliases."""
