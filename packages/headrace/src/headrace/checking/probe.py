"""What makes every request fail alike, a wrong URL, key or model, is found by one request before the rest."""

import re
from contextlib import suppress
from typing import Any, Final

import msgspec

from headrace.checking.answer import Answer, decode_json
from headrace.checking.endpoint import Endpoint, Request, Response, reach
from headrace.errors import RequestError, UnreachableError

__all__ = ["find_absence", "find_model", "probe"]

_NO_KEY: Final = (401, 403)
_NOT_FOUND: Final = (404, 405)
_NOT_OFFERED: Final = (400, *_NO_KEY, *_NOT_FOUND, 422, 501)
_OVERLOADED: Final = (429, 503)
_BOM: Final = b"\xef\xbb\xbf"
_NAMES: Final = (b"data:", b"event:", b"id:", b"retry:", b":")  # of the fields of an event; of a comment
_FIELD: Final = re.compile(rb"^(?:%b)?(?:%b)" % (_BOM, b"|".join(_NAMES)), re.MULTILINE)
_ANSWERS: Final = ("choices", "content", "output")  # what a complete answer has, in one of the APIs
_MAX_SHOWN: Final = 200  # bytes
_MAX_NAMES: Final = 5
_COMPLETE: Final = "complete the base URL (…/v1)"


async def find_model(endpoint: Endpoint) -> str:
    """Return the first model that the endpoint lists.

    Raises:
        RequestError: it lists none.
        UnreachableError: it does not respond.
    """
    response = await reach(endpoint, Request(method="GET", path="/models"))
    if models := _models_of(response):
        return models[0]
    reason = find_absence(response) or f"status {response.status}"
    remedy = "" if response.status in _NO_KEY else "; name one with --model"
    if response.status in _NOT_FOUND:
        remedy = f"; {_COMPLETE}, or name a model with --model"
    raise RequestError(f"the endpoint lists no models ({reason}){remedy}")


async def probe(endpoint: Endpoint, url: str, request: Request, model: str) -> str:
    """Send a request, and return why no other one of its API can succeed; "" if nothing shows that.

    Only the first part of its answer is read. Failures that may be temporary are no reason.

    Args:
        endpoint: where it is sent.
        url: its name in messages.
        request: a valid request for a streamed answer.
        model: the model of the request.

    Raises:
        UnreachableError: there is no response.
    """
    response = await reach(endpoint, msgspec.structs.replace(request, leave_after=1, half_close_after=0), url)
    reason, status = find_absence(response), response.status
    is_failed = reason or status >= 400 or _has_error(response)
    if not is_failed or status in (*_NO_KEY, *_OVERLOADED):
        return reason
    models = await _list_models(endpoint)
    if models and model not in models:
        found = reason or f"status {status}: {_beginning(response)}"
        return f"the model {model!r} is not served, but {_join(models)}; name one with --model ({found})"
    return reason + f"; {_COMPLETE}, or correct --model" * (status in _NOT_FOUND and not models)


def find_absence(response: Response) -> str:
    """Return why the response is not that of the requested API; "" if it can be."""
    status, headers = response.status, response.headers
    if not status:
        return response.failure
    body = _beginning(response)
    if 300 <= status < 400:
        return f"status {status} redirects to {headers.get('location', '')!r}; correct the URL"
    if status in _NO_KEY:
        return f"status {status}; name the variable that has the API key with --key-env: {body}"
    if status == 200 and headers.get("content-type", "").lower().startswith("text/html"):
        return f"status 200, a page of HTML; correct the URL: {body}"
    if status == 200 and not response.failure and not _is_answer(response):
        return f"status 200, but neither a stream nor an answer as JSON; correct the URL: {body}"
    return f"status {status}: {body}" if status in _NOT_OFFERED else ""


def _is_answer(response: Response) -> bool:
    """Whether a body, or its beginning, is a stream, or the answer of an endpoint that ignores `stream`."""
    body = Answer(response, is_stream=False).body
    begun = body.removeprefix(_BOM).lstrip()
    if _FIELD.search(body) or any(name.startswith(begun) for name in _NAMES):
        return bool(body)
    value = decode_json(begun)
    is_cut = value is None and begun.startswith(b"{")
    return is_cut or (isinstance(value, dict) and any(name in value for name in _ANSWERS))


def _has_error(response: Response) -> bool:
    """Whether the first events of a stream are errors."""
    frames = Answer(response, is_stream=True).frames
    return any(isinstance(frame.value, dict) and frame.value.get("error") for frame in frames)


async def _list_models(endpoint: Endpoint) -> list[str]:
    with suppress(UnreachableError):
        return _models_of(await reach(endpoint, Request(method="GET", path="/models")))
    return []


def _models_of(response: Response) -> list[str]:
    value = Answer(response, is_stream=False).frames[0].value
    data: Any = value.get("data") if isinstance(value, dict) else None
    items = [item for item in data if isinstance(item, dict)] if isinstance(data, list) else []
    return [item["id"] for item in items if isinstance(item.get("id"), str) and item["id"]]


def _join(models: list[str]) -> str:
    shown = [repr(name) for name in models[:_MAX_NAMES]]
    more = [f"{len(models) - _MAX_NAMES} more"] * (len(models) > _MAX_NAMES)
    *first, last = shown + more
    return f"{', '.join(first)} and {last} are" if first else f"{last} is"


def _beginning(response: Response) -> str:
    return b"".join(data for _, data in response.pieces)[:_MAX_SHOWN].decode("utf-8", "replace")
