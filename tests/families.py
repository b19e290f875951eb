"""The writers of all families: those that share their markup with others are here, the rest in `answers`."""

import json
from dataclasses import replace
from typing import Any

from answers import FAMILIES, Answer, Call, deepseek_v4, glm_4_6, minimax_m2, qwen3, writes, written

__all__ = ["FAMILIES"]


def _object(call: Call, arguments: str = "arguments") -> str:
    return json.dumps({"name": call.name, arguments: call.arguments}, ensure_ascii=False)


def _array(answer: Answer, begin: str, end: str) -> str:
    return f"{begin}[{', '.join(map(_object, answer.calls))}]{end}" if answer.calls else ""


@writes("exaone-4")
def exaone_4(answer: Answer) -> str:
    calls = "".join(f"\n<tool_call>{_object(call)}</tool_call>" for call in answer.calls)
    return f"{answer.reasoning}\n</think>\n\n{answer.content}{calls}"


@writes("reka")
def reka(answer: Answer) -> str:
    return f"{exaone_4(answer)}\n\n"


@writes("ernie-4.5")
def ernie_4_5(answer: Answer) -> str:
    content = f"<response>\n{answer.content}\n</response>\n" if answer.content else ""
    calls = "".join(f"\n<tool_call>\n{_object(call)}\n</tool_call>\n" for call in answer.calls)
    return f"{answer.reasoning}\n</think>\n\n{content}{calls}"


@writes("hunyuan-a13b", mixes=False)
def hunyuan_a13b(answer: Answer) -> str:
    text = answer.content + _array(answer, "<tool_calls>", "</tool_calls>")
    return f"<think>\n{answer.reasoning}\n</think>\n<answer>\n{text}\n</answer>"


@writes("minimax-m1")
def minimax_m1(answer: Answer) -> str:
    calls = "".join(f"{_object(call)}\n" for call in answer.calls)
    block = f"\n<tool_calls>\n{calls}</tool_calls>" if calls else ""
    return f"<think>\n{answer.reasoning}\n</think>\n\n{answer.content}{block}"


@writes("apriel")
def apriel(answer: Answer) -> str:
    calls = _array(answer, "\n<tool_calls>", "</tool_calls>")
    return f"{answer.reasoning}\n[BEGIN FINAL RESPONSE]\n{answer.content}{calls}\n[END FINAL RESPONSE]"


@writes("nemotron-nano-2")
def nemotron_nano_2(answer: Answer) -> str:
    calls = _array(answer, "\n<TOOLCALL>", "</TOOLCALL>")
    return f"{answer.reasoning}\n</think>\n\n{answer.content}{calls}"


@writes("internlm")
def internlm(answer: Answer) -> str:
    thinking = f"<think>\n{answer.reasoning}\n</think>\n\n" if answer.reasoning else ""
    calls = "".join(
        f"<|action_start|><|plugin|>\n{_object(call, 'parameters')}\n<|action_end|>" for call in answer.calls
    )
    return f"{thinking}{answer.content}{calls}"


@writes("dots")
def dots(answer: Answer) -> str:
    return minimax_m2(answer).replace("minimax:tool_call>", "dots_function_call>")


@writes("gigachat-3.5")
def gigachat_3_5(answer: Answer) -> str:
    return deepseek_v4(answer).replace("｜DSML｜", "｜GCML｜")


def _python(value: Any) -> str:
    text = value if isinstance(value, str) else repr(value)
    return written(value) if "\\U" in text else text


@writes("seed-oss")
def seed_oss(answer: Answer) -> str:
    thinking = f"<seed:think>{answer.reasoning}</seed:think>\n" if answer.reasoning else ""
    blocks = []
    for call in answer.calls:
        arguments = "".join(
            f"<parameter={key}>{_python(value)}</parameter>\n" for key, value in call.arguments.items()
        )
        blocks.append(f"<seed:tool_call>\n<function={call.name}>\n{arguments}</function>\n</seed:tool_call>")
    between = "\n\n" if answer.content and blocks else ""
    return thinking + answer.content + between + "\n".join(blocks)


@writes("step-3")
def step_3(answer: Answer) -> str:
    calls = ""
    for call in answer.calls:
        arguments = "".join(
            f'<steptml:parameter name="{key}">{written(value)}</steptml:parameter>\n'
            for key, value in call.arguments.items()
        )
        calls += (
            f'<｜tool_call_begin｜>function<｜tool_sep｜><steptml:invoke name="{call.name}">\n{arguments}'
            "</steptml:invoke><｜tool_call_end｜>\n"
        )
    block = f"\n<｜tool_calls_begin｜>\n{calls}<｜tool_calls_end｜>" if calls else ""
    return f"{answer.reasoning}\n</think>\n\n{answer.content}{block}"


