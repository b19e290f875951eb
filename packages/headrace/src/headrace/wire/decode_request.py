"""JSON text → a validated `ChatRequest`, or a `RequestError` that names the field, the value and what to do.

msgspec validates types; the tables and functions below validate the rest, each one field.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any, Final, get_args

import msgspec

from headrace.errors import RequestError
from headrace.wire.content_parts import IMAGE_URL
from headrace.wire.expected import convert, show
from headrace.wire.json_value import DepthError, SizeError, decode_json
from headrace.wire.request import ChatRequest, Role, Tools
from headrace.wire.sampling import NUMBERS, decode_sampling
from headrace.wire.translation import ABSENT, further_variables, translate
from headrace.wire.unsupported import check_supported

__all__ = [
    "FUNCTION_NAME",
    "LENGTHS",
    "MAX_STOP",
    "MAX_STOPS",
    "MAX_TOOLS",
    "RANGES",
    "decode_body",
    "decode_request",
    "decode_stored_request",
    "validate_request",
]

_TOKENS: Final = (1, 2**31 - 1)
_SEEDS: Final = (-(2**63), 2**63 - 1)
RANGES: Final = {
    "temperature": (0, 2),
    "top_p": (0.01, 1),
    "max_tokens": _TOKENS,
    "max_completion_tokens": _TOKENS,
    "seed": _SEEDS,
    "random_seed": _SEEDS,
}
_INTEGERS: Final = (RANGES.keys() - {"temperature", "top_p"}) | {
    name for name, (kind, *_) in NUMBERS.items() if kind is int
}
LENGTHS: Final = {"request_id": (1, 64), "user_id": (1, 128)}
MAX_TOOLS: Final = 128
_MAX_TRANSLATED_TOOLS: Final = 1024  # Anthropic has no limit, and a namespace of OpenAI is one tool
MAX_STOPS: Final = 4
MAX_STOP: Final = 256  # characters: each stop string is searched for in every token
FUNCTION_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ANY_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,128}")  # as in Anthropic's API
_CONTAINERS: Final = (dict, list)
_ROLES: Final = get_args(Role)
_PARTS: Final = {"user": ("text", "image_url"), "tool": ("text", "image_url")}


def decode_request(body: bytes | bytearray) -> ChatRequest:
    """Decode and validate a request body.

    Raises:
        RequestError: 1210, not JSON or an unsupported feature; 1213, a missing field; 1214, an invalid
            field; 1215, mutually exclusive fields.
    """
    return validate_request(decode_body(body))


def decode_stored_request(body: bytes) -> ChatRequest:
    """Decode what `encode_request` has encoded, which may have more values than a client's body."""
    fields = msgspec.json.decode(body, type=dict[str, Any])
    request = validate_request(fields, is_translated=True)
    return msgspec.structs.replace(
        request,
        answer_options=fields.get("answer_options", {}),
        counts_prompt=fields.get("counts_prompt", False),
    )


def decode_body(body: bytes | bytearray) -> dict[str, Any]:
    """Decode a body, which is a JSON object in every API.

    Raises:
        RequestError: 1210, it is not.
    """
    try:
        raw = decode_json(body)
    except DepthError as error:
        raise RequestError(str(error)) from None
    except SizeError as error:
        raise RequestError(f"the body has {error}", code="1210") from None
    except ValueError as error:
        msg = f"the body is not valid JSON: {error}"
        raise RequestError(msg, code="1210") from None
    if not isinstance(raw, dict):
        msg = f"the body must be a JSON object, not {show(raw)}"
        raise RequestError(msg, code="1210")
    return raw


def validate_request(raw: dict[str, Any], *, is_translated: bool = False) -> ChatRequest:
    """Validate the fields of a request and convert them.

    Args:
        raw: the request.
        is_translated: whether it comes from another API: there may be 1024 tools instead of 128, and their
            names may have 128 characters instead of 64.

    Raises:
        RequestError: as `decode_request`.
    """
    fields = _with_integers(_without_nulls(raw))
    check_supported(fields)
    _check_ranges(fields)
    _check_number_of_tools(fields, _MAX_TRANSLATED_TOOLS if is_translated else MAX_TOOLS)
    sent, fields = fields, translate(fields)
    for check in _CHECKS_BEFORE:
        check(fields)
    request = _convert(fields, further_variables(sent))
    for check_request in _CHECKS_AFTER:
        check_request(request)
    _check_tools(request, _ANY_NAME if is_translated else FUNCTION_NAME)
    _check_tool_choice(request)
    if request.tool_choice == "none":  # treat it as a request without tools
        request = msgspec.structs.replace(request, tools=[])
    return request


