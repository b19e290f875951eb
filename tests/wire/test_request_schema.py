import copy
import json

from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from headrace.errors import RequestError
from headrace.wire import decode_request
from headrace.wire.request_schema import request_schemas
from headrace.wire.unknown_fields import KNOWN_FIELDS
from headrace.wire.unsupported import REJECTED

CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://a/b.png", "detail": "low"}}
TOOL = {"type": "function", "function": {"name": "f", "description": "d", "parameters": {}, "strict": True}}
REQUEST = {
    "model": "m",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "s"}]},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, IMAGE], "name": "n"},
        {"role": "assistant", "content": "", "reasoning_content": "r", "tool_calls": [CALL]},
        {"role": "assistant", "content": [{"type": "thinking", "thinking": "t"}], "refusal": "no"},
        {"role": "tool", "tool_call_id": "c", "content": "noon"},
    ],
    "stream": True,
    "tool_stream": True,
    "thinking": {"type": "enabled", "clear_thinking": True},
    "reasoning_effort": "low",
    "do_sample": True,
    "temperature": 1.0,
    "top_p": 0.9,
    "max_tokens": 5,
    "max_completion_tokens": 5,
    "stop": ["END"],
    "seed": 1,
    "random_seed": 1,
    "enable_thinking": True,
    "chat_template_kwargs": {"enable_thinking": True, "reasoning_effort": "low"},
    "reasoning": {"effort": "low", "enabled": True},
    "tools": [TOOL, {"type": "web_search", "web_search": {"enable": False}}],
    "tool_choice": {"type": "function", "function": {"name": "f"}},
    "parallel_tool_calls": False,
    "response_format": {"type": "json_schema", "json_schema": {"name": "n"}},
    "request_id": "r",
    "user_id": "u",
    "logit_bias": {"7": 1},
    "top_k": 4,
    "min_tokens": 1,
    "min_p": 0.1,
    "presence_penalty": 0.5,
    "frequency_penalty": 0.5,
    "repetition_penalty": 1.5,
    "ignore_eos": False,
    **{name: field.allowed[0] for name, field in REJECTED.items() if field.allowed},
}
VALUES = (
    *(
        None,
        True,
        False,
        0,
        -1,
        1,
        4.0,
        2,
        2.5,
        129,
        -200,
        2**31,
        2**64,
        "",
        "a",
        "f",
        "a" * 300,
        "ü ö",
        "user",
    ),
    *("assistant", "tool", "developer", "function", "system", "text", "none", "any", "required", "auto"),
    *("default", "disabled", "json_object", "https://a", "HTTP://a", "iVBORw0", "DATA:image/png;base64,a"),
    *([], {}, [[]], [None], ["a"], ["a"] * 5, [""], [1, "a"], [[7, 1]], [["7", -1.5]], {"7": 1}, {"a": 1}),
    *({"7": 101}, {"type": None}, {"type": "text"}, {"text": "a"}, {"enabled": None}, {"name": "f"}, [{}]),
    *([IMAGE], [{**IMAGE, "image_url": "/9j/a"}], {"function": {"name": "f"}}, {"type": "function"}, [CALL]),
    *([{"type": "refusal", "refusal": "no"}], [{"type": "reasoning"}], [{"role": "user", "content": "a"}]),
    *([{"role": "system", "content": "a"}], [{"role": "user"}], [{"role": "assistant"}], [TOOL] * 129),
)
VALIDATOR = Draft202012Validator(
    {"$ref": "#/components/schemas/ChatRequest", "components": {"schemas": request_schemas()}}
)
UNSAYABLE = ("names must be unique", "which is not in tools")
"""Parts of the messages about rules that JSON Schema has no words for."""


def paths(value, path=()):
    if path:
        yield path
    for key, child in (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    ):
        yield from paths(child, (*path, key))


def changed(path, value):
    """Return the request with another value at a path; without it if the value is `...`."""
    request = copy.deepcopy(REQUEST)
    owner = request
    for key in path[:-1]:
        owner = owner[key]
    if value is ...:
        del owner[path[-1]]
    else:
        owner[path[-1]] = value
    return request


def rejection(request):
    try:
        decode_request(json.dumps(request).encode())
    except RequestError as error:
        return error.message
    return ""


def test_the_request_has_every_kind_of_field():
    assert rejection(REQUEST) == ""
    assert VALIDATOR.is_valid(REQUEST)


@given(path=st.sampled_from(list(paths(REQUEST))), value=st.sampled_from([*VALUES, ...]))
@settings(max_examples=300)
def test_the_schema_accepts_what_the_decoder_accepts_and_nothing_else(path, value):
    request = changed(path, value)
    reason = rejection(request)

    if not any(part in reason for part in UNSAYABLE):
        assert VALIDATOR.is_valid(request) is (reason == ""), reason


def test_the_schema_has_every_field():
    assert request_schemas()["ChatRequest"]["properties"].keys() == KNOWN_FIELDS
