"""Requests of the Messages API, as Claude Code and the SDKs send them."""

import json

import pytest

from headrace.errors import RequestError
from headrace.wire import decode_stored_request, encode_request
from headrace.wire.messages import decode_count_request, decode_message_request
from headrace.wire.messages.errors import error_of

HELLO = {"role": "user", "content": "Hello"}
TOOL = {"name": "f", "description": "d", "input_schema": {"type": "object", "properties": {}}}
LATER = {"name": "g", "input_schema": {"type": "object"}, "defer_loading": True}
SEARCH = {"type": "web_search_20250305", "name": "web_search", "max_uses": 8}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def decode(*messages, **fields):
    body = {"model": "glm-4.6", "max_tokens": 100, "messages": list(messages) or [HELLO], **fields}
    return decode_message_request(json.dumps(body).encode()).request


def plain(request):
    return [
        (message.role, message.text, message.reasoning_content, message.tool_call_id)
        for message in request.messages
    ]


def assistant(*blocks):
    return {"role": "assistant", "content": list(blocks)}


def user(*blocks):
    return {"role": "user", "content": list(blocks)}


def text(text, **more):
    return {"type": "text", "text": text, **more}


def use(id, name="f", **arguments):
    return {"type": "tool_use", "id": id, "name": name, "input": arguments}


def result(id, content="ok", **more):
    return {"type": "tool_result", "tool_use_id": id, "content": content, **more}


# --- accepted -------------------------------------------------------------------------------------


def test_a_message_as_blocks_is_the_same_text_as_a_string():
    cached = {"cache_control": {"type": "ephemeral"}}
    as_text = decode(HELLO, {"role": "system", "content": "S"}, system="Be brief.")
    as_blocks = decode(
        user(text("Hel", **cached), text("lo")),
        {"role": "system", "content": [text("S", **cached)]},
        system=[text("Be "), text("brief.", **cached)],
    )

    assert as_blocks == as_text
    assert plain(as_text) == [
        ("system", "Be brief.", None, None),
        ("user", "Hello", None, None),
        ("system", "S", None, None),
    ]


def test_the_attribution_is_not_in_the_prompt():
    billing = text("x-anthropic-billing-header: cc_version=2.1.332.a1b; cc_entrypoint=sdk-cli;")

    assert decode(system=[billing, text("Be brief.")]) == decode(system="Be brief.")
    assert decode(system=[billing]) == decode()


def test_thinking_returns_to_the_model_with_any_signature():
    for more in ({"signature": "ours"}, {"signature": ""}, {"signature": None}, {}):
        thinking = {"type": "thinking", "thinking": "Hm.", **more}
        redacted = {"type": "redacted_thinking", "data": "x"}
        request = decode(HELLO, assistant(redacted, thinking, text("Hi")), HELLO)
        assert plain(request)[1] == ("assistant", "Hi", "Hm.", None)


def test_results_follow_in_the_order_of_their_calls():
    request = decode(
        HELLO,
        assistant(use("a", x=1), use("b")),
        {"role": "system", "content": "reminder"},
        user(result("b", "two"), text("and?"), result("a", [text("o"), text("ne")], is_error=True)),
    )

    assert plain(request)[2:] == [
        ("tool", "one", None, "a"),
        ("tool", "two", None, "b"),
        ("user", "and?", None, None),
        ("system", "reminder", None, None),
    ]
    assert [call.function.arguments for call in request.messages[1].tool_calls] == ['{"x":1}', "{}"]


def test_results_can_be_in_several_messages():
    calls = assistant(use("a"), use("b"))
    request = decode(HELLO, calls, user(result("a")), {"role": "system", "content": "s"}, user(result("b")))
    assert [message.role for message in request.messages] == ["user", "assistant", "tool", "tool", "system"]


def test_a_result_can_be_empty():
    empty = {"type": "tool_result", "tool_use_id": "a"}
    assert plain(decode(HELLO, assistant(use("a")), user(empty)))[-1] == ("tool", "", None, "a")
    failed = {**empty, "is_error": True}
    assert plain(decode(HELLO, assistant(use("a")), user(failed)))[-1] == ("tool", "error", None, "a")


