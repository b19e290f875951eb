"""Draws the diagrams of docs/formats.md from the tables.

python docs/draw_formats.py          writes them
python docs/draw_formats.py --check  exits with 1 if they are not what the tables say
"""

import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from headrace.formats import ANY_TEXT, FORMATS, JSON_ENDS_IN, TEXT_LEADS_TO, Format, State

PAGE = Path(__file__).with_name("formats.md")
_BLOCK = re.compile(r"(<!-- diagram: (\S+) -->\n).*?(<!-- end of diagram -->)", re.DOTALL)


def draw(format: Format) -> str:
    """A flowchart in Mermaid: dashed where a delimiter counts only if what follows fits."""
    arrows: dict[tuple[State, State, bool], list[str]] = defaultdict(list)
    reached = [State.OPEN, format.initial_state]
    for state in reached:
        for label, to, guarded in _ways(format, state):
            arrows[state, to, guarded].append(label)
            if to not in reached:
                reached.append(to)
    lines = ["flowchart LR", f"    begin(( )) --> {format.initial_state.name}"]
    if format.initial_state is not State.OPEN:
        lines.append("    begin -. no thinking .-> OPEN")
    for (state, to, guarded), labels in arrows.items():
        arrow = "-.->" if guarded else "-->"
        lines.append(f'    {state.name} {arrow}|"{"<br>".join(labels)}"| {to.name}')
    return "\n".join(["```mermaid", *lines, "```"])


def _ways(format: Format, state: State) -> Iterator[tuple[str, State, bool]]:
    """Out of a state: label, state, and whether there is a condition."""
    for (where, delimiter), transition in format.transitions.items():
        if where is state:
            yield (
                _escape(delimiter) if delimiter != ANY_TEXT else "<i>text</i>",
                transition.to,
                transition.condition is not None,
            )
    if state in TEXT_LEADS_TO:
        yield "<i>text</i>", TEXT_LEADS_TO[state], False
    if state in (State.BODY, State.CALL_OBJECT):
        yield "<i>end of the JSON</i>", JSON_ENDS_IN, False


def _escape(delimiter: str) -> str:
    """What means something to Mermaid or HTML, by its name or number; white space by a sign."""
    return delimiter.translate(
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
