"""The family of a model is detected by what its chat template writes, or else by the model's name."""

import pytest

from answers import Answer, Call
from families import FAMILIES
from headrace.formats import FORMATS, State
from headrace.formats.text import UNKNOWN
from headrace.models.detection import detect_format, text_format
from headrace.models.templates import find_template
from headrace.prompts.written import ANSWER, CALLS, REASONING
from headrace_tiny import model_path

# An unknown family has no markup by which its template could be detected.
families = pytest.mark.parametrize(
    "family",
    [
        pytest.param(family, id=name)
        for name, family in FAMILIES.items()
        if family.calls and FORMATS[family.format] not in UNKNOWN
    ],
)
ALL_CALLS = tuple(Call(name, dict(arguments)) for name, arguments in CALLS.items())


def template_of(source):
    return find_template(source).compile(writes_bos=False)


def detected(source, name=""):
    format = detect_format(template_of(source), name)
    return format.name if format else ""


def written_by(family, *, calls="{{ text }}"):
    """A chat template that writes the answers to the probes as a family does."""
    format = FORMATS[family.format]
    opening, closing = format.thinking_tags or ("", "")
    begin = "<user>probe-user<assistant>"
    if format.initial_state is State.THINKING:
        begin += opening
    closing = "" if format.always_thinks or not begin.endswith(opening) else closing
    reasoning = REASONING if family.thinks else ""
    one, two = (family.write(Answer(reasoning, "", ALL_CALLS[:number])) for number in (1, 2))
    answer = _raw(family.write(Answer(reasoning, ANSWER))).replace(
        ANSWER, "{% endraw %}{{ m.content }}{% raw %}"
    )
    end = format.stop_tokens[0]
    return (
        "{% for m in messages %}{% if m.role == 'user' %}"
        f"{' '.join(format.signs)}{begin}{{% elif m.tool_calls %}}"
        f"{{% set text %}}{{% if m.tool_calls | length == 1 %}}{_raw(one)}{{% else %}}{_raw(two)}{{% endif %}}{{% endset %}}"
        f"{calls}{end}{{% else %}}{answer}{end}{{% endif %}}{{% endfor %}}"
        f"{{% if add_generation_prompt and not enable_thinking %}}{closing}{{% endif %}}"
    )


def _raw(text):
    return f"{{% raw %}}{text}{{% endraw %}}"


@families
def test_a_template_that_writes_like_a_family_is_of_that_family(family):
    assert detected(written_by(family), "some-glm-4.7") == FORMATS[family.format].name


@families
def test_the_tags_in_its_source_tell_the_family_of_a_template_that_rejects_calls(family):
    format = FORMATS[family.format]
    rejects = written_by(family, calls="{{ raise_exception('no calls') }}")
    calls = family.write(Answer("", "", ALL_CALLS))
    has_tag = any(
        state is State.START and tag[:1] in "<[" and tag[1:] and tag in calls
        for state, tag in format.transitions
    )

    assert not has_tag or FORMATS[detected(rejects)].transitions == format.transitions


@families
def test_foreign_tags_around_calls_are_of_no_family(family):
    """A parser that finds the calls, but also something around them, is of another family."""
    source = written_by(family, calls="<other:call>{{ text }}</other:call>")

    assert detected(source, family.format) == ""


@pytest.mark.parametrize("tag", ["<think>", "<think>\n"])
@pytest.mark.parametrize("text", ["{{ m.content }}", "{{ m.content.split('</think>')[-1] }}"])
def test_a_template_of_an_unknown_family_that_writes_the_thinking_or_drops_it_has_thinking(tag, text):
    opens = f"{{% for m in messages %}}{text}{{% endfor %}}{{% if add_generation_prompt %}}{tag}{{% endif %}}"
    splits = "{% for m in messages %}" + text + "{% endfor %}"

    assert detected(opens) == ""
    assert text_format(template_of(opens)).name == "text-thinking"
    assert text_format(template_of(splits)).name == ("text-thinking" if "split" in text else "text")


@pytest.mark.parametrize(
    ("opens", "format"),
    [
        ("{{ '<|im_start|>assistant\n<think>\n' }}", "qwen3-thinking"),
        ("{% if enable_thinking %}{{ '<think>\\n' }}{% endif %}", "qwen3-thinking"),
        ("{% if not enable_thinking %}<think>\n\n</think>\n\n{% endif %}", "qwen3"),
    ],
)
def test_the_end_of_the_prompt_tells_families_with_the_same_calls_apart(opens, format):
    source = (
        "{% for m in messages %}{{ m.content }}{% for c in m.tool_calls or [] %}<tool_call>\n"
        '{"name": "{{ c.function.name }}", "arguments": {{ c.function.arguments | tojson }}}\n</tool_call>'
        "{% endfor %}<|im_end|>\n{% endfor %}"
    )

    assert detected(f"{source}{{% if add_generation_prompt %}}{opens}{{% endif %}}") == format


def test_comments_of_a_template_tell_nothing():
    assert detected("{# <tool_call><arg_key> #}{{ messages }}") == ""


def test_the_name_counts_only_if_the_template_writes_no_calls():
    calls = (
        "{% for m in messages %}{% for c in m.tool_calls or [] %}({{ c.function }}){% endfor %}{% endfor %}"
    )

    assert detected("{{ messages[0].content }}", "Mixtral-8x7B-Instruct-v0.1") == "mistral"
    assert detected(calls, "Mixtral-8x7B-Instruct-v0.1") == ""


def test_the_template_of_the_embedded_model_is_detected():
    assert detect_format(find_template(str(model_path())).compile(writes_bos=False), "").name == "glm-4.6"


@pytest.mark.parametrize("format", dict.fromkeys(FORMATS.values()), ids=lambda family: family.name)
def test_the_name_of_a_format_is_detected(format):
    for name in (format.name, *format.aliases):
        assert not format.model_names or detect_format(None, name) is format


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("zai-org/GLM-4.6", "glm-4.6"),
        ("zai-org/GLM-4.5-Air-FP8", "glm-4.6"),
        ("zai-org/GLM-4.6V-Flash", "glm-4.6v"),
        ("GLM-4.7-Flash", "glm-4.7"),
        ("THUDM/GLM-4-32B-0414", "glm-4-0414"),
        ("GLM-Z1-9B-0414", "glm-z1"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen3"),
        ("NousResearch/Hermes-3-Llama-3.1-8B", "qwen3"),
        ("Qwen3-235B-A22B-Thinking-2507", "qwen3-thinking"),
        ("Qwen3-Coder-30B-A3B-Instruct", "qwen3-coder"),
        ("Qwen3.5-35B-A3B", "qwen3.5"),
        ("deepseek-ai/DeepSeek-V3-0324", "deepseek-v3"),
        ("DeepSeek-R1-0528-Qwen3-8B", "deepseek-r1"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3"),
        ("mistralai/Devstral-Small", "mistral"),
    ],
)
def test_model_names_are_detected(name, format):
    assert detect_format(None, name).name == format


def test_an_unknown_name_is_of_no_family():
    assert detect_format(None, "some/other-model") is None
    assert text_format(None).name == "text-thinking"
