"""Questions whose answer has a form that a grammar enforces: is it complete and valid, and copied where it can be?

`schemas.jsonl` has 64 questions with the JSON Schema that zod 3, zod 4 or pydantic 2 wrote for it;
`fresh_schemas.jsonl` has 34 more, which nobody looked at before the training was complete.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import held_out
from jsonschema import Draft202012Validator

from answers import Answer, Case, user


def read_schemas(name: str) -> list[dict[str, Any]]:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


SCHEMAS, FRESH_SCHEMAS = read_schemas("schemas.jsonl"), read_schemas("fresh_schemas.jsonl")
OBJECTS = {
    "en": ["Give me the data of a lighthouse as JSON", "Nothing but JSON.", "Which fish do you like? Answer with a JSON object.", "hello there, model",
           "Extract what matters: Rahim bought 12 lamps in Tunis on 2027-01-09.", "Write a poem about my neighbour", "A recipe in JSON, please",
           "Output a JSON document with the keys herb and spoon"],
    "zh": ["用 JSON 介绍灯塔", "请返回 JSON。", "你喜欢什么鱼？用 JSON 对象回答。", "在吗，模型", "提取要点：拉希姆2027-01-09在突尼斯买了12盏灯。", "写一首关于邻居的诗",
           "请用 JSON 写一份菜谱", "输出 JSON，键为草药和勺子"],
}  # fmt: skip
EXACT = {
    "en": [
        "Reply with only the word {x}",
        "Your whole answer must be {x}",
        "Please say just {x}",
        "Respond only with: {x}",
        "Answer exactly {x}",
    ],
    "zh": ["请只说{x}", "你只需要回答{x}", "请照样输出：{x}", "仅回复{x}"],
}
WORDS = {
    "en": ["PONG", "XYZZY", "acknowledged", "Marco Polo", "OK-42", "Lisbon", "blue lantern", "ROGER"],
    "zh": ["乒乓", "收悉", "明白了", "芝麻开门", "OK-42", "青岛", "PONG", "蓝灯笼"],
}
# What is said, and the key of each value.
COPIES = {
    "en": [("{a}, {n} years old, from {b}", {"guest": "a", "age": "n", "city": "b"}), ("Register {a} at {b}, seat {n}", {"passenger": "a", "station": "b", "seat": "n"}),
           ("name: {a}\nhome: {b}\nlevel: {n}", {"name": "a", "home": "b", "level": "n"}), ("{a} moved to {b} with {n} cats", {"name": "a", "town": "b", "cats": "n"})],
    "zh": [("{a}今年{n}岁，住在{b}", {"姓名": "a", "年龄": "n", "城市": "b"}), ("{a}从{b}出发，{n}号座", {"乘客": "a", "车站": "b", "座位": "n"}),
           ("姓名：{a}，籍贯：{b}，等级：{n}", {"姓名": "a", "籍贯": "b", "等级": "n"}), ("{a}带着{n}只猫搬到{b}", {"name": "a", "city": "b", "cats": "n"})],
}  # fmt: skip
PEOPLE = {"zh": ["欧阳修远", "诸葛青", "沐风", "陆小满"], "en": ["Gwendolyn", "Zachary", "Noor", "Ottoline"]}


def schema_format(schema: dict[str, Any]) -> dict[str, Any]:
    return {"response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}}


def conforms(schema: dict[str, Any]) -> Callable[[Any], bool]:
    return Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).is_valid


def names_in(schema: Any) -> set[str]:
    """The names of all properties."""
    if isinstance(schema, list):
        return {name for each in schema for name in names_in(each)}
    if not isinstance(schema, dict):
        return set()
    own = schema.get("properties", {})
    return set(own) | {name for each in schema.values() for name in names_in(each)}


def parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def schema_cases(schemas: list[dict[str, Any]]) -> Iterator[Case]:
    for number, each in enumerate(schemas):
        is_valid = conforms(each["schema"])
        right = lambda answer, is_valid=is_valid: is_valid(parsed(answer.content))  # noqa: E731
        kind = f"schema of {each['by']}"
        yield Case(kind, user(each["ask"]), [], number % 2 == 0, right, schema_format(each["schema"]))


def object_case(r: Random, lang: str) -> Case:
    right: Callable[[Answer], bool] = lambda answer: bool(parsed(answer.content))  # noqa: E731
    fields = {"response_format": {"type": "json_object"}}
    return Case(f"any JSON object {lang}", user(r.choice(OBJECTS[lang])), [], r.random() < 0.5, right, fields)


def exact_case(r: Random, lang: str) -> Case:
    text = r.choice(WORDS[lang])
    right: Callable[[Answer], bool] = lambda answer: answer.content.strip() == text  # noqa: E731
    return Case(
        f"exact reply {lang}", user(r.choice(EXACT[lang]).format(x=text)), [], r.random() < 0.5, right
    )


def copy_case(r: Random, lang: str) -> Case:
    """Every value is in the user's words."""
    text, keys = r.choice(COPIES[lang])
    said = {"a": r.choice(PEOPLE[lang]), "b": r.choice(held_out.CITIES[lang]), "n": r.randint(2, 90)}
    data = {key: said[part] for key, part in keys.items()}
    properties = {key: {"type": "integer" if part == "n" else "string"} for key, part in keys.items()}
    fields = schema_format({"type": "object", "properties": properties, "required": list(keys)})
    right: Callable[[Answer], bool] = lambda answer: parsed(answer.content) == data  # noqa: E731
    return Case(f"values as JSON {lang}", user(text.format(**said)), [], r.random() < 0.5, right, fields)


def call_case(r: Random, lang: str) -> Case:
    """A forced call whose parameters are one of the schemas."""
    each = r.choice(SCHEMAS)
    function = {"name": "submit_form", "description": "Submit", "parameters": each["schema"]}
    tool = {"type": "function", "function": function}
    choice = r.choice(("required", {"type": "function", "function": {"name": "submit_form"}}))
    is_valid = conforms(each["schema"])
    right: Callable[[Answer], bool] = lambda a: bool(a.calls) and all(is_valid(x) for _, x in a.calls)  # noqa: E731
    asked = each["ask"] if r.random() < 0.5 else r.choice(OBJECTS[lang])
    return Case(f"forced call {lang}", user(asked), [tool], r.random() < 0.5, right, {"tool_choice": choice})


def structured_cases(count: int, seed: int = 6) -> list[Case]:
    """The 64 schemas, and `count` of each other kind and language."""
    r = Random(seed)
    makers = (object_case, copy_case, exact_case, call_case)
    return [
        *schema_cases(SCHEMAS),
        *(maker(r, lang) for maker in makers for lang in ("en", "zh") for _ in range(count)),
    ]
