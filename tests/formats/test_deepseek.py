import pytest

from reading import read

TOOLS = {"get": None, "find": {"properties": {"text": {"type": "string"}, "limit": {"type": "integer"}}}}


def parsed(text, name, **options):
    return read(name, text, tools=TOOLS, **options)


def v3(body, name="find"):
    return f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{name}\n{body}<｜tool▁call▁end｜>"


def v3_1(body, name="find"):
    return f"<｜tool▁call▁begin｜>{name}<｜tool▁sep｜>{body}<｜tool▁call▁end｜>"


def calls(*some):
    return f"<｜tool▁calls▁begin｜>{chr(10).join(some)}<｜tool▁calls▁end｜>"


@pytest.mark.parametrize(
    "body",
    [
        '```json\n{"text": "a"}\n```',
        '```\n{"text": "a"}\n```',
        '{"text": "a"}',
        ' \n```json{"text": "a"}```\n',
    ],
)
def test_v3_writes_json_with_or_without_a_fence(body):
    result = parsed(f"Well.{calls(v3(body), v3(body))} Done.", "deepseek-v3")

    assert (result.content, result.decoded) == ("Well. Done.", [("find", {"text": "a"})] * 2)


def test_a_fence_in_a_string_is_text():
    text = calls(v3('```json\n{"text": "```json\\n{}\\n```<｜tool▁call▁end｜>"}\n```'))

    assert parsed(text, "deepseek-v3").decoded == [("find", {"text": "```json\n{}\n```<｜tool▁call▁end｜>"})]


def test_a_fence_after_the_calls_is_text():
    assert parsed(calls(v3("{}")) + "```py\n```", "deepseek-v3").content == "```py\n```"


@pytest.mark.parametrize("body", ["", "\n```json\n```"])
def test_a_call_without_json_has_no_arguments(body):
    assert parsed(calls(v3(body, "get")), "deepseek-v3").calls[0][0] == "get"
    assert parsed(calls(v3_1("", "get")), "deepseek-v3.1").calls == [("get", "{}")]


def test_r1_may_omit_the_opening_tag():
    result = parsed(f"a\n</think>\n\nb{calls(v3('{}'))}", "deepseek-r1")

    assert (result.reasoning, result.content, result.decoded) == ("a", "b", [("find", {})])


def test_v3_1_writes_bare_json():
    result = parsed(f"a</think>b{calls(v3_1('{}'), v3_1('[1', 'get'), v3_1('{}', 'set'))}", "deepseek-v3.1")

    assert (result.reasoning, result.content) == ("a", "b")
    assert result.calls == [("find", "{}"), ("get", "[1"), ("set", "{}")]


def test_an_unclosed_string_ends_before_the_next_call():
    text = calls(v3_1('{"text": "a'), v3_1("{}", "get"))

    assert parsed(text, "deepseek-v3.1", thinking=False).calls == [("find", '{"text": "a'), ("get", "{}")]


@pytest.mark.parametrize("name", ["deepseek-r1", "deepseek-v3.1", "deepseek-v3.2"])
def test_in_the_thinking_only_known_tools_are_called(name):
    for tool in ("get", "set"):
        block = {
            "deepseek-r1": calls(v3("{}", tool)),
            "deepseek-v3.1": calls(v3_1("{}", tool)),
            "deepseek-v3.2": f'<｜DSML｜function_calls>\n<｜DSML｜invoke name="{tool}">\n</｜DSML｜invoke>\n</｜DSML｜function_calls>',
        }[name]
        assert [call for call, _ in parsed(f"hm {block}", name).calls] == (["get"] if tool == "get" else [])


@pytest.mark.parametrize("name", ["deepseek-v3", "deepseek-v3.1"])
def test_a_token_without_a_call_is_text_and_an_empty_block_is_dropped(name):
    assert parsed("a <｜tool▁calls▁begin｜> b", name, thinking=False).content == "a <｜tool▁calls▁begin｜> b"
    assert parsed(calls("") + "b", name, thinking=False).content == "b"


def dsml(*arguments, close="</｜DSML｜invoke>"):
    body = "".join(
        f'<｜DSML｜parameter name="{key}"{kind}>{value}</｜DSML｜parameter>\n'
        for key, kind, value in arguments
    )
    return f'<｜DSML｜function_calls>\n<｜DSML｜invoke name="find">\n{body}{close}\n</｜DSML｜function_calls>'


def test_v3_2_marks_strings_in_the_markup():
    text = dsml(
        ("a", ' string="true"', "7"),
        ("limit", ' string="true"', "7"),
        ("text", ' string="false"', "7"),
        ("limit2", "", "7"),
    )

    assert parsed(text, "deepseek-v3.2", thinking=False).decoded == [
        ("find", {"a": "7", "limit": "7", "text": 7, "limit2": 7})
    ]


@pytest.mark.parametrize(
    ("value", "decoded"),
    [
        ('"asd"', "asd"),
        ('""', ""),
        (r'"a\n\"b\""', 'a\n"b"'),
        ("null", None),
        ("asd", "asd"),
        ('["a"]', ["a"]),
    ],
)
def test_v3_2_writes_json_where_the_markup_says_so(value, decoded):
    text = dsml(("text", ' string="false"', value))

    assert parsed(text, "deepseek-v3.2", thinking=False).decoded == [("find", {"text": decoded})]


@pytest.mark.parametrize("close", ["</｜DSML｜invoke>", ""])
def test_v3_2_may_omit_the_closing_tag_of_a_call(close):
    assert parsed(dsml(("limit", "", "7"), close=close), "deepseek-v3.2", thinking=False).decoded == [
        ("find", {"limit": 7})
    ]


def test_v3_2_may_omit_the_closing_tag_of_a_value():
    text = '<｜DSML｜function_calls><｜DSML｜invoke name="find"><｜DSML｜parameter name="limit">7</｜DSML｜invoke></｜DSML｜function_calls>'

    assert parsed(text, "deepseek-v3.2", thinking=False).decoded == [("find", {"limit": 7})]


def test_v3_2_keeps_a_literal_tag_in_a_string():
    value = "</｜DSML｜parameter> and </｜DSML｜invoke>"

    assert parsed(dsml(("text", ' string="true"', value)), "deepseek-v3.2", thinking=False).decoded == [
        ("find", {"text": value})
    ]
