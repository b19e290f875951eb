"""`/admin` and `/admin.json`: who may read them, and what they never contain."""

import re
import time
from base64 import b64encode
from hashlib import sha256

import httpx2
import pytest

from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.models import Model, ModelRegistry
from headrace.prompts import ChatTemplate
from headrace.server import App, LocalServer, Settings
from headrace.turns import TurnSettings
from issued_keys import MASTER, issue
from waiting import until
from wire_client import CHAT, HELLO


@pytest.fixture
def serve():
    """Serve with these settings; return a client."""
    opened = []

    def start(**settings):
        model = Model(("glm-4.6",), ScriptedEngine("A zebra."), FORMATS["glm-4.6"], ChatTemplate("x"))
        server = LocalServer(App(ModelRegistry([model]), Settings(**settings))).__enter__()
        client = httpx2.Client(base_url=server.url, trust_env=False)
        opened.append((server, client))
        return client

    yield start
    for server, client in opened:
        client.close()
        server.__exit__(None, None, None)


def with_key(key):
    return {"authorization": f"Bearer {key}"}


def test_only_keys_with_that_right_may_read_the_state(serve, tmp_path):
    turns = TurnSettings(store=f"sqlite:{tmp_path / 'turns'}")
    client = serve(turns=turns, master_key=MASTER, api_keys=("admin.secret", "app.other"))
    issued = {admin: issue(turns, f"k{admin:d}", admin=admin) for admin in (True, False)}
    statuses = {
        key: client.get("/admin.json", headers=with_key(key)).status_code
        for key in ("admin.secret", "app.other", "admin.wrong", *issued.values())
    }

    assert statuses == {
        "admin.secret": 200,
        "app.other": 403,
        "admin.wrong": 401,
        issued[True]: 200,
        issued[False]: 403,
    }
    assert client.get("/admin.json").status_code == 401
    assert "headrace keys create --admin" in client.get("/admin.json", headers=with_key("app.other")).text


def test_an_issued_key_does_not_get_the_right_by_its_id(serve, tmp_path):
    turns = TurnSettings(store=f"sqlite:{tmp_path / 'turns'}")
    client = serve(turns=turns, master_key=MASTER)

    assert client.get("/admin.json", headers=with_key(issue(turns, "admin"))).status_code == 403


def test_a_server_without_keys_shows_it_to_this_machine_only(serve):
    client = serve()

    assert client.get("/admin.json").status_code == 200
    assert client.get("/admin.json", headers={"host": "site.example"}).status_code == 403
    assert client.get("/admin.json", headers={"origin": "http://site.example"}).status_code == 403


def test_the_state_has_turns_and_no_contents(serve):
    client = serve(api_keys=("admin.secret",))
    client.headers.update(with_key("admin.secret"))
    question = {**HELLO, "messages": [{"role": "user", "content": "The question."}], "user_id": "person 1"}
    assert client.post(CHAT, json=question).status_code == 200
    until(lambda: client.get("/admin.json").json()["models"])
    response = client.get("/admin.json")
    state = response.json()

    assert state["models"][0]["name"] == "glm-4.6"
    assert state["keys"][0]["name"] == "admin"
    assert abs(state["now"] - time.time()) < 60
    for hidden in ("question", "zebra", "secret", "person"):
        assert hidden not in response.text
    assert response.headers["cache-control"] == "no-store"


def test_the_page_needs_nothing_else_and_may_run_nothing_else(serve):
    response = serve(api_keys=("admin.secret",)).get("/admin")
    page, policy = response.text, response.headers["content-security-policy"]
    directives = {name: sources for name, *sources in (rule.split() for rule in policy.split(";"))}

    assert response.headers["content-type"] == "text/html; charset=utf-8"
    for element in ("script", "style"):
        (text,) = re.findall(f"<{element}>(.*?)</{element}>", page, re.DOTALL)
        digest = b64encode(sha256(text.encode()).digest()).decode()
        assert directives.pop(f"{element}-src") == [f"'sha256-{digest}'"]
    assert directives.pop("connect-src") == ["'self'"]
    assert set(directives) == {"default-src", "base-uri", "form-action", "frame-ancestors"}
    assert all(sources == ["'none'"] for sources in directives.values())
    assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)|\b(?:src|href|on\w+)=|url\(|@import", page)


def test_the_page_never_reads_a_text_of_the_server_as_html(serve):
    page = serve().get("/admin").text

    assert not re.findall(
        r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval|Function\(|srcdoc", page
    )
