"""A fault for every rule of `headrace check`."""

from copy import deepcopy
from typing import Any

import msgspec

from headrace.checking.variants import BAD_INPUTS
from planted_api_faults import API_FAULTS
from right_endpoint import Fault

__all__ = ["FAULTS"]


def chunks(change):
    """A fault that changes a copy of the chunks in place, or returns others."""

    def changed(original, body):
        copy = deepcopy(original)
        result = change(copy)
        return result if isinstance(result, list) else copy

    return Fault(chunks=changed)


def last(change):
    return chunks(lambda all_chunks: change(all_chunks[-1]))


def delta(change):
    return chunks(lambda all_chunks: change(all_chunks[0]["choices"][0]["delta"]))


def calls(change):
    """A fault in the parts of calls; the first one starts a call."""

    def changed(all_chunks):
        deltas = [chunk["choices"][0]["delta"] for chunk in all_chunks]
        parts = [part for each in deltas for part in each.get("tool_calls", ())]
        if parts:
            change(parts)

    return chunks(changed)


def stream(before: bytes, after: bytes):
    return Fault(stream=lambda sent, _: sent.replace(before, after))


def respond(applies, **fields: Any):
    """A fault in the responses to the requests whose body fulfils the condition."""

    def changed(response, body):
        if not applies(body):
            return response
        chosen = {name: value(response) if callable(value) else value for name, value in fields.items()}
        return msgspec.structs.replace(response, **chosen)

    return Fault(response=changed)


def streamed(body):
    return isinstance(body, dict) and body.get("stream") is True


def any_request(_):
    return True


def refused_with(status: int, /, **fields: Any):
    """A fault in the responses with this status."""

    def changed(response, _):
        return msgspec.structs.replace(response, **fields) if response.status == status else response

    return Fault(response=changed)


def late(times, _):
    return [5.1 + at for at in times]


def collected(times, _):
    return [5.0 for _ in times]


