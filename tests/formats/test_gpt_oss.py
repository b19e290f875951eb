import pytest

from reading import read

TOOLS = {"get": None, "find": {"properties": {"text": {"type": "string"}}}}


def parsed(text, **options):
    return read("gpt-oss", text, tools=options.pop("tools", TOOLS), **options)


def test_the_channel_determines_the_kind_of_a_message():
    text = (
        "<|channel|>analysis<|message|>a<|end|><|start|>assistant<|channel|>commentary<|message|>b<|end|>"
        "<|start|>assistant<|channel|>final<|message|>c<|return|>"
    )
    result = parsed(text)

    assert (result.reasoning, result.content, result.calls) == ("a", "bc", [])


@pytest.mark.parametrize(
    "header",
    [
        "<|channel|>commentary to=functions.find <|constrain|>json",
        "<|channel|>commentary to=functions.find",
        "<|channel|>commentary to=functions.find<|constrain|>json",
        "<|channel|>analysis to=functions.find code",
        "<|start|>assistant to=functions.find<|channel|>commentary json",
    ],
)
@pytest.mark.parametrize("end", ["<|call|>", "<|end|>", ""])
def test_the_recipient_is_the_name_of_the_tool(header, end):
    result = parsed(f'{header}<|message|>{{"text": "a<|end|>"}}{end}')

    assert (result.decoded, result.ended, result.content) == ([("find", {"text": "a<|end|>"})], [0], "")


def test_several_calls_may_follow_each_other():
    call = "<|channel|>commentary to=functions.get<|message|>{}"

    assert (
        parsed(f"{call}<|call|><|start|>assistant{call}<|end|><|start|>assistant{call}").calls
        == [("get", "{}")] * 3
    )


def test_a_call_without_json_has_no_arguments():
    assert parsed("<|channel|>commentary to=functions.get<|message|><|end|>").calls == [("get", "{}")]


def test_unclosed_json_ends_with_its_message():
    text = '<|channel|>commentary to=functions.find<|message|>{"text": 1<|end|><|start|>assistant<|channel|>final<|message|>b'

    assert (parsed(text).calls, parsed(text).content) == ([("find", '{"text": 1')], "b")


def test_a_token_within_a_message_is_text():
    text = "The <|end|> token, <|channel|>."

    assert parsed(f"<|channel|>final<|message|>{text}").content == text


THOUGHT = "<|channel|>analysis<|message|>a<|end|><|start|>assistant"


@pytest.mark.parametrize(
    "text",
    [
        "<|channel|>analysis<|message|>a<|channel|>final<|message|>Hi",
        "<|channel|>analysis<|message|>a<|start|>assistant<|channel|>final<|message|>Hi",
        "<|channel|>analysis<|message|>a<|end|>\n text <|start|>assistant<|channel|>final<|message|>Hi",
        "<|channel|>analysis<|message|>a<|end|><|end|><|start|>assistant<|channel|>final<|message|>Hi",
        "analysis<|message|>a<|end|><|start|>assistant<|channel|>final<|message|>Hi",
        f"{THOUGHT}<|channel|>final<|message|>Hi<|return|>",
        f"<|channel|>?? what<|end|><|start|>assistant{THOUGHT}<|channel|>final<|message|>Hi",
        "<|start|>?? what<|channel|>analysis<|message|>a<|end|><|start|>assistantfinal<|channel|>final<|message|>Hi",
        f"{THOUGHT}<|channel|>?? what<|message|>Hi",
        f"{THOUGHT}<|channel|>final Hi<|return|>",
        f"{THOUGHT}<|channel|>final<|constrain|>text<|message|>Hi",
    ],
)
def test_an_answer_is_read_whatever_its_headers_are_like(text):
    result = parsed(text, stopped=True)

    assert (result.reasoning, result.content, result.calls) == ("a", "Hi", [])


@pytest.mark.parametrize("space", ["", " ", "\n"])
def test_json_after_the_final_channel_is_the_answer(space):
    assert parsed(f'{THOUGHT}<|channel|>final{space}{{"a": 1}}').content.strip() == '{"a": 1}'


def test_a_long_answer_may_follow_the_final_channel():
    answer = "words without any tag, " * 5

    assert parsed(f"<|channel|>final {answer}").content == answer


def test_a_call_may_follow_an_answer_without_an_end():
    result = parsed(
        "<|channel|>final<|message|>Hi<|channel|>commentary to=functions.get<|message|>{}<|call|>"
    )

    assert (result.content, result.calls) == ("Hi", [("get", "{}")])


def test_a_message_on_an_unknown_channel_is_content():
    assert parsed("<|channel|>comment<|message|>a").content == "a"


@pytest.mark.parametrize("text", ["<|channel|> is a token", "<|start|>user<|message|>a", "<|channel|>none"])
def test_a_token_without_a_header_is_text(text):
    assert parsed(text).content == text


def test_without_tools_a_call_is_text():
    result = parsed("<|channel|>commentary to=functions.get<|message|>{}<|call|>", tools={})

    assert (result.content, result.calls) == ("{}", [])


def test_text_without_a_channel_is_the_answer():
    assert parsed("Hello").content == "Hello"
