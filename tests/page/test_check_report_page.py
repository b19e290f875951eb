"""A report about a hostile endpoint runs nothing and loads nothing in Chromium, and can be read."""

import asyncio
import json
from concurrent.futures import ThreadPoolExecutor

import pytest

from headrace.checking import Response, check
from headrace.checking.page import encode_html

TRAP = "trap()"
HOSTILE = (
    f"<script>{TRAP}</script>",
    f'"><img src=x onerror="{TRAP}">',
    f"</pre></td></table><svg onload={TRAP}>",
    f"</style></title><script>{TRAP}</script>",
    '<link rel="stylesheet" href="http://127.0.0.1:9/x"><meta http-equiv="refresh" content="0;url=http://127.0.0.1:9">',
    "`<b onclick=trap()>` \x1b]52;c;aGk=\x07\u202e]]>",
)


class Hostile:
    """Every field of every response, and every header, is hostile."""

    def __init__(self, text):
        chunk = {
            "id": text,
            "model": text,
            "choices": [{"index": text, "delta": {"content": text}, "finish_reason": text}],
        }
        pieces = [(0.1, f"data: {json.dumps(chunk)}\n\ndata: {text}\n\n{text}\n\n".encode())]
        headers = dict.fromkeys(("server", "via", "content-type"), text)
        self.response = Response(status=200, version=text, headers=headers, pieces=pieces)

    async def send(self, request):
        return self.response


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_endpoint_cannot_do_anything_in_a_report(text, context, tmp_path):
    with ThreadPoolExecutor() as threads:  # playwright has an event loop of its own in this one
        checked = check(Hostile(text), f"http://gpu1/{text}", model=text, runs=1, has_key=True)
        report = threads.submit(asyncio.run, checked).result()
    file = tmp_path / "report.html"
    file.write_text(encode_html(report))
    page, requests, trapped = context.new_page(), [], []
    page.expose_function("trap", lambda: trapped.append(True))
    page.on("request", lambda request: requests.append(request.url))

    page.goto(file.as_uri())

    assert page.locator("tr").count() > len(report.results)
    assert page.locator("td.broken").first.is_visible()
    page.locator("body").click()
    assert (requests, trapped) == ([file.as_uri()], [])
