"""Model families: one table each, data only."""

from typing import Final

from headrace.formats.deepseek import DEEPSEEK_R1, DEEPSEEK_V3, DEEPSEEK_V3_1, DEEPSEEK_V3_2
from headrace.formats.format import (
    ANY_TEXT,
    JSON_ENDS_IN,
    MAX_SPACE,
    TEXT_LEADS_TO,
    Condition,
    Format,
    Lookahead,
    State,
    Transition,
)
from headrace.formats.glm import GLM_4_6, GLM_4_6V, GLM_4_7
from headrace.formats.glm_4 import GLM_4_0414, GLM_Z1
from headrace.formats.gpt_oss import GPT_OSS
from headrace.formats.kimi import KIMI_K2, KIMI_K2_THINKING
from headrace.formats.llama import LLAMA_3
from headrace.formats.minimax import MINIMAX_M2
from headrace.formats.mistral import MISTRAL
from headrace.formats.qwen import QWEN3, QWEN3_5, QWEN3_CODER, QWEN3_THINKING

__all__ = [
    "ANY_TEXT",
    "FORMATS",
    "JSON_ENDS_IN",
    "MAX_SPACE",
    "TEXT_LEADS_TO",
    "Condition",
    "Format",
    "Lookahead",
    "State",
    "Transition",
]

_FAMILIES: Final = (
    GLM_4_0414,
    GLM_Z1,
    GLM_4_6,
    GLM_4_6V,
    GLM_4_7,
    QWEN3,
    QWEN3_THINKING,
    QWEN3_CODER,
    QWEN3_5,
    DEEPSEEK_V3,
    DEEPSEEK_R1,
    DEEPSEEK_V3_1,
    DEEPSEEK_V3_2,
    KIMI_K2,
    KIMI_K2_THINKING,
    MINIMAX_M2,
    LLAMA_3,
    MISTRAL,
    GPT_OSS,
)
# Models that write exactly as another one.
_ALIASES: Final = {
    "glm-4.5": GLM_4_6,
    "glm-4.5v": GLM_4_6V,
    "glm-5": GLM_4_7,
    "glm-5.1": GLM_4_7,
    "glm-5.2": GLM_4_7,
    "glm-5.3": GLM_4_7,
    "hermes": QWEN3,
}

FORMATS: Final[dict[str, Format]] = {family.name: family for family in _FAMILIES} | _ALIASES
"""Every family by its names."""
