"""The requests of each dialect."""

import json
from typing import get_type_hints

import pytest

from dialects import TOOLS, ask, protocol
from headrace.engines.protocols.dialects import (
    DIALECTS,
    AbortEndpoint,
    Dialect,
    DialectName,
    detect_dialect,
)
from headrace.errors import RequestError
from headrace.models.settings import UpstreamSettings
from headrace.wire.sampling import SAMPLING_FIELDS

JSON = {"response_format": {"type": "json_object"}}


def chat(dialect, **fields):
    return json.loads(protocol("chat", dialect).encode(ask(**fields)))


def completion(dialect, prompt="", **fields):
    return json.loads(protocol("completions", dialect).encode(ask(prompt, **fields)))


def test_every_dialect_has_a_name_that_the_options_accept():
    assert get_type_hints(UpstreamSettings)["dialect"] == DialectName


@pytest.mark.parametrize("field", ["name", "thinking", "forwarded", "abort"])
def test_a_dialect_must_declare_how_it_thinks_what_it_is_forwarded_and_how_it_aborts(field):
    complete = {"name": "vllm", "thinking": "effort", "forwarded": frozenset(), "abort": None}
    del complete[field]

    with pytest.raises(TypeError, match=field):
        Dialect(**complete)


@pytest.mark.parametrize("kind", ["chat", "completions"])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_only_a_dialect_with_an_abort_endpoint_sends_an_id(dialect, kind):
    target = protocol(kind, dialect)
    with_id, without = (json.loads(target.encode(ask(), id)) for id in ("the-id", ""))

    endpoint = target.dialect.abort
    assert endpoint is None or isinstance(endpoint, AbortEndpoint)
    added = {name: value for name, value in with_id.items() if name not in without}
    assert added == ({endpoint.id_field: "the-id"} if endpoint else {})


@pytest.mark.parametrize("dialect", DIALECTS.values(), ids=list(DIALECTS))
def test_a_server_is_detected_by_the_owner_of_its_models_or_by_its_host(dialect):
    assert all(detect_dialect(owner, "") == dialect.name for owner in dialect.owners)
    assert all(detect_dialect("", host) == dialect.name for host in dialect.hosts)


def test_no_two_dialects_share_an_owner_or_a_host_and_an_unknown_server_is_openai():
    for names in ("owners", "hosts"):
        every = [name for dialect in DIALECTS.values() for name in getattr(dialect, names)]
        assert len(every) == len(set(every))
    assert detect_dialect("someone", "example.com") == "openai"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_plain_request_has_the_model_the_messages_and_stream(dialect):
    body = chat(dialect)

    assert (body["model"], body["stream"]) == ("theirs", True)
    assert body["messages"] == [{"role": "user", "content": "Hi"}]
    assert ("stream_options" in body) == (dialect != "zai")
    assert None not in body.values()


