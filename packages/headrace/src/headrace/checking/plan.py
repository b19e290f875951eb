"""The requests that `headrace check` sends, in their order."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any, Final, NamedTuple

import msgspec

from headrace.checking.answer import Answer
from headrace.checking.api import CHAT, Api
from headrace.checking.endpoint import Request
from headrace.checking.messages import MESSAGES
from headrace.checking.responses import RESPONSES
from headrace.checking.variants import LIMIT, PARALLEL, POEM, VARIANTS, WRONG_KEY

__all__ = ["APIS", "Planned", "plain_request", "plan"]

APIS: Final = (CHAT, MESSAGES, RESPONSES)


class Planned(NamedTuple):
    """A request of the plan."""

    name: str
    api: Api
    request: Request
    is_stream: bool = False
    is_sampled: bool = True
    """The answer depends on chance, so that the request is sent several times."""
    group: str = ""
    """Requests of a group are sent at once, and then those with `derive` one after another."""
    derive: Callable[[Mapping[str, Answer]], Request | None] | None = None
    """Returns the request, from the answers of its group; None if it cannot be sent."""


def plan(model: str) -> Iterator[Planned]:
    """Yield the requests to a model."""
    fields = _plain_fields(model)
    for api in APIS:
        yield from _streams(api, fields)
        yield from _single(api, fields)
        yield from _resume(api, fields)
    yield from _cancel(fields)
    headers = {
        "Origin": "http://localhost:3000",
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,x-stainless-lang,x-stainless-os",
    }
    preflight = Request(method="OPTIONS", headers=headers)
    yield Planned("preflight", CHAT, preflight, is_sampled=False, group="preflight")


def plain_request(api: Api, model: str) -> Request:
    """Return a request for a short streamed answer."""
    return _request(api, _plain_fields(model) | {"max_tokens": LIMIT})


def _plain_fields(model: str) -> dict[str, Any]:
    return {
        "model": model,
        "messages": POEM,
        "temperature": 0,
        "seed": 1,
        "max_tokens": 300,
        "stream": True,
        "stream_options": {"include_usage": True},
    }


def _streams(api: Api, fields: dict[str, Any]) -> Iterator[Planned]:
    for name in api.variants:
        headers = {"Accept-Encoding": "gzip"} if name == "long with gzip" else {}
        request = _request(api, fields | VARIANTS[name], headers)
        group = "parallel" if name in PARALLEL else api.request(name)
        yield Planned(api.request(name), api, request, is_stream=True, group=group)


def _single(api: Api, fields: dict[str, Any]) -> Iterator[Planned]:
    """Requests without `stream`, and those that have to be refused."""
    whole = {name: value for name, value in fields.items() if not name.startswith("stream")}
    short = whole | {"max_tokens": LIMIT}

    def planned(name: str, request: Request, *, is_sampled: bool = False) -> Planned:
        return Planned(api.request(name), api, request, is_sampled=is_sampled, group=api.request(name))

    yield planned("whole", _request(api, whole), is_sampled=True)
    yield planned("whole with tool", _request(api, whole | VARIANTS["tool"]), is_sampled=True)
    for what, bad, _ in api.bad_inputs.values():
        changed = bad if isinstance(bad, bytes) else _encode(api.encode(fields | {"max_tokens": LIMIT}) | bad)
        yield planned(what, Request(path=api.path, headers=api.headers, body=changed))
    yield planned(WRONG_KEY, _request(api, short, {"Authorization": "Bearer wrong.key"}))
    yield planned("an unknown model", _request(api, short | {"model": "no-such-model"}))


def _resume(api: Api, fields: dict[str, Any]) -> Iterator[Planned]:
    """Disconnect during a stream, read the rest by GET, then read everything."""

    def read(answers: Mapping[str, Answer], *, is_rest: bool) -> Request | None:
        return api.resume(api.path, answers[api.request("left")], is_rest=is_rest)

    request = _request(api, fields | dict(api.resumable), {"X-Headrace-Resumable": "1"})
    left = Planned(api.request("left"), api, msgspec.structs.replace(request, leave_after=2), is_stream=True)
    left = left._replace(group=api.request("resume"))
    yield left
    for name, is_rest in (("resumed", True), ("replayed", False)):
        yield left._replace(name=api.request(name), derive=partial(read, is_rest=is_rest))


def _cancel(fields: dict[str, Any]) -> Iterator[Planned]:
    """Send a short request during ten long ones, and after ten long ones whose client has disconnected."""
    for name, leave_after in (("busy", 0), ("after leaving", 1)):
        planned = Planned(name, CHAT, Request(), is_stream=True, group=name)
        for number in range(10):
            long = Request(body=_encode(fields), leave_after=leave_after)
            yield planned._replace(name=f"{name}: long {number}", request=long)
        short = Request(body=_encode(fields | {"max_tokens": 6 + leave_after}))
        yield planned._replace(request=short, derive=partial(_always, short) if leave_after else None)


def _always(request: Request, _: Mapping[str, Answer]) -> Request:
    return request


def _request(api: Api, fields: Mapping[str, Any], headers: Mapping[str, str] = {}) -> Request:
    return Request(path=api.path, headers={**api.headers, **headers}, body=_encode(api.encode(fields)))


def _encode(fields: Mapping[str, Any]) -> bytes:
    return msgspec.json.encode({name: value for name, value in fields.items() if value is not None})
