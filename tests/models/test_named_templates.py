"""A model can have another chat template for requests with tools, as in transformers."""

import json

import pytest

from gguf_files import gguf
from headrace.errors import EngineError
from headrace.models.detection import detect_format
from headrace.models.templates import find_template

PLAIN = "{{ messages[0].content }}"
WITH_TOOLS = (
    "{% for tool in tools %}{{ tool.function.name }} {% endfor %}{{ messages[0].content }}<tool_call>"
)
NAMED = {"default": PLAIN, "tool_use": WITH_TOOLS, "rag": "{{ documents }}"}
HELLO = [{"role": "user", "content": "Hi"}]
TOOL = {"type": "function", "function": {"name": "f"}}


def of_configuration(path):
    listed = [{"name": name, "template": template} for name, template in NAMED.items()]
    (path / "tokenizer_config.json").write_text(json.dumps({"chat_template": listed}))
    return path


def of_files(path):
    (path / "chat_template.jinja").write_text(PLAIN)
    (path / "additional_chat_templates").mkdir()
    (path / "additional_chat_templates/tool_use.jinja").write_text(WITH_TOOLS)
    return path


def of_gguf(path):
    metadata = {"tokenizer.chat_template": PLAIN, "tokenizer.chat_template.tool_use": WITH_TOOLS}
    return gguf(path / "m.gguf", {**metadata, "tokenizer.chat_template.rag": "{{ documents }}"})


@pytest.mark.parametrize("write", [of_configuration, of_files, of_gguf])
def test_the_template_for_tools_is_used_only_with_tools(tmp_path, write):
    source = find_template(str(write(tmp_path)))
    template = source.compile(writes_bos=True)

    assert template.render(HELLO) == "Hi"
    assert template.render(HELLO, tools=[TOOL]) == "f Hi<tool_call>"
    assert "tools" not in template.findings.left_out
    assert "<tool_call>" in template.tags


def test_the_family_is_detected_from_both(tmp_path):
    source = find_template(str(of_files(tmp_path)))

    assert detect_format(source.compile(writes_bos=True), "").name == "qwen3"


def test_an_error_in_either_is_reported(tmp_path):
    of_files(tmp_path)
    (tmp_path / "additional_chat_templates/tool_use.jinja").write_text("{% for %}")

    with pytest.raises(EngineError, match="line 1"):
        find_template(str(tmp_path)).compile(writes_bos=True)


def test_a_named_template_of_a_gguf_file_that_is_no_text_is_rejected(tmp_path):
    path = gguf(
        tmp_path / "m.gguf", {"tokenizer.chat_template": PLAIN, "tokenizer.chat_template.tool_use": 1}
    )

    with pytest.raises(EngineError, match="not a text"):
        find_template(str(path))