def _without_nulls(raw: dict[str, Any]) -> dict[str, Any]:
    """Remove what means absent, mostly null, on every level that the API defines; keep JSON Schemas."""
    fields = {name: value for name, value in raw.items() if value is not None}
    for name in ABSENT.keys() & fields.keys():
        if fields[name] == ABSENT[name]:
            del fields[name]
    if "messages" in fields:
        fields["messages"] = _pruned(fields["messages"])
    for name in ("thinking", "response_format"):
        if isinstance(fields.get(name), dict):
            fields[name] = {key: value for key, value in fields[name].items() if value is not None}
    return fields


def _with_integers(fields: dict[str, Any]) -> dict[str, Any]:
    """Convert numbers such as 5.0: some languages encode integers so, and JSON Schema calls them integers."""
    for name in _INTEGERS & fields.keys():
        if isinstance(fields[name], float) and fields[name].is_integer():
            fields[name] = int(fields[name])
    return fields


def _pruned(value: Any) -> Any:
    if isinstance(value, list):
        return [_pruned(item) for item in value]
    if isinstance(value, dict):
        return {
            key: _pruned(item) if isinstance(item, _CONTAINERS) else item
            for key, item in value.items()
            if item is not None
        }
    return value


def _convert(fields: dict[str, Any], variables: dict[str, Any]) -> ChatRequest:
    """Convert the fields; `variables` are those of the chat template. Unknown fields are ignored."""
    internal = {
        "answer_options": {},
        "counts_prompt": False,
        "extra": decode_sampling(fields),
        "template_variables": variables,
    }
    for name in LENGTHS.keys() & fields.keys():  # zai-sdk's own tests send a float, bots the numbers of users
        value = fields[name]
        if isinstance(value, int | float) and not isinstance(value, bool):
            fields[name] = str(value)
    return convert({**fields, **internal}, ChatRequest)


# --- before the types are validated: mistakes for which a type error would not be helpful ------------


def _check_ranges(fields: dict[str, Any]) -> None:
    for name in RANGES.keys() & fields.keys():
        value, (low, high) = fields[name], RANGES[name]
        if isinstance(value, int | float) and not low <= value <= high:
            msg = f"{name} is {show(value)}; it must be between {low} and {high}"
            raise RequestError(msg)


def _check_number_of_tools(fields: dict[str, Any], most: int) -> None:
    tools = fields.get("tools")
    if isinstance(tools, list) and len(tools) > most:
        msg = f"tools has {len(tools)} entries; at most {most} are allowed"
        raise RequestError(msg)


def _check_presence(fields: dict[str, Any]) -> None:
    for name, example in (("model", '"glm-4.6"'), ("messages", '[{"role": "user", "content": "Hello"}]')):
        if name not in fields:
            msg = f"{name} is missing; for example {example}"
            raise RequestError(msg, code="1213")


def _check_content_parts(fields: dict[str, Any]) -> None:
    for index, message in _dicts(fields, "messages"):
        role = message.get("role")
        if isinstance(role, str) and role not in _ROLES:
            msg = f"messages[{index}].role is {show(role)}; it must be one of {', '.join(_ROLES)}"
            raise RequestError(msg)
        for at, part in _dicts(message, "content"):
            kinds = _PARTS.get(str(role), ("text",))
            if part["type"] not in kinds:
                where = f"messages[{index}].content[{at}].type"
                msg = f"{where} is {show(part['type'])}; it must be {' or '.join(kinds)}"
                raise RequestError(msg, code="1210")


def _check_tool_types(fields: dict[str, Any]) -> None:
    for index, tool in _dicts(fields, "tools"):
        kind = tool.get("type", "function")
        if kind != "function":
            where = f"tools[{index}].type"
            msg = f"{where} is {show(kind)}; only function tools are supported; remove it from tools"
            raise RequestError(msg, code="1210")


def _dicts(owner: dict[str, Any], name: str) -> Iterable[tuple[int, dict[str, Any]]]:
    """Return the objects in a list, with their indexes; nothing if it is no list."""
    values = owner.get(name)
    if not isinstance(values, list):
        return ()
    return [(index, value) for index, value in enumerate(values) if isinstance(value, dict)]


# --- after: ranges, lengths, and dependencies between fields -----------------------------------------


