"""Dialogues in which the answer has a form: JSON, calls with odd arguments, a text word for word.

A schema is enforced by a grammar and not part of the prompt, so most of these prompts say little about it.
What the model learns is to copy a value that was said, to make up a short one otherwise, and to end it.
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
from fields import COMMON, NESTED, SCALARS, Field, Writer, given, to_json
from tools import make_tools

SAYABLE = {
    "person",
    "place",
    "phrase",
    "code",
    "integer",
    "number",
    "date",
    "clock",
    "email",
    "phone",
    "choice",
    "url",
}
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
    "person": {"en": ["I am {v}", "{v} is here", "my name is {v}", "{v}", "{v} speaking", "{v} called", "{v} wrote this"],
               "zh": ["我是{v}", "我叫{v}", "{v}", "{v}来了", "{v}打来电话"]},
    "place": {"en": ["in {v}", "from {v}", "living in {v}", "going to {v}", "{v}"], "zh": ["住在{v}", "来自{v}", "去{v}", "在{v}"]},
    "phrase": {"en": ["{v}", "about {v}", '"{v}"', "wants {v}", "we sell {v}"], "zh": ["{v}", "“{v}”", "想要{v}", "买了{v}", "关于{v}"]},
    "code": {"en": ["{v}", "number {v}", "#{v}"], "zh": ["编号{v}", "{v}"]},
    "integer": {"en": ["{v} years old", "{v} of them", "{v} pieces", "{v}", "{v} in all", "aged {v}"], "zh": ["{v}岁", "{v}个", "一共{v}", "{v}件"]},
    "number": {"en": ["for {v} dollars", "it costs {v}", "{v}", "${v}", "{v} kg", "about {v}"], "zh": ["{v}元", "价格{v}", "{v}公斤", "{v}"]},
    "date": {"en": ["on {v}", "{v}", "since {v}", "until {v}"], "zh": ["{v}", "在{v}", "从{v}开始"]},
    "clock": {"en": ["at {v}", "{v}"], "zh": ["{v}", "在{v}"]},
    "email": {"en": ["write to {v}", "{v}", "mail me at {v}"], "zh": ["邮箱{v}", "请写信到{v}", "{v}"]},
    "phone": {"en": ["call {v}", "tel {v}", "{v}"], "zh": ["电话{v}", "请打{v}"]},
    "choice": {"en": ["{v}", "it is {v}", "marked {v}"], "zh": ["{v}", "属于{v}"]},
    "url": {"en": ["see {v}", "{v}"], "zh": ["见{v}", "{v}"]},
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
THOUGHTS = {
    "en": ["The user wants JSON. I will write a short one.", "The answer is JSON, with the user's words."],
    "zh": ["用户要 JSON，每个字段填一个简短的值。", "回答是 JSON，尽量用用户说的内容。"],
}
SCHEMA_PROMPTS = {
    "en": ["Answer with JSON that matches this schema:\n{s}", "You must respond with a JSON object of this JSON schema:\n{s}", "JSON schema:\n{s}\nYou MUST answer with a JSON object that matches the JSON schema above.",
           "Respond in JSON. {s}", "As a genius expert, understand the content and provide the parsed objects in JSON that match the following json_schema:\n\n{s}\n"],
    "zh": ["请按此 JSON Schema 回答：\n{s}", "只输出符合以下 schema 的 JSON：{s}"],
}  # fmt: skip
SYSTEM = {
    "en": ["You extract data.", "Answer in JSON only.", "You are a helpful assistant that answers in JSON.", "Return valid JSON.", "Extract the information."],
    "zh": ["你负责提取数据。", "只用 JSON 回答。", "请输出 JSON。"],
}  # fmt: skip
ANSWER_KEYS = [
    "answer",
    "response",
    "text",
    "message",
    "reply",
    "content",
    "result",
    "output",
    "回答",
    "内容",
]
TYPES = {
    "integer": "integer",
    "number": "number",
    "boolean": "boolean",
    "null": "null",
    "strings": "array",
    "numbers": "array",
    "objects": "array",
}
TYPES |= {"tree": "array", "object": "object", "map": "object", "next": "object"}
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


def some_fields(r: Random, lang: str) -> list[Field]:
    kinds = COMMON + (NESTED * 4 if r.random() < 0.6 else [])
    size = r.choices((1, 2, 3, 4, 5, 7), (18, 24, 26, 18, 10, 4))[0]
    found = [fields.field(r, lang, r.choice(kinds)) for _ in range(size)]
    return list({f.key: f for f in found}.values())


def told(r: Random, found: list[Field], data: dict[str, Any], lang: str, *, labelled: bool) -> str:
    """The values in words, those of an inner object as well."""
    said = []
    for f in found:
        value = data[f.key]
        if f.kind == "object":
            inner = [Field(key, key, kind_of(x)) for key, x in value.items()]
            said.append(told(r, inner, value, lang, labelled=True))
        elif f.kind == "strings" and value and r.random() < 0.7:
            said.append((f"{f.word}: " if labelled else "") + ("、" if lang == "zh" else ", ").join(value))
        elif (f.kind in SAYABLE or (labelled and f.kind == "sentence")) and r.random() < 0.85:
            form = r.choice(LABELLED[lang] if labelled else SPOKEN[f.kind][lang])
            said.append(form.format(w=f.word, k=f.key, v=value))
    if not labelled and r.random() < 0.5:
        r.shuffle(said)
    separators = ("，", "；", "，", "。", "\n") if lang == "zh" else (", ", "; ", ", ", ". ", "\n", " ")
    return unmarked(r.choice(separators).join(text for text in said if text))


def kind_of(value: Any) -> str:
    return "phrase" if isinstance(value, str) else "integer" if type(value) in (int, float) else "null"


def unmarked(text: str) -> str:
    return re.sub("[\ue000-\ue002]", "", text)


def schema_of(r: Random, found: list[Field]) -> str:
    """What clients put into a prompt, as pydantic and zod write it."""
    style = r.random()
    properties = {}
    for f in found:
        inner: dict[str, Any] = {"title": f.key.capitalize()} if style < 0.5 else {}
        inner |= {"type": TYPES.get(f.kind, "string")}
        if r.random() < 0.2:
            inner["description"] = f.word
        properties[f.key] = inner | ({"items": {"type": "string"}} if f.kind == "strings" else {})
    schema = {"type": "object", "properties": properties, "required": [f.key for f in found]}
    schema |= (
        {"title": fields.invented_key(r, "en").capitalize()}
        if style < 0.5
        else {"additionalProperties": False}
    )
    return json.dumps(schema, ensure_ascii=False, indent=2 if r.random() < 0.2 else None)


def json_round(r: Random, lang: str) -> tuple[list[Message], list[Field]]:
    """A request that wants JSON, and the answer."""
    topic, found = topic_of(r, lang), some_fields(r, lang)
    kind = r.random()
    data = Writer(r, lang, topic, said=kind < 0.55).fill(found)
    names = ("、" if lang == "zh" else ", ").join(f.word if kind < 0.5 else f.key for f in found)
    text = ""
    if kind < 0.55:
        said = told(r, found, data, lang, labelled=r.random() < 0.6)
        text = r.choice(EXTRACT[lang]).format(s=said, k=names) if said else ""
    text = text or r.choice(INVENT[lang]).format(x=topic, k=names)
    if names not in text and r.random() < 0.8:
        # Nobody can guess the names; a grammar writes them.
        data = with_given_keys(data)
    thought, answer = r.choice(THOUGHTS[lang]), to_json(data)
    if "json" not in text.lower():
        # The grammar wants JSON, not the user.
        thought, answer = given(thought), given(answer[:2]) + answer[2:]
    return [user(text), assistant(thought, answer)], found


def with_given_keys(data: Any) -> Any:
    if isinstance(data, dict):
        return {given(key): with_given_keys(value) for key, value in data.items()}
    return [with_given_keys(each) for each in data] if isinstance(data, list) else data


def forced_json(r: Random, lang: str) -> list[Message]:
    """Any request, answered with JSON because the grammar allows nothing else."""
    asked, answer = plain_turns(r, lang)
    if "\n" not in answer["content"] and r.random() < 0.4:  # verse stays verse
        data: dict[str, Any] = {r.choice(ANSWER_KEYS): answer["content"]}
    else:
        topic = topic_of(r, lang) if r.random() < 0.4 else asked["content"].strip("。？！?!. ")[:40]
        data = with_given_keys(Writer(r, lang, topic, said=False).fill(some_fields(r, lang)))
    return [asked, assistant(answer["reasoning_content"], to_json(data))]


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
    if f.kind == "choice":
        schema["enum"] = sorted({value, *Random(value).sample(fields.CHOICES, 2)})
    if isinstance(value, list):
        schema["items"] = argument_schema(f, value[0]) if value else {"type": "string"}
    if isinstance(value, dict):
        schema["properties"] = {key: argument_schema(Field(key, key, ""), x) for key, x in value.items()}
    return schema | ({"description": f.word} if f.word != f.key else {})


def odd_call(r: Random, lang: str, *, forced: bool) -> tuple[list[Message], list[dict[str, Any]]]:
    """A call with arguments of every kind: said by the user, or made up because the call is forced."""
    tool = make_tools(r, lang, 1)[0]
    found = [fields.field(r, lang, r.choice(SCALARS + NESTED * 2)) for _ in range(r.choice((1, 2, 2, 3, 4)))]
    if not forced:
        found = [f for f in found if f.kind in SAYABLE or f.kind in ("strings", "boolean", "object")]
    found = list({f.key: f for f in found}.values()) or [Field("name", "name", "person")]
    data = Writer(r, lang, topic_of(r, lang), said=not forced).fill(found)
    plain = json.loads(unmarked(to_json(data)))
    parameters = {
        "type": "object",
        "properties": {f.key: argument_schema(f, plain[f.key]) for f in found},
        "required": list(plain),
    }
    tool.schema["function"]["parameters"] = parameters
    if forced:
        asked = plain_turns(r, lang)[0] if r.random() < 0.6 else user(questions.ask(r, tool, lang).text)
    else:
        asked = user(
            f"{tool.schema['function'].get('description', tool.name)}: {told(r, found, data, lang, labelled=True)}"
        )
    thought = f"要用 {tool.name}。" if lang == "zh" else f"I call {tool.name}."
    arguments = {
        key: x if isinstance(x, str) and fields.RAW not in x else to_json(x) for key, x in data.items()
    }
    return [asked, call(thought, "", tool.name, arguments)], [tool.schema]


def make_structured(r: Random, *, rounds: tuple[int, ...] = (1, 1, 2, 3)) -> Dialogue:
    """A random dialogue of these kinds; `forced` if the form of its last answer was not asked for."""
    lang = "zh" if r.random() < 0.42 else "en"
    thinking = r.random() < 0.5
    keeps = thinking and r.random() < 0.4
    kind = r.random()
    if kind < 0.15:
        forced = r.random() < 0.6
        turns, tools = odd_call(r, lang, forced=forced)
        return Dialogue(turns, tools, thinking, keeps, forced)
    messages: list[Message] = []
    if kind < 0.27:
        for _ in range(r.choice(rounds) + 1):
            messages += exact_round(r, lang)
        return Dialogue(messages, [], thinking, keeps)
    if kind < 0.44:
        return Dialogue(forced_json(r, lang), [], thinking, keeps, forced=True)
    for number in range(r.choice(rounds)):
        turns, found = json_round(r, lang)
        if number == 0 and r.random() < 0.3:
            prompt = r.choice(SYSTEM[lang])
            if r.random() < 0.5:
                prompt += "\n" + r.choice(SCHEMA_PROMPTS[lang]).format(s=schema_of(r, found))
            turns = [{"role": "system", "content": prompt}, *turns]
        messages += turns
    return Dialogue(messages, [], thinking, keeps)