_JSON_TYPES = {str: "string", bool: "boolean", int: "number", float: "number", dict: "object", list: "array"}


@writes("kimi-k3")
def kimi_k3(answer: Answer) -> str:
    def element(tag: str, text: str, attributes: str = "") -> str:
        return f"<|open|>{tag}{attributes}<|sep|>{text}<|close|>{tag}<|sep|>"

    calls = ""
    for index, call in enumerate(answer.calls, 1):
        arguments = "".join(
            element("argument", written(value), f' key="{key}" type="{_JSON_TYPES.get(type(value), "null")}"')
            for key, value in call.arguments.items()
        )
        calls += element("call", arguments, f' tool="{call.name}" index="{index}"')
    tools = element("tools", calls) if calls else ""
    response = element("response", answer.content)
    return f"{answer.reasoning}<|close|>think<|sep|>{response}{tools}<|close|>message<|sep|>"


@writes("minimax-m3", untyped=False)
def minimax_m3(answer: Answer) -> str:
    ns = "]<]minimax[>["

    def element(name: str, value: Any) -> str:
        if isinstance(value, dict):
            text = "".join(element(*item) for item in value.items())
        elif isinstance(value, list):
            text = "".join(element("item", item) for item in value)
        else:
            text = written(value)
        return f"{ns}<{name}>{text}{ns}</{name}>"

    calls = ""
    for call in answer.calls:
        arguments = "".join(element(*argument) for argument in call.arguments.items())
        calls += f'{ns}<invoke name="{call.name}">{arguments}{ns}</invoke>\n'
    block = f"{ns}<tool_call>\n{calls}{ns}</tool_call>" if calls else ""
    thinking = f"<mm:think>{answer.reasoning}" if answer.reasoning else ""
    return f"{thinking}</mm:think>{answer.content}{block}"


def _hy3(answer: Answer, suffix: str = "") -> str:
    def element(tag: str, text: str) -> str:
        return f"<{tag}{suffix}>{text}</{tag}{suffix}>\n"

    calls = ""
    for call in answer.calls:
        arguments = "".join(
            element("arg_key", key) + element("arg_value", written(value))
            for key, value in call.arguments.items()
        )
        calls += element("tool_call", f"{call.name}<tool_sep{suffix}>\n{arguments}")
    block = element("tool_calls", f"\n{calls}").rstrip() if calls else ""
    return f"{answer.reasoning}</think{suffix}>{answer.content}{block}"


@writes("hy3-preview")
def hy3_preview(answer: Answer) -> str:
    return _hy3(answer)


@writes("hy3")
def hy3(answer: Answer) -> str:
    return _hy3(answer, ":opensource")


@writes("apertus")
def apertus(answer: Answer) -> str:
    thinking = f"<|inner_prefix|>{answer.reasoning}<|inner_suffix|>" if answer.reasoning else ""
    calls = ", ".join(json.dumps({call.name: call.arguments}, ensure_ascii=False) for call in answer.calls)
    block = f"<|tools_prefix|>[{calls}]<|tools_suffix|>" if calls else ""
    return f"{thinking}{answer.content}{block}"


@writes("solar-open")
def solar_open(answer: Answer) -> str:
    messages = []
    if answer.reasoning:
        messages.append(f"<|think|>{answer.reasoning}<|end|>")
    if answer.content:
        messages.append(f"<|content|>{answer.content}<|end|>")
    calls = "".join(
        f"<|tool_call:begin|>call_{index}<|tool_call:name|>{call.name}<|tool_call:args|>"
        f"{json.dumps(call.arguments, ensure_ascii=False)}<|tool_call:end|>"
        for index, call in enumerate(answer.calls)
    )
    if calls:
        messages.append(f"<|tool_calls|>{calls}<|calls|>")
    return "<|begin|>assistant".join(messages)


@writes("laguna")
def laguna(answer: Answer) -> str:
    return f"\n{answer.reasoning}\n</think>{glm_4_6(replace(answer, reasoning=''))}\n"


def _arguments(call: Call) -> str:
    return json.dumps(call.arguments, ensure_ascii=False)


