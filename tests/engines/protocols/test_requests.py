"""What each dialect is sent."""

import json

import pytest

from dialects import TOOLS, ask, protocol
from headrace.errors import RequestError

DIALECTS = ["openai", "zai", "vllm", "sglang", "llama.cpp"]
JSON = {"response_format": {"type": "json_object"}}


def chat(dialect, **fields):
    return json.loads(protocol("chat", dialect).encode(ask(**fields)))


def completion(dialect, prompt="", **fields):
    return json.loads(protocol("completions", dialect).encode(ask(prompt, **fields)))


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_plain_request_says_the_model_the_messages_and_that_it_streams(dialect):
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
        ("openai", {}, {}),
        ("openai", {"reasoning_effort": "low"}, {"reasoning_effort": "low"}),
        ("openai", {"thinking": {"type": "disabled"}}, {"reasoning_effort": "none"}),
    ],
)  # fmt: skip
def test_thinking_is_said_in_the_dialects_words(dialect, fields, expected):
    body = chat(dialect, **fields)

    assert {
        key: body[key] for key in ("thinking", "reasoning_effort", "chat_template_kwargs") if key in body
    } == expected


@pytest.mark.parametrize("dialect", DIALECTS)
def test_preserved_and_interleaved_thinking_goes_along_with_its_message(dialect):
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
def test_greedy_is_said_and_leaves_no_temperature(dialect, kind):
    fields = {"do_sample": False, "temperature": 0.7, "top_p": 0.5}
    body = chat(dialect, **fields) if kind == "chat" else completion(dialect, **fields)

    assert body.get("do_sample") is False if dialect == "zai" else body["temperature"] == 0
    assert "top_p" not in body


@pytest.mark.parametrize("dialect", DIALECTS)
def test_sampling_fields_of_others_are_passed_on_and_nothing_else_is(dialect):
    extra = {"min_p": 0.1, "repetition_penalty": 1.1, "n": 3, "priority": 9, "echo": True, "cache_salt": "x"}
    body = chat(dialect, **extra)
    penalty = "repeat_penalty" if dialect == "llama.cpp" else "repetition_penalty"

    assert (body["min_p"], body[penalty]) == (0.1, 1.1)
    assert not {"n", "priority", "echo", "cache_salt"} & set(body)


def test_tools_go_as_they_came_and_tool_stream_where_it_is_known():
    odd = [{**TOOLS[0], "x-odd": 1}]

    assert chat("zai", tools=odd, tool_stream=True)["tools"] == odd
    assert chat("zai", tools=odd, tool_stream=True)["tool_stream"] is True
    assert "tool_stream" not in chat("vllm", tools=odd, tool_stream=True)
    assert "tools" not in chat("vllm", tools=odd, tool_choice="none")
    assert "tool_choice" not in chat("vllm", tools=odd)
    assert chat("vllm", tools=odd, tool_choice="required")["tool_choice"] == "required"


def test_a_response_format_goes_along():
    schema = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}

    assert chat("vllm", **JSON)["response_format"] == {"type": "json_object"}
    assert chat("vllm", response_format=schema)["response_format"] == schema


@pytest.mark.parametrize("part", [{}, {"json_schema": {}}, {"json_schema": {"schema": False}}])
def test_a_grammar_needs_a_schema_that_an_answer_can_fit(part):
    with pytest.raises(RequestError, match="json_schema.schema is .* must be a JSON Schema") as caught:
        completion("llama.cpp", response_format={"type": "json_schema", **part})

    assert caught.value.code == "1214"


def test_raw_text_keeps_its_markers_where_the_server_knows_how():
    assert completion("vllm", "P")["skip_special_tokens"] is False
    assert completion("vllm", "P")["add_special_tokens"] is False
    assert completion("vllm", "P")["return_token_ids"] is True
    assert completion("sglang", "P")["skip_special_tokens"] is False
    assert completion("llama.cpp", "P")["return_progress"] is True
    assert completion("vllm", "P")["prompt"] == "P"


@pytest.mark.parametrize(
    ("dialect", "unlimited"), [("vllm", None), ("llama.cpp", -1), ("sglang", 4096), ("zai", 4096)]
)
def test_raw_text_is_not_cut_off_at_the_servers_default(dialect, unlimited):
    assert completion(dialect)["max_tokens"] == unlimited
    assert completion(dialect, max_tokens=7)["max_tokens"] == 7


def test_what_is_sent_where_a_client_sets_no_limit_can_be_configured():
    body = protocol("completions", "sglang", max_tokens=99).encode(ask())

    assert json.loads(body)["max_tokens"] == 99


@pytest.mark.parametrize("seed", [0, 7, -5, 2**63 - 1])
def test_a_seed_fits_what_takes_it(seed):
    assert 0 <= completion("llama.cpp", seed=seed)["seed"] < 2**32
    assert 0 <= completion("vllm", seed=seed)["seed"] < 2**63


def test_stops_are_a_list():
    assert completion("vllm", stop="x")["stop"] == ["x"]
    assert "stop" not in completion("vllm")


@pytest.mark.parametrize(
    ("dialect", "fields", "named"),
    [
        ("vllm", {"tool_choice": "required", "tools": TOOLS}, "tool_choice"),
        ("sglang", {"tool_choice": "required", "tools": TOOLS}, "tool_choice"),
        ("vllm", JSON, "thinking"),
        ("zai", {**JSON, "thinking": {"type": "disabled"}}, "response_format"),
        ("llama.cpp", {"tool_choice": "required", "tools": TOOLS}, "tool_choice"),
    ],
)
def test_a_form_that_raw_text_cannot_be_held_to_is_refused(dialect, fields, named):
    with pytest.raises(RequestError, match=named) as caught:
        completion(dialect, **fields)

    assert caught.value.code == "1212"


def test_without_thinking_a_server_may_hold_raw_text_to_json():
    body = completion("vllm", **JSON, thinking={"type": "disabled"})

    assert body["response_format"] == {"type": "json_object"}
    assert "grammar" in completion("llama.cpp", **JSON)