def _check_lengths(request: ChatRequest) -> None:
    for name, (low, high) in LENGTHS.items():
        value = getattr(request, name)
        if value is not None and not low <= len(value) <= high:
            msg = f"{name} is {show(value)}, {len(value)} characters; it must have {low} to {high}"
            raise RequestError(msg)


def _check_messages(request: ChatRequest) -> None:
    if not request.messages:
        msg = "messages is []; it needs at least one message"
        raise RequestError(msg)
    if all(message.role in ("system", "assistant") for message in request.messages):
        roles = ", ".join(dict.fromkeys(message.role for message in request.messages))
        msg = f"messages has only {roles} messages; it needs at least one user or tool message"
        raise RequestError(msg)
    for index, message in enumerate(request.messages):
        if message.content is None and message.role != "assistant":
            msg = f"messages[{index}].content is missing; only assistant messages may omit it"
            raise RequestError(msg, code="1213")
        for at, image in message.images.items():
            if not IMAGE_URL.match(image.url):
                msg = (
                    f"messages[{index}].content[{at}].image_url.url is {show(image.url)}; it must be an "
                    "http, https or data:image URL, or a PNG, JPEG, GIF or WebP image in base64"
                )
                raise RequestError(msg)
        for at, call in enumerate(message.tool_calls or ()):
            _check_arguments(
                f"messages[{index}].tool_calls[{at}].function.arguments", call.function.arguments
            )


def _check_arguments(where: str, arguments: str) -> None:
    """Reject arguments of too many values, or too many levels. They need not be JSON."""
    try:
        decode_json(arguments)
    except SizeError as error:
        raise RequestError(f"{where} has {error}") from None
    except DepthError as error:
        msg = f"{where} is {show(arguments)}; it must be a JSON object as a string ({error})"
        raise RequestError(msg) from None
    except ValueError:
        pass


def _check_tools(request: ChatRequest, pattern: re.Pattern[str]) -> None:
    seen: set[str] = set()
    for index, tool in enumerate(convert({"tools": request.tools}, Tools).tools):
        name = tool.function.name
        if not pattern.fullmatch(name):
            most = pattern.pattern.partition(",")[2].rstrip("}")
            msg = f"tools[{index}].function.name is {show(name)}; use 1 to {most} of a-z, A-Z, 0-9, _ and -"
            raise RequestError(msg)
        if name in seen:
            msg = (
                f"tools[{index}].function.name is {show(name)}, as for an earlier tool; names must be unique"
            )
            raise RequestError(msg)
        seen.add(name)


def _check_tool_choice(request: ChatRequest) -> None:
    choice = request.tool_choice
    if isinstance(choice, dict):
        function = choice.get("function")
        name = function.get("name") if isinstance(function, dict) else None
        if choice.get("type") != "function" or not isinstance(name, str):
            msg = f'tool_choice is {show(choice)}; it must be {{"type":"function","function":{{"name":…}}}}'
            raise RequestError(msg)
        if name not in request.schemas:
            msg = f"tool_choice.function.name is {show(name)}, which is not in tools"
            raise RequestError(msg)
    if choice == "required" and not request.tools:
        msg = 'tool_choice is "required" but tools is empty; add a tool or remove tool_choice'
        raise RequestError(msg, code="1215")


def _check_stop(request: ChatRequest) -> None:
    if request.stop is None:
        return
    if len(request.stops) > MAX_STOPS:
        msg = f"stop has {len(request.stops)} entries; at most {MAX_STOPS} are allowed"
        raise RequestError(msg)
    if "" in request.stops:
        msg = 'stop contains ""; leave the empty string out'
        raise RequestError(msg)
    if (longest := max(map(len, request.stops), default=0)) > MAX_STOP:
        msg = f"stop has a string of {longest} characters; at most {MAX_STOP} are allowed"
        raise RequestError(msg)


def _check_tool_stream(request: ChatRequest) -> None:
    if request.tool_stream and not request.stream:
        msg = "tool_stream is true but stream is not; set stream to true or remove tool_stream"
        raise RequestError(msg, code="1215")


_CHECKS_BEFORE: Final[tuple[Callable[[dict[str, Any]], None], ...]] = (
    _check_presence,
    _check_content_parts,
    _check_tool_types,
)
_CHECKS_AFTER: Final[tuple[Callable[[ChatRequest], None], ...]] = (
    _check_messages,
    _check_lengths,
    _check_stop,
    _check_tool_stream,
)
