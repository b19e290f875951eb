"""The frame of the HTML reports of `check` and `bench`: a page that loads nothing and runs nothing."""

from collections.abc import Mapping
from html import escape
from typing import Final

from headrace.visible import make_visible

__all__ = ["encode_page", "encode_pairs", "html"]

_STYLE: Final = """
:root { color-scheme: light dark; font: 15px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
th, td { text-align: left; vertical-align: top; padding: .3rem .7rem; border-bottom: 1px solid #8886; }
th { white-space: nowrap; } td { overflow-wrap: anywhere; }
p { margin: .3rem 0; }
"""


def encode_page(program: str, subject: str, *, style: str, body: str) -> str:
    """Return a page.

    Args:
        program: its heading, such as `headrace check`.
        subject: what the report is about, as plain text.
        style: CSS in addition to that of every report.
        body: HTML; texts in it are those of `html`.
    """
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{program} {html(subject)}</title>
<style>{_STYLE}{style}</style>
</head>
<body>
<h1>{program}</h1>
{body}
</body>
</html>
"""


def encode_pairs(pairs: Mapping[str, str]) -> str:
    """Return a table of names and texts."""
    rows = (f"<tr><th>{html(name)}</th><td>{html(text)}</td></tr>" for name, text in pairs.items())
    return f"<table>{''.join(rows)}</table>"


def html(text: str) -> str:
    """Encode plain text; control characters become visible escapes."""
    return escape(make_visible(text))
