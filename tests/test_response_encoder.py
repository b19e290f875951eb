import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.chunks import ChunkEncoder
from headrace.errors import EngineError, LimitError
from headrace.events import (
    Content,
    Finish,
    Reasoning,
    TokenUsage,
    ToolCallArguments,
    ToolCallEnd,
    ToolCallStart,
)
from headrace.response_encoder import ResponseEncoder, turn_id_of
from headrace.wire import fold
from headrace.wire.responses import decode_response_request, form_of
from response_contract import decode, read_stream, texts_of

TURN = "20260313050448e162ecc8207a4c47"
TOOLS = [
    {"type": "function", "name": "add"},
    {"type": "custom", "name": "patch"},
    {"type": "namespace", "name": "agents", "tools": [{"type": "function", "name": "spawn"}]},
]
TRACES = Path(__file__).parent / "traces"
TYPES = {type.__name__: type for type in (Content, Reasoning, ToolCallStart, ToolCallArguments, ToolCallEnd)}
NAMES = ("add", "patch", "agents__spawn", "spawn", "unknown")
USAGE = TokenUsage(prompt=7, completion=5, cached=3, reasoning=2)


def encoder(**options):
    after, turn = options.pop("after", -1), options.pop("turn", TURN)
    body = {"model": "glm-4.6", "input": "Hi", "tools": TOOLS, **options}
    form = form_of(decode_response_request(json.dumps(body).encode()).chat)
    return ResponseEncoder(turn, 1773349488, form, after=after)


def stream_of(events, **options):
    encoding = encoder(**options)
    return b"".join(encoding.encode_frame(event) or b"" for event in events)


texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8)
output = st.lists(st.builds(Content, texts) | st.builds(Reasoning, texts), max_size=4)


@st.composite
def a_call(draw, index):
    name = draw(st.sampled_from(NAMES))
    arguments = json.dumps({"input": draw(texts)}, ensure_ascii=draw(st.booleans()))
    cuts = sorted(draw(st.lists(st.integers(0, len(arguments)), max_size=3)))
    pieces = [arguments[a:b] for a, b in zip([0, *cuts], [*cuts, len(arguments)], strict=True)]
    inside = draw(output)
    middle = [ToolCallArguments(index, piece) for piece in pieces if piece]
    at = draw(st.integers(0, len(middle)))
    return [ToolCallStart(index, name), *middle[:at], *inside, *middle[at:], ToolCallEnd(index)]


@st.composite
def answers(draw):
    """An answer with every ending; one that was cut off, at any event."""
    events = draw(output)
    for index in range(draw(st.integers(0, 2))):
        events += draw(a_call(index)) + draw(output)
    ending = draw(st.sampled_from(["stop", "length", "sensitive", "network_error"]))
    if ending != "stop":
        events = events[: draw(st.integers(0, len(events)))]
    elif any(isinstance(event, ToolCallStart) for event in events):
        ending = "tool_calls"
    return [*events, Finish(ending, USAGE, "the GPU is gone" if ending == "network_error" else "")]


@given(answers(), st.booleans())
def test_deltas_items_and_the_last_event_are_the_same_answer(events, background):
    reader = read_stream(stream_of(events, background=background))

    output = reader.response["output"]
    assert [texts_of(item) for item in output] == list(reader.deltas.values())
    whole = encoder(background=background)
    whole.skip(events)
    assert whole.response == reader.response


@given(answers())
def test_a_chat_completion_of_the_same_log_has_the_same_answer(events):
    chunks = ChunkEncoder(TURN, 1773349488, "glm-4.6")
    message = fold(filter(None, map(chunks.encode, events))).choices[0].message

    output = read_stream(stream_of(events)).response["output"]

    def joined(type):
        return "".join(texts_of(item) for item in output if item["type"] == type)

    assert joined("message") == message.content
    assert joined("reasoning") == (message.reasoning_content or "")
    calls = [item for item in output if item["type"].endswith("_call")]
    if events[-1].reason in ("stop", "tool_calls"):
        assert [item["call_id"] for item in calls] == [call.id for call in message.tool_calls or ()]
        for item, call in zip(calls, message.tool_calls or (), strict=True):
            arguments = call.function.arguments
            custom = item["type"] == "custom_tool_call"
            assert texts_of(item) == (json.loads(arguments)["input"] if custom else arguments)