def test_images_are_parts_of_users_and_of_results():
    image = {"type": "image", "source": PNG}
    linked = {"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}
    request = decode(user(text("look"), linked), assistant(use("a")), user(result("a", [image])))

    assert request.messages[0].images[1].url == "https://example.com/a.png"
    assert request.messages[2].images[0].url == "data:image/png;base64,iVBORw0KGgo="


def test_texts_of_documents_and_search_results_are_in_the_prompt():
    document = {"type": "document", "title": "T", "source": {"type": "text", "data": "D"}}
    found = {"type": "search_result", "title": "S", "source": "url", "content": [text("R")]}
    assert plain(decode(user(document, found)))[0][1] == "T\n\nDS\nurl\n\nR"


def test_a_pdf_in_a_result_is_a_note_and_the_session_goes_on():
    document = {"type": "document", "source": {**PNG, "media_type": "application/pdf"}}
    prompt = plain(decode(HELLO, assistant(use("a")), user(result("a", [text("read: "), document]))))
    assert prompt[-1][1] == "read: [A document that this model cannot read, such as a PDF.]"


@pytest.mark.parametrize(("length", "is_valid"), [(64, True), (128, True), (129, False)])
def test_names_of_tools_can_be_as_long_as_at_anthropic(length, is_valid):
    tools = [{**TOOL, "name": "m" * length}]
    if is_valid:
        request = decode(tools=tools)
        assert decode_stored_request(encode_request(request)) == request
    else:
        with pytest.raises(RequestError, match="use 1 to 128"):
            decode(tools=tools)


def test_blocks_of_anthropics_own_tools_are_left_out():
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    found = {"type": "web_search_tool_result", "tool_use_id": "s", "content": []}
    assert plain(decode(HELLO, assistant(text("a"), search, found), HELLO))[1][1] == "a"


def test_deferred_tools_follow_the_others_once_a_result_refers_to_them():
    def names(*messages):
        request = decode(*messages, tools=[LATER, TOOL, {**LATER, "name": "e"}])
        return [tool["function"]["name"] for tool in request.tools]

    references = [{"type": "tool_reference", "tool_name": name} for name in ("g", "e", "unknown")]
    assert names(HELLO) == ["f"]
    assert names(HELLO, assistant(use("a")), user(result("a", references[:1]))) == ["f", "g"]
    assert names(HELLO, assistant(use("a")), user(result("a", references))) == ["f", "g", "e"]


def test_tools_have_their_schema_and_nothing_of_the_transport():
    more = {"cache_control": {"type": "ephemeral"}, "eager_input_streaming": True, "type": "custom"}
    request = decode(tools=[{**TOOL, **more}, SEARCH])

    function = {"name": "f", "description": "d", "parameters": TOOL["input_schema"]}
    assert request.tools == [{"type": "function", "function": function}]


@pytest.mark.parametrize(
    ("choice", "expected", "parallel"),
    [
        (None, "auto", True),
        ({"type": "auto"}, "auto", True),
        ({"type": "auto", "disable_parallel_tool_use": True}, "auto", False),
        ({"type": "any"}, "required", True),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}, True),
        ({"type": "none"}, "none", True),
    ],
)
def test_the_choice_of_a_tool(choice, expected, parallel):
    request = decode(tools=[TOOL], tool_choice=choice)
    assert (request.tool_choice, request.parallel_tool_calls) == (expected, parallel)


