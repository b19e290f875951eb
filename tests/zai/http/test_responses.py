"""A response with status 200 and an unexpected body."""

import pytest

import zai
from scripted_server import Reply, ScriptedServer, sse

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def requests(client):
    """Return a function for each request without a stream."""
    return (
        lambda: client.chat.completions.create(**ASK),
        lambda: client.chat.asyncCompletions.create(**ASK),
        lambda: client.chat.asyncCompletions.retrieve_completion_result("t1"),
        client.models.list,
    )


@pytest.mark.parametrize("body", ["{}", '{"detail":"x"}', '{"choices":null}', '{"data":null}'])
def test_an_object_without_the_required_fields_is_quoted(client_of, body):
    with ScriptedServer(Reply(body.encode())) as server:
        for request in requests(client_of(server)):
            with pytest.raises(zai.APIResponseValidationError) as caught:
                request()
            assert str(caught.value).endswith(f"returned '{body}'")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        ('{"code":500,"msg":"404 NOT_FOUND","success":false}', zai.APIInternalError),
        ('{"object":"error","message":"404 NOT_FOUND","code":400}', zai.APIRequestFailedError),
        ('{"message":"404 NOT_FOUND","code":"²"}', zai.APIInternalError),
    ],
)
def test_an_error_at_the_top_of_the_body_is_raised_with_the_servers_message(client_of, body, kind):
    with ScriptedServer(Reply(body.encode())) as server:
        for request in requests(client_of(server)):
            with pytest.raises(kind, match="404 NOT_FOUND"):
                request()
    with ScriptedServer(Reply([sse(body), sse("[DONE]")])) as server, pytest.raises(kind, match="404"):
        client_of(server, max_retries=0).chat.completions.create(**ASK, stream=True).collect()


@pytest.mark.parametrize("task_id", [None, ""])
def test_a_task_without_an_id_is_not_requested(client_of, task_id):
    with ScriptedServer() as server, pytest.raises(zai.ZaiError, match="it must be a task's id"):
        client_of(server).chat.asyncCompletions.retrieve_completion_result(task_id)


def test_a_task_without_choices_yet_is_a_status(client_of):
    body = b'{"id":"t1","task_status":"PROCESSING","choices":null}'
    with ScriptedServer(Reply(body)) as server:
        task = client_of(server).chat.asyncCompletions.retrieve_completion_result("t1")
    assert task.task_status == "PROCESSING"
