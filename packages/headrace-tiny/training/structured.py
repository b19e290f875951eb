"""Dialogues in which the answer has a form: JSON, calls with arguments of every kind, a text word for word.

A schema is enforced by a grammar and not part of the prompt, so most of these prompts say little about it.
What the model learns is to copy a value that was said, to write the usual one otherwise, and to end it.
"""

import json
import re
from random import Random
from typing import Any

import fields
import questions
import topics
import unknown
import values
from dialogues import Dialogue, Message, assistant, call, plain_turns, user
from fields import (
    COMMON,
    NESTED,
    SAYABLE,
    SCALARS,
    WORD,
    Field,
    filled,
    given,
    said,
    some_fields,
    to_json,
    unsaid,
)
from tools import make_tools

LABELLED = {
    "en": [
        "{w} {v}",
        "{w}: {v}",
        "{w} is {v}",
        "the {w} is {v}",
        "{w} = {v}",
        "{v} ({w})",
        "{w} {v}",
        "{k}: {v}",
        "The {w}: {v}",
    ],
    "zh": ["{w}{v}", "{w}：{v}", "{w}是{v}", "{w}为{v}", "{v}（{w}）", "{w} {v}", "{k}: {v}"],
}
SPOKEN = {
    "person": {"en": ["I am {v}", "{v} is here", "my name is {v}", "{v}", "{v} speaking", "{v} called"], "zh": ["我是{v}", "我叫{v}", "{v}", "{v}来了"]},
    "place": {"en": ["in {v}", "from {v}", "living in {v}", "going to {v}"], "zh": ["住在{v}", "来自{v}", "去{v}", "在{v}"]},
    "integer": {"en": ["{v} years old", "{v} of them", "{v} pieces", "aged {v}", "with {v} bags"], "zh": ["{v}岁", "{v}个", "一共{v}", "{v}件"]},
}  # fmt: skip
EXTRACT = {
    "en": ["{s}", "Extract the data: {s}", "Extract: {s}", "Parse this: {s}", "Fill in the form. {s}", "Extract the fields from the text: {s}",
           "Read the text and return JSON. {s}", "{s}. Return JSON.", "{s} - as JSON please", "Here is the text: {s}", "Convert to JSON: {s}",
           "Extract {k} from: {s}", "Give me {k}: {s}", "Text: {s}\nJSON:", "Create a record: {s}", "Register this: {s}", "Please note: {s}"],
    "zh": ["{s}", "提取信息：{s}", "从下面的文字提取信息：{s}", "解析：{s}", "填写表格：{s}", "{s}。返回 JSON。", "用 JSON 表示：{s}", "请提取{k}：{s}",
           "把这段话转成 JSON：{s}", "新建记录：{s}", "文本：{s}\nJSON：", "请登记：{s}", "抽取字段：{s}"],
}  # fmt: skip
INVENT = {
    "en": ["Give me {k} of {x} as JSON", "Create a JSON object with {k}", "Return JSON with the keys {k}", "Make up an example of {x}", "Generate {x}",
           "Describe {x} as JSON", "Create {x}", "An example of {x}, please", "JSON with {k} about {x}", "Answer in JSON: {x}", "Return a random {x}",
           "Tell me about {x} in JSON format", "Make a plan for {x}", "List {x}", "Classify: {x}", "Rate {x}", "Reply with a JSON object about {x}",
           "What can you say about {x}? Use JSON.", "Return a valid JSON object", "Give me some JSON", "Invent {x} with {k}", "Give me a {x}", "Review {x}",
           "Generate a sample", "Fill in the fields", "Plan a trip to {x}", "A user profile", "Make a record for {x}", "Summarize: {x}", "An order of {x}"],
    "zh": ["用 JSON 给出{x}的{k}", "创建一个 JSON 对象，包含{k}", "返回 JSON，键为{k}", "举一个{x}的例子", "生成{x}", "用 JSON 描述{x}", "新建{x}", "给我一个{x}",
           "关于{x}的 JSON，含{k}", "以 JSON 回答：{x}", "列出{x}", "给{x}分类", "评价{x}", "返回一个 JSON 对象", "给我一些 JSON", "编一个{x}", "生成示例数据",
           "填写字段", "总结：{x}", "做个{x}计划", "用户资料", "一份{x}订单"],
}  # fmt: skip
THOUGHTS = {"en": "The user wants JSON.", "zh": "用户要 JSON。"}
SCHEMA_PROMPTS = {
    "en": ["Answer with JSON that matches this schema:\n{s}", "You must respond with a JSON object of this JSON schema:\n{s}", "JSON schema:\n{s}\nYou MUST answer with a JSON object that matches the JSON schema above.",
           "Respond in JSON. {s}", "As a genius expert, understand the content and provide the parsed objects in JSON that match the following json_schema:\n\n{s}\n"],
    "zh": ["请按此 JSON Schema 回答：\n{s}", "只输出符合以下 schema 的 JSON：{s}"],
}  # fmt: skip
SYSTEM = {
    "en": ["You extract data.", "Answer in JSON only.", "You are a helpful assistant that answers in JSON.", "Return valid JSON.", "Extract the information."],
    "zh": ["你负责提取数据。", "只用 JSON 回答。", "请输出 JSON。"],
}  # fmt: skip
TYPES = {
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "strings": "array",
    "numbers": "array",
    "objects": "array",
}
TYPES |= {"object": "object", "map": "object"}
EXACT = {
    "en": ["Reply exactly {x}", "Reply with exactly {x}", "Reply with exactly: {x}", "Say {x}", "Just say {x}", "Answer with {x} only", "Respond with {x}",
           'Reply with "{x}"', 'Say "{x}" and nothing else', "Repeat after me: {x}", "Repeat: {x}", "Output {x}", "Reply only with {x}", "Print {x}",
           "Write exactly this: {x}", "Only answer {x}", "Say exactly: {x}", "Reply with the word {x}", "Please answer with exactly {x}", "Echo {x}",
           "Return only the text {x}", "Respond with exactly the word {x}", "Reply {x}", "Reply with {x} and nothing else", "Say just {x}", "Type {x}"],
    "zh": ["只回复{x}", "请只回答{x}", "原样输出{x}", "请说{x}", "重复：{x}", "请回复“{x}”", "说“{x}”", "跟我说：{x}", "只输出{x}", "回答{x}就行", "请原样重复：{x}", "回复{x}",
           "只说{x}", "请回复：{x}", "只要回答“{x}”"],
}  # fmt: skip
EXACT_THOUGHTS = {"en": "The user wants exactly this: {x}", "zh": "用户要我原样回复：{x}"}
WORDS = "PONG PING OK YES NO pong ping ok yes no hello Hello done DONE ready READY test TEST Yes No true false 你好 好的 是 收到 完成 对".split()


