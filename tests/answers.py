"""What a model could mean to say, and how each family writes it."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
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
    """A value in markup: a string stands bare."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


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


def glm_4_6(answer: Answer) -> str:
    thinking = f"\n<think>{answer.reasoning}</think>" if answer.reasoning else ""
    return thinking + ("\n" if answer.content else "") + _glm(answer, "\n")


def glm_4_7(answer: Answer) -> str:
    return f"{answer.reasoning}</think>{_glm(answer, '')}"


def glm_4_0414(answer: Answer) -> str:
    calls = (f"{call.name}\n{_arguments(call)}" for call in answer.calls)
    return answer.content + "<|assistant|>".join(calls)


def glm_z1(answer: Answer) -> str:
    return f"{answer.reasoning}</think>\n{glm_4_0414(answer)}"


def _qwen_calls(answer: Answer, write: Callable[[Call], str]) -> str:
    calls = "".join(f"\n<tool_call>\n{write(call)}\n</tool_call>" for call in answer.calls)
    return answer.content + calls


def qwen3(answer: Answer) -> str:
    thinking = f"<think>\n{answer.reasoning}\n</think>\n\n" if answer.reasoning else ""
    return thinking + _qwen_calls(answer, _json)


def qwen3_thinking(answer: Answer) -> str:
    return f"{answer.reasoning}\n</think>\n\n{_qwen_calls(answer, _json)}"


def _qwen_function(call: Call) -> str:
    arguments = "".join(
        f"<parameter={key}>\n{written(value)}\n</parameter>\n" for key, value in call.arguments.items()
    )
    return f"<function={call.name}>\n{arguments}</function>"


def qwen3_coder(answer: Answer) -> str:
    return _qwen_calls(answer, _qwen_function)


def qwen3_5(answer: Answer) -> str:
    return f"{answer.reasoning}\n</think>\n\n{_qwen_calls(answer, _qwen_function)}"


def minimax_m2(answer: Answer) -> str:
    calls = ""
    for call in answer.calls:
        arguments = (
            f'<parameter name="{key}">{written(value)}</parameter>\n' for key, value in call.arguments.items()
        )
        calls += f'<invoke name="{call.name}">\n{"".join(arguments)}</invoke>\n'
    block = f"\n<minimax:tool_call>\n{calls}</minimax:tool_call>" if calls else ""
    return f"{answer.reasoning}\n</think>\n\n{answer.content}{block}"


def deepseek_v3(answer: Answer) -> str:
    calls = "\n".join(
        f"<｜tool▁call▁begin｜>function<｜tool▁sep｜>{call.name}\n```json\n{_arguments(call)}\n```<｜tool▁call▁end｜>"
        for call in answer.calls
    )
    return answer.content + (f"<｜tool▁calls▁begin｜>{calls}<｜tool▁calls▁end｜>" if calls else "")


def deepseek_r1(answer: Answer) -> str:
    return f"{answer.reasoning}\n</think>\n\n{deepseek_v3(answer)}"


def deepseek_v3_1(answer: Answer) -> str:
    calls = "".join(
        f"<｜tool▁call▁begin｜>{call.name}<｜tool▁sep｜>{_arguments(call)}<｜tool▁call▁end｜>"
        for call in answer.calls
    )
    block = f"<｜tool▁calls▁begin｜>{calls}<｜tool▁calls▁end｜>" if calls else ""
    return f"{answer.reasoning}</think>{answer.content}{block}"


def deepseek_v3_2(answer: Answer) -> str:
    calls = ""
    for call in answer.calls:
        calls += f'<｜DSML｜invoke name="{call.name}">\n'
        for key, value in call.arguments.items():
            is_string = str(isinstance(value, str)).lower()
            calls += (
                f'<｜DSML｜parameter name="{key}" string="{is_string}">{written(value)}</｜DSML｜parameter>\n'
            )
        calls += "</｜DSML｜invoke>\n"
    block = f"\n\n<｜DSML｜function_calls>\n{calls}</｜DSML｜function_calls>" if calls else ""
    return f"{answer.reasoning}</think>{answer.content}{block}"


def kimi_k2(answer: Answer) -> str:
    calls = "".join(
        f"<|tool_call_begin|>functions.{call.name}:{index}<|tool_call_argument_begin|>{_arguments(call)}<|tool_call_end|>"
        for index, call in enumerate(answer.calls)
    )
    block = f"<|tool_calls_section_begin|>{calls}<|tool_calls_section_end|>" if calls else ""
    return answer.content + block


def kimi_k2_thinking(answer: Answer) -> str:
    return f"<think>{answer.reasoning}</think>{kimi_k2(answer)}"


def llama_3(answer: Answer) -> str:
    return answer.content + "; ".join(_json(call, "parameters") for call in answer.calls)


def mistral_nemo(answer: Answer) -> str:
    calls = ", ".join(_json(call) for call in answer.calls)
    return answer.content + (f"[TOOL_CALLS][{calls}]" if calls else "")


def mistral(answer: Answer) -> str:
    thinking = f"[THINK]{answer.reasoning}[/THINK]" if answer.reasoning else ""
    calls = "".join(f"[TOOL_CALLS]{call.name}[ARGS]{_arguments(call)}" for call in answer.calls)
    return thinking + answer.content + calls


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


@dataclass(frozen=True)
class Family:
    """How a family writes, and what it can say at all."""

    write: Callable[[Answer], str]
    format: str
    thinks: bool = True
    talks_and_calls: bool = True


FAMILIES = {
    "GLM-4-0414": Family(glm_4_0414, "glm-4-0414", thinks=False, talks_and_calls=False),
    "GLM-Z1": Family(glm_z1, "glm-z1", talks_and_calls=False),
    "GLM-4.6": Family(glm_4_6, "glm-4.6"),
    "GLM-4.7": Family(glm_4_7, "glm-4.7"),
    "Qwen3": Family(qwen3, "qwen3"),
    "Qwen3-Thinking": Family(qwen3_thinking, "qwen3-thinking"),
    "Qwen3-Coder": Family(qwen3_coder, "qwen3-coder", thinks=False),
    "Qwen3.5": Family(qwen3_5, "qwen3.5"),
    "DeepSeek V3": Family(deepseek_v3, "deepseek-v3", thinks=False),
    "DeepSeek R1": Family(deepseek_r1, "deepseek-r1"),
    "DeepSeek V3.1": Family(deepseek_v3_1, "deepseek-v3.1"),
    "DeepSeek V3.2": Family(deepseek_v3_2, "deepseek-v3.2"),
    "Kimi K2": Family(kimi_k2, "kimi-k2", thinks=False),
    "Kimi K2 Thinking": Family(kimi_k2_thinking, "kimi-k2-thinking"),
    "MiniMax M2": Family(minimax_m2, "minimax-m2"),
    "Llama 3": Family(llama_3, "llama-3", thinks=False, talks_and_calls=False),
    "Mistral Nemo": Family(mistral_nemo, "mistral", thinks=False),
    "Mistral Small": Family(mistral, "mistral"),
    "gpt-oss": Family(gpt_oss, "gpt-oss"),
}
