"""Chromium shows a page of another site, and one whose name leads to this machine, beside an open server."""

import json
import shutil
import subprocess
import threading
from contextlib import closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from headrace.engines import ScriptedEngine
from wire_client import CHAT, HELLO

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PAGE = """<!doctype html><body><script>
const body = %s, base = %s;
const attempts = [
  ["/v1/models", {}],
  ["/v1/models", {mode: "no-cors"}],
  ["%s", {method: "POST", body}],
  ["%s", {method: "POST", body, mode: "no-cors"}],
  ["/v1/async/chat/completions", {method: "POST", body: new Blob([body]), mode: "no-cors"}],
  ["%s", {method: "POST", body: new Blob([body], {type: "application/json"})}],
];
const read = async ([path, options]) => {
  try {
    const response = await fetch(base + path, options);
    return `${response.type} ${response.status} ${await response.text()}`;
  } catch (error) {
    return "blocked";
  }
};
Promise.all(attempts.map(read)).then(lines => { document.body.textContent = [...lines, "DONE"].join("\\n"); });
</script>"""


class Engine(ScriptedEngine):
    """Counts its generations."""

    started = 0

    def start(self, generation, listener):
        self.started += 1
        return super().start(generation, listener)


@pytest.fixture
def show(tmp_path):
    """Open a page of site.example that sends requests to `base`; return its text. Other paths lead to the server."""
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    pages = []

    def open_page(client, base):
        class Site(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                page = PAGE % (json.dumps(json.dumps(HELLO)), json.dumps(base), CHAT, CHAT, CHAT)
                self.answer(*((200, page.encode(), "text/html") if self.path == "/" else self.forward()))

            def do_POST(self):
                self.answer(*self.forward())

            def forward(self):
                """What the server answers once the name of the site leads to it."""
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                with closing(HTTPConnection(client.base_url.host, client.base_url.port)) as upstream:
                    upstream.request(self.command, self.path, body, dict(self.headers))
                    response = upstream.getresponse()
                    return response.status, response.read(), response.headers.get("content-type", "")

            def answer(self, status, body, content_type):
                self.send_response(status)
                self.send_header("Content-Type", content_type)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        site = ThreadingHTTPServer(("127.0.0.1", 0), Site)
        pages.append(site)
        threading.Thread(target=site.serve_forever, daemon=True).start()
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path}"]
        command += [
            "--host-resolver-rules=MAP site.example 127.0.0.1",
            "--virtual-time-budget=20000",
            "--dump-dom",
        ]
        url = f"http://site.example:{site.server_port}/"
        shown = subprocess.run(
            [*command, url], capture_output=True, text=True, timeout=100, check=True
        ).stdout
        assert "DONE" in shown, shown
        return shown

    yield open_page
    for page in pages:
        page.shutdown()
        page.server_close()


def test_a_page_of_another_site_gets_no_answer(serve, show):
    engine = Engine("the answer")
    client = serve(engine)
    shown = show(client, str(client.base_url).rstrip("/"))

    assert "the answer" not in shown
    assert "headrace-tiny" not in shown
    assert engine.started == 0


def test_a_page_whose_name_leads_to_this_machine_gets_no_answer(serve, show):
    engine = Engine("the answer")
    shown = show(serve(engine), "")

    assert shown.count("basic 403 ") == 6
    assert "headrace-tiny" not in shown
    assert engine.started == 0


def test_a_page_of_an_allowed_host_gets_an_answer(serve, show):
    engine = Engine("the answer")
    shown = show(serve(engine, allowed_hosts=("site.example",)), "")

    assert shown.count("basic 200 ") == 3  # the models twice, and the body with a content type
    assert shown.count("basic 415 ") == 3
    assert "the answer" in shown
    assert engine.started == 1