@given(answers(), st.data())
def test_a_stream_can_be_resumed_after_every_number(events, data):
    whole = stream_of(events)
    numbers = [event["sequence_number"] for event in decode(whole)]
    after = data.draw(st.sampled_from([-1, *numbers]))

    rest = stream_of(events, after=after)

    assert whole.endswith(rest)
    assert [event["sequence_number"] for event in decode(rest)] == numbers[after + 1 :]


@given(answers(), st.data())
def test_events_that_are_skipped_change_nothing_in_those_that_follow(events, data):
    at = data.draw(st.integers(1, len(events) - 1)) if len(events) > 1 else 0
    resumed = encoder()
    resumed.skip(events[:at])
    rest = b"".join(resumed.encode_frame(event) or b"" for event in events[at:])

    assert stream_of(events).endswith(rest)
    assert resumed.begin() == (b"" if at else rest[:0])


@given(answers(), st.data())
def test_a_keep_alive_anywhere_shifts_no_number(events, data):
    at = data.draw(st.integers(0, len(events) - 1))
    encoding, frames = encoder(), []
    for index, event in enumerate(events):
        if index == at:
            frames.append(encoding.keep_alive("keep-alive", 8.0))
        frames.append(encoding.encode_frame(event) or b"")

    assert read_stream(b"".join(frames)).number == read_stream(stream_of(events)).number


def test_the_events_of_a_plain_answer_are_byte_for_byte_those_of_openai():
    events = decode(stream_of([Reasoning("Hm"), Content("a"), Content("b"), Finish("stop", USAGE)]))

    place = {"item_id": f"msg_{TURN}_1", "output_index": 1, "content_index": 0}
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created", "in_progress",
        "output_item.added", "reasoning_summary_part.added", "reasoning_summary_text.delta",
        "reasoning_summary_text.done", "reasoning_summary_part.done", "output_item.done",
        "output_item.added", "content_part.added", "output_text.delta", "output_text.delta",
        "output_text.done", "content_part.done", "output_item.done", "completed",
    ]  # fmt: skip
    assert events[10] == {
        "type": "response.output_text.delta",
        "sequence_number": 10,
        **place,
        "delta": "a",
        "logprobs": [],
    }
    assert events[12]["text"] == "ab"
    assert events[-1]["response"]["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 12,
    }


def test_a_custom_call_is_free_text_and_a_namespace_is_restored():
    events = [
        ToolCallStart(0, "patch"), ToolCallArguments(0, '{"in'), ToolCallArguments(0, 'put": "a\\'),
        ToolCallArguments(0, 'nb"}'), ToolCallEnd(0),
        ToolCallStart(1, "agents__spawn", "model-id", "{}"), ToolCallEnd(1), Finish("tool_calls"),
    ]  # fmt: skip
    reader = read_stream(stream_of(events))

    patch, spawn = reader.done.values()
    assert (patch["type"], patch["name"], patch["input"]) == ("custom_tool_call", "patch", "a\nb")
    assert (spawn["name"], spawn["namespace"]) == ("spawn", "agents")


def test_ids_of_calls_are_new_in_every_answer_although_a_model_repeats_its_own():
    events = [ToolCallStart(0, "add", "functions.add:0", "{}"), ToolCallEnd(0), Finish("tool_calls")]
    ids = [read_stream(stream_of(events, turn=turn)).done[0]["call_id"] for turn in (TURN, TURN, "other")]

    assert ids[0] == ids[1] != ids[2]


