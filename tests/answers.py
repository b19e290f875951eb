"""Answers as values, and a writer for each family that turns them into output."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

TOOLS: dict[str, Any] = {
    "write_file": {
        "type": "object",
        "properties": {"path": {"type": "string"}, "content": {"type": "string"}},
    },
    "write": {
        "type": "object",
        "properties": {"text": {"type": ["string", "null"]}, "state": {"enum": ["append", "replace"]}},
    },
    "search": {
        "type": "object",
        "properties": {
            "filters": {"type": "object"},
            "tags": {"$ref": "#/$defs/Tags"},
            "limit": {"anyOf": [{"type": "integer"}, {"type": "null"}]},
            "score": {"type": "number"},
            "verbose": {"type": "boolean"},
        },
        "$defs": {"Tags": {"type": "array", "items": {"type": "string"}}},
    },
    "get_time": None,
}


@dataclass(frozen=True)
class Call:
    name: str
    arguments: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    reasoning: str = ""
    content: str = ""
    calls: tuple[Call, ...] = ()


def written(value: Any) -> str:
    """Return a value as in markup: a string as bare text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


@dataclass(frozen=True)
class Family:
    """A format's writer, and the kinds of answers that it can write.

    Args:
        write: turns an answer into output.
        format: by name.
        thinks: whether an answer can have reasoning.
        mixes: whether an answer can have both content and calls.
        calls: whether an answer can have calls.
        untyped: whether a value that has no schema keeps its type.
    """

    write: Callable[[Answer], str]
    format: str
    thinks: bool
    mixes: bool
    calls: bool
    untyped: bool


FAMILIES: dict[str, Family] = {}
"""By the name of the writer."""

Writer = Callable[[Answer], str]


def writes(
    format: str, *, thinks: bool = True, mixes: bool = True, calls: bool = True, untyped: bool = True
) -> Callable[[Writer], Writer]:
    """Register the writer of a family."""

    def register(write: Writer) -> Writer:
        FAMILIES[write.__name__] = Family(write, format, thinks, mixes, calls, untyped)
        return write

    return register


def _json(call: Call, arguments: str = "arguments") -> str:
    return json.dumps({"name": call.name, arguments: call.arguments}, ensure_ascii=False)


def _arguments(call: Call) -> str:
    return json.dumps(call.arguments, ensure_ascii=False)


def _glm(answer: Answer, line_end: str) -> str:
    text = answer.content
    for call in answer.calls:
        text += f"{line_end}<tool_call>{call.name}{line_end}"
        for key, value in call.arguments.items():
            text += f"<arg_key>{key}</arg_key>{line_end}<arg_value>{written(value)}</arg_value>{line_end}"
        text += "</tool_call>"
    return text


@writes("glm-4.6")
def glm_4_6(answer: Answer) -> str:
    thinking = f"\n<think>{answer.reasoning}</think>" if answer.reasoning else ""
    return thinking + ("\n" if answer.content else "") + _glm(answer, "\n")


@writes("glm-4.6v")
def glm_4_6v(answer: Answer) -> str:
    content = f"<|begin_of_box|>{answer.content}<|end_of_box|>" if answer.content else ""
    return glm_4_6(Answer(answer.reasoning, content, answer.calls))


@writes("glm-4.7")
def glm_4_7(answer: Answer) -> str:
    return f"{answer.reasoning}</think>{_glm(answer, '')}"


@writes("glm-4-0414", thinks=False, mixes=False)
def glm_4_0414(answer: Answer) -> str:
    calls = (f"{call.name}\n{_arguments(call)}" for call in answer.calls)
    return answer.content + "<|assistant|>".join(calls)


@writes("glm-z1", mixes=False)
def glm_z1(answer: Answer) -> str:
    return f"{answer.reasoning}</think>\n{glm_4_0414(answer)}"


def _qwen_calls(answer: Answer, write: Callable[[Call], str]) -> str:
    calls = "".join(f"\n<tool_call>\n{write(call)}\n</tool_call>" for call in answer.calls)
    return answer.content + calls


