"""Draws the table of stores in docs/resume.md from the registry of stores."""

import re
from pathlib import Path

from headrace.turns import STORES, TurnSettings

PAGE = Path(__file__).with_name("resume.md")
_BLOCK = re.compile(r"(<!-- stores -->\n).*?(<!-- end of stores -->)", re.DOTALL)


def redraw(page: str) -> str:
    """Replace the table in the page."""
    lines = ["| `--store` | its turns survive |", "|---|---|"]
    for name, kind in STORES.items():
        addresses = ", ".join(f"`{prefix}{rest}`" for prefix, rest in kind.addresses.items())
        default = " (the default)" if name == TurnSettings().store else ""
        lines.append(f"| {addresses}{default} | {kind.survives} |")
    table = "\n".join(lines) + "\n"
    return _BLOCK.sub(lambda found: found[1] + table + found[2], page)
