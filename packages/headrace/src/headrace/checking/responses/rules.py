"""Rules about the events of the Responses API.

response.created (output_item.added … output_item.done) … response.completed, or another last event
"""

from collections.abc import Iterator
from functools import partial
from typing import Any, Final, NamedTuple

from headrace.checking.answer import Answer, Frame
from headrace.checking.responses.api import RESPONSES, TERMINAL, items_of, text_of
from headrace.checking.rule import Finding, Rule, UnobservedError, each, find_misnamed, require_success
from headrace.checking.variants import STREAMS

__all__ = ["DERIVED", "RULES"]

DERIVED: Final = {
    "http.status": "",
    "http.content-type": "",
    "http.end": "",
    "sse.fields": "",
    "sse.blank-lines": "",
    "sse.data": "",
    "sse.line-ends": "",
    "sse.json": "The data of every event is a JSON object.",
    "time.first-delta": "",
    "time.incremental": "",
    "finish.length": "An answer that reaches `max_output_tokens` is `incomplete` for this reason.",
    "usage.sum": "",
    "usage.plausible": "",
    "usage.limit": "No more than `max_output_tokens` tokens are generated.",
    "call.id": "Every call has a `call_id` of its own.",
    "call.name": "A call begins with its whole name.",
    "call.arguments-json": "",
    "call.arguments-schema": "",
    "call.none": "",
    "text.markup": "",
    "text.replacement": "",
    "thinking.enabled": "With an effort, thoughts are in an item of type `reasoning`.",
    "thinking.disabled": "With the effort `none`, there is no item of type `reasoning`.",
    "json.schema": "With `text.format`, the text obeys the schema.",
    "history.tool-result": "A call and its output are accepted as input.",
    "whole.equal": "",
    "seed.equal": "The same request at temperature 0 has the same answer.",
    "resume.rest": "",
    "error.shape": "",
    "error.unknown-model": "",
    "error.wrong-key": "",
}
"""The rules of chat completions that apply to this API, with the sentences that differ."""


class _Item(NamedTuple):
    """An item of a stream: its events, and their deltas joined."""

    place: int
    frames: list[Frame]
    text: str


def _events(answer: Answer) -> list[Frame]:
    require_success(answer)
    events = [f for f in answer.frames if isinstance(f.value, dict) and isinstance(f.value.get("type"), str)]
    if not events:
        raise UnobservedError("the stream has no events")
    return events


def _last(answer: Answer) -> tuple[Frame, dict[str, Any]]:
    """Return the last event and its response."""
    last = next((frame for frame in _events(answer) if frame.value["type"] in TERMINAL), None)
    if last is None or not isinstance(last.value.get("response"), dict):
        raise UnobservedError("no event has a complete response")
    return last, last.value["response"]


def _order(answer: Answer) -> Finding | None:
    first, *others = _events(answer)
    if first.value["type"] != "response.created":
        return Finding(f"the first event is `{first.value['type']}`", first.data)
    for frame in others:
        if frame.value["type"] == "response.created":
            return Finding("`response.created` comes again", frame.data)
    return None


def _end(answer: Answer) -> Finding | None:
    events = _events(answer)
    types = [frame.value["type"] in TERMINAL for frame in events]
    if True not in types:
        return Finding("no event ends the response", events[-1].data)
    after = events[types.index(True) + 1 :]
    return Finding(f"`{after[0].value['type']}` comes after the last event", after[0].data) if after else None


def _success(answer: Answer) -> Finding | None:
    for frame in _events(answer):
        if frame.value["type"] in ("error", "response.failed", "response.cancelled"):
            return Finding(f"a stream with status 200 contains `{frame.value['type']}`", frame.data)
    return None


def _sequence(answer: Answer) -> Finding | None:
    expected = 0
    for frame in _events(answer):
        number = frame.value.get("sequence_number")
        is_repeated = number == expected - 1 and frame.value["type"] == "response.in_progress"
        if is_repeated and type(number) is int:
            continue  # it fills a silence
        if type(number) is not int or number != expected:
            return Finding(f"the `sequence_number` is {number!r} instead of {expected}", frame.data)
        expected += 1
    return None


def _items(answer: Answer) -> Iterator[_Item]:
    """Yield the items, by their index."""
    frames: dict[Any, list[Frame]] = {}
    for frame in _events(answer):
        if "output_index" in frame.value:
            frames.setdefault(str(frame.value["output_index"]), []).append(frame)
    if not frames:
        raise UnobservedError("no event has the index of an item")
    for index, (_, of_item) in enumerate(frames.items()):
        deltas = (frame.value.get("delta") for frame in of_item)
        yield _Item(index, of_item, "".join(delta for delta in deltas if isinstance(delta, str)))


def _item_of(frame: Frame) -> dict[str, Any]:
    item = frame.value.get("item")
    return item if isinstance(item, dict) else {}


def _one_item(answer: Answer) -> Finding | None:
    current, is_open = -1, False
    for frame in _events(answer):
        kind, index = frame.value["type"], frame.value.get("output_index")
        if kind == "response.output_item.added":
            if is_open or index != current + 1:
                return Finding(f"item {index!r} begins after item {current}, or within it", frame.data)
            current, is_open = index, True
        elif index is not None and (index != current or not is_open):
            return Finding(f"an event of item {index!r} comes outside this item", frame.data)
        elif kind == "response.output_item.done":
            is_open = False
    last, response = _last(answer)
    return (
        Finding("an item does not end", last.data)
        if is_open and response.get("status") == "completed"
        else None
    )