def _qwen_functions(answer: Answer) -> str:
    between = "\n" if answer.content and answer.calls else ""
    return _qwen_calls(replace(answer, content=answer.content + between), _qwen_function)


@writes("qwen3")
def qwen3(answer: Answer) -> str:
    thinking = f"<think>\n{answer.reasoning}\n</think>\n\n" if answer.reasoning else ""
    return thinking + _qwen_calls(answer, _json)


@writes("qwen3-thinking")
def qwen3_thinking(answer: Answer) -> str:
    return f"{answer.reasoning}\n</think>\n\n{_qwen_calls(answer, _json)}"


def _qwen_function(call: Call) -> str:
    arguments = "".join(
        f"<parameter={key}>\n{written(value)}\n</parameter>\n" for key, value in call.arguments.items()
    )
    return f"<function={call.name}>\n{arguments}</function>"


@writes("qwen3-coder", thinks=False)
def qwen3_coder(answer: Answer) -> str:
    return _qwen_functions(answer)


@writes("qwen3.5")
def qwen3_5(answer: Answer) -> str:
    return f"{answer.reasoning}\n</think>\n\n{_qwen_functions(answer)}"


@writes("minimax-m2")
def minimax_m2(answer: Answer) -> str:
    calls = ""
    for call in answer.calls:
        arguments = (
            f'<parameter name="{key}">{written(value)}</parameter>\n' for key, value in call.arguments.items()
        )
        calls += f'<invoke name="{call.name}">\n{"".join(arguments)}</invoke>\n'
    block = f"\n<minimax:tool_call>\n{calls}</minimax:tool_call>" if calls else ""
    return f"{answer.reasoning}\n</think>\n\n{answer.content}{block}"


@writes("deepseek-v3", thinks=False)
def deepseek_v3(answer: Answer) -> str:
    calls = "\n".join(
        f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{call.name}\n```json\n{_arguments(call)}\n```<｜tool▁call▁end｜>"
        for call in answer.calls
    )
    return answer.content + (f"<｜tool▁calls▁begin｜>{calls}<｜tool▁calls▁end｜>" if calls else "")


@writes("deepseek-r1")
def deepseek_r1(answer: Answer) -> str:
    return f"{answer.reasoning}\n</think>\n\n{deepseek_v3(answer)}"


@writes("deepseek-v3.1")
def deepseek_v3_1(answer: Answer) -> str:
    calls = "".join(
        f"<｜tool▁call▁begin｜>{call.name}<｜tool▁sep｜>{_arguments(call)}<｜tool▁call▁end｜>"
        for call in answer.calls
    )
    block = f"<｜tool▁calls▁begin｜>{calls}<｜tool▁calls▁end｜>" if calls else ""
    return f"{answer.reasoning}</think>{answer.content}{block}"


def _dsml(answer: Answer, block: str) -> str:
    calls = ""
    for call in answer.calls:
        calls += f'<｜DSML｜invoke name="{call.name}">\n'
        for key, value in call.arguments.items():
            is_string = str(isinstance(value, str)).lower()
            calls += (
                f'<｜DSML｜parameter name="{key}" string="{is_string}">{written(value)}</｜DSML｜parameter>\n'
            )
        calls += "</｜DSML｜invoke>\n"
    text = f"\n\n<｜DSML｜{block}>\n{calls}</｜DSML｜{block}>" if calls else ""
    return f"{answer.reasoning}</think>{answer.content}{text}"


@writes("deepseek-v3.2")
def deepseek_v3_2(answer: Answer) -> str:
    return _dsml(answer, "function_calls")


@writes("deepseek-v4")
def deepseek_v4(answer: Answer) -> str:
    return _dsml(answer, "tool_calls")


