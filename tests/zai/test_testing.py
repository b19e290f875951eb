"""`zai.testing`: responses from a recording."""

import json
import time
from base64 import b64encode

import httpx2
import pytest

import zai
from scripted_server import stream
from zai.testing import ReplayTransport

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}
BODY = b"".join(stream("Hel", "lo"))


def text_of(transport):
    with zai.ZaiClient(
        api_key="a.b", http_client=httpx2.Client(transport=transport), max_retries=0
    ) as client:
        return "".join(client.chat.completions.create(**ASK).text_deltas())


def test_each_request_gets_the_recording():
    transport = ReplayTransport(BODY)

    assert text_of(transport) == text_of(transport) == "Hello"
    assert [request.url.path for request in transport.requests] == ["/api/paas/v4/chat/completions"] * 2
    assert b'"model":"m"' in transport.requests[0].content


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_the_body_can_be_split_into_chunks_of_any_size(size):
    assert text_of(ReplayTransport(BODY, chunk_size=size)) == "Hello"


def test_the_connection_can_be_lost_anywhere():
    end = BODY.index(b"finish_reason") + 40
    for place in range(0, end, 9):
        with pytest.raises((zai.APIStreamDisconnectedError, zai.APIConnectionError)):
            text_of(ReplayTransport(BODY, disconnect_after=place))
    assert text_of(ReplayTransport(BODY, disconnect_after=len(BODY) - 3)) == "Hello"


def test_pauses_are_kept_or_skipped():
    start = time.monotonic()

    assert text_of(ReplayTransport([BODY[:50], 0.2, BODY[50:]], timed=True)) == "Hello"
    assert time.monotonic() - start >= 0.2
    assert text_of(ReplayTransport([BODY[:50], 3600.0, BODY[50:]], timed=False)) == "Hello"


def test_status_and_headers_can_be_set():
    transport = ReplayTransport(
        b'{"error":{"code":"1302","message":"no"}}', status=429, headers={"retry-after": "9"}
    )

    with pytest.raises(zai.APIReachLimitError) as caught:
        text_of(transport)
    assert caught.value.response.headers["retry-after"] == "9"


def recording(*lines, **head):
    return (
        b"\n".join(json.dumps(line).encode() for line in ({"path": "chat/completions", **head}, *lines))
        + b"\n"
    )


def test_a_file_can_be_a_body(tmp_path):
    (tmp_path / "stream.sse").write_bytes(BODY)

    assert text_of(ReplayTransport.load(tmp_path / "stream.sse", chunk_size=11)) == "Hello"


def test_a_file_can_be_a_recording_with_its_timing(tmp_path):
    path = tmp_path / "recording.jsonl"
    pieces = [{"at": 0.1, "text": BODY[:60].decode()}, {"at": 0.2, "base64": b64encode(BODY[60:]).decode()}]
    path.write_bytes(recording(*pieces, {"at": 0.3, "end": "whole"}, request={"model": "m"}))

    start = time.monotonic()
    assert text_of(ReplayTransport.load(path, timed=True)) == "Hello"
    assert time.monotonic() - start >= 0.2
    assert text_of(ReplayTransport.load(path)) == "Hello"


def test_a_recording_that_was_cut_off_is_disconnected_there(tmp_path):
    path = tmp_path / "recording.jsonl"
    path.write_bytes(recording({"at": 0.1, "text": BODY[:200].decode()}, {"at": 0.2, "end": "cut"}))

    with pytest.raises(zai.APIStreamDisconnectedError):
        text_of(ReplayTransport.load(path))


def test_a_recording_of_an_error_has_its_status(tmp_path):
    path = tmp_path / "recording.jsonl"
    body = {"at": 0.1, "text": '{"error":{"code":"1302","message":"no"}}'}
    path.write_bytes(
        recording(
            body, {"at": 0.1, "end": "whole"}, status=429, content_type="application/json", retry_after="9"
        )
    )

    with pytest.raises(zai.APIReachLimitError) as caught:
        text_of(ReplayTransport.load(path))
    assert caught.value.response.headers["retry-after"] == "9"


async def test_the_transport_works_with_asyncio_too():
    transport = ReplayTransport([BODY[:50], 0.05, BODY[50:]], timed=True)
    async with zai.AsyncZaiClient(
        api_key="a.b", http_client=httpx2.AsyncClient(transport=transport)
    ) as client:
        answer = await (await client.chat.completions.create(**ASK)).collect()
    assert answer.choices[0].message.content == "Hello"
    broken = ReplayTransport(BODY, disconnect_after=250)
    async with zai.AsyncZaiClient(api_key="a.b", http_client=httpx2.AsyncClient(transport=broken)) as client:
        with pytest.raises(zai.APIStreamDisconnectedError):
            await (await client.chat.completions.create(**ASK)).collect()
