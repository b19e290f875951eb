"""Draws the tables and diagrams of the pages in docs/ from the code.

python docs/draw.py          updates the pages
python docs/draw.py --check  names the pages that are out of date, and exits with 1 if there are any
"""

import sys

import draw_check
import draw_dialects
import draw_formats
import draw_http_api
import draw_limits
import draw_metrics
import draw_options
import draw_repairs
import draw_request_fields
import draw_scale
import draw_stores


def main() -> int:
    """Update the pages, or check them."""
    outdated = []
    modules = (
        draw_check,
        draw_dialects,
        draw_formats,
        draw_http_api,
        draw_limits,
        draw_metrics,
        draw_options,
        draw_repairs,
        draw_request_fields,
        draw_scale,
        draw_stores,
        *draw_scale.PLOTS,
    )
    for module in modules:
        page = module.PAGE.read_text("utf-8")
        drawn = module.redraw(page)
        if drawn != page:
            outdated.append(module.PAGE.name)
            if "--check" not in sys.argv[1:]:
                module.PAGE.write_text(drawn, "utf-8")
    print(*outdated, sep="\n", end="\n" if outdated else "")
    return int("--check" in sys.argv[1:] and bool(outdated))


if __name__ == "__main__":
    sys.exit(main())
