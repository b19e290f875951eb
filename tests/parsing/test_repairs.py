"""Malformed calls: repaired where one reading is plausible, and harmless everywhere else."""

import pytest

from families import FAMILIES
from mutations import is_repaired, mutants, result_of
from reading import parse, read
from strategies import delimiters_of

# What no reading repairs: (format, change, tag).
UNREPAIRED = {
    # The rest looks like the definition of a tool, or like any object with a key of that name.
    ("internlm", "missing", "<|action_start|><|plugin|>"),
    ("apertus", "missing", "<|tools_prefix|>["),
    # Nothing separates the id from the name, or the name from its attribute.
    ("solar-open", "missing", "<|tool_call:name|>"),
    ("kimi-k3", "swapped", '" index="'),
}
every_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES)
WORDS = (("one", "three"), ("five", "append"))  # of the first and the second call


@every_family
def test_two_calls_never_merge(family):
    for mutant in mutants(family):
        for name, arguments in result_of(family, mutant).calls:
            found = [any(word in arguments for word in words) for words in WORDS]
            assert found != [True, True], mutant
            assert not (name == "write_file" and found[1]), mutant


@every_family
def test_no_call_is_complete_without_the_arguments_that_were_written(family):
    for mutant in mutants(family):
        assert all(arguments != "{}" for _, arguments in result_of(family, mutant).calls), mutant


@every_family
def test_no_markup_is_text_where_a_known_tool_is_called(family):
    # Without its first tag in its place, a call within an answer is a mention: at the beginning it is repaired.
    mixed = [*mutants(family, "Sure.")] if family.mixes else []
    for mutant in [*mutants(family), *mixed[1:2], *mixed[3:]]:
        if (family.format, mutant.change, mutant.tag) not in UNREPAIRED:
            parsed = result_of(family, mutant)
            assert parsed.calls, mutant
            text = parsed.reasoning + parsed.content
            assert [tag for tag in delimiters_of(family.format) if tag in text] == [], mutant


@every_family
def test_no_split_changes_a_repair(family):
    for text in [mutant.text for mutant in mutants(family) if is_repaired(result_of(family, mutant))]:
        events = parse(family.format, [text], stopped=True)
        # Every split in two of every mutant would take minutes.
        for parts in (list(text), *([text[:place], text[place:]] for place in range(0, len(text), 11))):
            assert parse(family.format, parts, stopped=True) == events, parts


TOOLS = {
    "bash": {"properties": {"command": {"type": "string"}, "description": {"type": "string"}}},
    "get_weather": {"properties": {"location": {"type": "string"}, "days": {"type": "integer"}}},
    "get_time": {"properties": {}},
}
BASH = [("bash", {"command": "ls -l", "description": "List"})]
WEATHER = [("get_weather", {"location": "Oslo", "days": 2})]
TWO = [("bash", {"command": "ls -l"}), ("bash", {"command": "pwd"})]


def dsml(*calls, block="function_calls"):
    body = "\n".join(f'<｜DSML｜invoke name="{name}">{text}</｜DSML｜invoke>' for name, text in calls)
    return f"</think>\n\n<｜DSML｜{block}>\n{body}\n</｜DSML｜{block}>"