@writes("kimi-k2", thinks=False)
def kimi_k2(answer: Answer) -> str:
    calls = "".join(
        f"<|tool_call_begin|>functions.{call.name}:{index}<|tool_call_argument_begin|>{_arguments(call)}<|tool_call_end|>"
        for index, call in enumerate(answer.calls)
    )
    block = f"<|tool_calls_section_begin|>{calls}<|tool_calls_section_end|>" if calls else ""
    return answer.content + block


@writes("kimi-k2-thinking")
def kimi_k2_thinking(answer: Answer) -> str:
    return f"<think>{answer.reasoning}</think>{kimi_k2(answer)}"


@writes("llama-3", thinks=False, mixes=False)
def llama_3(answer: Answer) -> str:
    return answer.content + "; ".join(_json(call, "parameters") for call in answer.calls)


@writes("mistral", thinks=False)
def mistral_nemo(answer: Answer) -> str:
    calls = ", ".join(_json(call) for call in answer.calls)
    return answer.content + (f"[TOOL_CALLS][{calls}]" if calls else "")


@writes("mistral")
def mistral(answer: Answer) -> str:
    thinking = f"[THINK]{answer.reasoning}[/THINK]" if answer.reasoning else ""
    calls = "".join(f"[TOOL_CALLS]{call.name}[ARGS]{_arguments(call)}" for call in answer.calls)
    return thinking + answer.content + calls


@writes("gpt-oss")
def gpt_oss(answer: Answer) -> str:
    messages = []
    if answer.reasoning:
        messages.append(f"<|channel|>analysis<|message|>{answer.reasoning}")
    if answer.content:
        channel = "commentary" if answer.calls else "final"
        messages.append(f"<|channel|>{channel}<|message|>{answer.content}")
    for index, call in enumerate(answer.calls):
        header = (
            f"<|channel|>commentary to=functions.{call.name} <|constrain|>json",
            f" to=functions.{call.name}<|channel|>commentary json",
        )[index % 2 if messages else 0]
        messages.append(f"{header}<|message|>{_arguments(call)}")
    return "<|end|><|start|>assistant".join(messages) + "<|call|>" * bool(answer.calls)


def _keywords(call: Call) -> str:
    return f"{call.name}({', '.join(f'{key}={value!r}' for key, value in call.arguments.items())})"


@writes("llama-4", thinks=False, mixes=False)
def llama_4(answer: Answer) -> str:
    return answer.content + (f"[{', '.join(map(_keywords, answer.calls))}]" if answer.calls else "")


@writes("llama-3.2-pythonic", thinks=False, mixes=False)
def llama_3_2_pythonic(answer: Answer) -> str:
    return llama_4(answer)


@writes("olmo-3")
def olmo_3(answer: Answer) -> str:
    thinking = f"<think>\n{answer.reasoning}\n</think>\n\n" if answer.reasoning else ""
    calls = "\n".join(map(_keywords, answer.calls))
    return thinking + answer.content + (f"<function_calls>\n{calls}\n</function_calls>" if calls else "")


@writes("lfm2")
def lfm2(answer: Answer) -> str:
    thinking = f"<think>{answer.reasoning}</think>" if answer.reasoning else ""
    calls = (
        f"<|tool_call_start|>{llama_4(Answer(calls=answer.calls))}<|tool_call_end|>" if answer.calls else ""
    )
    return thinking + answer.content + calls


@writes("minicpm-3", thinks=False)
def minicpm_3(answer: Answer) -> str:
    calls = "".join(f"{_keywords(call)}\n" for call in answer.calls)
    return answer.content + (
        f"<|tool_call_start|>\n```python\n{calls}```\n<|tool_call_end|>" if calls else ""
    )


@writes("text", thinks=False, mixes=False)
def text(answer: Answer) -> str:
    return answer.content + "\n".join(map(_json, answer.calls))


@writes("text-thinking", mixes=False)
def text_thinking(answer: Answer) -> str:
    thinking = f"<think>\n{answer.reasoning}\n</think>\n\n" if answer.reasoning else ""
    return thinking + text(answer)