def relayed(times, sent):
    """The times behind a relay that waits for 4 kB, or for the end."""
    ends, size = [], 0
    for piece in sent.split(b"\n\n"):
        size += len(piece) + 2
        ends.append(size // 4096)
    blocks = list(zip(times, ends, strict=True))
    return [next((at for at, end in blocks if end > mine), times[-1]) for mine in ends]


def content(text: str):
    return delta(lambda first: first.update(content=text))


def usage(**fields: Any):
    return last(lambda chunk: chunk["usage"].update(fields))


def arguments(text: str):
    return calls(lambda parts: parts[-1]["function"].update(arguments=text))


def stopped_with(text: str):
    """A fault in the answers to requests with a stop string."""

    def changed(original, body):
        copy = deepcopy(original)
        if body.get("stop"):
            copy[0]["choices"][0]["delta"]["content"] = text
        return copy

    return Fault(chunks=changed)


def of_format(kind: str, text: str):
    def changed(original, body):
        if body.get("response_format", {}).get("type") != kind:
            return original
        first = deepcopy(original[0])
        first["choices"][0]["delta"] = {"role": "assistant", "content": text}
        return [first, original[-1]]

    return Fault(chunks=changed)


def without_thinking(original, _):
    return [chunk for chunk in original if "reasoning_content" not in chunk["choices"][0]["delta"]]


def with_effort(original, body):
    """Thoughts that are longer with low effort."""
    copy = deepcopy(original)
    if body.get("reasoning_effort") == "low":
        copy[0]["choices"][0]["delta"]["reasoning_content"] *= 2
    return copy


def second_stream_differs():
    count = iter(range(1000))

    def changed(original, _):
        copy = deepcopy(original)
        copy[1]["choices"][0]["delta"]["content"] = f"other {next(count)}"
        return copy

    return Fault(chunks=changed)


UNNAMED = refused_with(400, pieces=[(0.1, b'{"error": {"message": "something is wrong"}}')])
HEADERS_WITHOUT_TYPE = {"content-type": "application/json"}

FAULTS: dict[str, Fault] = {
    "http.status": respond(any_request, status=500),
    "http.content-type": respond(streamed, headers=HEADERS_WITHOUT_TYPE),
    "http.end": respond(streamed, failure="the server closed the connection"),
    "sse.fields": stream(b": keep-alive", b"keep-alive"),
    "sse.blank-lines": stream(b"}\n\nid", b"}\nid"),
    "sse.comments": stream(b"}\n\nid: 1\n", b"}\n\n: keep-alive\n\nid: 1\n"),
    "sse.data": stream(b"}\n\nid: 1\n", b"}\n\nretry: 100\n\nid: 1\n"),
    "sse.line-ends": stream(b"The ", "The\u2028".encode()),
    "sse.ids": stream(b"id: 1\n", b"id: 0\n"),
    "sse.json": stream(b'data: {"id"', b"data: {'id'"),
    "sse.no-error": stream(b"data: [DONE]", b'data: {"error": {"message": "failed"}}\n\ndata: [DONE]'),
    "sse.done": stream(b"data: [DONE]\n\n", b""),
    "time.first-delta": Fault(times=late),
    "time.incremental": Fault(times=collected),
    "time.bursts": Fault(times=relayed),
    "time.incremental-gzip": Fault(times=collected),
    "chunk.id": last(lambda chunk: chunk.update(id="other")),
    "chunk.created": last(lambda chunk: chunk.update(created=1795932495)),
    "chunk.model": last(lambda chunk: chunk.update(model="other")),
    "chunk.object": last(lambda chunk: chunk.update(object="chat.completion")),
    "chunk.choices": chunks(lambda all_chunks: [{}, *all_chunks]),
    "chunk.unique-id": chunks(lambda all_chunks: [{**chunk, "id": "same"} for chunk in all_chunks]),
    "chunk.role": delta(lambda first: first.pop("role")),
    "chunk.choice-index": last(lambda chunk: chunk["choices"][0].update(index=1)),
    "finish.once": chunks(lambda all_chunks: [*all_chunks, all_chunks[-1]]),
    "finish.reason": last(lambda chunk: chunk["choices"][0].update(finish_reason="eos")),
    "finish.length": last(lambda chunk: chunk["choices"][0].update(finish_reason="stop")),
    "usage.present": last(lambda chunk: chunk.pop("usage")),
    "usage.once": chunks(lambda all_chunks: [all_chunks[-1] | {"choices": []}, *all_chunks]),
    "usage.sum": usage(total_tokens=1),
    "usage.plausible": usage(completion_tokens=0),
    "usage.limit": usage(completion_tokens=17),
    "call.index": calls(lambda parts: [part.update(index=part["index"] + 1) for part in parts]),
    "call.name": calls(lambda parts: parts[1]["function"].update(name="get_weather")),
    "call.id": calls(lambda parts: parts[0].pop("id")),
    "call.parallel": calls(lambda parts: [part.update(id="call_0") for part in parts if "id" in part]),
    "call.arguments-json": arguments('"Paris"'),
    "call.arguments-schema": arguments('"Paris", "when": "now"}'),
    "call.finish-reason": last(lambda chunk: chunk["choices"][0].update(finish_reason="stop")),
    "call.none": delta(lambda first: first.update(tool_calls=[{"index": 0, "function": {"name": "f"}}])),
    "text.markup": content("<think>"),
    "text.replacement": content("\ufffd"),
    "thinking.enabled": Fault(chunks=without_thinking),
    "thinking.disabled": delta(lambda first: first.update(reasoning_content="Hm.")),
    "thinking.effort": respond(lambda body: streamed(body) and "reasoning_effort" in body, status=400),
    "thinking.effort-order": Fault(chunks=with_effort),
    "stop.string": stopped_with("The sea"),
    "json.object": of_format("json_object", "[]"),
    "json.schema": of_format("json_schema", '{"city": "Paris"}'),
    "history.tool-result": respond(
        lambda body: streamed(body) and any(m["content"] is None for m in body["messages"]), status=400
    ),
    "whole.shape": respond(
        lambda body: isinstance(body, dict) and "stream" not in body, pieces=[(0.1, b'{"object": "text"}')]
    ),
    "whole.equal": content("other"),
    "seed.equal": second_stream_differs(),
    "cancel.frees": respond(
        lambda body: streamed(body) and body["max_tokens"] == 7,
        pieces=lambda response: [(at + 3, piece) for at, piece in response.pieces],
    ),
    "resume.rest": Fault(repeats=1),
    "resume.incremental": Fault(times=collected),
    **{
        f"error.{id}": Fault(accepts=bad.field) if bad.field else refused_with(400, status=500)
        for id, bad in BAD_INPUTS.items()
    },
    **{f"error.{id}.field": UNNAMED for id, bad in BAD_INPUTS.items() if bad.field},
    "error.shape": refused_with(400, pieces=[(0.1, b'{"detail": "wrong"}')]),
    "error.unknown-model": refused_with(404, status=200),
    "error.wrong-key": refused_with(401, status=200),
    "load.parallel": refused_with(429, status=500),
    "load.retry-after": refused_with(429, headers={}),
    "cors.preflight": refused_with(
        204, headers={"access-control-allow-origin": "*", "access-control-allow-headers": "*"}
    ),
}

# The same fault of the response, of its bytes or its times, in another API.
FAULTS |= API_FAULTS | {
    f"{api}.{id}": FAULTS[id]
    for api in ("messages", "responses")
    for id in (
        *(
            "http.status",
            "http.content-type",
            "http.end",
            "sse.fields",
            "time.first-delta",
            "time.incremental",
        ),
        *("error.unknown-model", "error.wrong-key"),
    )
}
