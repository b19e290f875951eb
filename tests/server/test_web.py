"""The files of the page and of headrace.js."""

import gzip
import re
from http.client import HTTPConnection
from pathlib import PurePosixPath

import pytest

from headrace.engines import ScriptedEngine
from headrace.server.web import find_files

READER = "/headrace.js"


@pytest.fixture
def client(serve):
    return serve(ScriptedEngine("Hi"), api_keys=("id.secret",))


def test_a_module_needs_no_key_and_has_its_type_and_a_policy(client):
    response = client.get(READER)

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/javascript; charset=utf-8"
    assert response.headers["x-content-type-options"] == "nosniff"
    policy = response.headers["content-security-policy"]
    names = {directive.split()[0] for directive in policy.split("; ")}
    assert {"default-src", "img-src", "media-src", "font-src"} <= names
    assert {"form-action", "base-uri", "frame-ancestors"} <= names
    assert {source for directive in policy.split("; ") for source in directive.split()[1:]} == {
        "'self'",
        "'none'",
    }


def test_whatever_the_reader_imports_is_served(client):
    seen, paths = set(), [READER]
    while paths:
        path = paths.pop()
        text = client.get(path).raise_for_status().text
        for name in re.findall(r'\bfrom "(\./.+?)"', text):
            imported = str(PurePosixPath(path).parent / name)
            if imported not in seen:
                seen.add(imported)
                paths.append(imported)

    assert len(seen) > 4


def test_a_browser_that_has_the_file_gets_no_body(client):
    whole = client.get(READER)
    again = client.get(READER, headers={"If-None-Match": f'"other", {whole.headers["etag"]}'})
    strong = client.get(READER, headers={"If-None-Match": whole.headers["etag"].removeprefix("W/")})
    any_version = client.get(READER, headers={"If-None-Match": "*"})
    changed = client.get(READER, headers={"If-None-Match": 'W/"other"'})

    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", whole.headers["etag"])
    assert (strong.status_code, any_version.status_code) == (304, 304)
    assert (changed.status_code, changed.text) == (200, whole.text)


def test_a_file_is_compressed_for_clients_that_accept_it(client):
    whole = client.get(READER, headers={"Accept-Encoding": "identity"})
    refused = client.get(READER, headers={"Accept-Encoding": "br, gzip;q=0"})
    with client.stream("GET", READER, headers={"Accept-Encoding": "br, gzip"}) as response:
        compressed = b"".join(response.iter_raw())

    assert gzip.decompress(compressed) == whole.content == refused.content
    assert len(compressed) < len(whole.content) / 2
    assert response.headers["vary"] == "Accept-Encoding"


def test_other_methods_than_get_and_head(client):
    head = client.head(READER)
    post = client.post(READER)

    assert (head.status_code, head.content) == (200, b"")
    assert (post.status_code, post.headers["allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize(
    "path",
    [
        "/../server/app.py",
        "/headrace/../../server/app.py",
        "/%2e%2e/server/app.py",
        "/headrace/%2e%2e/%2e%2e/py.typed",
        "/headrace/..%2f..%2fpy.typed",
        "/..\\py.typed",
        "/headrace.js%00",
        "/headrace.js/..",
        "/headrace",
        "/headrace.d.ts",
        "//etc/passwd",
        "/etc/passwd",
    ],
)
def test_no_other_path_is_a_file(client, path):
    connection = HTTPConnection(client.base_url.host, client.base_url.port, timeout=30)
    connection.request("GET", path)
    assert connection.getresponse().status == 404
    connection.close()


def test_other_sites_may_link_to_the_page_but_not_name_this_machine(serve):
    client = serve(ScriptedEngine("Hi"))

    assert client.get(READER, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
    for name in ("Host", "Origin"):
        assert client.get(READER, headers={name: "http://evil.example"}).status_code == 403


def test_the_files_are_those_of_a_folder_whose_types_are_known(tmp_path):
    for name in ("index.html", "page/main.js", "page.css", "icon.svg", "font.woff2", "README.md", ".secret"):
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(name)

    files = find_files(tmp_path)

    assert sorted(files) == ["/", "/font.woff2", "/icon.svg", "/index.html", "/page.css", "/page/main.js"]
    assert files["/"] is files["/index.html"]
