"""Draws the table of stores in docs/resume.md from the registry of stores."""

from pathlib import Path

from draw_blocks import replace_blocks

from headrace.turns import STORES, TurnSettings

PAGE = Path(__file__).with_name("resume.md")


def redraw(page: str) -> str:
    """Replace the table in the page."""
    lines = ["| `--store` | its turns survive |", "|---|---|"]
    for name, kind in STORES.items():
        addresses = ", ".join(f"`{prefix}{rest}`" for prefix, rest in kind.addresses.items())
        default = " (the default)" if name == TurnSettings().store else ""
        lines.append(f"| {addresses}{default} | {kind.survives} |")
    return replace_blocks(page, {"stores": lines})
