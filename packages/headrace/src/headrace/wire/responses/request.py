"""A Responses request: JSON → a `ChatRequest`, and what concerns only the form of the answer."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from headrace.errors import RequestError
from headrace.wire.decode_request import decode_body, validate_request
from headrace.wire.expected import convert, show
from headrace.wire.request import ChatRequest
from headrace.wire.responses.items import as_items, decode_input
from headrace.wire.responses.tools import ToolName, decode_tool_choice, decode_tools
from headrace.wire.sources import Source, Sources
from headrace.wire.unsupported import check_supported

__all__ = [
    "ECHOED",
    "History",
    "ResponseForm",
    "ResponseRequest",
    "decode_response_request",
    "form_of",
]

ECHOED: Final[Mapping[str, Any]] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "model": "",
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": None,
    "store": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""The fields of a request that its response repeats, and their values if the request has none."""

_OPTIONS: Final = "responses"
_ENCRYPTED: Final = "reasoning.encrypted_content"

_REJECTED: Final = {
    "conversation": "there are no stored conversations; use previous_response_id",
    "prompt": "there are no stored prompts; send input",
}
_PASSED_ON: Final = (
    "model",
    "parallel_tool_calls",
    "temperature",
    "top_p",
    "top_logprobs",
    # of other APIs, which a client sends in `extra_body`
    "chat_template_kwargs",
    "do_sample",
    "enable_thinking",
    "frequency_penalty",
    "ignore_eos",
    "logit_bias",
    "min_p",
    "min_tokens",
    "presence_penalty",
    "repetition_penalty",
    "request_id",
    "seed",
    "stop",
    "thinking",
    "top_k",
    "user_id",
)
"""The fields that chat completions have, too."""


class _Switches(msgspec.Struct):
    """The fields that decide what happens with the answer."""

    stream: bool | None = None
    store: bool | None = None
    background: bool | None = None
    previous_response_id: str | None = None
    include: list[str] | None = None
    metadata: dict[str, Any] | None = None
    reasoning: dict[str, Any] | None = None
    text: dict[str, Any] | None = None


class History(msgspec.Struct):
    """What a request refers to.

    Args:
        items: the input and the output of the response before.
        referenced: the items that an `item_reference` may stand for, by id.
        max_size: bytes of the input with all of these: the limit of a body that has them itself.
    """

    items: list[Any] = []
    referenced: dict[str, Any] = {}
    max_size: int = 0


_NO_HISTORY: Final = History()


class ResponseForm(msgspec.Struct, frozen=True):
    """How a client receives its response: what is kept of a request besides what the model gets.

    Args:
        fields: `ECHOED`, with the values of the request.
        names: how the client knows the functions of the model.
        encrypted: whether reasoning has an `encrypted_content`; some clients send no other reasoning back.
        input: the items of the input, with those of the responses before; [] if the response is not stored.
    """

    fields: dict[str, Any]
    names: dict[str, ToolName] = {}
    encrypted: bool = False
    input: list[Any] = []


class ResponseRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A validated request.

    Args:
        chat: what the model gets, and the form; streamed, so that the log does not depend on the reader.
        stream: whether the answer is a stream.
        store: whether it can be read again, by its id.
        background: whether it is generated even if the client disconnects.
        sources: the fields that the chat came from, for later errors.
        left_out: what the model does not get, although the client has sent it.
    """

    chat: ChatRequest
    stream: bool
    store: bool
    background: bool
    sources: Sources
    left_out: tuple[str, ...]


def form_of(request: ChatRequest) -> ResponseForm:
    """Return the form of the response for a request, which another API may have received."""
    if options := request.answer_options.get(_OPTIONS):
        return msgspec.convert(options, ResponseForm)
    sent = {
        "model": request.model,
        "max_output_tokens": request.max_tokens,
        "temperature": request.temperature,
        "top_p": request.top_p,
    }
    return ResponseForm({**ECHOED, **sent})


def decode_response_request(body: bytes | bytearray, history: History = _NO_HISTORY) -> ResponseRequest:
    """Decode and validate a body.

    Raises:
        RequestError: as `decode_request`, with the names of this API.
    """
    fields = {name: value for name, value in decode_body(body).items() if value is not None}
    if history.items:
        fields.setdefault("input", [])
    _check_presence(fields)
    names = set(_Switches.__struct_fields__) & fields.keys()
    switches = convert({name: fields[name] for name in names}, _Switches)
    items = [_resolve(item, history) for item in as_items(fields["input"])]
    if history.items or history.referenced:
        _check_size([*history.items, *items], history.max_size)
    messages = decode_input(items, fields.get("instructions"), before=history.items)
    tools = decode_tools(fields.get("tools"))
    choice, functions = decode_tool_choice(fields.get("tool_choice"), tools)
    chat: dict[str, Any] = {
        **{name: fields[name] for name in _PASSED_ON if name in fields},
        **_renamed(fields, switches),
        "messages": messages.messages,
        "tools": functions or None,
        "tool_choice": choice if functions else None,
        "stream": True,
        "tool_stream": True,
    }
    store = switches.store is not False
    if switches.background and not store:
        msg = "background is true, but store is false; a response in the background must be stored"
        raise RequestError(msg, code="1215")
    form = ResponseForm(
        _echo(fields),
        tools.names,
        encrypted=_ENCRYPTED in (switches.include or ()),
        input=[*history.items, *items] if store else [],
    )
    sources = Sources(
        [*map(Source, messages.sources)],
        [tools.sources[function["function"]["name"]] for function in functions],
        schema="text.format.schema",
    )
    try:
        request = validate_request(chat, is_translated=True)
    except RequestError as error:
        sources.rename(error)
        raise
    options = {_OPTIONS: msgspec.to_builtins(form)}
    return ResponseRequest(
        chat=msgspec.structs.replace(request, answer_options=options),
        stream=bool(switches.stream),
        store=store,
        background=bool(switches.background),
        sources=sources,
        left_out=(*messages.left_out, *tools.left_out),
    )


def _check_presence(fields: Mapping[str, Any]) -> None:
    for name, instead in _REJECTED.items():
        if name in fields:
            msg = f"{name} is {show(fields[name])}, which is not supported here; {instead}"
            raise RequestError(msg, code="1212")
    for name, example in (("input", "Hello"), ("model", "glm-4.6")):
        if name not in fields:
            raise RequestError(f'{name} is missing; for example "{example}"', code="1213")


def _check_size(items: Sequence[Any], limit: int) -> None:
    """Check the bytes of a conversation, in which many references can stand for one item."""
    sizes: dict[int, int] = {}  # by identity
    left = limit
    for item in items:
        if (size := sizes.get(id(item))) is None:
            size = sizes[id(item)] = len(msgspec.json.encode(item))
        left -= size
        if left < 0:
            msg = f"input has, with what it refers to, more than {limit} bytes; send less, or increase"
            raise RequestError(f"{msg} --max-body-size", code="1210")


def _resolve(item: Any, history: History) -> Any:
    """Return the item that a reference stands for; the reference itself if it is not known."""
    match item:
        case {"type": "item_reference", "id": str(id)}:
            return history.referenced.get(id, item)
    return item


def _renamed(fields: Mapping[str, Any], switches: _Switches) -> dict[str, Any]:
    """Return the fields that chat completions have under other names."""
    reasoning, text = switches.reasoning or {}, switches.text or {}
    if "message.output_text.logprobs" in (switches.include or ()):
        check_supported({"logprobs": True})
    return {
        "max_tokens": fields.get("max_output_tokens"),
        "reasoning_effort": reasoning.get("effort"),
        "response_format": _response_format(text.get("format")),
    }


def _response_format(format: Any) -> Any:
    """Return a format as chat completions have it: the schema and its name are one level deeper."""
    if not isinstance(format, dict) or format.get("type") != "json_schema":
        return format
    schema = format.get("schema")
    if not isinstance(schema, dict):
        raise RequestError(f"text.format.schema is {show(schema)}; it must be a JSON Schema")
    inner = {name: value for name, value in format.items() if name != "type" and value is not None}
    return {"type": "json_schema", "json_schema": {"name": "answer", **inner}}


def _echo(fields: Mapping[str, Any]) -> dict[str, Any]:
    echoed = {name: fields.get(name, default) for name, default in ECHOED.items()}
    for name in ("text", "reasoning"):
        sent = {key: value for key, value in echoed[name].items() if value is not None}
        echoed[name] = {**ECHOED[name], **sent}
    return echoed
