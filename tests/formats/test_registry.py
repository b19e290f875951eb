"""Every family is registered, and detected by its chat template, or else by the model's name."""

import pkgutil
from importlib import import_module

import pytest

import headrace.formats
from headrace.formats import FAMILIES, FORMATS, detect_format
from headrace.models.templates import find_template
from headrace_tiny import model_path

formats = pytest.mark.parametrize("format", set(FORMATS.values()), ids=lambda family: family.name)


def test_every_module_with_a_family_is_registered():
    names = [module.name for module in pkgutil.iter_modules(headrace.formats.__path__)]
    modules = [import_module(f"headrace.formats.{name}") for name in names]

    assert {module for module in modules if hasattr(module, "FAMILY")} == set(FAMILIES)


def test_no_two_formats_share_a_name():
    formats = [format for module in FAMILIES for format in module.FAMILY]

    assert len(FORMATS) == sum(1 + len(format.aliases) for format in formats)


@formats
def test_a_template_with_all_parts_of_a_fingerprint_is_detected(format):
    assert detect_format(" … ".join(format.fingerprint.template), "") == format.name


@formats
def test_the_name_of_a_format_is_detected(format):
    for name in (format.name, *format.aliases):
        assert detect_format("", name) == format.name


def test_the_template_of_the_embedded_model_is_detected():
    assert detect_format(find_template(str(model_path())).text, "") == "glm-4.6"


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
        ("some/other-model", ""),
    ],
)
def test_model_names_are_detected(name, format):
    assert detect_format("", name) == format


def test_nothing_is_detected_in_an_unknown_template():
    assert detect_format("{{ messages }}", "") == ""


def test_the_template_takes_precedence_over_the_name():
    assert detect_format("<|assistant|><think> … <arg_key>", "my-glm-4.6-tune") == "glm-4.7"