REPAIRED = {
    "minimax: </invoke> between two calls": (
        "minimax-m2",
        (
            'x</think><minimax:tool_call>\n<invoke name="bash">\n<parameter name="command">ls -l</parameter>\n'
            '<invoke name="bash">\n<parameter name="command">pwd</parameter>\n</invoke>\n</minimax:tool_call>'
        ),
        TWO,
    ),
    "minimax: </invoke> twice": (
        "minimax-m2",
        (
            'x</think><minimax:tool_call>\n<invoke name="bash">\n<parameter name="command">ls -l</parameter>\n</invoke>'
            '</invoke>\n<invoke name="bash">\n<parameter name="command">pwd</parameter>\n</invoke>\n</minimax:tool_call>'
        ),
        TWO,
    ),
    "minimax: <minimax:tool_call>": (
        "minimax-m2",
        (
            'x</think><invoke name="bash">\n<parameter name="command">ls -l</parameter>\n'
            '<parameter name="description">List</parameter>\n</invoke>\n</minimax:tool_call>'
        ),
        BASH,
    ),
    "minimax: further attributes": (
        "minimax-m2",
        (
            'x</think><minimax:tool_call>\n<invoke name="bash" id="1">\n<parameter name="command" type="string">ls -l'
            '</parameter>\n<parameter name="description">List</parameter>\n</invoke>\n</minimax:tool_call>'
        ),
        BASH,
    ),
    "minimax: JSON instead of parameters": (
        "minimax-m2",
        (
            'x</think><minimax:tool_call>\n<invoke name="get_weather">\n{"location": "Oslo", "days": 2}\n</invoke>\n'
            "</minimax:tool_call>"
        ),
        WEATHER,
    ),
    "qwen3-coder: </parameter> before the next parameter": (
        "qwen3-coder",
        (
            "<tool_call>\n<function=bash>\n<parameter=command>\nls -l\n<parameter=description>\nList\n</parameter>\n"
            "</function>\n</tool_call>"
        ),
        BASH,
    ),
    "qwen3-coder: JSON instead of parameters": (
        "qwen3-coder",
        "<tool_call>\n<function=get_weather>\n{'location': 'Oslo', 'days': 2}\n</function>\n</tool_call>",
        WEATHER,
    ),
    "deepseek-v3.2: the block": (
        "deepseek-v3.2",
        (
            '</think>\n\n<｜DSML｜invoke name="bash">\n<｜DSML｜parameter name="command" string="true">ls -l'
            '</｜DSML｜parameter>\n<｜DSML｜parameter name="description" string="true">List</｜DSML｜parameter>\n'
            "</｜DSML｜invoke>\n</｜DSML｜function_calls>"
        ),
        BASH,
    ),
    "deepseek-v3.2: JSON instead of parameters": (
        "deepseek-v3.2",
        dsml(("get_weather", '{"location": "Oslo", "days": 2}')),
        WEATHER,
    ),
    "deepseek-v4: a block of its own name": (
        "deepseek-v4",
        dsml(("get_weather", '{"location": "Oslo", "days": 2}'), block="tool_calls"),
        WEATHER,
    ),
    "glm-4.7: a later <arg_key>": (
        "glm-4.7",
        (
            "</think><tool_call>bash<arg_key>command</arg_key><arg_value>ls -l</arg_value>description</arg_key>"
            "<arg_value>List</arg_value></tool_call>"
        ),
        BASH,
    ),
    "glm-4.6: </arg_value> before the next key": (
        "glm-4.6",
        (
            "<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>ls -l\n<arg_key>description</arg_key>\n"
            "<arg_value>List</arg_value>\n</tool_call>"
        ),
        [("bash", {"command": "ls -l\n", "description": "List"})],
    ),
    "glm-4.6: JSON instead of keys": (
        "glm-4.6",
        '<tool_call>get_weather\n{"location": "Oslo", "days": 2}\n</tool_call>',
        WEATHER,
    ),
    "glm-4.7: JSON instead of keys": (
        "glm-4.7",
        '</think><tool_call>get_weather{"location": "Oslo", "days": 2}</tool_call>',
        WEATHER,
    ),
    "glm-4.6: JSON in a fence": (
        "glm-4.6",
        '<tool_call>get_weather\n```json\n{"location": "Oslo", "days": 2}\n```\n</tool_call>',
        WEATHER,
    ),
    "deepseek-v3.2: a call object instead of parameters": (
        "deepseek-v3.2",
        dsml(("get_weather", '{"name": "get_weather", "arguments": {"location": "Oslo", "days": 2}}')),
        WEATHER,
    ),
    "glm-4.7: the first <arg_key>": (
        "glm-4.7",
        (
            "</think><tool_call>bashcommand</arg_key><arg_value>ls -l</arg_value><arg_key>description</arg_key>"
            "<arg_value>List</arg_value></tool_call>"
        ),
        BASH,
    ),
    "glm-5.3: <tool_call> instead of the first <arg_key>": (
        "glm-5.3",
        (
            "</think><tool_call>bash<tool_call>command</arg_key><arg_value>ls -l</arg_value><arg_key>description</arg_key>"
            "<arg_value>List</arg_value></tool_call>"
        ),
        BASH,
    ),
    "glm-5.3: <tool_call> instead of a later <arg_key>": (
        "glm-5.3",
        (
            "</think><tool_call>bash<arg_key>command</arg_key><arg_value>ls -l</arg_value><tool_call>description</arg_key>"
            "<arg_value>List</arg_value></tool_call>"
        ),
        BASH,
    ),
    "glm-4.7: both closing tags before the next call": (
        "glm-4.7",
        (
            "</think><tool_call>bash<arg_key>command</arg_key><arg_value>ls -l<tool_call>bash"
            "<arg_key>command</arg_key><arg_value>pwd</arg_value></tool_call>"
        ),
        TWO,
    ),
    "glm-4.7: <arg_key> instead of <tool_call>, </arg_value> instead of </arg_key>": (
        "glm-4.7",
        (
            "</think><arg_key>bash<arg_key>command</arg_key><arg_value>ls -l</arg_value><arg_key>description</arg_value>"
            "<arg_value>List</arg_value></tool_call>"
        ),
        BASH,
    ),
    "mistral: a comma instead of [TOOL_CALLS]": (
        "mistral",
        '[TOOL_CALLS]bash[ARGS]{"command": "ls -l"},bash[ARGS]{"command": "pwd"}',
        TWO,
    ),
    "glm-4.7: a closing tag after the name": (
        "glm-4.7",
        "</think><tool_call>get_time</arg_value></tool_call>",
        [("get_time", {})],
    ),
    "qwen3: two calls between two tags": (
        "qwen3",
        (
            '<tool_call>\n{"name": "bash", "arguments": {"command": "ls -l"}}\n'
            '{"name": "bash", "arguments": {"command": "pwd"}}\n</tool_call>'
        ),
        TWO,
    ),
    "qwen3: an array of calls": (
        "qwen3",
        (
            '<tool_call>\n[{"name": "bash", "arguments": {"command": "ls -l"}}, '
            '{"name": "bash", "arguments": {"command": "pwd"}}]\n</tool_call>'
        ),
        TWO,
    ),
    "mistral: a call inside the thinking": (
        "mistral",
        '[THINK]hm[TOOL_CALLS]bash[ARGS]{"command": "ls -l", "description": "List"}',
        BASH,
    ),
    "gpt-oss: the recipient first": (
        "gpt-oss",
        ' to=functions.get_weather<|channel|>commentary json<|message|>{"location":"Oslo","days":2}<|call|>',
        WEATHER,
    ),
    "gpt-oss: <|message|>": (
        "gpt-oss",
        '<|channel|>commentary to=functions.get_weather{"location":"Oslo","days":2}<|call|>',
        WEATHER,
    ),
    "gpt-oss: functions.": (
        "gpt-oss",
        '<|channel|>commentary to=get_weather <|constrain|>json<|message|>{"location":"Oslo","days":2}<|call|>',
        WEATHER,
    ),
    "gpt-oss: another channel": (
        "gpt-oss",
        '<|channel|>comment to=functions.get_weather<|message|>{"location":"Oslo","days":2}<|call|>',
        WEATHER,
    ),
    "gpt-oss: a type without a channel": (
        "gpt-oss",
        ' to=functions.get_weather code<|message|>{"location":"Oslo","days":2}<|call|>',
        WEATHER,
    ),
    "gpt-oss: to=functions.": (
        "gpt-oss",
        '<|channel|>commentary get_weather <|constrain|>json<|message|>{"location":"Oslo","days":2}<|call|>',
        WEATHER,
    ),
    "gpt-oss: <|start|>assistant<|channel|> between two calls": (
        "gpt-oss",
        (
            '<|channel|>commentary to=functions.bash<|message|>{"command": "ls -l"}<|call|>'
            'commentary to=functions.bash<|message|>{"command": "pwd"}<|call|>'
        ),
        TWO,
    ),
}


