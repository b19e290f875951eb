"""Grammars of requests, and whether they accept a text: llguidance itself reads it, byte by byte."""

import json
import re
from functools import lru_cache

import llguidance
import msgspec

from headrace.engines.base import Generation
from headrace.engines.protocols.grammar import answer_grammar
from headrace.engines.schemas.validator import GrammarValidator
from headrace.events import ToolCallArguments, ToolCallStart
from headrace.formats import FORMATS
from headrace.parsing import OutputParser
from headrace.wire import decode_request

__all__ = [
    "VALIDATOR",
    "accepts",
    "call",
    "call_grammar",
    "generation",
    "glm_call",
    "object_of",
    "read_arguments",
    "schema_grammar",
    "text_of",
    "tool",
    "written_calls",
]

VALIDATOR = GrammarValidator()
_TOKENIZER = llguidance.LLTokenizer("byte")


@lru_cache(128)  # tests ask about several texts of several families
def compiled(grammar):
    matcher = llguidance.LLMatcher(_TOKENIZER, grammar, log_level=0)
    assert not matcher.is_error(), matcher.get_error()
    return matcher


def accepts(grammar, text):
    matcher = compiled(grammar).deep_copy()
    tokens = list(text.encode())
    return matcher.try_consume_tokens(tokens) == len(tokens) and matcher.is_accepting()


def generation(prompt="", thinking="disabled", **fields):
    messages = [{"role": "user", "content": "Hi"}]
    body = {"model": "m", "messages": messages, "thinking": {"type": thinking}, **fields}
    return Generation(prompt, decode_request(msgspec.json.encode(body)))


def after_thinking(format):
    """A prompt that has ended the thinking, if the family thinks."""
    return "x" + format.thinking_tags[1] if format and format.thinking_tags else ""


def schema_grammar(schema, format=None, **fields):
    response_format = {"type": "json_schema", "json_schema": {"schema": schema, **fields}}
    request = generation(after_thinking(format), response_format=response_format)
    return answer_grammar(request, format, VALIDATOR)


def tool(parameters, name="f", **fields):
    return {"type": "function", "function": {"name": name, "parameters": parameters, **fields}}


def call(name="f"):
    return {"type": "function", "function": {"name": name}}


def call_grammar(parameters, family="glm-4.6", *others, choice=None, **fields):
    """The grammar that forces a call of `f`."""
    tools = [tool(parameters, **fields), *others]
    return answer_grammar(generation(tools=tools, tool_choice=choice or call()), FORMATS[family], VALIDATOR)


def glm_call(name="f", **raw):
    """A call as GLM 4.6 writes it, of raw texts."""
    arguments = (f"<arg_key>{key}</arg_key>\n<arg_value>{text}</arg_value>\n" for key, text in raw.items())
    return f"<tool_call>{name}\n{''.join(arguments)}</tool_call>"


def read_arguments(parameters, text, family="glm-4.6"):
    """The arguments that the parser finds in a call of `f`."""
    parser = OutputParser(FORMATS[family], {"f": parameters}, thinking=False, tool_stream=False)
    events = [*parser.feed(text), *parser.finish()]
    pieces = [event.arguments for event in events if isinstance(event, ToolCallStart)]
    pieces += [event.text for event in events if isinstance(event, ToolCallArguments)]
    return json.loads("".join(pieces))


def object_of(**properties):
    """The schema of an object with required properties."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def text_of(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _filled(template, **parts):
    return re.sub(r"\{(\w+)\}", lambda match: parts[match[1]], template)


def _argument(syntax, key, value):
    is_text = isinstance(value, str) and syntax.value_end
    template = syntax.argument if is_text else syntax.json_argument or syntax.argument
    return _filled(template, key=key, value=value if is_text else text_of(value))


def written_calls(syntax, calls):
    """Calls as the syntax describes them."""
    texts = []
    for index, call in enumerate(calls):
        arguments = text_of(call.arguments)
        if syntax.argument:
            parts = (_argument(syntax, key, value) for key, value in call.arguments.items())
            arguments = syntax.argument_separator.join(parts)
        texts.append(_filled(syntax.call, name=call.name, arguments=arguments, index=str(index), id="a1"))
    return _filled(syntax.calls, calls=syntax.separator.join(texts))