@pytest.mark.parametrize(
    ("dialect", "fields", "expected"),
    [
        ("zai", {}, {}),
        ("zai", {"thinking": {"type": "disabled"}}, {"thinking": {"type": "disabled", "clear_thinking": True}}),
        ("zai", {"thinking": {"clear_thinking": False}}, {"thinking": {"type": "enabled", "clear_thinking": False}}),
        ("zai", {"reasoning_effort": "max"}, {"reasoning_effort": "max"}),
        ("vllm", {}, {"chat_template_kwargs": {"enable_thinking": True, "thinking": True, "clear_thinking": True}}),
        ("sglang", {"thinking": {"type": "disabled"}}, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False, "clear_thinking": True}}),
        ("llama.cpp", {"thinking": {"clear_thinking": False}}, {"chat_template_kwargs": {"enable_thinking": True, "thinking": True, "clear_thinking": False}}),
        ("vllm", {"reasoning_effort": "high"}, {"chat_template_kwargs": {"enable_thinking": True, "thinking": True, "clear_thinking": True, "reasoning_effort": "high"}}),
        ("vllm", {"reasoning_effort": "none"}, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False, "clear_thinking": True, "reasoning_effort": "none"}}),
        ("vllm", {"chat_template_kwargs": {"tone": 1, "thinking": False}}, {"chat_template_kwargs": {"enable_thinking": False, "thinking": False, "clear_thinking": True, "tone": 1}}),
        ("openai", {}, {}),
        ("openai", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ("openai", {"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
    ],
)  # fmt: skip
def test_thinking_and_variables_are_encoded_in_the_dialect(dialect, fields, expected):
    body = chat(dialect, **fields)

    assert {
        key: body[key] for key in ("thinking", "reasoning_effort", "chat_template_kwargs") if key in body
    } == expected


@pytest.mark.parametrize("dialect", ["openai", "zai"])
def test_variables_are_rejected_for_a_server_without_them(dialect):
    with pytest.raises(RequestError, match="^chat_template_kwargs.tone: ") as raised:
        chat(dialect, chat_template_kwargs={"tone": 1})
    assert raised.value.code == "1212"


@pytest.mark.parametrize("dialect", DIALECTS)
def test_reasoning_is_sent_with_its_message(dialect):
    call = {"id": "call_1", "type": "function", "function": {"name": "get_time", "arguments": "{}"}}
    messages = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]},
        {"role": "assistant", "content": None, "reasoning_content": "I look.", "tool_calls": [call]},
        {"role": "tool", "content": "noon", "tool_call_id": "call_1"},
    ]
    sent = chat(dialect, messages=messages, thinking={"clear_thinking": False})["messages"]

    assert sent[1] == {"role": "user", "content": "ab"}
    assert sent[2] == {
        "role": "assistant",
        "content": "",
        "reasoning_content": "I look.",
        "tool_calls": [call],
    }
    assert sent[3] == {"role": "tool", "content": "noon", "tool_call_id": "call_1"}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kind", ["chat", "completions"])
def test_a_greedy_request_has_no_temperature_and_no_top_p(dialect, kind):
    fields = {"do_sample": False, "temperature": 0.7, "top_p": 0.5}
    body = chat(dialect, **fields) if kind == "chat" else completion(dialect, **fields)

    assert body.get("do_sample") is False if dialect == "zai" else body["temperature"] == 0
    assert "top_p" not in body


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("kind", ["chat", "completions"])
def test_exactly_the_sampling_fields_that_the_dialect_accepts_are_forwarded(dialect, kind):
    sampling = dict.fromkeys(SAMPLING_FIELDS, 1) | {"ignore_eos": True, "logit_bias": {"7": 1}}
    extra = sampling | {"priority": 9, "echo": True, "cache_salt": "x"}
    encode = chat if kind == "chat" else completion
    plain = encode(dialect)
    added = {name for name, value in encode(dialect, **extra).items() if value != plain.get(name)}
    names = {DIALECTS[dialect].renamed.get(name, name) for name in DIALECTS[dialect].forwarded}

    assert added == names
    assert DIALECTS[dialect].forwarded <= SAMPLING_FIELDS


def test_openai_and_llama_cpp_do_not_get_fields_that_they_do_not_have():
    assert DIALECTS["openai"].forwarded == {"frequency_penalty", "logit_bias", "presence_penalty"}
    assert SAMPLING_FIELDS - DIALECTS["llama.cpp"].forwarded == {"min_tokens"}
    assert completion("llama.cpp", repetition_penalty=1.1)["repeat_penalty"] == 1.1


@pytest.mark.parametrize("biases", [{"7": -1.5, "9": 100}, [[7, -1.5], ["9", 100]]])
def test_llama_cpp_gets_pairs_because_it_looks_up_the_keys_of_an_object_linearly(biases):
    assert completion("llama.cpp", logit_bias=biases)["logit_bias"] == [[7, -1.5], [9, 100]]
    assert completion("vllm", logit_bias=biases)["logit_bias"] == {"7": -1.5, "9": 100}


def test_tools_are_sent_unchanged_and_tool_stream_if_the_dialect_has_it():
    odd = [{**TOOLS[0], "x-odd": 1}]

    assert chat("zai", tools=odd, tool_stream=True)["tools"] == odd
    assert chat("zai", tools=odd, tool_stream=True)["tool_stream"] is True
    assert "tool_stream" not in chat("vllm", tools=odd, tool_stream=True)
    assert "tools" not in chat("vllm", tools=odd, tool_choice="none")
    assert "tool_choice" not in chat("vllm", tools=odd)
    assert chat("vllm", tools=odd, tool_choice="required")["tool_choice"] == "required"


