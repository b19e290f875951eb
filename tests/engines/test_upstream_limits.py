"""A server that refuses `max_tokens` is asked once more, with what it accepts."""

import asyncio
import contextlib
import json

import pytest

from dialects import ask
from headrace.errors import RequestError
from listening import collect, listen
from scripted_server import Reply, sse, stream
from waiting import until_async

TOO_MANY = {
    "object": "error",
    "message": "Requested token count exceeds the model's maximum context length of 4096 tokens. You requested a"
    " total of 4106 tokens: 10 tokens from the input messages and 4096 tokens for the completion.",
}


@pytest.mark.parametrize("kind", ["chat", "completions"])
async def test_a_request_whose_answer_would_not_fit_is_sent_once_more_with_what_is_left(behind, kind):
    text = {"choices": [{"index": 0, "text": "Hello", "finish_reason": "stop"}]}
    answer = stream("Hello") if kind == "chat" else [sse(text), sse("[DONE]")]
    refusal = Reply(json.dumps(TOO_MANY).encode(), 400)
    server, engine = behind(refusal, Reply(answer), kind=kind, dialect="sglang")

    for _ in range(2):
        events = await collect(engine, ask("P", max_tokens=5000))
        assert events[-1].reason == "stop"
        assert "".join(event.text for event in events[:-1]) == "Hello"
    assert [asked.body["max_tokens"] for asked in server.asked] == [5000, 4085, 4096]
    assert engine.running == 0


async def test_a_request_is_sent_only_once_more(behind):
    server, engine = behind(Reply(json.dumps(TOO_MANY).encode(), 400), kind="completions", dialect="sglang")

    with pytest.raises(RequestError, match="4096"):
        await collect(engine, ask("P", max_tokens=5000))
    assert [asked.body["max_tokens"] for asked in server.asked] == [5000, 4085]
    assert engine.running == 0


async def test_a_prompt_that_is_too_long_is_reported_at_once(behind):
    message = "The input (5000 tokens) is longer than the model's context length (4096 tokens)."
    server, engine = behind(Reply(json.dumps({"message": message}).encode(), 400), kind="completions")

    with pytest.raises(RequestError) as raised:
        await collect(engine, ask("P", max_tokens=5000))
    assert raised.value.code == "1261"
    assert len(server.asked) == 1


async def test_a_request_that_is_stopped_is_not_sent_once_more(behind):
    refusal = Reply([json.dumps(TOO_MANY).encode(), 0.1], 400)
    server, engine = behind(refusal, kind="completions", dialect="vllm")

    async with asyncio.timeout(5):
        listening = listen(engine, ask("P", max_tokens=5000))
        task = asyncio.ensure_future(anext(listening, None))
        await until_async(lambda: server.asked)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await listening.aclose()
        while engine.running:
            await asyncio.sleep(0.01)
    assert len(server.asked) == 1
