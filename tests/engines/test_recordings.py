"""Recordings of api.z.ai, replayed by the engine: our chunks are equivalent to theirs."""

import json
from pathlib import Path

import pytest
import yaml

from dialects import ask, chunks_of, protocol
from headrace.engines.recorded import ReplayTransport
from headrace.engines.upstream import UpstreamEngine
from headrace.recording import RecordedRead, Recording
from headrace.wire import fold
from headrace.wire.decode import decode_chunk
from listening import listen

RECORDINGS = Path(__file__).parents[3] / "shared" / "reference" / "recordings"
pytestmark = [
    pytest.mark.shared,
    pytest.mark.skipif(not RECORDINGS.exists(), reason="no recordings beside the repository"),
]


def exchanges():
    """Yield each recorded chat request with the body of its response, from both kinds of cassette."""
    for path in sorted(RECORDINGS.glob("*.yaml")):
        cassette = yaml.load(path.read_text(), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        for number, exchange in enumerate(cassette["interactions"]):
            request, response = exchange["request"], exchange["response"]
            body = request.get("parsed_body") or json.loads(request["body"])
            answer = response.get("parsed_body") or response["body"]
            answer = answer.get("string", answer) if isinstance(answer, dict) else answer
            text = answer if isinstance(answer, str) else json.dumps(answer)
            yield f"{path.stem}/{number}", body, text


CASES = list(exchanges()) if RECORDINGS.exists() else []


def has_images(body):
    return any(isinstance(message["content"], list) for message in body["messages"] if message.get("content"))


def recording_of(body, text):
    is_stream = text.startswith("data:")
    frames = (
        [f"{frame}\n\n".encode() for frame in text.strip().split("\n\n")] if is_stream else [text.encode()]
    )
    content_type = "text/event-stream" if is_stream else "application/json"
    return Recording(
        path="chat/completions",
        request=body,
        content_type=content_type,
        reads=[RecordedRead(0, frame) for frame in frames],
    )


async def played(body, text):
    """Return our chunks for a recorded response."""
    if has_images(body):
        pytest.skip("an image: rejected before the engine")
    generation = ask(**{**body, "stream": True, "tool_stream": False})
    transport = ReplayTransport([recording_of(body, text)], speed=0)
    engine = UpstreamEngine(transport, protocol("chat", "zai"))
    events = [event async for new in listen(engine, generation) for event in new]
    return chunks_of("chat", events, generation)


@pytest.mark.parametrize(("body", "text"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
async def test_our_chunks_fold_to_zais_answer(body, text):
    ours = fold(decode_chunk(json.dumps(chunk).encode()) for chunk in await played(body, text))
    if text.startswith("data:"):
        datas = [frame.removeprefix("data: ") for frame in text.strip().split("\n\n")]
        theirs = fold(decode_chunk(data.encode()) for data in datas if data != "[DONE]")
        message, ending, usage = theirs.choices[0].message, theirs.choices[0].finish_reason, theirs.usage
    else:
        theirs = json.loads(text)
        choice = theirs["choices"][0]
        message, ending, usage = choice["message"], choice["finish_reason"], theirs["usage"]
    got = ours.choices[0]

    assert got.message.content == (message["content"] or "")
    assert (got.message.reasoning_content or "") == (message.get("reasoning_content") or "")
    assert got.finish_reason == ending
    assert (ours.usage.prompt_tokens, ours.usage.completion_tokens) == (
        usage["prompt_tokens"],
        usage["completion_tokens"],
    )
    ours_called = [
        (call.id, call.function.name, json.loads(call.function.arguments))
        for call in got.message.tool_calls or ()
    ]
    theirs_called = [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in message.get("tool_calls") or ()
    ]
    assert ours_called == theirs_called


@pytest.mark.parametrize(
    ("body", "text"),
    [case[1:] for case in CASES if case[2].startswith("data:")],
    ids=[case[0] for case in CASES if case[2].startswith("data:")],
)
async def test_every_delta_of_zais_stream_is_one_of_ours(body, text):
    """Merged by kind, because both may merge."""
    theirs = [
        json.loads(frame.removeprefix("data: "))["choices"][0] for frame in text.strip().split("\n\n")[:-1]
    ]
    kinds = ("reasoning_content", "content", "tool_calls")

    def runs(choices):
        order = [kind for choice in choices for kind in kinds if choice["delta"].get(kind)]
        return [kind for at, kind in enumerate(order) if at == 0 or order[at - 1] != kind]

    assert runs(chunk["choices"][0] for chunk in await played(body, text)) == runs(theirs)