def test_a_response_format_is_sent():
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}

    assert chat("vllm", **JSON)["response_format"] == {"type": "json_object"}
    assert chat("vllm", response_format=schema)["response_format"] == schema


def test_raw_text_keeps_its_special_tokens():
    assert completion("vllm", "P")["skip_special_tokens"] is False
    assert completion("vllm", "P")["add_special_tokens"] is False
    assert completion("vllm", "P")["return_token_ids"] is True
    assert completion("sglang", "P")["skip_special_tokens"] is False
    assert completion("llama.cpp", "P")["return_progress"] is True
    assert completion("vllm", "P")["prompt"] == "P"


@pytest.mark.parametrize(("stops", "expected"), [([], None), (["\n"], True)])
def test_llama_cpp_counts_tokens_where_a_chunk_may_have_several(stops, expected):
    assert completion("llama.cpp", "P", stop=stops).get("timings_per_token") is expected


@pytest.mark.parametrize("seed", [0, 7, -5, 2**63 - 1])
def test_a_seed_has_at_most_the_dialects_bits(seed):
    assert 0 <= completion("llama.cpp", seed=seed)["seed"] < 2**32
    assert 0 <= completion("vllm", seed=seed)["seed"] < 2**63


def test_stops_are_a_list():
    assert completion("vllm", stop="x")["stop"] == ["x"]
    assert "stop" not in completion("vllm")


@pytest.mark.parametrize(
    ("dialect", "fields", "expected"),
    [
        ("zai", {"tool_choice": "required", "tools": TOOLS}, "tool_choice"),
        ("llama.cpp", JSON, "thinking"),
        ("zai", {**JSON, "thinking": {"type": "disabled"}}, "response_format"),
        ("llama.cpp", {"tool_choice": "required", "tools": TOOLS}, "tool_choice"),
    ],
)
def test_a_structure_that_raw_text_cannot_be_constrained_to_is_rejected(dialect, fields, expected):
    with pytest.raises(RequestError, match=expected) as caught:
        completion(dialect, **fields)

    assert caught.value.code == "1212"


def test_without_thinking_llama_server_can_constrain_raw_text_to_json():
    assert completion("llama.cpp", **JSON, thinking={"type": "disabled"})["json_schema"] == {"type": "object"}


@pytest.mark.parametrize("dialect", DIALECTS)
def test_parallel_tool_calls_are_forwarded_where_they_are_switched_off(dialect):
    assert chat(dialect, tools=TOOLS, parallel_tool_calls=False)["parallel_tool_calls"] is False
    assert "parallel_tool_calls" not in chat(dialect, tools=TOOLS, parallel_tool_calls=True)
    assert "parallel_tool_calls" not in chat(dialect, parallel_tool_calls=False)


@pytest.mark.parametrize("kind", [chat, completion])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_token_limit_is_sent_whatever_its_name(dialect, kind):
    assert kind(dialect, max_completion_tokens=16)["max_tokens"] == 16


@pytest.mark.parametrize("arguments", ['{"location": "Ro', "null", "[1]", "{'a': 1}"])
def test_arguments_of_earlier_calls_are_forwarded_as_they_are(arguments):
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "tool_calls": [call]}]

    assert chat("openai", messages=messages)["messages"][1]["tool_calls"] == [call]


IMAGES = [
    {"type": "image_url", "image_url": {"url": url, "detail": "low"}}
    for url in ("https://example.com/a.png", "data:image/png;base64,iVBORw0KGgo=")
]
TEXTS = [{"type": "text", "text": text} for text in ("What", " differs?")]


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize(
    ("parts", "sent"),
    [
        (TEXTS, "What differs?"),
        ([*TEXTS, *IMAGES], [*TEXTS, *IMAGES]),
        ([IMAGES[1], TEXTS[0], IMAGES[0], TEXTS[1]], [IMAGES[1], TEXTS[0], IMAGES[0], TEXTS[1]]),
        (IMAGES[:1], IMAGES[:1]),
    ],
)
@pytest.mark.parametrize("role", ["user", "tool"])
def test_parts_are_joined_unless_one_of_them_is_an_image(dialect, parts, sent, role):
    messages = [{"role": "user", "content": "Hi"}, {"role": role, "content": parts}]

    assert chat(dialect, messages=messages)["messages"][1] == {"role": role, "content": sent}
