import pytest
from msgspec import UNSET

from headrace.engines import ScriptedEngine
from headrace.formats import FORMATS
from headrace.models import Model
from headrace.models.description import describe
from headrace.prompts import ChatTemplate

CONTENT = "{% for m in messages %}{{ m.role }}: {{ m.content }}\n{% endfor %}"
TOOLS = "{% for tool in tools or [] %}{{ tool.function.name }}{% endfor %}"
CALLS = (
    "{% for m in messages %}{% for c in m.tool_calls or [] %}{{ c.function.name }}{% endfor %}{% endfor %}"
)
REJECTS = "{% if reasoning_effort and reasoning_effort not in ['low', 'high'] %}{{ raise_exception('no') }}{% endif %}"


def capabilities(template, **fields):
    compiled = template and ChatTemplate(template)
    model = Model(("first", "second"), ScriptedEngine("Hi"), FORMATS["glm-4.6"], compiled, **fields)
    return describe(model, "second").capabilities


@pytest.mark.parametrize(
    ("template", "tools"), [(CONTENT, False), (CONTENT + TOOLS, False), (CONTENT + TOOLS + CALLS, True)]
)
def test_tools_need_a_template_with_their_calls_and_results(template, tools):
    assert capabilities(template).tools is tools


@pytest.mark.parametrize(
    ("template", "switch"),
    [
        (CONTENT, False),
        (CONTENT + "{% if not enable_thinking %}<think></think>{% endif %}", True),
        (CONTENT + "{% if not enable_thinking %}{{ raise_exception('always') }}{% endif %}", False),
    ],
)
def test_the_thinking_switch_changes_the_prompt(template, switch):
    assert capabilities(template).thinking_switch is switch


def test_the_levels_of_effort_are_those_that_the_template_distinguishes():
    assert capabilities(CONTENT).reasoning_efforts == ()
    assert capabilities(REJECTS + CONTENT + "{{ reasoning_effort }}").reasoning_efforts == ("low", "high")


def test_what_is_not_known_is_absent():
    known = capabilities(None, accepts_images=True)

    assert known.images
    assert {known.tools, known.thinking_switch, known.reasoning_efforts, known.structured_output} == {UNSET}


def test_a_model_whose_schemas_are_enforced_reports_it():
    assert capabilities(CONTENT, enforces_schemas=True).structured_output is True


def test_the_description_has_the_name_that_was_asked_for_and_the_context():
    model = Model(("first", "second"), ScriptedEngine("Hi"), FORMATS["glm-4.6"], None, context=4096)

    assert (describe(model, "second").id, describe(model, "second").context_length) == ("second", 4096)
