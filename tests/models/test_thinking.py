"""The thinking options reach the template, and so does the reasoning of earlier messages."""

import msgspec
import pytest

from headrace.errors import RequestError
from headrace.formats import FORMATS
from headrace.models.registry import Model
from headrace.models.templates import find_template
from headrace.wire import decode_request
from headrace_tiny import model_path
from reading import Parsed, collect

OPTIONS = "{{ enable_thinking }} {{ clear_thinking }} {{ reasoning_effort | default('-') }}"
REASONED = "{% for m in messages %}[{{ m.reasoning_content | default('') }}]{% endfor %}"
CALL = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


ALWAYS_THINKS = "Reasoning Effort: {{ reasoning_effort | default('max') }}<|assistant|><think>"


def model_of(template, **options):
    compiled = find_template(template).compile(writes_bos=False)
    return Model(("m",), None, FORMATS["glm-4.6"], compiled, **options)


def request(messages=(), **fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}, *messages], **fields}
    return decode_request(msgspec.json.encode(body))


def prompt(template, messages=(), **fields):
    return model_of(template).generation(request(messages, **fields)).prompt


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, "True True -"),
        ({"thinking": {"type": "disabled"}}, "False True -"),
        ({"thinking": {"clear_thinking": False}}, "True False -"),
        ({"reasoning_effort": "high"}, "True True high"),
        ({"reasoning_effort": "none"}, "False True -"),
        ({"reasoning_effort": "minimal"}, "False True -"),
    ],
)
def test_each_option_is_a_variable(fields, expected):
    assert prompt(OPTIONS, **fields) == expected


def test_glm_4_6_disables_thinking_in_its_own_way():
    assert prompt(str(model_path())).endswith("<|assistant|>")
    assert prompt(str(model_path()), thinking={"type": "disabled"}).endswith(
        "/nothink<|assistant|>\n<think></think>"
    )


def test_a_message_keeps_its_reasoning():
    earlier = {"role": "assistant", "content": "A", "reasoning_content": "I thought."}

    assert prompt(REASONED, [earlier, {"role": "user", "content": "B"}]) == "[][I thought.][]"


def test_glm_4_6_keeps_the_reasoning_of_the_current_tool_loop_only():
    earlier = {"role": "assistant", "content": "A", "reasoning_content": "Long ago."}
    running = {"role": "assistant", "content": "", "reasoning_content": "I look.", "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "noon"}
    text = prompt(str(model_path()), [earlier, {"role": "user", "content": "B"}, running, result])

    assert "I look." in text
    assert "Long ago." not in text


SWITCHED_OFF = pytest.mark.parametrize(
    ("field", "fields"),
    [
        ("thinking.type", {"thinking": {"type": "disabled"}}),
        ("reasoning_effort", {"reasoning_effort": "none"}),
        ("reasoning_effort", {"reasoning_effort": "minimal"}),
    ],
)


@SWITCHED_OFF
def test_thinking_that_the_template_cannot_disable_is_rejected_with_the_remedy(field, fields):
    message = f'{field}: model m always thinks; use reasoning_effort "low" instead'

    with pytest.raises(RequestError, match=message) as raised:
        model_of(ALWAYS_THINKS).generation(request(**fields))
    assert raised.value.code == "1212"


@SWITCHED_OFF
def test_the_operator_can_map_disabled_thinking_to_the_lowest_effort(field, fields):
    model = model_of(ALWAYS_THINKS, thinking_fallback="low")

    assert model.generation(request(**fields)).prompt == "Reasoning Effort: low<|assistant|><think>"


def test_a_request_itself_can_choose_the_lowest_effort_where_thinking_cannot_be_disabled():
    """As those of the Messages API without `thinking` do."""
    either = request(thinking={"type": "disabled"}, reasoning_effort="low")

    assert model_of(ALWAYS_THINKS).generation(either).prompt == "Reasoning Effort: low<|assistant|><think>"
    assert not either.wants_thinking  # of any other model


REJECTS_OFF = (
    "{% if enable_thinking is false %}{{ raise_exception('It always thinks.') }}{% endif %}"
    "{{ reasoning_effort | default('max') }}<|assistant|>"
)


REJECTS_LEVELS = "{{ raise_exception('levels') if reasoning_effort | default('low') not in ['low', 'high'] }}"


@SWITCHED_OFF
@pytest.mark.parametrize("template", [REJECTS_OFF, REJECTS_LEVELS + REJECTS_OFF])
def test_thinking_that_the_template_refuses_to_disable_is_rejected_with_the_remedy(template, field, fields):
    with pytest.raises(RequestError, match=f"{field}: model m always thinks") as raised:
        model_of(template).generation(request(**fields))
    assert raised.value.code == "1212"
    fallback = model_of(template, thinking_fallback="low")
    assert fallback.generation(request(**fields)).prompt.endswith("low<|assistant|>")


@SWITCHED_OFF
def test_a_template_without_levels_that_refuses_to_disable_thinking_is_rendered_with_thinking(field, fields):
    template = REJECTS_OFF.replace("{{ reasoning_effort | default('max') }}", "")

    assert prompt(template, **fields) == "<|assistant|>", field


@pytest.mark.parametrize(("type", "expected"), [("enabled", "enabled -"), ("disabled", "disabled 0")])
def test_some_models_have_switches_of_their_own(type, expected):
    assert (
        prompt("{{ thinking_mode }} {{ thinking_budget | default('-') }}", thinking={"type": type})
        == expected
    )


@pytest.mark.parametrize("fields", [{}, {"thinking": {"type": "disabled"}}])
def test_the_answer_to_a_prompt_that_always_opens_the_thinking_is_parsed_from_there(fields):
    model = model_of("{{ messages[0].content }}<think>")
    generation = model.generation(request(**fields))

    assert collect(model.parser(generation).feed("hm</think>Hello")) == Parsed("hm", "Hello")


def test_an_answer_to_a_tool_result_is_not_thinking_if_the_prompt_opens_none():
    template = (
        "{% for m in messages %}{{ m.content }}{% endfor %}"
        "{% if messages[-1].role != 'tool' %}<think>{% endif %}"
    )
    called = {"role": "assistant", "content": "", "tool_calls": [CALL]}
    result = {"role": "tool", "tool_call_id": "call_1", "content": "<think>"}
    model = msgspec.structs.replace(model_of(template), format=FORMATS["deepseek-v3.1"])
    parser = model.parser(model.generation(request([called, result])))

    assert collect(parser.feed("It rains in Rome.")) == Parsed(content="It rains in Rome.")


@pytest.mark.parametrize(
    ("variable", "on", "off"),
    [("thinking_mode", "enabled", "disabled"), ("thinking_budget | default('-')", "-", "0")],
)
def test_other_names_of_the_switch_are_variables(variable, on, off):
    template = f"{{{{ {variable} }}}}"

    assert prompt(template) == on
    assert prompt(template, thinking={"type": "disabled"}) == off


def test_the_effort_is_a_variable_of_two_names():
    assert prompt("{{ reasoning_effort }} {{ thinking_effort }}", reasoning_effort="low") == "low low"
