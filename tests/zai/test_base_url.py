"""Parts of a base URL that belong neither to its path nor to its host."""

import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, headrace, sse


def to(url):
    return zai.ZaiClient(api_key="id.secret", base_url=url, max_retries=0, timeout=5)


@pytest.mark.parametrize("url", ["http://me:pw@h/v1", "https://me@h", "http://me:p%40w@h:8000?a=b"])
def test_a_url_with_credentials_raises_without_showing_them(url):
    with pytest.raises(
        zai.ZaiError, match="has a user and a password, which would replace the API key"
    ) as caught:
        to(url)
    assert "me" not in str(caught.value).replace("custom_headers", "").replace("them", "")


@pytest.mark.parametrize("url", ["http://h/v1#top", "http://h/v1?a=b#top", "http://h#"])
def test_a_url_with_a_fragment_raises(url):
    with pytest.raises(zai.ZaiError, match="remove what follows the #"):
        to(url)


@pytest.mark.parametrize("path", ["/v1", "/v1/", "/", ""])
def test_the_query_of_a_url_stays_behind_the_path(path):
    turn = headrace([sse(chunk("a"), id=1)], end="cut")
    with ScriptedServer(Reply(b'{"data":[]}'), turn, Reply(b"{}", status=410), Reply(b"{}")) as server:
        root = server.url.removesuffix("/api/paas/v4")
        with to(f"{root}{path}?api-version=2024&x=/y") as client:
            client.models.list()
            with pytest.raises(zai.APIStreamDisconnectedError):
                client.chat.completions.create(model="m", messages=[], stream=True).collect()
    base = path.rstrip("/")
    assert [asked.path for asked in server.asked][:4] == [
        f"{base}/models?api-version=2024&x=/y",
        f"{base}/chat/completions?api-version=2024&x=/y",
        *[f"{base}/chat/completions/turn-1?api-version=2024&x=/y"] * 2,
    ]
