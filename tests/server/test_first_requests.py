"""The first requests wait for nothing that the server can do before: imports, and the compilation of patterns."""

import sys
from pathlib import Path

from served import serving, words
from wire_client import CHAT, WEATHER

WATCHED = (sys.executable, str(Path(__file__).parents[1] / "watched_module.py"))
EMBEDDED = '[models.embedded]\nengine = "llama"\n'
HELLO = [{"role": "user", "content": "Hello"}]
REQUESTS = {
    CHAT: [{"messages": HELLO}, {"messages": HELLO, "tools": [WEATHER]}],
    "/v1/messages": [{"messages": HELLO, "max_tokens": 8}],
    "/v1/responses": [{"input": "Hello"}],
}


def test_the_first_requests_import_nothing_and_compile_no_pattern(tmp_path):
    with (
        serving(tmp_path, reply=words(3), options=EMBEDDED, before=WATCHED) as server,
        server.client() as client,
    ):
        assert client.get("/v1/models").status_code == 200
        server.wait_for("path=/v1/models")
        start = len(server.logged)
        for path, bodies in REQUESTS.items():
            for body in bodies:
                for model in ("embedded", "m"):
                    response = client.post(path, json={"model": model, "stream": True, **body})
                    assert response.status_code == 200, response.text
        assert client.get("/v1/models/m").status_code == 200
        server.wait_for("path=/v1/models/{name}")

        assert [line for line in server.logged[:start] if line.startswith("WATCHED import 'headrace")]
        assert [line for line in server.logged[start:] if line.startswith("WATCHED")] == []
