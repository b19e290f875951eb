"""Draws the sections of the families in docs/formats.md: docstrings, and a diagram for each format."""

from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from headrace.formats import ANY_TEXT, FAMILIES, NEXT_AFTER_JSON, NEXT_ON_TEXT, Format, State

PAGE = Path(__file__).with_name("formats.md")
_START = "<!-- The rest of this page is drawn by docs/draw.py. -->\n"


def write_section(family: ModuleType) -> str:
    """Write the section of a module in `headrace.formats`."""
    title, _, text = (family.__doc__ or "").strip().partition(".\n")
    parts = [f"### {title.removesuffix('.')}", text.strip("\n")]
    drawn: dict[str, str] = {}
    for format in family.FAMILY:
        names = ", ".join(f"`{name}`" for name in (format.name, *format.aliases))
        diagram = draw(format)
        same_as = drawn.setdefault(diagram, format.name)
        parts += [f"**{names}**", diagram if same_as == format.name else f"The diagram of `{same_as}`."]
    return "\n\n".join(parts) + "\n"


def draw(format: Format) -> str:
    """Draw a Mermaid flowchart, with dashed arrows for transitions that have a condition."""
    arrows: dict[tuple[State, State, bool], list[str]] = defaultdict(list)
    reached = list(dict.fromkeys([State.START, format.initial_state]))
    for state in reached:
        for label, to, is_conditional in _transitions(format, state):
            arrows[state, to, is_conditional].append(label)
            if to not in reached:
                reached.append(to)
    lines = ["flowchart LR", f"    begin(( )) --> {format.initial_state.name}"]
    if format.initial_state is State.THINKING:
        lines.append("    begin -. no thinking .-> START")
    for (state, to, is_conditional), labels in arrows.items():
        arrow = "-.->" if is_conditional else "-->"
        lines.append(f'    {state.name} {arrow}|"{"<br>".join(labels)}"| {to.name}')
    return "\n".join(["```mermaid", *lines, "```"])


def _transitions(format: Format, state: State) -> Iterator[tuple[str, State, bool]]:
    """Yield the label, the next state and whether there is a condition, for each transition of a state."""
    for (source, delimiter), transition in format.transitions.items():
        if source is state:
            label = "<i>text</i>" if delimiter == ANY_TEXT else _escape(delimiter)
            yield label, transition.to, transition.condition is not None
            if transition.otherwise:
                yield label, transition.otherwise.to, transition.otherwise.condition is not None
    if state in NEXT_ON_TEXT:
        yield "<i>text</i>", NEXT_ON_TEXT[state], False
    if state is State.KEYWORDS:
        yield ")", NEXT_AFTER_JSON, False
    if state in (State.BODY, State.CALL_OBJECT):
        yield "<i>end of the JSON</i>", NEXT_AFTER_JSON, False


def _escape(delimiter: str) -> str:
    """Escape the characters that have a meaning in Mermaid or HTML, and make white space visible."""
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
    """Return the page with up-to-date sections."""
    return page.partition(_START)[0] + "\n".join([_START, *map(write_section, FAMILIES)])
