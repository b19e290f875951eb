"""Which timeouts of nginx and HAProxy the keep-alive comments of a silent stream reset: the table of docs/proxies.md."""

import re
from contextlib import suppress

import httpx2
import pytest

from proxies import DEPLOY
from waiting import until
from wire_client import CHAT, HELLO

PAGE = (DEPLOY.parent / "docs" / "proxies.md").read_text()
STREAM = {**HELLO, "stream": True}
SECONDS = 2
COMMENTS = 3 * SECONDS * 10
"""As many as fill three times the timeout."""

RESETS, RUNS, RESTS = "resets it", "does not", "does not run"
TIMEOUTS = {
    "nginx": {"proxy_read_timeout 1h": RESETS, "worker_shutdown_timeout 10m": RUNS},
    "haproxy": {"timeout server 1h": RESETS, "hard-stop-after 10m": RUNS, "timeout client 1h": RESTS},
}
"""What a comment does to them. Those that run in spite of it begin with a reload of the proxy."""

CASES = [
    pytest.param(kind, setting, effect, id=f"{kind}-{setting}")
    for kind, settings in TIMEOUTS.items()
    for setting, effect in settings.items()
]


@pytest.fixture
def proxy_kind(proxy_kind, kind):
    if proxy_kind.name != kind:
        pytest.skip("a case of the other proxy")
    return proxy_kind


def test_the_page_has_these_timeouts():
    for kind, settings in TIMEOUTS.items():
        section = re.search(rf"^### {kind}$(.*?)^### ", PAGE, re.MULTILINE | re.DOTALL | re.IGNORECASE)[1]
        rows = dict(re.findall(r"^\| `([\w\s-]+)`.*? \| ([\w ]+)", section, re.MULTILINE))
        effects = {setting.rpartition(" ")[0]: effect for setting, effect in settings.items()}
        assert effects.items() <= {name: text.strip() for name, text in rows.items()}.items()


def read(deploy, setting, effect, comments=None, **settings):
    """Read a stream that is silent but for comments, until so many of them have come, or it ends."""
    shortened = {setting: f"{setting.rpartition(' ')[0]} {SECONDS}s"}
    deployed = deploy(pause_after=3, replaced=dict.fromkeys(TIMEOUTS, shortened), **settings)
    body = b""
    with suppress(httpx2.RemoteProtocolError, httpx2.ReadTimeout):
        silence = httpx2.Timeout(20, read=3 * SECONDS) if effect == RESTS else 60
        with deployed.client.stream("POST", CHAT, json=STREAM, timeout=silence) as response:
            if effect == RUNS:
                deployed.proxy.reload()
            for piece in response.iter_raw():
                body += piece
                if comments and body.count(b": keep-alive") >= comments:
                    deployed.go_on()
    return body, deployed


@pytest.mark.nightly
@pytest.mark.parametrize(("kind", "setting", "effect"), CASES)
def test_a_silent_stream_with_comments(deploy, setting, effect):
    comments = None if effect == RUNS else COMMENTS
    body, _ = read(deploy, setting, effect, comments, keep_alive_interval=0.1)

    assert b": keep-alive" in body
    assert body.endswith(b"data: [DONE]\n\n") == (effect != RUNS)


@pytest.mark.nightly
@pytest.mark.parametrize(("kind", "setting", "effect"), CASES)
def test_a_silent_stream_without_comments(deploy, setting, effect):
    body, deployed = read(deploy, setting, effect, keep_alive_interval=600)

    assert body
    assert b"data: [DONE]" not in body
    if effect != RESTS:  # the proxy has ended it, not the client
        until(lambda: not deployed.running())