def _ids(answer: Answer) -> Finding | None:
    last, response = _last(answer)
    for frame in _events(answer):
        begun = frame.value.get("response")
        if isinstance(begun, dict) and begun.get("id") != response.get("id"):
            return Finding(f"the id of the response is {begun.get('id')!r} before its end", frame.data)
    ids = [item.get("id") for item in items_of(response)]
    for item in _items(answer):
        expected = ids[item.place] if item.place < len(ids) else None
        for frame in item.frames:
            id = frame.value.get("item_id", _item_of(frame).get("id"))
            if not id or id != expected:
                return Finding(f"an event has the item id {id!r}, the last event {expected!r}", frame.data)
    return None if response.get("id") else Finding("the response has no id", last.data)


def _complete(answer: Answer) -> Finding | None:
    last, response = _last(answer)
    output = items_of(response)
    for item in _items(answer):
        done = [frame for frame in item.frames if frame.value["type"] == "response.output_item.done"]
        if not done:
            raise UnobservedError("an item was cut off")
        if text_of(_item_of(done[0])) != item.text:
            return Finding("`output_item.done` has another text than the deltas", done[0].data)
        if item.place >= len(output) or text_of(output[item.place]) != item.text:
            return Finding("the last event has another text than the deltas", last.data)
    return None


def _status(answer: Answer) -> Finding | None:
    last, response = _last(answer)
    expected = last.value["type"].removeprefix("response.")
    if response.get("status") == expected:
        return None
    return Finding(f"the status in `response.{expected}` is {response.get('status')!r}", last.data)


def _after(left: Answer, resumed: Answer) -> Finding | None:
    require_success(left)
    last, first = _events(left)[-1], _events(resumed)[0]
    expected, number = last.value.get("sequence_number"), first.value.get("sequence_number")
    if isinstance(expected, int) and number == expected + 1:
        return None
    return Finding(f"the stream after {expected!r} continues with {number!r}", first.data)


def _whole(answer: Answer) -> Finding | None:
    require_success(answer)
    match answer.frames[0].value:
        case {
            "object": "response",
            "id": str(),
            "status": "completed" | "incomplete",
            "output": [_, *_],
            "usage": {},
        }:
            return None
    return Finding("the body is not a `response` with status, output and usage", answer.body)


_EVERY: Final = each(*RESPONSES.requests(STREAMS))
_rule = partial(Rule, source=RESPONSES.source, requests=_EVERY)

RULES: Final = (
    _rule(
        "responses.event-name",
        "The name of every event, in its line `event:`, is the `type` of its data.",
        "Clients that select events by their name drop the event.",
        judge=find_misnamed,
    ),
    _rule(
        "responses.order",
        "The first event, and only that, is `response.created`.",
        "SDKs raise an error: they have no response to add the event to.",
        judge=_order,
    ),
    _rule(
        "responses.end",
        "A stream ends with `response.completed` or another last event, and nothing follows.",
        "Codex takes the answer for one that was cut off, and repeats the request.",
        source="https://github.com/vllm-project/vllm/issues/42407",
        judge=_end,
    ),
    _rule(
        "responses.no-error",
        "A valid request gets no error within its stream.",
        "Programs that look at the status alone count it as a success.",
        judge=_success,
    ),
    _rule(
        "responses.sequence-number",
        "Events are numbered from 0, without gaps.",
        "Clients that resume a stream lose events, or get some twice.",
        judge=_sequence,
    ),
    _rule(
        "responses.one-item",
        "Items are numbered from 0, and one ends before the next one begins.",
        "Codex runs a call at its end, with the arguments that it has by then.",
        source="https://github.com/vllm-project/vllm/issues/52418",
        judge=_one_item,
    ),
    _rule(
        "responses.ids",
        "The ids of the response and of an item are the same wherever they are repeated.",
        "Clients lose the text of an item, or show it twice.",
        source="https://github.com/vllm-project/vllm/issues/47916",
        judge=_ids,
    ),
    _rule(
        "responses.complete",
        "`output_item.done` and the last event have the text of the deltas.",
        "Clients read one of the three, each another: one of them loses the answer.",
        source="https://github.com/openai/codex/issues/12798",
        judge=_complete,
    ),
    _rule(
        "responses.status",
        "The status in the last event is that of its type.",
        "Programs that read the status take a failure for a success, or wait.",
        judge=_status,
    ),
    _rule(
        "responses.starting-after",
        "A stream that is resumed by `starting_after` continues with the next number.",
        "OpenAI's SDK continues its count, and drops or repeats events.",
        requests=((RESPONSES.request("left"), RESPONSES.request("resumed")),),
        judge=_after,
    ),
    _rule(
        "responses.whole-shape",
        "A response without `stream` is a `response` with status, output and usage.",
        "SDKs raise a decoding error.",
        requests=each(RESPONSES.request("whole"), RESPONSES.request("whole with tool")),
        judge=_whole,
    ),
)