def topic_of(r: Random, lang: str) -> str:
    kind = r.random()
    if kind < 0.3:
        return r.choice(topics.NOUNS)[lang == "zh"]
    if kind < 0.5:
        return unknown.subject(r, lang)
    if kind < 0.75:
        return values.name(r, lang)
    return values.phrase(r, lang)


def unmarked(text: str) -> str:
    return re.sub("[\ue000-\ue002]", "", text)


def told(r: Random, found: list[Field], data: dict[str, Any], lang: str, *, labelled: bool) -> str:
    """The values in words."""
    texts = [
        r.choice(LABELLED[lang] if labelled else SPOKEN[f.kind][lang]).format(
            w=f.word, k=f.key, v=data[f.key]
        )
        for f in found
    ]
    separators = ("，", "；", "，", "。", "\n") if lang == "zh" else (", ", "; ", ", ", ". ", "\n", " ")
    return r.choice(separators).join(texts)


def schema_of(r: Random, found: list[Field]) -> str:
    """What clients put into a prompt, as pydantic and zod write it."""
    style = r.random()
    properties = {}
    for f in found:
        inner: dict[str, Any] = {"title": f.key.capitalize()} if style < 0.5 else {}
        inner |= {"type": TYPES.get(f.kind, "string")}
        properties[f.key] = inner | ({"items": {"type": "string"}} if f.kind == "strings" else {})
    schema = {"type": "object", "properties": properties, "required": [f.key for f in found]}
    schema |= (
        {"title": fields.invented_key(r, "en").capitalize()}
        if style < 0.5
        else {"additionalProperties": False}
    )
    return json.dumps(schema, ensure_ascii=False)


