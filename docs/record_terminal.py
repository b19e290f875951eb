"""Record docs/terminal.svg: `headrace chat` with the embedded model, in a pseudo-terminal.

.venv/bin/python docs/record_terminal.py
"""

import os
import re
import subprocess
import sys
import tempfile
from itertools import groupby
from pathlib import Path
from typing import Any, Final

from rich.console import Console
from rich.style import Style
from rich.text import Text

DOCS: Final = Path(__file__).parent
sys.path.insert(0, str(DOCS.parent / "tests"))

from pseudo_terminal import PseudoTerminal  # noqa: E402 - in tests/, because the tests need it

_TOOLS: Final = '''
def get_weather(location: str) -> str:
    """Get the weather of a city.

    Args:
        location: the city
    """
    return "Sunny, 20°C"
'''
_COLOURS: Final = {"brown": "yellow", "brightblack": "bright_black"}  # pyte's names → rich's
_TYPED: Final = ("Write a poem about spring", "/tools ~/weather.py", "What is the weather in Berlin?")
_SIZE: Final = {"columns": 80, "rows": 26}


def main() -> None:
    """Record a poem and a tool call."""
    with tempfile.TemporaryDirectory() as home:
        Path(home, "weather.py").write_text(_TOOLS)
        recorded = _as_text(_record(home))
    console = Console(record=True, width=_SIZE["columns"], file=Path(os.devnull).open("w"))  # noqa: SIM115
    console.print(recorded)
    svg = console.export_svg(title="headrace chat")
    # rich's fonts would be loaded from another site; the reader's monospace font does.
    (DOCS / "terminal.svg").write_text(re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL))


def _record(home: str) -> list[Any]:
    """Chat with a server and return the rows of the terminal."""
    serve = [sys.executable, "-m", "headrace", "serve", "--port", "0"]
    with subprocess.Popen(serve, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        url = server.stdout.readline().split()[2]
        with PseudoTerminal("chat", **_SIZE, ZAI_BASE_URL=url, XDG_STATE_HOME=home, HOME=home) as terminal:
            terminal.wait_for("Ctrl-D quits", ">")
            for number, line in enumerate(_TYPED, 2):
                terminal.type(f"{line}\r")
                terminal.wait_until(lambda number=number: _prompts(terminal.lines) == number)
            rows = terminal.rows
        server.terminate()
    return rows


def _prompts(lines: list[str]) -> int:
    return sum(line.startswith(">") for line in lines)


def _as_text(rows: list[Any]) -> Text:
    """Return the screen's rows, with their styles."""
    text = Text()
    for row in rows:
        cells = [row[column] for column in range(_SIZE["columns"])]
        for (fg, bold, italics), group in groupby(cells, lambda cell: (cell.fg, cell.bold, cell.italics)):
            style = Style(color=_COLOURS.get(fg, fg), bold=bold, italic=italics)
            text.append("".join(cell.data for cell in group), style)
        text.append("\n")
    text.rstrip()
    return text


if __name__ == "__main__":
    main()
