"""A server whose chat template rejects later system messages gets them in another form."""

import json

import pytest

from dialects import ask
from headrace.errors import HeadraceError
from listening import collect
from scripted_server import Reply, stream

MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi"},
    {"role": "system", "content": "Agents: none."},
    {"role": "assistant", "content": "Hello"},
    {"role": "system", "content": "Hurry."},
]
SYSTEM_FIRST = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "Hi\n\nAgents: none."},
    {"role": "assistant", "content": "Hello"},
    {"role": "user", "content": "Hurry."},
]
CUT_OFF = (
    "Unable to generate parser for this template. Automatic parser generation failed: \n------------\nWhile executing"
    " CallExpression at line 85, column 32 in source:\n...first %}↵            {{- raise_exception('System message"
    " must be at the beginnin...\n   ^\nError: Jinja Exception: System message must be at the beginning."
)
REFUSALS = {
    "vllm": (400, {"error": {"message": "System message must be at the beginning.", "code": 400}}),
    "llama-server": (400, {"error": {"code": 400, "message": CUT_OFF, "type": "invalid_request_error"}}),
    "llama-server, earlier": (500, {"error": {"code": 500, "message": CUT_OFF, "type": "server_error"}}),
    "mistral": (400, {"message": "Unexpected role 'system' after role 'user'"}),
    "gemma": (422, {"detail": "Conversation roles must alternate user/assistant/user/assistant/..."}),
    "other": (400, {"message": "Only the first message can have the role system: system must come first"}),
}
CONVERSATION = ask(messages=MESSAGES)


def refusal(name="vllm"):
    status, body = REFUSALS[name]
    return Reply(json.dumps(body).encode(), status)


def messages(server):
    return [asked.body["messages"] for asked in server.asked]


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_refused_conversation_is_sent_once_more_and_later_ones_at_once(behind, name):
    server, engine = behind(refusal(name), Reply(stream("Hello")))

    for _ in range(2):
        events = await collect(engine, CONVERSATION)
        assert "".join(event.text for event in events[:-1]) == "Hello"
    assert messages(server) == [MESSAGES, SYSTEM_FIRST, SYSTEM_FIRST]
    assert engine.running == 0
    assert not engine.is_failing


@pytest.mark.parametrize("name", REFUSALS)
async def test_a_conversation_without_another_form_is_sent_once(behind, name):
    server, engine = behind(refusal(name))

    with pytest.raises(HeadraceError):
        await collect(engine, ask(messages=SYSTEM_FIRST))
    assert messages(server) == [SYSTEM_FIRST]


async def test_a_conversation_that_is_refused_in_both_forms_is_an_error(behind):
    server, engine = behind(refusal())

    with pytest.raises(HeadraceError, match="at the beginning"):
        await collect(engine, CONVERSATION)
    assert messages(server) == [MESSAGES, SYSTEM_FIRST]


@pytest.mark.parametrize("text", ["", "messages[2]: the role is unknown", "the system is overloaded"])
async def test_another_refusal_is_an_error(behind, text):
    server, engine = behind(Reply(json.dumps({"message": text}).encode(), 400))

    with pytest.raises(HeadraceError):
        await collect(engine, CONVERSATION)
    assert messages(server) == [MESSAGES]


async def test_messages_and_limit_may_be_refused_one_after_the_other(behind):
    too_many = Reply(b'{"message": "max_tokens is too large: at most 4085 completion tokens"}', 400)
    server, engine = behind(refusal(), too_many, Reply(stream("Hello")), dialect="sglang")

    await collect(engine, ask(messages=MESSAGES, max_tokens=5000))
    assert messages(server) == [MESSAGES, SYSTEM_FIRST, SYSTEM_FIRST]
    assert [asked.body["max_tokens"] for asked in server.asked] == [5000, 5000, 4085]


@pytest.mark.parametrize("name", REFUSALS)
async def test_the_tokens_of_a_refused_conversation_are_counted_in_the_other_form(behind, name):
    server, engine = behind(refusal(name), Reply(b'{"count": 7}'), dialect="vllm")

    assert await engine.count_tokens(CONVERSATION) == 7
    assert messages(server) == [MESSAGES, SYSTEM_FIRST]