def names_of(r: Random, lang: str, found: list[Field]) -> str:
    and_ = r.choice(("、", "和", "，")) if lang == "zh" else r.choice((", ", ", ", " and "))
    return and_.join(f.key for f in found)


def extraction(r: Random, lang: str) -> list[Message]:
    """A text with values, which the answer copies."""
    labelled = r.random() < 0.75
    found = some_fields(r, lang, SAYABLE if labelled else list(SPOKEN), (1, 2, 2, 3, 3, 4))
    if not labelled:
        found = list({f.kind: f for f in found}.values())
    data = {f.key: said(r, lang, f.kind) for f in found}
    text = r.choice(EXTRACT[lang]).format(
        s=told(r, found, data, lang, labelled=labelled), k=names_of(r, lang, found)
    )
    if not all(f.key in text for f in found):
        data = {given(key): value for key, value in data.items()}
    # If the user does not say JSON, it is the grammar that wants it.
    thought = THOUGHTS[lang] if "json" in text.lower() else given(THOUGHTS[lang])
    return [user(text), assistant(thought, to_json(data))]


def request(r: Random, lang: str) -> list[Message]:
    """A request for JSON, of which nothing is known but perhaps the names or the topic."""
    topic = topic_of(r, lang)
    found = some_fields(r, lang, COMMON, (1, 2, 2, 3, 3, 4, 5))
    text = r.choice(INVENT[lang]).format(x=topic, k=names_of(r, lang, found))
    if "json" not in text.lower():
        text = f"JSON：{text}" if lang == "zh" else f"{text}, as JSON"
    if all(f.key in text for f in found):
        data = {f.key: unsaid(r, lang, f.kind) for f in found}
    elif r.random() < 0.3:
        data = {"name": topic} if topic in text else {"answer": WORD[lang]}
    else:
        data = filled(r, lang, some_fields(r, lang, COMMON + NESTED * 3))
    return [user(text), assistant(THOUGHTS[lang], to_json(data))]


def short(content: str) -> str:
    """A remark, or the first couplet of a poem."""
    return " ".join(content.rpartition("\n\n")[2].split("\n")[:2])


def forced_json(r: Random, lang: str) -> list[Message]:
    """Any request, answered with JSON because the grammar allows nothing else."""
    asked, answer = plain_turns(r, lang)
    if r.random() < 0.3:
        data: dict[str, Any] = {"answer": short(answer["content"])}
    else:
        data = filled(r, lang, some_fields(r, lang, COMMON + NESTED * 5, (1, 2, 2, 3, 3, 4, 5)))
    return [asked, assistant(answer["reasoning_content"], to_json(data))]


def system_json(r: Random, lang: str) -> list[Message]:
    """The system wants JSON, perhaps of a schema."""
    asked, answer = plain_turns(r, lang)
    prompt = r.choice(SYSTEM[lang])
    data: dict[str, Any] = {"answer": short(answer["content"])}
    if r.random() < 0.4:
        found = some_fields(r, lang, SCALARS + NESTED)
        prompt += "\n" + r.choice(SCHEMA_PROMPTS[lang]).format(s=schema_of(r, found))
        data = {f.key: unsaid(r, lang, f.kind) for f in found}
    return [{"role": "system", "content": prompt}, asked, assistant(THOUGHTS[lang], to_json(data))]


