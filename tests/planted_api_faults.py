"""A fault for every rule of `headrace check` about the Messages and the Responses API."""

from copy import deepcopy
from itertools import count

import msgspec

from headrace.checking.messages import MESSAGES
from headrace.checking.responses import RESPONSES
from right_endpoint import Fault

__all__ = ["API_FAULTS"]

TEXT = "response.output_text.delta"
THOUGHT = "response.reasoning_summary_text.delta"
ARGUMENTS = "response.function_call_arguments.delta"
DONE = "response.output_item.done"
COMPLETED = "response.completed"


def events(change, *, where=lambda body: True):
    """A fault that changes a copy of the events in place, or returns others."""

    def changed(original, body):
        copy = deepcopy(original)
        result = change(copy) if where(body) else None
        return result if isinstance(result, list) else copy

    return Fault(events=changed)


def at(path, *, of=0, where=lambda body: True, **fields):
    """A fault in the fields of an object within one of the events of a type: `type/name/name`."""
    kind, *names = path.split("/")

    def change(all_events):
        found = [one for one in all_events if one["type"] == kind]
        if found:
            value = found[of]
            for name in names:
                value = value[name]
            value.update({name: new(value) if callable(new) else new for name, new in fields.items()})

    return events(change, where=where)


def without(kind):
    return events(lambda all_events: [one for one in all_events if one["type"] != kind])


def other_each_time(path, name):
    numbers = count()
    return at(path, **{name: lambda _: f"other {next(numbers)}"})


def stream(before: bytes, after: bytes):
    return Fault(stream=lambda sent, _: sent.replace(before, after))


def when(applies, **fields):
    """A fault in the responses to the requests whose body fulfils the condition."""

    def changed(response, body):
        return msgspec.structs.replace(response, **fields) if applies(body) else response

    return Fault(response=changed)


def refused_with(status, /, **fields):
    def changed(response, _):
        return msgspec.structs.replace(response, **fields) if response.status == status else response

    return Fault(response=changed)


def body(data: bytes):
    return [(0.1, data)]


def is_complete(request):
    return isinstance(request, dict) and "stream" not in request


def has_result(request):
    sent = msgspec.json.encode(request) if isinstance(request, dict) else b""
    return b'"tool_result"' in sent or b'"function_call_output"' in sent


def bad_inputs(api):
    for id, bad in api.bad_inputs.items():
        fault = Fault(accepts=bad.field) if bad.field else refused_with(400, status=500)
        yield api.rule(f"error.{id}"), fault
        if bad.field:
            unnamed = b'{"error": {"type": "invalid_request_error", "message": "something is wrong"}}'
            yield api.rule(f"error.{id}.field"), refused_with(400, pieces=body(unnamed))


MESSAGES_FAULTS = {
    "sse.blank-lines": stream(b"}\n\nid", b"}\nid"),
    "sse.data": stream(b"\n\nid: 1\n", b"\n\nevent: ping\n\nid: 1\n"),
    "sse.line-ends": stream(b"The ", "The\u2028".encode()),
    "sse.json": stream(b'data: {"type"', b"data: {'type'"),
    "sse.no-error": events(
        lambda e: [*e, {"type": "error", "error": {"type": "api_error", "message": "failed"}}]
    ),
    "finish.length": at("message_delta/delta", stop_reason="end_turn"),
    "usage.limit": at("message_delta/usage", output_tokens=17),
    "call.id": at("content_block_start/content_block", of=-1, id=""),
    "call.arguments-json": at("content_block_delta/delta", of=-1, partial_json='"Paris"'),
    "call.arguments-schema": at("content_block_delta/delta", of=-1, partial_json='"Paris", "when": "now"}'),
    "call.finish-reason": at("message_delta/delta", stop_reason="end_turn"),
    "call.none": at("content_block_start", of=-1, content_block={"type": "tool_use", "id": "1", "name": "f"}),
    "text.markup": at("content_block_delta/delta", of=-1, text="<think>"),
    "text.replacement": at("content_block_delta/delta", of=-1, text="\ufffd"),
    "thinking.enabled": at("content_block_delta/delta", type="text_delta", text="Hm."),
    "thinking.disabled": at("content_block_delta/delta", type="thinking_delta", thinking="Hm."),
    "stop.string": at(
        "content_block_delta/delta",
        of=-1,
        where=lambda b: "stop_sequences" in b,
        type="text_delta",
        text="The sea",
    ),
    "json.schema": at("content_block_delta/delta", of=-1, where=lambda b: "output_config" in b, text="]"),
    "history.tool-result": when(has_result, status=400),
    "resume.rest": Fault(repeats=-3),
    "whole.equal": at("content_block_delta/delta", of=-1, text="other"),
    "seed.equal": other_each_time("content_block_delta/delta", "text"),
    "event-name": stream(b"event: content_block_delta", b"event: delta"),
    "order": events(lambda e: [e[1], e[0], *e[2:]]),
    "end": without("message_stop"),
    "one-block": without("content_block_stop"),
    "block-index": at("content_block_start", index=7),
    "delta-type": at("content_block_delta/delta", type="input_json_delta", partial_json="{}"),
    "signature": events(
        lambda e: [one for one in e if one.get("delta", {}).get("type") != "signature_delta"]
    ),
    "tool-start": at("content_block_start/content_block", of=-1, input={"location": "Paris"}),
    "start": at("message_start/message", content=None),
    "stop-reason": at("message_delta/delta", stop_reason="stop"),
    "usage": at("message_delta/usage", output_tokens=0),
    "error-shape": refused_with(400, pieces=body(b'{"error": {"message": "wrong"}}')),
    "whole-shape": when(is_complete, pieces=body(b'{"type": "message", "content": []}')),
}

