"""A family is told from its template, or else from its name."""

import pytest

from headrace.formats import FORMATS
from headrace.models.families import _FAMILIES, detect_format
from headrace.models.templates import find_template
from headrace_tiny import model_path


def test_every_family_of_the_table_has_a_format():
    assert {signs.format for signs in _FAMILIES} <= set(FORMATS)


def test_every_format_but_its_aliases_can_be_told():
    assert {format.name for format in FORMATS.values()} <= {signs.format for signs in _FAMILIES}


def test_the_embedded_models_own_template_tells_it():
    assert detect_format(find_template(str(model_path())).text, "") == "glm-4.6"


@pytest.mark.parametrize(
    ("name", "format"),
    [
        ("zai-org/GLM-4.6", "glm-4.6"),
        ("zai-org/GLM-4.5-Air-FP8", "glm-4.6"),
        ("zai-org/GLM-4.6V-Flash", "glm-4.6v"),
        ("GLM-4.7-Flash", "glm-4.7"),
        ("glm-5.2", "glm-4.7"),
        ("THUDM/GLM-4-32B-0414", "glm-4-0414"),
        ("GLM-Z1-9B-0414", "glm-z1"),
        ("Qwen/Qwen3-8B", "qwen3"),
        ("Qwen/Qwen2.5-7B-Instruct", "qwen3"),
        ("Qwen3-235B-A22B-Thinking-2507", "qwen3-thinking"),
        ("Qwen3-Coder-30B-A3B-Instruct", "qwen3-coder"),
        ("Qwen3.5-35B-A3B", "qwen3.5"),
        ("deepseek-ai/DeepSeek-V3-0324", "deepseek-v3"),
        ("deepseek-ai/DeepSeek-V3.1", "deepseek-v3.1"),
        ("DeepSeek-V3.2-Exp", "deepseek-v3.2"),
        ("DeepSeek-R1-0528", "deepseek-r1"),
        ("moonshotai/Kimi-K2-Instruct", "kimi-k2"),
        ("Kimi-K2-Thinking", "kimi-k2-thinking"),
        ("MiniMaxAI/MiniMax-M2", "minimax-m2"),
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3"),
        ("mistralai/Devstral-Small", "mistral"),
        ("openai/gpt-oss-20b", "gpt-oss"),
        ("some/other-model", ""),
    ],
)
def test_a_name_tells_the_family(name, format):
    assert detect_format("", name) == format


@pytest.mark.parametrize(
    ("template", "format"),
    [
        ("{{ content }}/nothink … <arg_key>", "glm-4.6"),
        ("<|begin_of_image|><|image|> … /nothink … <arg_key>", "glm-4.6v"),
        ("<|assistant|><think> … <arg_key>", "glm-4.7"),
        ("<|im_start|> … <tool_call>", "qwen3"),
        (r"<|im_start|>assistant\n<think>\n … <tool_call>", "qwen3-thinking"),
        ("<tool_call>\n<function=", "qwen3-coder"),
        ("<|start_header_id|>", "llama-3"),
        ("nothing that is known", ""),
    ],
)
def test_a_template_tells_the_family(template, format):
    assert detect_format(template, "") == format


def test_a_template_says_more_than_a_name():
    assert detect_format("<|assistant|><think> … <arg_key>", "my-glm-4.6-tune") == "glm-4.7"
