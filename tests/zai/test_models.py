"""`client.models`."""

import pytest

import zai
from scripted_server import Reply, ScriptedServer

BODY = b'{"object":"list","data":[{"id":"glm-4.6","object":"model","created":1,"owned_by":"z","x":2}]}'


def test_the_models_are_listed(client_of):
    with ScriptedServer(Reply(BODY)) as server:
        models = client_of(server).models.list()
    assert [model.id for model in models.data] == ["glm-4.6"]
    assert models.data[0].x == 2
    assert (server.asked[0].method, server.asked[0].path) == ("GET", "/api/paas/v4/models")


@pytest.mark.parametrize("body", [b'{"data":null}', b"{}", b'{"object":"list"}'])
def test_a_response_without_models_is_quoted(client_of, body):
    with ScriptedServer(Reply(body)) as server, pytest.raises(zai.APIResponseValidationError) as caught:
        client_of(server).models.list()
    assert f"/models returned '{body.decode()}'" in str(caught.value)


async def test_the_models_are_listed_in_asyncio(async_client_of):
    with ScriptedServer(Reply(BODY)) as server:
        models = await async_client_of(server).models.list(timeout=5)
    assert models.data[0].owned_by == "z"
