"""Draws the diagrams of docs/formats.md from the tables.

python docs/draw_formats.py          writes them
python docs/draw_formats.py --check  exits with 1 if they are not what the tables say
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from headrace.formats import ANY_TEXT, FORMATS, JSON_ENDS_IN, TEXT_LEADS_TO, Format, Mode

PAGE = Path(__file__).with_name("formats.md")
_BLOCK = re.compile(r"(<!-- diagram: (\S+) -->\n).*?(<!-- end of diagram -->)", re.DOTALL)


def draw(format: Format) -> str:
    """A flowchart in Mermaid: dashed where a marker counts only if what follows fits."""
    arrows: dict[tuple[Mode, Mode, bool], list[str]] = defaultdict(list)
    reached = [Mode.OPEN, format.thinking_starts]
    for mode in reached:
        for label, to, guarded in _ways(format, mode):
            arrows[mode, to, guarded].append(label)
            if to not in reached:
                reached.append(to)
    lines = ["flowchart LR", f"    begin(( )) --> {format.thinking_starts.name}"]
    if format.thinking_starts is not Mode.OPEN:
        lines.append("    begin -. no thinking .-> OPEN")
    for (mode, to, guarded), labels in arrows.items():
        arrow = "-.->" if guarded else "-->"
        lines.append(f'    {mode.name} {arrow}|"{"<br>".join(labels)}"| {to.name}')
    return "\n".join(["```mermaid", *lines, "```"])


def _ways(format: Format, mode: Mode) -> Iterator[tuple[str, Mode, bool]]:
    """Out of a mode: label, mode, and whether there is a condition."""
    for (where, marker), step in format.steps.items():
        if where is mode:
            yield _escape(marker) if marker != ANY_TEXT else "<i>text</i>", step.to, step.guard is not None
    if mode in TEXT_LEADS_TO:
        yield "<i>text</i>", TEXT_LEADS_TO[mode], False
    if mode in (Mode.BODY, Mode.ENVELOPE):
        yield "<i>end of the JSON</i>", JSON_ENDS_IN, False


def _escape(marker: str) -> str:
    """What means something to Mermaid or HTML, by its name or number; white space by a sign."""
    return marker.translate(
        {
            ord("<"): "#lt;",
            ord(">"): "#gt;",
            ord('"'): "#quot;",
            ord(";"): "#59;",
            ord("`"): "#96;",
            ord("\n"): "\u21b5",
            ord(" "): "\u2423",
        }
    )


def redraw(page: str) -> str:
    """The page with every diagram drawn anew."""
    return _BLOCK.sub(lambda found: found[1] + draw(FORMATS[found[2]]) + "\n" + found[3], page)


def main() -> int:
    """Write the page, or check it."""
    page = PAGE.read_text()
    drawn = redraw(page)
    if "--check" in sys.argv[1:]:
        return int(page != drawn)
    PAGE.write_text(drawn)
    return 0


if __name__ == "__main__":
    sys.exit(main())
