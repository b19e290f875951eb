"""Families that write each argument as a parameter or an element between tags."""

import pytest

from reading import read

TOOLS = {
    "get": None,
    "find": {
        "properties": {
            "text": {"type": "string"},
            "limit": {"type": "integer"},
            "deep": {"type": "boolean"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "near": {"type": "object", "properties": {"x": {"type": "number"}, "name": {"type": "string"}}},
        }
    },
}


def parsed(name, text, **options):
    return read(name, text, tools=TOOLS, **{"thinking": False, **options})


def seed(*arguments):
    body = "".join(f"<parameter={key}>{value}</parameter>\n" for key, value in arguments)
    return f"<seed:tool_call>\n<function=find>\n{body}</function>\n</seed:tool_call>"


def test_seed_oss_writes_values_as_python_does():
    text = seed(("deep", "True"), ("tags", "['a', \"it's\", '\\x0c']"), ("near", "{'x': 1.5, 'name': None}"))

    assert parsed("seed-oss", text).decoded == [
        ("find", {"deep": True, "tags": ["a", "it's", "\f"], "near": {"x": 1.5, "name": None}})
    ]


def test_seed_oss_keeps_the_text_of_a_string():
    value = " a\n</parameter> b\nTrue\n"

    assert parsed("seed-oss", seed(("text", value))).decoded == [("find", {"text": value})]


def test_the_thinking_of_seed_oss_is_in_tags_of_its_own():
    result = parsed("seed-oss", f"<seed:think>hm</seed:think>\nWell.\n\n{seed(('limit', 7))}", thinking=True)

    assert (result.reasoning, result.content, result.decoded) == ("hm", "Well.", [("find", {"limit": 7})])


def test_without_a_budget_seed_oss_ends_the_thinking_that_the_prompt_has_opened():
    prompt = "<seed:bos>assistant\n<seed:think><seed:cot_budget_reflect>"
    result = parsed("seed-oss", "None left.</seed:cot_budget_reflect></seed:think>\nHi", prompt=prompt)

    assert (result.reasoning, result.content) == ("None left.", "Hi")


@pytest.mark.parametrize("space", ["", "\n", "\n\n"])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("qwen3-coder", "<tool_call>\n<function=get>\n</function>\n</tool_call>"),
        ("qwen3.5", "<function=get>\n</function>"),
        ("seed-oss", "<seed:tool_call>\n<function=get>\n</function>\n</seed:tool_call>"),
        (
            "deepseek-v4",
            '<｜DSML｜tool_calls>\n<｜DSML｜invoke name="get">\n\n</｜DSML｜invoke>\n</｜DSML｜tool_calls>',
        ),
    ],
)
def test_line_ends_between_the_answer_and_a_call_are_markup(name, call, space):
    result = parsed(name, f"One.\n\nTwo.{space}{call}\n")

    assert (result.content, result.calls) == ("One.\n\nTwo.", [("get", "{}")])


@pytest.mark.parametrize(
    "name", ["qwen3.5", "qwen3-thinking", "deepseek-r1", "minimax-m2", "laguna", "step-3"]
)
def test_line_ends_around_the_thinking_are_markup(name):
    for space in ("\n", "\n\n") if name != "laguna" else ("\n",):
        result = parsed(name, f"\nOne.\n\nTwo.\n</think>{space}Hi", prompt="<think>", thinking=True)
        assert (result.reasoning, result.content) == ("One.\n\nTwo.", "Hi")


def k3(tag, text="", attributes=""):
    return f"<|open|>{tag}{attributes}<|sep|>{text}<|close|>{tag}<|sep|>"


def k3_call(*arguments, body="", name="find"):
    body += "".join(k3("argument", text, f' key="{key}" type="{type_}"') for key, type_, text in arguments)
    return k3("tools", k3("call", body, f' tool="{name}" index="1"'))


def test_kimi_k3_marks_strings_in_the_markup():
    text = k3_call(("a", "string", "7"), ("b", "number", "7"), ("c", "null", "null"), ("d", "array", '["x"]'))

    assert parsed("kimi-k3", text).decoded == [("find", {"a": "7", "b": 7, "c": None, "d": ["x"]})]


