import pytest
from hypothesis import given
from hypothesis import strategies as st

from headrace.errors import RequestError
from headrace.wire.responses.items import HOSTED_CALLS, decode_input

IMAGE = {"type": "input_image", "image_url": "data:image/png;base64,iVBOR", "detail": "high"}


def user(text):
    return {"type": "message", "role": "user", "content": [{"type": "input_text", "text": text}]}


def wrote(text):
    return {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": text, "annotations": []}],
    }


def thought(text, **fields):
    return {"type": "reasoning", "summary": [{"type": "summary_text", "text": text}], **fields}


def call(id, name="add", **fields):
    return {"type": "function_call", "call_id": id, "name": name, "arguments": "{}", **fields}


def result(id, output="3"):
    return {"type": "function_call_output", "call_id": id, "output": output}


def messages(*items, instructions=None):
    return decode_input(list(items), instructions).messages


def ids(message):
    return [call["id"] for call in message.get("tool_calls", ())]


def test_a_string_is_the_message_of_a_user():
    assert decode_input("Hi").messages == [{"role": "user", "content": "Hi"}]


@pytest.mark.parametrize(
    "content",
    ["Hi", [{"type": "input_text", "text": "Hi"}], [{"text": "H"}, {"type": "text", "text": "i"}]],
)
@pytest.mark.parametrize("type", [{}, {"type": "message"}])
def test_a_content_of_parts_is_the_same_as_its_text(content, type):
    assert messages({**type, "role": "user", "content": content}) == decode_input("Hi").messages


def test_system_messages_at_the_beginning_are_one_and_others_stay_where_they_are():
    developer = {"role": "developer", "content": "B"}
    decoded = messages(developer, {"role": "system", "content": "C"}, user("Hi"), developer, instructions="A")

    assert [(message["role"], message["content"]) for message in decoded] == [
        ("system", "A\n\nB\n\nC"),
        ("user", "Hi"),
        ("system", "B"),
    ]


def test_what_a_model_writes_in_a_row_is_one_message():
    decoded = messages(
        user("Hi"),
        thought("a"),
        wrote("Look."),
        call("1"),
        call("2"),
        result("1"),
        result("2"),
        wrote("Done."),
    )

    assert [message["role"] for message in decoded] == ["user", "assistant", "tool", "tool", "assistant"]
    answer = decoded[1]
    assert (answer["reasoning_content"], answer["content"], ids(answer)) == ("a", "Look.", ["1", "2"])


def test_two_reasoning_items_or_messages_in_a_row_are_joined():
    answer = messages(user("Hi"), thought("a"), thought("b"), wrote("c"), wrote("d"))[1]

    assert (answer["reasoning_content"], answer["content"]) == ("a\n\nb", "c\n\nd")


@pytest.mark.parametrize(
    "last", [thought("a"), wrote("a"), thought("a", content=None, encrypted_content=None)]
)
def test_an_input_may_end_with_what_the_model_wrote(last):
    assert messages(user("Hi"), last)[1]["role"] == "assistant"


@pytest.mark.parametrize(
    "item",
    [
        thought("a", id="rs_1", encrypted_content="b3BhcXVl", status="completed"),
        {"type": "reasoning", "summary": [], "content": [{"type": "reasoning_text", "text": "a"}]},
        {"type": "reasoning", "content": [{"type": "reasoning_text", "text": "a"}]},
        thought("less", content=[{"type": "reasoning_text", "text": "a"}]),
    ],
)
def test_reasoning_in_every_form_is_given_back_to_the_model(item):
    assert messages(user("Hi"), item)[1]["reasoning_content"] == "a"


def test_a_result_follows_its_call_wherever_it_is():
    decoded = messages(user("Hi"), call("1"), wrote("Wait."), user("Hurry!"), result("1"))

    assert [message["role"] for message in decoded] == ["user", "assistant", "tool", "user"]


def test_a_call_id_that_is_used_again_is_that_of_the_latest_call():
    decoded = messages(user("Hi"), call("1"), result("1", "a"), user("Again"), call("1"), result("1", "b"))

    assert [message["content"] for message in decoded if message["role"] == "tool"] == ["a", "b"]
    assert decoded[-1]["content"] == "b"


@given(st.permutations([result("1"), result("2"), result("3")]))
def test_results_may_come_in_any_order(results):
    decoded = messages(user("Hi"), call("1"), call("2"), call("3"), *results)

    assert sorted(message["tool_call_id"] for message in decoded[2:]) == ["1", "2", "3"]