def exact_round(r: Random, lang: str) -> list[Message]:
    kind = r.random()
    if kind < 0.35:
        text = r.choice(WORDS)
    elif kind < 0.5:
        text = values.word(r).upper()
    elif kind < 0.75:
        text = values.phrase(r, lang)
    else:
        text = r.choice(
            (values.code(r), values.name(r, lang), values.name(r, "en"), unknown.subject(r, lang))
        )
    asked = r.choice(EXACT[lang]).format(x=text)
    if lang == "en":
        asked = asked[0].lower() + asked[1:] if r.random() < 0.2 else asked
        asked += r.choice((".", "", "", "", ".") if asked[-1] not in '."' else ("",))
    elif not asked.endswith(text):
        asked += r.choice(("。", "", "！"))
    return [user(asked), assistant(EXACT_THOUGHTS[lang].format(x=text), text)]


def argument_schema(f: Field, value: Any) -> dict[str, Any]:
    kinds = {bool: "boolean", int: "integer", float: "number", list: "array", dict: "object"}
    schema: dict[str, Any] = {"type": kinds.get(type(value), "string")}
    if isinstance(value, list):
        schema["items"] = argument_schema(f, value[0]) if value else {"type": "string"}
    if isinstance(value, dict):
        schema["properties"] = {key: argument_schema(Field(key, key, ""), x) for key, x in value.items()}
    return schema | ({"description": f.word} if f.word != f.key else {})


def typed_call(r: Random, lang: str, *, forced: bool) -> tuple[list[Message], list[dict[str, Any]]]:
    """A call with arguments of every kind: said by the user, or the usual ones because the call is forced."""
    tool = make_tools(r, lang, 1)[0]
    found = some_fields(r, lang, SCALARS + NESTED * 2 if forced else SAYABLE, (1, 2, 2, 3, 4))
    data = {f.key: unsaid(r, lang, f.kind) if forced else said(r, lang, f.kind) for f in found}
    plain = json.loads(unmarked(to_json(data)))
    tool.schema["function"]["parameters"] = {
        "type": "object",
        "properties": {f.key: argument_schema(f, plain[f.key]) for f in found},
        "required": list(plain),
    }
    if forced:
        asked = plain_turns(r, lang)[0] if r.random() < 0.6 else user(questions.ask(r, tool, lang).text)
    else:
        title = tool.schema["function"].get("description", tool.name)
        asked = user(f"{title}: {told(r, found, data, lang, labelled=True)}")
    thought = f"要用 {tool.name}。" if lang == "zh" else f"I call {tool.name}."
    arguments = {
        key: x if isinstance(x, str) and fields.RAW not in x else to_json(x) for key, x in data.items()
    }
    return [asked, call(given(thought) if forced else thought, "", tool.name, arguments)], [tool.schema]


def make_structured(r: Random, *, rounds: tuple[int, ...] = (1, 1, 2, 3)) -> Dialogue:
    """A random dialogue of these kinds; `forced` if the form of its last answer was not asked for."""
    lang = "zh" if r.random() < 0.42 else "en"
    thinking = r.random() < 0.5
    keeps = thinking and r.random() < 0.4
    kind = r.random()
    if kind < 0.13:
        forced = r.random() < 0.6
        turns, tools = typed_call(r, lang, forced=forced)
        return Dialogue(turns, tools, thinking, keeps, forced)
    if kind < 0.46:
        return Dialogue(forced_json(r, lang), [], thinking, keeps, forced=True)
    if kind < 0.64:
        turns = extraction(r, lang)
        forced = "json" not in turns[0]["content"].lower()
        return Dialogue(turns, [], thinking, keeps, forced)
    if kind < 0.7:
        return Dialogue(system_json(r, lang), [], thinking, keeps)
    messages: list[Message] = []
    for _ in range(r.choice(rounds)):
        messages += exact_round(r, lang) if kind < 0.83 else request(r, lang)
    return Dialogue(messages, [], thinking, keeps)
