"""The drawn parts of a page. Each is between the lines `<!-- name -->` and `<!-- end of name -->`."""

import re
from collections.abc import Iterable, Mapping

__all__ = ["replace_blocks"]


def replace_blocks(page: str, blocks: Mapping[str, Iterable[str]]) -> str:
    """Return the page with other lines in its blocks.

    Args:
        page: Markdown.
        blocks: the lines of each block by its name.

    Raises:
        ValueError: the page does not have exactly one block of a name.
    """
    for name, lines in blocks.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        drawn = "".join([begin, *(f"{line}\n" for line in lines), end])
        page, number = re.subn(
            f"{re.escape(begin)}.*?{re.escape(end)}", lambda _, new=drawn: new, page, flags=re.DOTALL
        )
        if number != 1:
            msg = f"the page has {number} blocks named {name!r}; it needs one"
            raise ValueError(msg)
    return page