@pytest.mark.parametrize(("format", "text", "calls"), REPAIRED.values(), ids=REPAIRED)
def test_a_malformed_call_is_repaired(format, text, calls):
    result = read(format, text, tools=TOOLS, stopped=True)

    assert (result.content.strip(), result.decoded) == ("", calls)


@pytest.mark.parametrize(
    ("format", "text"),
    [
        ("minimax-m2", 'Write <invoke name="bash"> first.'),
        ("qwen3-coder", "Write <function=bash> first."),
        ("glm-4.6", "bash\n<arg_key> is a key of"),
        ("gpt-oss", "<|channel|>final<|message|>Write to=functions.bash and <|start|> in it."),
        ("qwen3", 'Call {"name": "bash", "arguments": {}} yourself.'),
        ("deepseek-v3.1", "<｜tool▁call▁begin｜> begins a call of bash."),
    ],
)
def test_a_mention_of_markup_stays_text(format, text):
    result = read(format, text, tools=TOOLS, thinking=False, stopped=True)

    assert (result.calls, result.content) == ([], text.rpartition("<|message|>")[2])


def test_text_before_an_argument_is_content_and_so_is_text_in_a_call_without_parameters():
    before = read(
        "glm-4.6",
        "<tool_call>bash\nsure: <arg_key>command</arg_key><arg_value>ls</arg_value></tool_call>",
        tools=TOOLS,
    )
    without = read("glm-4.6", "<tool_call>get_time\nsure\n</tool_call>", tools=TOOLS)

    assert (before.content, before.decoded) == ("sure: ", [("bash", {"command": "ls"})])
    assert (without.content, without.decoded) == ("sure\n", [("get_time", {})])