@pytest.mark.parametrize(
    ("fields", "thinks", "clears", "effort"),
    [
        ({}, False, True, "low"),
        ({"output_config": {"effort": "high"}}, False, True, "low"),
        ({"thinking": {"type": "disabled"}}, False, True, "low"),
        ({"thinking": {"type": "enabled", "budget_tokens": 31999}}, True, True, None),
        ({"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}, True, True, "max"),
        (
            {
                "thinking": {"type": "adaptive", "display": "updates"},
                "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
            },
            True,
            False,
            None,
        ),
    ],
)
def test_thinking_and_effort(fields, thinks, clears, effort):
    request = decode(**fields)
    assert (request.wants_thinking, request.thinking.clear_thinking) == (thinks, clears)
    assert request.reasoning_effort == effort


def test_what_concerns_only_the_answer_is_stored():
    request = decode(thinking={"type": "adaptive", "display": "omitted"})
    assert request.answer_options == {"shows_thinking": False}
    assert decode_stored_request(encode_request(request)) == request
    assert decode(thinking={"type": "adaptive", "display": "summarized"}).answer_options == {}


@pytest.mark.parametrize("name", ["output_config", "output_format"])
def test_a_schema_for_the_answer(name):
    format = {"type": "json_schema", "schema": {"type": "object"}}
    fields = {name: {"format": format} if name == "output_config" else format}
    expected = {"name": "answer", "schema": {"type": "object"}, "strict": True}
    assert decode(**fields).response_format.json_schema == expected


def test_other_fields():
    request = decode(
        model="glm-4.6[1m]",
        stream=True,
        stop_sequences=["END"],
        temperature=0.5,
        top_p=0.9,
        top_k=3,
        metadata={"user_id": "alice"},
        service_tier="auto",
        betas=["x"],
        unknown={"a": 1},
        container=None,
        thread=None,
        mcp_servers=[],
    )

    assert (request.model, request.stream, request.tool_stream) == ("glm-4.6", True, True)
    assert (request.stops, request.temperature, request.top_p) == (["END"], 0.5, 0.9)
    assert (request.extra, request.user_id, request.max_tokens) == ({"top_k": 3}, "alice", 100)


def test_a_long_user_id_is_replaced_by_a_digest():
    """Claude Code sends a JSON text with the ids of the device and the session."""
    ids = [decode(metadata={"user_id": "x" * 300 + end}).user_id for end in "aab"]
    assert len(ids[0]) == 32
    assert ids[0] == ids[1] != ids[2]


def test_a_request_to_count_needs_no_max_tokens_and_ignores_stream():
    body = {"model": "glm-4.6", "messages": [HELLO], "tools": [TOOL], "stream": True}
    request = decode_count_request(json.dumps(body).encode()).request
    assert (request.stream, request.max_tokens, len(request.tools)) == (False, None, 1)


# --- refused --------------------------------------------------------------------------------------

BAD = {"x": 1}
REFUSED = [
    ({"messages": []}, "messages: [] is empty"),
    ({"messages": "Hello"}, "messages: "),
    ({"messages": None}, 'messages: field required, such as [{"role": "user"'),
    ({"messages": ["Hello"]}, "messages.0: "),
    ({"messages": [{"content": "a"}]}, 'messages.0.role: field required, such as "user"'),
    ({"messages": [{**HELLO, "role": "tool"}]}, "messages.0.role: "),
    ({"messages": [{"role": "user"}]}, "messages.0.content: field required"),
    ({"messages": [user()]}, "messages.0.content: [] is empty"),
    ({"messages": [HELLO, assistant(), HELLO]}, "messages.1.content: [] is empty"),
    ({"messages": [{"role": "user", "content": 5}]}, "messages.0.content: 5"),
    ({"messages": [user("Hello")]}, "messages.0.content.0: "),
    ({"messages": [user({"text": "a"})]}, "messages.0.content.0.type: field required"),
    ({"messages": [user({"type": "text"})]}, "messages.0.content.0.text: field required"),
    ({"messages": [user(text(5))]}, "messages.0.content.0.text: 5"),
    ({"messages": [user({"type": "video"})]}, 'messages.0.content.0.type: "video"'),
    ({"messages": [user(use("a"))]}, 'messages.0.content.0.type: "tool_use"'),
    ({"messages": [HELLO, assistant(result("a")), HELLO]}, 'messages.1.content.0.type: "tool_result"'),
    ({"messages": [HELLO, assistant({"type": "x"}), HELLO]}, 'messages.1.content.0.type: "x"'),
    ({"messages": [HELLO, assistant({"type": "tool_use"}), HELLO]}, "messages.1.content.0.input: field"),
    ({"messages": [HELLO, assistant({**use("a"), "input": "{}"}), HELLO]}, "messages.1.content.0.input: "),
    ({"messages": [user(result("a"))]}, "messages.0.content.0.tool_use_id: "),
    (
        {"messages": [HELLO, assistant(use("a")), HELLO, user(result("a"))]},
        "messages.3.content.0.tool_use_id",
    ),
    (
        {"messages": [HELLO, assistant(use("a")), user(result("a"), result("a"))]},
        "messages.2.content.1.tool_",
    ),
    (
        {"messages": [user({"type": "image", "source": {"type": "file"}})]},
        "messages.0.content.0.source.type: ",
    ),
    (
        {"messages": [user({"type": "image", "source": {**PNG, "media_type": "a"}})]},
        "messages.0.content.0.sou",
    ),
    ({"messages": [user({"type": "image"})]}, "messages.0.content.0.source: field required"),
    ({"messages": [HELLO, assistant(use("a"), use("a")), HELLO]}, 'messages.1.content.1.id: "a" is the id'),
    ({"messages": [user({"type": "document", "source": PNG})]}, "messages.0.content.0.source.type: "),
    ({"messages": [{"role": "system", "content": "a"}]}, "messages.0.role: "),
    ({"messages": [HELLO, assistant(text("a"))]}, "messages.1.role: an answer cannot be continued"),
    ({"system": 5}, "system: 5"),
    ({"system": False}, "system: false"),
    ({"system": [{"type": "image"}]}, 'system.0.type: "image"'),
    ({"model": None}, "model: field required"),
    ({"model": 5}, 'model: 5 is not a string, such as "glm-4.6"'),
    ({"max_tokens": None}, "max_tokens: field required, such as 1024"),
    ({"max_tokens": 0}, "max_tokens is 0; it must be between 1 and 2147483647"),
    ({"max_tokens": "5"}, 'max_tokens is "5"; it must be an integer'),
    ({"stream": "yes"}, "stream: "),
    ({"temperature": 3}, "temperature is 3"),
    ({"stop_sequences": ["a"] * 5}, "stop_sequences has 5 entries"),
    ({"stop_sequences": "a"}, "stop_sequences: "),
    ({"metadata": {"user_id": 5}}, "metadata.user_id: 5"),
    ({"thinking": {"type": "often"}}, 'thinking.type: "often"'),
    ({"thinking": True}, "thinking: true"),
    ({"thinking": {}}, 'thinking.type: field required, such as "adaptive"'),
    ({"tools": [TOOL] * 1025}, "tools has 1025 entries; at most 1024 are allowed"),
    ({"tools": [TOOL, TOOL]}, 'tools.1.name is "f", as for an earlier tool'),
    ({"output_config": {"effort": "huge"}}, 'output_config.effort: "huge"'),
    ({"output_config": {"format": {"type": "xml"}}}, 'output_config.format.type: "xml"'),
    ({"tools": BAD}, "tools: "),
    ({"tools": [5]}, "tools.0: 5"),
    ({"tools": [{"name": "f"}]}, "tools.0.input_schema: field required"),
    ({"tools": [{**TOOL, "name": "a b"}]}, "tools.0.name is"),
    ({"tools": [{"type": "bash_20250124", "name": "bash"}]}, 'tools.0.type: "bash_20250124"'),
    ({"tool_choice": {"type": "any"}}, "tool_choice.type: "),
    ({"tool_choice": {"type": "tool", "name": "x"}, "tools": [TOOL]}, 'tool_choice.name: "x"'),
    (
        {"tool_choice": {"type": "tool", "name": "web_search"}, "tools": [SEARCH]},
        "tool_choice.name: web_search",
    ),
    ({"tool_choice": {"type": "any"}, "tools": [SEARCH]}, "tool_choice.type: web_search"),
    ({"tool_choice": "auto"}, "tool_choice: "),
    ({"mcp_servers": [{"url": "x"}]}, "mcp_servers: "),
    ({"thread": {"type": "create"}}, "thread: "),
]


@pytest.mark.parametrize(("fields", "message"), REFUSED)
def test_a_refusal_begins_with_the_field(fields, message):
    with pytest.raises(RequestError) as caught:
        decode(**{"messages": [HELLO], **fields})

    error = error_of(caught.value)
    assert error["message"].startswith(message)
    assert error["type"] == "invalid_request_error"


def test_the_refusal_of_threads_has_the_details_after_which_the_sdk_goes_on_without():
    with pytest.raises(RequestError) as caught:
        decode(thread={"type": "create"})

    details = {"error_code": "thread_unsupported_request", "unsupported": ["thread"]}
    assert error_of(caught.value)["details"] == details


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("tools.3.parameters.x: no", "tools.3.input_schema.x: no"),
        ("response_format.json_schema.schema.x: no", "output_config.format.schema.x: no"),
        (
            'response_format.type: model m supports only "text"',
            'output_config.format.type: model m supports only "text"',
        ),
    ],
)
def test_later_refusals_name_the_clients_fields(message, expected):
    assert error_of(RequestError(message))["message"] == expected