@writes("llama-4-json", thinks=False, mixes=False)
def llama_4_object(answer: Answer) -> str:
    return answer.content + "".join(_object(call, "parameters") for call in answer.calls)


def _bare_array(answer: Answer) -> str:
    return f"[{', '.join(map(_object, answer.calls))}]" if answer.calls else ""


@writes("xlam", mixes=False)
def xlam(answer: Answer) -> str:
    thinking = f"<think>\n{answer.reasoning}\n</think>\n\n" if answer.reasoning else ""
    return thinking + answer.content + _bare_array(answer)


@writes("hammer-2.1", thinks=False, mixes=False)
def hammer_2_1(answer: Answer) -> str:
    return answer.content + (f"```\n{_bare_array(answer)}\n```" if answer.calls else "")


@writes("phi-4-mini", thinks=False)
def phi_4_mini(answer: Answer) -> str:
    return answer.content + (f"functools{_bare_array(answer)}" if answer.calls else "")


@writes("granite-3")
def granite_3(answer: Answer) -> str:
    content = f"<response>{answer.content}</response>" if answer.reasoning else answer.content
    thinking = f"<think>\n{answer.reasoning}\n</think>\n\n" if answer.reasoning else ""
    return thinking + (f"{answer.content}<|tool_call|>{_bare_array(answer)}" if answer.calls else content)


@writes("granite-4", thinks=False)
def granite_4(answer: Answer) -> str:
    return qwen3(answer)


@writes("granite-20b", thinks=False)
def granite_20b(answer: Answer) -> str:
    return answer.content + "".join(f"\n<function_call> {_object(call)}" for call in answer.calls)


def _gemma_value(value: Any) -> str:
    match value:
        case str():
            return f'<|"|>{value}<|"|>'
        case dict():
            keys = {key: key if key.isidentifier() else _gemma_value(key) for key in value}
            return f"{{{','.join(f'{keys[key]}:{_gemma_value(item)}' for key, item in value.items())}}}"
        case list():
            return f"[{','.join(map(_gemma_value, value))}]"
        case _:
            return json.dumps(value)


@writes("gemma-4")
def gemma_4(answer: Answer) -> str:
    thinking = f"<|channel>thought\n{answer.reasoning}\n<channel|>" if answer.reasoning else ""
    calls = "".join(
        f"<|tool_call>call:{call.name}{_gemma_value(call.arguments)}<tool_call|>" for call in answer.calls
    )
    return thinking + answer.content + calls


def _functionary(answer: Answer, separator: str, name_end: str) -> str:
    messages = [f"all{name_end}{answer.content}"] if answer.content or not answer.calls else []
    return separator.join([*messages, *(f"{call.name}{name_end}{_arguments(call)}" for call in answer.calls)])


@writes("functionary-2", thinks=False)
def functionary_2(answer: Answer) -> str:
    return _functionary(answer, "\n<|from|>assistant\n<|recipient|>", "\n<|content|>")


@writes("functionary-3.1", thinks=False)
def functionary_3_1(answer: Answer) -> str:
    calls = "".join(f"<function={call.name}>{_arguments(call)}</function>" for call in answer.calls)
    return answer.content + calls


@writes("functionary-3.2", thinks=False, mixes=False)
def functionary_3_2(answer: Answer) -> str:
    return _functionary(answer, ">>>", "\n")


def _command_objects(answer: Answer, **ids: str) -> str:
    return json.dumps(
        [
            {key: str(index) for key in ids} | {"tool_name": call.name, "parameters": call.arguments}
            for index, call in enumerate(answer.calls)
        ],
        ensure_ascii=False,
    )


@writes("command-r", thinks=False)
def command_r(answer: Answer) -> str:
    return answer.content + (f"Action:\n```json\n{_command_objects(answer)}\n```" if answer.calls else "")


@writes("command-a", mixes=False)
def command_a(answer: Answer) -> str:
    thinking = f"<|START_THINKING|>{answer.reasoning}<|END_THINKING|>" if answer.reasoning else ""
    if answer.calls:
        return f"{thinking}<|START_ACTION|>{_command_objects(answer, tool_call_id='')}<|END_ACTION|>"
    return f"{thinking}<|START_RESPONSE|>{answer.content}<|END_RESPONSE|>"


@writes("kat-v1")
def kat_v1(answer: Answer) -> str:
    content = f"<answer>\n{answer.content}\n</answer>" if answer.content else ""
    return f"{answer.reasoning}\n</judge>\n\n<think_off>\n\n{content}{qwen3(Answer(calls=answer.calls))}"