def test_a_tool_with_a_parameter_of_that_name_gets_arguments_as_they_are():
    text = '<tool_call>run\n{"arguments": {"a": 1}}\n</tool_call>'

    assert read("glm-4.6", text, tools={"run": {"properties": {"arguments": {}}}}).decoded == [
        ("run", {"arguments": {"a": 1}})
    ]


@pytest.mark.parametrize(
    ("tools", "name", "key"), [("write", "write", "_filepath"), ("write_file", "write_file", "path")]
)
def test_a_name_is_split_from_a_key_where_both_are_known(tools, name, key):
    text = "</think><tool_call>write_filepath</arg_key><arg_value>a</arg_value></tool_call>"
    schemas = {each: {"properties": {key: {}}} for each in ("write", tools)}

    assert read("glm-4.7", text, tools=schemas).decoded == [(name, {key: "a"})]


def test_text_in_a_call_that_is_cut_off_is_content():
    result = read("glm-4.6", '<tool_call>bash\n{"command": "l', tools=TOOLS)

    assert (result.content, result.calls, result.ended) == ('{"command": "l', [("bash", "")], [])


def test_a_value_may_name_an_argument_that_the_call_already_has():
    text = "<tool_call>bash\n<arg_key>command</arg_key>\n<arg_value>grep '<arg_key>command</arg_key>' x</arg_value>\n</tool_call>"

    assert read("glm-4.6", text, tools=TOOLS).decoded == [
        ("bash", {"command": "grep '<arg_key>command</arg_key>' x"})
    ]
