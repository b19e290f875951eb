"""An answer is parsed from where its prompt ends, in each way in which chat templates end one.

The ways are those of the templates of GLM, Qwen, DeepSeek, Kimi, MiniMax, Step, QwQ and Bielik.
"""

import msgspec
import pytest

from headrace.formats import FORMATS
from headrace.models.registry import Model
from headrace.prompts import ChatTemplate
from headrace.wire import decode_request
from reading import Parsed, collect, splits

TAGGED = sorted({format.name for format in FORMATS.values() if format.thinking_tags})
ENDS = {
    "open in any case": ("OPEN", "OPEN"),
    "open with a line end in any case": ("OPEN\n", "OPEN\n"),
    "open, or closed": ("OPEN\n", "OPEN\n\nCLOSE\n\n"),
    "open, or only closed": ("OPEN", "CLOSE"),
    "open, or nothing": ("OPEN\n", ""),
    "nothing, or closed": ("", "\nOPENCLOSE"),
    "nothing in any case": ("", ""),
    "a line end": ("\n", "\n"),
}
SWITCHES = {
    "by expressions": "{{ 'ON' if enable_thinking else 'OFF' }}",
    "by blocks": "{% if enable_thinking is defined and enable_thinking is false %}{{ 'OFF' }}{% else %}"
    "{{ 'ON' }}{% endif %}",
    "by another variable": "{{ 'OFF' if not thinking else 'ON' }}",
    "in parts": "{% set end = 'ON' %}{% if not enable_thinking %}{% set end = 'OFF' %}{% endif %}{{ end }}",
}
REQUESTS = {
    True: ({}, {"thinking": {"type": "enabled"}}, {"reasoning_effort": "high"}),
    False: (
        {"thinking": {"type": "disabled"}},
        {"reasoning_effort": "none"},
        {"reasoning_effort": "minimal"},
    ),
}


def written(text, format):
    """Replace OPEN and CLOSE with the format's tags."""
    opening, closing = format.thinking_tags
    return opening.join(text.split("OPEN")).replace("CLOSE", closing)


def model_of(format, ends, switch):
    on, off = (written(end, format) for end in ends)
    jinja = "{{ messages[0].content }}<|assistant|>" + switch.replace("OFF", off).replace("ON", on)
    return Model(("m",), None, format, ChatTemplate(jinja)), {True: on, False: off}


def generation_of(model, fields):
    body = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], **fields}
    return model.generation(decode_request(msgspec.json.encode(body)))


def outputs(end, format):
    """What a model may write after such an end, with what it means."""
    opening, closing = format.thinking_tags
    if end.rstrip().endswith(opening):
        return {f"hm{closing}Hello": Parsed("hm", "Hello"), "hm": Parsed("hm", "")}
    if end.rstrip().endswith(closing):
        return {"Hello": Parsed("", "Hello")}
    return {f"{opening}hm{closing}Hello": Parsed("hm", "Hello"), "Hello": Parsed("", "Hello")}


def cases_of(format):
    """The model, generation, output and its meaning, for each way in which a prompt can end."""
    for ends in ENDS.values():
        model, written_ends = model_of(format, ends, SWITCHES["by expressions"])
        for thinking, end in written_ends.items():
            generation = generation_of(model, REQUESTS[thinking][-1])
            for output, parsed in outputs(end, format).items():
                yield model, generation, output, parsed


@pytest.mark.parametrize("name", TAGGED)
def test_the_parser_starts_where_the_prompt_ends(name):
    for model, generation, output, parsed in cases_of(FORMATS[name]):
        for parts in splits(output):
            parser = model.parser(generation)
            events = [event for part in parts for event in parser.feed(part)]
            assert collect([*events, *parser.finish(stopped=True)]) == parsed, (generation.prompt, parts)


@pytest.mark.parametrize("ends", ENDS.values(), ids=ENDS)
@pytest.mark.parametrize("switch", SWITCHES.values(), ids=SWITCHES)
@pytest.mark.parametrize("thinking", [True, False])
def test_the_prompt_ends_as_the_request_wants(ends, switch, thinking):
    model, written_ends = model_of(FORMATS["glm-4.7"], ends, switch)
    for fields in REQUESTS[thinking]:
        assert generation_of(model, fields).prompt == "Hi<|assistant|>" + written_ends[thinking]