@pytest.mark.parametrize(
    ("reason", "status", "details"),
    [
        ("stop", "completed", None),
        ("tool_calls", "completed", None),
        ("length", "incomplete", {"reason": "max_output_tokens"}),
        ("model_context_window_exceeded", "incomplete", {"reason": "max_output_tokens"}),
        ("sensitive", "incomplete", {"reason": "content_filter"}),
        ("network_error", "failed", None),
    ],
)
def test_the_status_of_every_ending(reason, status, details):
    response = read_stream(stream_of([Content("a"), Finish(reason)])).response

    assert (response["status"], response["incomplete_details"]) == (status, details)


def test_an_answer_that_was_cut_off_by_its_length_has_an_incomplete_message():
    reader = read_stream(stream_of([Content("a"), Finish("length")]))

    assert reader.done[0]["status"] == "incomplete"


@pytest.mark.parametrize(
    ("name", "reason"), [("add", "length"), ("patch", "length"), ("patch", "tool_calls")]
)
def test_a_call_that_was_cut_off_is_not_done_so_that_no_client_runs_it(name, reason):
    events = [ToolCallStart(0, name), ToolCallArguments(0, '{"input": "rm -rf /tmp'), Finish(reason)]
    reader = read_stream(stream_of(events))

    assert not reader.done
    assert reader.response["output"][0]["status"] == "incomplete"


def test_what_was_being_written_when_the_answer_failed_is_not_done_since_it_will_be_written_again():
    reader = read_stream(stream_of([Reasoning("a"), Content("b"), Finish("network_error", error="gone")]))

    assert list(reader.done) == [0]
    assert reader.response["error"] == {"code": "server_error", "message": "gone"}


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (EngineError("gone"), "server_error", "gone"),
        (
            LimitError("too many", code="1302", retry_after=2.5),
            "rate_limit_exceeded",
            "too many; try again in 2.5s",
        ),
        (EngineError("too long", code="1261"), "context_length_exceeded", "too long"),
        (EngineError("wrong", code="1210"), "invalid_prompt", "wrong"),
    ],
)
def test_a_failure_has_the_code_by_which_codex_decides_on_a_retry(error, code, message):
    encoding = encoder()
    encoding.error = error
    frame = encoding.encode_frame(Finish("network_error", error=error.message))

    assert read_stream(frame).response["error"] == {"code": code, "message": message}


def test_a_cancelled_response_has_a_status_of_its_own():
    encoding = encoder(background=True)
    encoding.is_cancelled = True
    frames = (encoding.encode_frame(event) for event in (Content("a"), Finish("stop")))
    response = read_stream(b"".join(frames)).response

    assert (response["status"], response["error"]) == ("cancelled", None)


def test_reasoning_has_an_encrypted_content_if_the_client_includes_it():
    events = [Reasoning("a"), Finish("stop")]

    assert read_stream(stream_of(events, include=["reasoning.encrypted_content"])).done[0][
        "encrypted_content"
    ]
    assert "encrypted_content" not in read_stream(stream_of(events)).done[0]


@pytest.mark.parametrize("char", ["\u0085", "\u2028", "\u2029", "\r", "\n"])
def test_every_kind_of_line_end_is_escaped(char):
    data = stream_of([Content(f"a{char}b"), Finish("stop")])

    assert read_stream(data).deltas[0] == f"a{char}b"
    assert char not in data.decode() or char == "\n"


def test_an_answer_without_any_event_yet_is_queued_or_in_progress():
    assert encoder(background=True).response["status"] == "queued"
    assert encoder().response["status"] == "in_progress"
    encoding = encoder()
    encoding.encode_frame(Content("so far"))
    assert texts_of(encoding.response["output"][0]) == "so far"


def test_the_ids_of_responses_and_items_lead_to_their_turn():
    response = read_stream(stream_of([Content("a"), Finish("stop")])).response

    ids = [response["id"], response["output"][0]["id"], TURN, "my-request_id"]
    assert list(map(turn_id_of, ids)) == [TURN, TURN, TURN, "my-request_id"]


