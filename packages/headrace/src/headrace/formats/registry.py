"""The registered families: found by name, or detected from a chat template or a model's name."""

import re
from itertools import chain
from typing import Final

from headrace.formats import deepseek, glm, glm_4, gpt_oss, kimi, llama, minimax, mistral, qwen
from headrace.formats.format import Fingerprint, Format

__all__ = ["FAMILIES", "FORMATS", "detect_format"]

FAMILIES: Final = (glm, glm_4, deepseek, kimi, minimax, gpt_oss, mistral, qwen, llama)
"""The modules of the families. The first fingerprint that matches counts, so specific ones come first."""

_FORMATS: Final[tuple[Format, ...]] = tuple(format for module in FAMILIES for format in module.FAMILY)

FORMATS: Final[dict[str, Format]] = {
    name: format for format in _FORMATS for name in (format.name, *format.aliases)
}
"""Every format by its name and aliases."""


def detect_format(template: str, model_name: str) -> str:
    """Return the name of the first format whose fingerprint matches; "" if none does.

    Args:
        template: Jinja source, which takes precedence over the name; "" if unknown.
        model_name: with or without the organization.
    """
    known = [(format.name, format.fingerprint) for format in _FORMATS if format.fingerprint]
    by_template = (name for name, fingerprint in known if template and _matches(fingerprint, template))
    by_name = (name for name, print_ in known if re.search(print_.model_name, model_name, re.IGNORECASE))
    return next(chain(by_template, by_name), "")


def _matches(fingerprint: Fingerprint, template: str) -> bool:
    has_all = all(part in template for part in fingerprint.template)
    return has_all and not any(part in template for part in fingerprint.template_lacks)