def test_a_custom_call_is_a_call_with_one_text_and_a_namespace_is_part_of_the_name():
    custom = {"type": "custom_tool_call", "call_id": "1", "name": "patch", "input": 'a "b"'}
    output = {"type": "custom_tool_call_output", "call_id": "1", "output": "ok"}
    answer = messages(user("Hi"), custom, call("2", "spawn", namespace="agents"), output)[1]

    functions = [each["function"] for each in answer["tool_calls"]]
    assert functions[0] == {"name": "patch", "arguments": '{"input":"a \\"b\\""}'}
    assert functions[1]["name"] == "agents__spawn"


def test_arguments_may_be_an_object_or_missing():
    decoded = messages(user("Hi"), call("1", arguments={"a": 1}), call("2", arguments=None))

    assert [each["function"]["arguments"] for each in decoded[1]["tool_calls"]] == ['{"a":1}', "{}"]


@pytest.mark.parametrize(
    ("output", "content"),
    [
        (None, ""),
        ([{"type": "input_text", "text": "a"}, {"type": "output_text", "text": "b"}], "ab"),
        ([IMAGE], [{"type": "image_url", "image_url": {"url": IMAGE["image_url"], "detail": "high"}}]),
    ],
)
def test_an_output_may_be_a_list_of_parts(output, content):
    assert messages(user("Hi"), call("1"), result("1", output))[2]["content"] == content


def test_an_image_stays_between_the_texts_of_a_user():
    parts = [{"type": "input_text", "text": "a"}, IMAGE, {"type": "input_text", "text": "b"}]

    content = messages({"role": "user", "content": parts})[0]["content"]

    assert [part["type"] for part in content] == ["text", "image_url", "text"]


@pytest.mark.parametrize("kind", HOSTED_CALLS)
def test_calls_of_hosted_tools_are_left_out_and_reported(kind):
    decoded = decode_input([user("Hi"), {"type": kind, "id": "x"}])

    assert len(decoded.messages) == 1
    assert decoded.left_out == [f'input[1].type is "{kind}"']


@pytest.mark.parametrize(
    ("item", "message"),
    [
        (1, "input[0] is 1"),
        ({"type": "apply_patch_call"}, 'input[0].type is "apply_patch_call"'),
        ({"type": 7}, "input[0].type is 7"),
        ({"type": "item_reference", "id": "msg_1"}, 'input[0].id is "msg_1"'),
        ({"id": "msg_1"}, 'input[0].id is "msg_1"'),
        ({"role": "robot", "content": "a"}, 'input[0].role is "robot"'),
        ({"role": "user", "content": 7}, "input[0].content is 7"),
        ({"role": "user", "content": ["a"]}, 'input[0].content[0] is "a"'),
        ({"role": "user", "content": [{"type": "input_file"}]}, 'input[0].content[0].type is "input_file"'),
        ({"role": "user", "content": [{"type": "input_text"}]}, "input[0].content[0].text is missing"),
        ({"role": "user", "content": [{"type": "input_text", "text": 1}]}, "input[0].content[0].text is 1"),
        ({"role": "user", "content": [{**IMAGE, "image_url": "x"}]}, 'input[0].content[0].image_url is "x"'),
        (
            {"role": "user", "content": [{"type": "input_image", "file_id": "f"}]},
            'input[0].content[0].file_id is "f"',
        ),
        ({"role": "assistant", "content": [IMAGE]}, 'input[0].content[0].type is "input_image"'),
        ({"type": "reasoning", "summary": 7}, "input[0].summary is 7"),
        (call(None), "input[0].call_id is missing"),
        (call("1", None), "input[0].name is missing"),
        (call("1", arguments=7), "input[0].arguments is 7"),
        (call("1", arguments="[" * 200 + "]" * 200), "input[0].arguments is"),
        ({"type": "custom_tool_call", "call_id": "1", "name": "a"}, "input[0].input is missing"),
        (result("1"), 'input[0].call_id is "1", which no call before it has'),
    ],
)
def test_an_invalid_item_is_an_error_with_its_field(item, message):
    with pytest.raises(RequestError) as caught:
        decode_input([item])

    assert caught.value.message.startswith(message)


@pytest.mark.parametrize("input", [7, {"role": "user"}, None])
def test_an_input_is_a_string_or_a_list(input):
    with pytest.raises(RequestError, match="input is"):
        decode_input(input)
