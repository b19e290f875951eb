import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RequestError
from headrace.wire.responses import decode_response_request
from headrace.wire.responses.tools import ToolName, decode_tool_choice, decode_tools, find_tool, flat_name

FUNCTION = {"type": "function", "name": "add", "parameters": {"type": "object"}, "strict": True}
CUSTOM = {
    "type": "custom",
    "name": "patch",
    "description": "Edit.",
    "format": {"type": "grammar", "syntax": "lark", "definition": "start: /x/"},
}
AGENTS = {
    "type": "namespace",
    "name": "agents",
    "description": "Others.",
    "tools": [{"type": "function", "name": "spawn"}],
}


def test_functions_stay_custom_tools_have_one_text_and_namespaces_are_joined_to_names():
    tools = decode_tools([FUNCTION, CUSTOM, AGENTS])
    functions = [tool["function"] for tool in tools.functions]

    assert [function["name"] for function in functions] == ["add", "patch", "agents__spawn"]
    assert functions[0]["strict"] is True
    assert functions[1]["parameters"]["required"] == ["input"]
    assert functions[1]["description"].endswith("lark grammar:\nstart: /x/")
    assert functions[2]["description"] == "Others."
    assert tools.names["agents__spawn"] == ToolName("function_call", "spawn", "agents")


def test_tools_that_the_model_cannot_have_are_left_out_and_reported():
    tools = decode_tools(
        [{"type": "web_search", "external_web_access": True}, FUNCTION, {"type": "local_shell"}]
    )

    assert [tool["function"]["name"] for tool in tools.functions] == ["add"]
    assert tools.left_out == ['tools[0].type is "web_search"', 'tools[2].type is "local_shell"']


def test_a_model_may_leave_out_the_namespace_if_the_name_is_clear():
    other = {**AGENTS, "name": "others"}

    assert find_tool(decode_tools([AGENTS]).names, "spawn") == ToolName("function_call", "spawn", "agents")
    assert find_tool(decode_tools([AGENTS, other]).names, "spawn") == ToolName("function_call", "spawn")
    assert find_tool(decode_tools([AGENTS]).names, "nothing") == ToolName("function_call", "nothing")


@given(st.text(min_size=1, max_size=80), st.text(min_size=1, max_size=80))
def test_every_function_of_a_namespace_has_a_valid_name(name, namespace):
    assert re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", flat_name(name, namespace))


def test_long_names_that_begin_alike_differ():
    assert flat_name("a" * 80, "mcp__server__") != flat_name("a" * 81, "mcp__server__")


@pytest.mark.parametrize(
    ("tools", "message"),
    [
        ({}, "tools is {}"),
        ([1], "tools[0] is 1"),
        ([{"name": "add"}], "tools[0].type is missing"),
        ([{"type": "function"}], "tools[0].name is missing"),
        ([{"type": "function", "name": 1}], "tools[0].name is 1"),
        ([{"type": "function", "name": ""}], 'tools[0].name is ""'),
        ([{"type": "function", "name": "a" * 129}], 'tools[0].name is "aaa'),
        ([{"type": "function", "name": "a b"}], 'tools[0].name is "a b"'),
        ([FUNCTION, FUNCTION], 'tools[1].name is "add", as for an earlier tool'),
        ([{**FUNCTION, "parameters": []}], "tools[0].parameters is []"),
        ([{**FUNCTION, "description": 1}], "tools[0].description is 1"),
        ([{**CUSTOM, "format": "lark"}], 'tools[0].format is "lark"'),
        ([{"type": "namespace", "tools": []}], "tools[0].name is missing"),
        ([{"type": "namespace", "name": "a", "tools": {}}], "tools[0].tools is {}"),
        ([{**AGENTS, "tools": [{"type": "function"}]}], "tools[0].tools[0].name is missing"),
    ],
)
def test_an_invalid_tool_is_an_error_with_its_field(tools, message):
    with pytest.raises(RequestError) as caught:
        decode_tools(tools)

    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    ("choice", "expected", "offered"),
    [
        (None, "auto", 3),
        ("none", "none", 3),
        ("required", "required", 3),
        ({"type": "function", "name": "add"}, "add", 3),
        ({"type": "custom", "name": "patch"}, "patch", 3),
        ({"type": "function", "name": "spawn", "namespace": "agents"}, "agents__spawn", 3),
        (
            {"type": "allowed_tools", "mode": "auto", "tools": [{"type": "function", "name": "add"}]},
            "auto",
            1,
        ),
    ],
)
def test_a_choice_is_that_of_a_chat_completion(choice, expected, offered):
    chosen, functions = decode_tool_choice(choice, decode_tools([FUNCTION, CUSTOM, AGENTS]))

    assert (chosen["function"]["name"] if isinstance(chosen, dict) else chosen) == expected
    assert len(functions) == offered


@pytest.mark.parametrize(
    ("choice", "field"),
    [
        ("sometimes", "tool_choice is"),
        ({"type": "web_search"}, "tool_choice is"),
        ({"type": "function"}, "tool_choice.name is missing"),
        ({"type": "function", "name": "no"}, 'tool_choice.name is "no"'),
        ({"type": "allowed_tools", "mode": "auto", "tools": [{"name": "no"}]}, "tool_choice.tools[0].name"),
        (7, "tool_choice is 7"),
    ],
)
def test_a_choice_of_what_the_model_does_not_have_is_an_error(choice, field):
    with pytest.raises(RequestError) as caught:
        decode_tool_choice(choice, decode_tools([FUNCTION]))

    assert caught.value.message.startswith(field)


def test_a_tool_is_required_but_there_is_none():
    with pytest.raises(RequestError, match="tools has no function"):
        decode_tool_choice("required", decode_tools(json.loads('[{"type": "web_search"}]')))


def test_a_namespace_may_have_more_functions_than_a_chat():
    functions = [{"type": "function", "name": f"f{index}"} for index in range(1025)]
    namespace = {"type": "namespace", "name": "n", "tools": functions[:1024]}
    body = {"model": "m", "input": "Hi", "tools": [namespace]}

    assert len(decode_response_request(json.dumps(body).encode()).chat.tools) == 1024
    namespace["tools"] = functions
    with pytest.raises(RequestError, match="tools has 1025 entries; at most 1024 are allowed"):
        decode_response_request(json.dumps(body).encode())


@pytest.mark.parametrize(
    ("tool", "message"),
    [
        ({"name": "f"}, 'tools[0].type is missing; for example "function"'),
        ({"type": "function"}, 'tools[0].name is missing; for example "get_weather"'),
        ({"type": "function", "name": ""}, 'tools[0].name is ""; use 1 to 128 of a-z'),
        ({"type": 5, "name": "f"}, "tools[0].type is 5; it must be a string"),
        ({**FUNCTION, "description": False}, "tools[0].description is false; it must be a string"),
        ({**CUSTOM, "format": False}, "tools[0].format is false; it must be an object"),
        ({**CUSTOM, "format": []}, "tools[0].format is []; it must be an object"),
    ],
)
def test_an_invalid_tool_has_an_example_or_the_limits(tool, message):
    body = {"model": "m", "input": "Hi", "tools": [tool]}
    with pytest.raises(RequestError) as caught:
        decode_response_request(json.dumps(body).encode())
    assert caught.value.message.startswith(message)