def test_kimi_k3_may_write_json_instead_of_arguments():
    text = k3_call(body=k3("json", '{"limit": 7}', ' type="object"'))

    assert parsed("kimi-k3", text).decoded == [("find", {"limit": 7})]


@pytest.mark.parametrize("tools", [TOOLS, {}])
@pytest.mark.parametrize(
    "message_end", ["", "<|close|>message<|sep|>", "<|close|>message<|sep|><|end_of_msg|>"]
)
def test_the_answer_of_kimi_k3_is_in_a_response(tools, message_end):
    response = f"Hello<|close|>response<|sep|>{message_end}"
    thought = read("kimi-k3", f"hm<|close|>think<|sep|><|open|>response<|sep|>{response}", tools=tools)
    prompt = '<|open|>message role="assistant"<|sep|><|open|>response<|sep|>'
    answer = read("kimi-k3", response, tools=tools, prompt=prompt)

    assert (thought.reasoning, thought.content) == ("hm", "Hello")
    assert (answer.reasoning, answer.content) == ("", "Hello")


NS = "]<]minimax[>["


def m3(*parts):
    elements = "".join(part.replace("<", f"{NS}<") for part in parts)
    return f'{NS}<tool_call>\n{NS}<invoke name="find">{elements}{NS}</invoke>\n{NS}</tool_call>'


def test_minimax_m3_writes_nested_elements():
    text = m3(
        "<text> a\n</text>",
        "<tags><item>b</item><item>7</item></tags>",
        "<near><x>1.5</x><name>c</name></near>",
        "<limit>7</limit><deep>true</deep>",
    )

    assert parsed("minimax-m3", f"Well.{text}").decoded == [
        (
            "find",
            {
                "text": " a\n",
                "tags": ["b", "7"],
                "near": {"x": 1.5, "name": "c"},
                "limit": 7,
                "deep": True,
            },
        )
    ]


def test_the_thinking_of_minimax_m3_may_be_empty():
    assert parsed("minimax-m3", "</mm:think>Hi", thinking=True).content == "Hi"
    assert parsed("minimax-m3", "Hi", prompt="</mm:think>").content == "Hi"


def test_an_element_that_is_cut_off_stays_incomplete():
    result = parsed("minimax-m3", m3("<tags><item>b</item><item>so f").partition(f"{NS}</invoke>")[0])

    assert (result.calls, result.ended) == ([("find", '{"tags":["b","so f')], [])


def test_text_between_elements_is_content():
    result = parsed("minimax-m3", m3("<limit>7</limit>oh <deep>true</deep>"))

    assert (result.content, result.decoded) == ("oh ", [("find", {"limit": 7, "deep": True})])


def test_hy3_has_tags_with_and_without_a_suffix():
    text = (
        "<tool_calls>\n<tool_call>find<tool_sep>\n<arg_key>limit</arg_key>\n<arg_value>7</arg_value>\n</tool_call>\n"
        "<tool_call>set<tool_sep>\n</tool_call>\n</tool_calls>"
    )

    for name, suffix in (("hy3-preview", ""), ("hy3", ":opensource")):
        result = parsed(name, f"Well.{text.replace('>', f'{suffix}>')}")
        assert (result.content, result.decoded) == ("Well.", [("find", {"limit": 7}), ("set", {})])


def test_solar_open_names_the_id_before_the_tool():
    result = parsed(
        "solar-open",
        "<|think|>hm<|end|><|begin|>assistant<|tool_calls|><|tool_call:begin|>abc<|tool_call:name|>find"
        '<|tool_call:args|>{"limit": 7}<|tool_call:end|><|calls|>',
        thinking=True,
    )

    assert (result.reasoning, result.ids, result.decoded) == ("hm", ["abc"], [("find", {"limit": 7})])


def test_apertus_writes_the_name_as_a_key():
    result = parsed("apertus", 'Well.<|tools_prefix|>[{"find": {"limit": 7}}, {"set": {}}]<|tools_suffix|>')

    assert (result.content, result.decoded) == ("Well.", [("find", {"limit": 7}), ("set", {})])