REQUIRED = {
    "response": "id object created_at status error incomplete_details instructions model tools output metadata"
    " parallel_tool_calls tool_choice temperature top_p usage",
    "usage": "input_tokens input_tokens_details output_tokens output_tokens_details total_tokens",
    "message": "id type role content status",
    "reasoning": "id type summary status",
    "function_call": "id type call_id name arguments status",
    "custom_tool_call": "id type call_id name input status",
    "output_text": "type text annotations logprobs",
    "summary_text": "type text",
    "response.output_text.delta": "item_id output_index content_index delta logprobs sequence_number",
    "response.output_text.done": "item_id output_index content_index text logprobs sequence_number",
    "response.reasoning_summary_text.delta": "item_id output_index summary_index delta sequence_number",
    "response.reasoning_summary_text.done": "item_id output_index summary_index text sequence_number",
    "response.function_call_arguments.delta": "item_id output_index delta sequence_number",
    "response.function_call_arguments.done": "item_id output_index arguments name sequence_number",
    "response.custom_tool_call_input.delta": "item_id output_index delta sequence_number",
    "response.custom_tool_call_input.done": "item_id output_index input sequence_number",
    "response.content_part.added": "item_id output_index content_index part sequence_number",
    "response.content_part.done": "item_id output_index content_index part sequence_number",
    "response.reasoning_summary_part.added": "item_id output_index summary_index part sequence_number",
    "response.reasoning_summary_part.done": "item_id output_index summary_index part sequence_number",
    "response.output_item.added": "output_index item sequence_number",
    "response.output_item.done": "output_index item sequence_number",
    "response.created": "response sequence_number",
    "response.completed": "response sequence_number",
}


def objects_in(value):
    """Yield every JSON object with its type, or the name of its field."""
    if isinstance(value, dict):
        if isinstance(value.get("type"), str):
            yield value["type"], value
        for name, item in value.items():
            if name in ("response", "usage") and isinstance(item, dict):
                yield name, item
            yield from objects_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from objects_in(item)


def test_every_object_has_every_key_that_a_client_needs():
    data = stream_of([
        Reasoning("a"), Content("b"), ToolCallStart(0, "add"), ToolCallArguments(0, "{}"), ToolCallEnd(0),
        ToolCallStart(1, "patch"), ToolCallArguments(1, '{"input":"x"}'), ToolCallEnd(1), Finish("tool_calls"),
    ])  # fmt: skip
    found = [pair for event in decode(data) for pair in objects_in(event)]

    assert REQUIRED.keys() <= {name for name, _ in found}
    for name, value in found:
        assert set(REQUIRED.get(name, "").split()) <= value.keys(), (name, value)
    usage = decode(data)[-1]["response"]["usage"]
    assert usage["input_tokens_details"].keys() == {"cached_tokens", "cache_write_tokens"}
    assert usage["output_tokens_details"].keys() == {"reasoning_tokens"}


@pytest.mark.parametrize("family", sorted(path.name for path in TRACES.iterdir() if path.is_dir()))
def test_a_recorded_answer_of_every_family_is_a_correct_stream(family):
    for file in TRACES.glob(f"{family}/*/events.jsonl"):
        lines = map(json.loads, file.read_text().splitlines())
        events = [TYPES[line.pop("event")](**line) for line in lines]
        reader = read_stream(stream_of([*events, Finish("length")]))

        text = "".join(event.text for event in events if isinstance(event, Content))
        output = reader.response["output"]
        assert "".join(texts_of(item) for item in output if item["type"] == "message") == text


def test_every_event_is_closed_by_an_empty_line_and_nothing_follows_the_last():
    data = stream_of([Content("a"), Finish("stop")])
    *frames, rest = data.split(b"\n\n")

    assert rest == b""
    assert frames[-1].startswith(b"event: response.completed\ndata: {")
    assert all(frame.startswith(b"event: response.") for frame in frames)
