"""Chromium shows a page of another site, and one whose name leads to this machine, beside an open server."""

import hmac
import json
import shutil
import subprocess
import threading
from base64 import urlsafe_b64encode
from contextlib import closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Queue

import pytest

from headrace.engines import ScriptedEngine
from wire_client import CHAT, HELLO
from zai.http.auth import generate_turn_token

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
Promise.all(attempts.map(read)).then(lines => fetch("/shown", {method: "POST", body: lines.join("\\n")}));
</script>"""


SIGNED = b".".join(map(urlsafe_b64encode, (b'{"alg":"HS256"}', b'{"api_key":"id","exp":9e15}  '))).replace(
    b"=", b""
)
TOKEN = b".".join([SIGNED, urlsafe_b64encode(hmac.digest(b"secret", SIGNED, "sha256")).rstrip(b"=")]).decode()
CLIENT = """<!doctype html><body><script>
const {url, hello, token, link} = %s, lines = [];
const json = {"Content-Type": "application/json"}, key = {Authorization: `Bearer ${token}`};
const show = async (name, response) => lines.push(`${name} ${response.status} ${await response.text()}`);
const read = async () => {
  await show("no key", await fetch(url, {method: "POST", headers: json, body: JSON.stringify(hello)}));
  const named = {"X-Headrace-Resumable": "1", "X-Headrace-Request-Id": "page-1"};
  const headers = {...json, ...key, ...named, "X-Stainless-Retry-Count": "0", "X-Title": "page"};
  const body = JSON.stringify({...hello, stream: true});
  const stream = await fetch(url, {method: "POST", headers, body});
  const turn = `${url}/${stream.headers.get("x-headrace-turn")}`, reader = stream.body.getReader();
  for (let piece; !(piece = await reader.read()).done; ) lines.push(new TextDecoder().decode(piece.value));
  await show("resumed", await fetch(turn, {headers: {...key, "Last-Event-ID": "1"}}));
  await show("wrong id", await fetch(turn, {headers: {...key, "Last-Event-ID": "x"}}));
  await show("no turn", await fetch(`${url}/nothing`, {method: "DELETE", headers: key}));
  const source = new EventSource(`${url}/page-1?after=1&token=${link}`);
  await new Promise(end => {
    source.onmessage = event => { lines.push(`event ${event.lastEventId} ${event.data}`); event.data === "[DONE]" && end(); };
    source.onerror = () => end(lines.push("event error"));
  });
  source.close();
};
read().catch(error => lines.push(`blocked: ${error}`)).then(() => {
  fetch("/shown", {method: "POST", body: lines.join("\\n")});
});
</script>"""


class Engine(ScriptedEngine):
    """Counts its generations."""

    started = 0

    def start(self, generation, listener):
        self.started += 1
        return super().start(generation, listener)


class Site:
    """A page at a port of its own, as site.example or by its address; other paths lead to the server.

    The page sends what it has seen to `/shown`. Chromium's own `--dump-dom` waits for a virtual time, in which
    a stream does not count.
    """

    def __init__(self, profile):
        self._profile = profile
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), handler_of(self))
        self.page, self.server, self.shown = b"", None, Queue()
        threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True).start()

    def origin(self, host="site.example"):
        return f"http://{host}:{self._http.server_port}"

    def show(self, client, page, host="site.example"):
        """Open the page; return what it has seen."""
        self.page, self.server = page.encode(), client.base_url
        command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--remote-debugging-port=0"]
        command += [f"--user-data-dir={self._profile}", "--host-resolver-rules=MAP site.example 127.0.0.1"]
        browser = subprocess.Popen([*command, f"{self.origin(host)}/"], stderr=subprocess.DEVNULL)
        try:
            return self.shown.get(timeout=100).decode()
        finally:
            browser.terminate()
            browser.wait()

    def close(self):
        self._http.shutdown()
        self._http.server_close()


def handler_of(site):
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            self.answer(*((200, site.page, "text/html") if self.path == "/" else self.forward()))

        def do_POST(self):
            if self.path == "/shown":
                site.shown.put(self.body())
                self.answer(200, b"", "text/plain")
            else:
                self.answer(*self.forward())

        def body(self):
            return self.rfile.read(int(self.headers.get("content-length", 0)))

        def forward(self):
            """What the server answers once the name of the site leads to it."""
            body = self.body()
            with closing(HTTPConnection(site.server.host, site.server.port)) as upstream:
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

    return Handler


@pytest.fixture
def site(tmp_path):
    if CHROMIUM is None:
        pytest.skip("no Chromium")
    with closing(Site(tmp_path)) as site:
        yield site


def attempts(base):
    return PAGE % (json.dumps(json.dumps(HELLO)), json.dumps(base), CHAT, CHAT, CHAT)


def url(client):
    return str(client.base_url).rstrip("/")


def test_a_page_of_another_site_gets_no_answer(serve, site):
    engine = Engine("the answer")
    client = serve(engine)
    shown = site.show(client, attempts(url(client)))

    assert "the answer" not in shown
    assert "headrace-tiny" not in shown
    assert engine.started == 0


def test_a_page_whose_name_leads_to_this_machine_gets_no_answer(serve, site):
    engine = Engine("the answer")
    shown = site.show(serve(engine), attempts(""))

    assert shown.count("basic 403 ") == 6
    assert "headrace-tiny" not in shown
    assert engine.started == 0


def test_a_page_of_an_allowed_host_gets_an_answer(serve, site):
    engine = Engine("the answer")
    shown = site.show(serve(engine, allowed_hosts=("site.example",)), attempts(""))

    assert shown.count("basic 200 ") == 3  # the models twice, and the body with a content type
    assert shown.count("basic 415 ") == 3
    assert "the answer" in shown
    assert engine.started == 1


def test_a_page_of_an_allowed_origin_streams_and_resumes_and_reads_errors(serve, site):
    client = serve(Engine("the answer"), api_keys=("id.secret",), cors_origin=(site.origin(),))
    link = generate_turn_token("id.secret", "page-1")
    page = CLIENT % json.dumps({"url": url(client) + CHAT, "hello": HELLO, "token": TOKEN, "link": link})
    shown = site.show(client, page)

    assert "blocked" not in shown
    for name in (
        'no key 401 {"error"',
        'wrong id 400 {"error"',
        'no turn 404 {"error"',
        "resumed 200 retry:",
    ):
        assert name in shown, shown
    events = [line.split(" ", 2) for line in shown.splitlines() if line.startswith("event ")]
    assert int(events[0][1]) > 1
    assert events[-1][2] == "[DONE]"


def test_a_page_of_this_machine_may_call_an_open_server(serve, site):
    engine = Engine("the answer")
    client = serve(engine)
    shown = site.show(client, attempts(url(client)), "localhost")

    assert "cors 200" in shown
    assert "the answer" in shown
    assert engine.started == 1
