"""`GET /admin` and `GET /admin.json`: a page without data, and the data that it shows.

The page may be read by anyone; its script requests the data, with the API key that the operator has typed.
Everything in it is in the page: its policy allows neither other resources nor other scripts.
"""

import re
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hashlib import sha256
from importlib.resources import files
from typing import Final

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from headrace.server.admin.activity import Activity

__all__ = ["AdminEndpoint"]

_PAGE: Final = files("headrace.server.admin").joinpath("page.html").read_text("utf-8")


def _hash_of(element: str) -> str:
    """Return the source expression for an inline element (Content Security Policy, 8.3)."""
    (text,) = re.findall(rf"<{element}>(.*?)</{element}>", _PAGE, re.DOTALL)
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"


_HEADERS: Final = {
    "content-security-policy": (
        f"default-src 'none'; script-src {_hash_of('script')}; style-src {_hash_of('style')};"
        " connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}


class AdminEndpoint:
    """The view for operators.

    Args:
        activity: to show.
        check: raises if the caller must not see it.
    """

    def __init__(self, activity: Activity, check: Callable[[Request], Awaitable[None]]) -> None:
        self._activity = activity
        self._check = check
        self.routes = [Route("/admin", self._page), Route("/admin.json", self._state)]

    async def _page(self, _: Request) -> Response:
        return Response(_PAGE, 200, _HEADERS, "text/html")

    async def _state(self, request: Request) -> Response:
        await self._check(request)
        state = msgspec.json.encode(await self._activity.state(time.time()))
        return Response(state, 200, {"cache-control": "no-store"}, "application/json")
