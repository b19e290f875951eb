"""The table of docs/wire.md, section 6: what servers send, and how zai-sdk and this SDK interpret it."""

import pytest

import zai
from scripted_server import Reply, ScriptedServer, chunk, sse, stream

ASK = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], "stream": True}


def read(client_of, *body):
    with ScriptedServer(Reply([*body])) as server:
        return (
            client_of(server, max_retries=0)
            .chat.completions.create(**ASK)
            .collect()
            .choices[0]
            .message.content
        )


def test_a_comment_is_ignored(client_of):
    assert read(client_of, b": comment\n\n", sse(chunk("a")), b": ping\n", *stream("b")) == "ab"


@pytest.mark.parametrize("frame", [b"event: ping\n\n", b"retry: 3000\n\n", b"id: 4\n\n"])
def test_a_field_without_data_is_ignored_where_zai_sdk_crashes(client_of, frame):
    assert read(client_of, frame, sse(chunk("a")), frame, *stream("b")) == "ab"


def test_a_ping_with_data_is_not_a_chunk(client_of):
    body = [sse({}, event="ping"), sse(chunk("a")), sse({}, event="ping"), *stream("b")]
    with ScriptedServer(Reply(body)) as server:
        chunks = list(client_of(server).chat.completions.create(**ASK))
    assert [len(each.choices) for each in chunks] == [1, 1, 1]
    assert "".join(each.choices[0].delta.content for each in chunks) == "ab"


@pytest.mark.parametrize("char", ["\u2028", "\u2029", "\u0085", "\x0b", "\x0c", "\x1c"])
def test_a_raw_line_separator_in_the_json_is_text_where_zai_sdk_crashes(client_of, char):
    raw = sse(chunk("a|b")).replace(b"|", char.encode())

    assert read(client_of, raw, *stream("c")) == f"a{char}bc"


def test_a_200_with_an_error_body_raises_where_zai_sdk_has_an_empty_stream(client_of):
    with ScriptedServer(Reply(b'{"error":{"code":"1302","message":"too many at once"}}')) as server:
        with pytest.raises(zai.APIReachLimitError, match="too many at once"):
            list(client_of(server, max_retries=0).chat.completions.create(**ASK))


def test_an_error_as_data_has_its_class_and_message_where_zai_sdk_has_a_generic_one(client_of):
    with pytest.raises(zai.APIReachLimitError, match="too many at once") as caught:
        read(client_of, sse(chunk("a")), sse({"error": {"code": "1302", "message": "too many at once"}}))
    assert caught.value.json_data == {"code": "1302", "message": "too many at once"}
    assert caught.value.message == "too many at once"
    assert str(caught.value) == "too many at once (within the stream, code 1302)"


def test_an_error_event_has_its_class_and_message(client_of):
    with pytest.raises(zai.APIInternalError, match="engine failed"):
        read(
            client_of,
            sse(chunk("a")),
            sse({"error": {"code": "1234", "message": "engine failed"}}, event="error"),
        )


@pytest.mark.parametrize("end", [b"", b"\n", b"\n\n"])
def test_an_error_line_without_a_prefix_raises_where_zai_sdk_loses_it(client_of, end):
    line = b'{"error":{"code":"1302","message":"too many at once"}}'

    with pytest.raises(zai.APIReachLimitError, match="too many at once"):
        read(client_of, sse(chunk("a")), line + end)


@pytest.mark.parametrize("cut", [1, 2])
def test_a_last_frame_without_its_blank_line_is_read_where_zai_sdk_loses_it(client_of, cut):
    assert read(client_of, b"".join(stream("a", "b")[:-1])[:-cut]) == "ab"


def test_a_truncated_stream_raises_where_zai_sdk_ends_it(client_of):
    assert read(client_of, *stream("a")[:-1]) == "a"
    with pytest.raises(zai.APIStreamTruncatedError):
        read(client_of, sse(chunk("a")))


def test_temperature_and_top_p_are_sent_as_given_where_zai_sdk_clamps_them(client_of):
    with ScriptedServer(Reply(stream("a"))) as server:
        client_of(server).chat.completions.create(**ASK, temperature=1.5, top_p=1).collect()
        client_of(server).chat.completions.create(**ASK, temperature=0, top_p=0).collect()
    assert [(asked.body["temperature"], asked.body["top_p"]) for asked in server.asked] == [(1.5, 1), (0, 0)]
    assert "do_sample" not in server.asked[1].body