RESPONSES_FAULTS = {
    "sse.blank-lines": stream(b"}\n\nid", b"}\nid"),
    "sse.data": stream(b"\n\nid: 1\n", b"\n\nevent: ping\n\nid: 1\n"),
    "sse.line-ends": stream(b"The ", "The\u2028".encode()),
    "sse.json": stream(b'data: {"type"', b"data: {'type'"),
    "finish.length": at("response.incomplete/response", status="completed"),
    "usage.sum": at(f"{COMPLETED}/response/usage", total_tokens=1),
    "usage.plausible": at(f"{COMPLETED}/response/usage", output_tokens=0),
    "usage.limit": at("response.incomplete/response/usage", output_tokens=17),
    "call.id": at("response.output_item.added/item", of=-1, call_id=""),
    "call.name": at("response.output_item.added/item", of=-1, name=""),
    "call.arguments-json": at(ARGUMENTS, of=-1, delta='"Paris"'),
    "call.arguments-schema": at(ARGUMENTS, of=-1, delta='"Paris", "when": "now"}'),
    "call.none": at("response.output_item.added", of=-1, item={"type": "function_call", "name": "f"}),
    "text.markup": at(TEXT, delta="<think>"),
    "text.replacement": at(TEXT, delta="\ufffd"),
    "thinking.enabled": without(THOUGHT),
    "thinking.disabled": at(TEXT, type=THOUGHT),
    "json.schema": at(TEXT, of=-1, where=lambda b: "text" in b, delta="]"),
    "history.tool-result": when(has_result, status=400),
    "resume.rest": Fault(repeats=-4),
    "whole.equal": at(TEXT, delta="other"),
    "seed.equal": other_each_time(TEXT, "delta"),
    "event-name": stream(b"event: response.output_text.delta", b"event: delta"),
    "order": without("response.created"),
    "end": without(COMPLETED),
    "no-error": events(lambda e: [*e[:-1], {**e[-1], "type": "response.failed"}]),
    "sequence-number": at(TEXT, sequence_number=1),
    "one-item": events(lambda e: sorted(e, key=lambda one: one["type"] == DONE)),
    "ids": at(DONE, item=lambda one: {**one["item"], "id": "other"}),
    "complete": at(DONE, of=-1, item=lambda one: {**one["item"], "content": [], "arguments": "{}"}),
    "status": at(f"{COMPLETED}/response", status="in_progress"),
    "starting-after": Fault(repeats=1),
    "error.shape": refused_with(400, pieces=body(b'{"detail": "wrong"}')),
    "whole-shape": when(is_complete, pieces=body(b'{"object": "response", "output": []}')),
}

API_FAULTS = {
    **{MESSAGES.rule(id): fault for id, fault in MESSAGES_FAULTS.items()},
    **{RESPONSES.rule(id): fault for id, fault in RESPONSES_FAULTS.items()},
    **dict(bad_inputs(MESSAGES)),
    **dict(bad_inputs(RESPONSES)),
}
