"""Draws the table of repairs in docs/formats.md, by parsing malformed answers of every family."""

import sys
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from draw_blocks import replace_blocks

from answers import Family
from families import FAMILIES
from mutations import is_repaired, mutants, result_of

PAGE: Final = Path(__file__).with_name("formats.md")
_CHANGES: Final = ("missing", "doubled", "swapped")


def redraw(page: str) -> str:
    """Return the page with a new table."""
    return replace_blocks(page, {"repairs": _rows()})


def _rows() -> Iterator[str]:
    yield "| families | tag | missing | doubled | swapped with the next |"
    yield "|---|---|---|---|---|"
    tables: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for family in FAMILIES.values():
        tables[tuple(_rows_of(family))].append(f"`{family.format}`")
    for rows, names in tables.items():
        for number, row in enumerate(rows):
            yield f"| {'' if number else ', '.join(dict.fromkeys(names))} | {row} |"


def _rows_of(family: Family) -> Iterator[str]:
    """Yield a row for each tag: whether the answer is repaired wherever the tag stands."""
    results: dict[str, dict[str, list[bool]]] = defaultdict(lambda: defaultdict(list))
    for mutant in mutants(family):
        results[mutant.tag][mutant.change].append(is_repaired(result_of(family, mutant)))
    for tag, by_change in results.items():
        words = (_word(by_change[change]) for change in _CHANGES)
        shown = tag.replace("|", r"\|")
        fence = "````" if "`" in tag else "`"
        yield f"{fence} {shown} {fence} | {' | '.join(words)}"


def _word(repaired: list[bool]) -> str:
    if not repaired:
        return "–"
    return "yes" if all(repaired) else "in part" if any(repaired) else "no"
