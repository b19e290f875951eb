"""What clients must not learn, and the operator must: addresses and paths."""

import pytest

from headrace.engines import ScriptedEngine
from headrace.engines.http import HttpTransport
from headrace.engines.protocols import DIALECTS, Chat
from headrace.engines.upstream import UpstreamEngine
from headrace.turns import TurnSettings
from scripted_server import Reply, ScriptedServer, stream

KEY = "sk-upstream-SECRET-123"
BODY = {"model": "glm-4.6", "messages": [{"role": "user", "content": "Hi"}]}
CHAT = "/api/paas/v4/chat/completions"


@pytest.fixture
def behind(serve):
    """Serves an upstream that gives these replies; returns it and a client."""
    servers = []

    def start(*replies):
        servers.append(ScriptedServer(*replies).__enter__())
        transport = HttpTransport(servers[-1].url, key=KEY, key_variable="SECRET_VARIABLE")
        engine = UpstreamEngine(transport, Chat(DIALECTS["openai"], transport.upstream, model="m"))
        return servers[-1], serve(engine)

    yield start
    for server in servers:
        server.__exit__(None, None, None)


PAGE = f"<p>Bearer {KEY} for /opt/models/glm at http://10.0.0.5:8000/v1</p>".encode()
REPLIES = [Reply(PAGE, status=status) for status in (200, 400, 401, 404, 429, 500, 503)]
CUT = Reply([*stream("Hel")[:1], b"data: {" + PAGE + b"}\n\n"])


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize("reply", [*REPLIES, CUT])
def test_a_failing_upstream_discloses_neither_its_key_nor_its_address(behind, caplog, reply, is_stream):
    _, client = behind(reply)
    response = client.post(CHAT, json=BODY | {"stream": is_stream}, headers={"x-headrace-resumable": "1"})

    for secret in (KEY[:12], "127.0.0.1", "10.0.0.5", "SECRET_VARIABLE", "/opt/models"):
        assert secret not in response.text
    assert KEY[:12] not in caplog.text


def test_an_upstream_that_is_gone_discloses_no_address(behind, caplog):
    server, client = behind()
    server.__exit__(None, None, None)
    response = client.post(CHAT, json=BODY)

    assert response.json()["error"]["message"] == "the model's server is unreachable"
    assert f"{server.url} is unreachable: connection refused" in caplog.text


@pytest.mark.parametrize("store", ["sqlite:{}/no/turns.db", "redis://user:sesame@127.0.0.1:9/0"])
def test_a_store_that_is_unavailable_discloses_no_path(serve, caplog, tmp_path, store):
    client = serve(
        ScriptedEngine("Hi"), turns=TurnSettings(store=store.format(tmp_path), store_retry_timeout=0)
    )
    response = client.post(CHAT, json=BODY, headers={"x-headrace-resumable": "1"})

    assert response.status_code == 503
    assert response.json()["error"]["message"] == "the turn store is unavailable; try again later"
    assert "turns.db is unavailable" in caplog.text or "127.0.0.1:9/0 is unavailable" in caplog.text
    assert "sesame" not in caplog.text
