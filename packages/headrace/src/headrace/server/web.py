"""The files of the page and of headrace.js: `GET /`, `GET /headrace.js` and what they load.

They are sent as they are in the package, compressed for browsers that accept it. A path is looked up in the
list of these files: no path of a request reaches the file system. They need no API key, and hold none.
"""

import asyncio
import gzip
import hashlib
import os
import re
from pathlib import Path
from typing import Final, NamedTuple

from headrace.server.connection import Header, HttpConnection

__all__ = ["WEB_FILES", "WebFile", "find_files"]

_TYPES: Final = {
    ".css": b"text/css; charset=utf-8",
    ".html": b"text/html; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
    ".svg": b"image/svg+xml",
    ".woff2": b"font/woff2",
}
_COMPRESSED: Final = frozenset({".woff2"})
_GZIP: Final = re.compile(r"\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))")
_POLICY: Final = (
    b"default-src 'none'; script-src 'self'; worker-src 'self'; style-src 'self'; img-src 'self';"
    b" media-src 'none'; font-src 'self'; connect-src 'self'; form-action 'none'; base-uri 'none';"
    b" frame-ancestors 'none'"
)
_HEADERS: Final = (
    (b"cache-control", b"no-cache"),  # the entity tag decides, so that a new version is used at once
    (b"content-security-policy", _POLICY),
    (b"referrer-policy", b"no-referrer"),
    (b"vary", b"Accept-Encoding"),
    (b"x-content-type-options", b"nosniff"),
)


def find_files(root: Path) -> dict[str, "WebFile"]:
    """Return the files by path; `/` is index.html."""
    paths = [Path(folder, name) for folder, _, names in os.walk(root, followlinks=True) for name in names]
    files = {
        f"/{path.relative_to(root).as_posix()}": WebFile(path) for path in paths if path.suffix in _TYPES
    }
    return files | ({"/": files["/index.html"]} if "/index.html" in files else {})


class WebFile:
    """The endpoint of one file, which is read when it is requested for the first time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._content: _Content | None = None

    async def __call__(self, connection: HttpConnection) -> None:
        connection.check_method("GET", "HEAD")
        if self._content is None:
            self._content = await asyncio.to_thread(_read, self._path)
        body, compressed, tag = self._content
        headers: list[Header] = [(b"etag", tag), *_HEADERS]
        known = connection.headers.get("if-none-match", "")
        if known.strip() == "*" or tag.removeprefix(b"W/").decode() in known:  # proxies drop the W/
            await connection.send_all(304, headers, b"")
            return
        if compressed and _GZIP.search(connection.headers.get("accept-encoding", "")):
            body = compressed
            headers.append((b"content-encoding", b"gzip"))
        headers += [(b"content-type", _TYPES[self._path.suffix]), (b"content-length", b"%d" % len(body))]
        await connection.send_all(200, headers, b"" if connection.method == "HEAD" else body)


class _Content(NamedTuple):
    """`compressed` is b"" if the file is compressed already; the tag is that of both."""

    body: bytes
    compressed: bytes
    tag: bytes


def _read(path: Path) -> _Content:
    body = path.read_bytes()
    compressed = b"" if path.suffix in _COMPRESSED else gzip.compress(body, mtime=0)
    return _Content(body, compressed, b'W/"%b"' % hashlib.sha256(body).hexdigest()[:32].encode())


WEB_FILES: Final = find_files(Path(__file__).parents[1] / "web")
"""The files of this package."""
