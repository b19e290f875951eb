"""Random tool definitions: a `Tool` knows its JSON and what a request for it must say."""

from dataclasses import dataclass, field
from random import Random
from typing import Any

import topics
import values


@dataclass
class Parameter:
    key: str
    kind: str
    en: str
    zh: str
    choices: list[str] = field(default_factory=list)


@dataclass
class Tool:
    """`verb` is None for a look-up, else (English, Chinese); `main` is the required argument."""

    name: str
    verb: tuple[str, str] | None
    en: str
    zh: str
    main: Parameter | None
    extras: list[Parameter]
    invented: bool
    schema: dict[str, Any] = field(default_factory=dict)

    def noun(self, lang: str) -> str:
        return self.zh if lang == "zh" else self.en


JSON_TYPES = {"integer": "integer", "days": "integer", "number": "number", "boolean": "boolean"}

LOOKUP_TEXTS = {
    "zh": ["查询{n}", "获取{n}", "获取指定{p}的{n}", "查询指定{p}的{n}", "{n}查询工具", "获取{n}信息", "根据{p}查询{n}",
           "获取指定{p}当前的{n}情况", "查找{n}", "返回{p}对应的{n}", "通过{p}获取{n}", "这个工具用来查询{n}"],
    "en": ["Get the {n}", "Get the {n} of a {p}", "Look up the {n} for a {p}", "Query the {n}", "Get current {n}",
           "Search for {n} information", "Get the current {n} for a given {p}", "Returns the {n} of the {p}",
           "Find the {n}", "{n} lookup", "Retrieve the {n} by {p}", "Use this tool to find the {n}"],
}  # fmt: skip
ACTION_TEXTS = {
    "zh": ["{a}{n}", "{a}一个{n}", "{a}指定的{n}", "根据{p}{a}{n}", "用于{a}{n}", "{a}{n}的工具"],
    "en": ["{A} a {n}", "{A} the {n}", "{A} the {n} with this {p}", "{A} {n}", "Use this tool to {a} a {n}"],
}
TAILS = {
    "zh": ["。", "。支持中文。", "，返回结果。", "。仅供参考。", "（实时）"],
    "en": [".", ". Returns JSON.", ". Call it when needed.", " (live data)", ". Results may be delayed."],
}


def choose_noun(r: Random, lang: str, invented: float) -> tuple[str, str, str, bool]:
    if r.random() < 0.08:
        return *topics.NOUNS[0], False
    if r.random() >= invented:
        return *r.choice(topics.NOUNS), False
    if r.random() < 0.25:
        # Real words that mean nothing as a tool.
        thing, zh_thing = r.choice(values.EN_THINGS), r.choice(values.ZH_THINGS)
        return thing, zh_thing, r.choice(("place", "code", "phrase", "person")), True
    en = " ".join(values.word(r) for _ in range(r.choice((1, 1, 1, 2))))
    if lang == "en" and r.random() < 0.3:
        en = f"{values.word(r)} {r.choice(topics.NOUNS)[0]}"
    zh = values.han(r, 2, 3)
    if lang == "zh" and r.random() < 0.3:
        zh = values.han(r, 1, 2) + r.choice(topics.NOUNS)[1]
    return en, zh, r.choice(("place", "code", "phrase", "person")), True


def choose_name(r: Random, verb: str, noun: str, *, known: bool) -> str:
    stem = noun.replace(" ", "_")
    style = r.random()
    if style < 0.08:
        name = (
            f"{stem}_{r.choice(('lookup', 'search', 'query', 'info', 'api'))}" if known else f"{stem}_{verb}"
        )
    elif style < 0.13:
        name = verb + "".join(part.capitalize() for part in stem.split("_"))
    elif style < 0.16:
        name = stem
    elif style < 0.20:
        name = f"{verb}-{stem.replace('_', '-')}"
    elif style < 0.25:
        # The name alone says nothing: only the description can decide.
        name = f"{r.choice(('tool', 'fn', 'api', 'run', values.word(r)))}_{values.word(r)}"
    else:
        name = f"{verb}_{stem}"
    if r.random() < 0.1:
        name += "_" + r.choice(("info", "data", "list", "by_name", "v2", "details", "now"))
    return name


def main_parameter(r: Random, kind: str) -> Parameter:
    style = r.random()
    if style < 0.3:
        key = "_".join(values.word(r) for _ in range(r.choice((1, 1, 2))))
        return Parameter(key, kind, values.word(r), values.han(r, 2, 3))
    key, en, zh = r.choice(topics.MAIN_KEYS[kind])
    if style < 0.5:
        # A real word that the model has not learnt as a key.
        en = r.choice(values.EN_THINGS)
        key = en if r.random() < 0.5 else f"{en}_{key}"
    return Parameter(key, kind, en, zh)


def extra_parameter(r: Random, kind: str) -> Parameter:
    if r.random() < 0.2:
        word = values.word(r)
        kind = r.choice(("phrase", "integer", "enum", "code", "person", "number"))
        choices = [values.word(r) for _ in range(r.randint(2, 4))] if kind == "enum" else []
        return Parameter(word, kind, word, values.han(r, 2, 2), choices)
    key, extra_kind, en, zh = r.choice(topics.EXTRAS)
    if kind == "place" and r.random() < 0.5:
        key, extra_kind, en, zh = r.choice(topics.EXTRAS[:5])
    choices = []
    if extra_kind == "enum":
        choices = r.sample(topics.ENUMS[key], r.randint(2, 3))
    return Parameter(key, extra_kind, en, zh, choices)


def property_schema(r: Random, p: Parameter, lang: str) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": JSON_TYPES.get(p.kind, "string")}
    if r.random() < 0.7:
        text = p.zh if lang == "zh" else r.choice(("{}", "the {}", "The {}", "{}")).format(p.en)
        if p.kind == "place" and r.random() < 0.5:
            first, second = values.place(r, lang), values.place(r, lang)
            example = {"zh": ["，例如：{a}", ",例如:{a}、{b}", "，如{a}", "（例如{a}）"],
                       "en": [", e.g. {a}", " like {a} or {b}", " (for example {a})"]}[lang]  # fmt: skip
            text += r.choice(example).format(a=first, b=second)
        schema["description"] = text
    if p.choices or p.kind == "unit":
        schema["enum"] = p.choices or ["celsius", "fahrenheit"]
    elif p.kind in JSON_TYPES and r.random() < 0.15:
        schema["default"] = {"boolean": False}.get(p.kind, r.randint(1, 10))
    return schema


def describe(r: Random, tool: Tool, lang: str) -> str:
    key = tool.main.zh if lang == "zh" else tool.main.en
    if tool.verb is None:
        text = r.choice(LOOKUP_TEXTS[lang]).format(n=tool.noun(lang), p=key)
    else:
        action = tool.verb[lang == "zh"]
        text = r.choice(ACTION_TEXTS[lang]).format(a=action, A=action.capitalize(), n=tool.noun(lang), p=key)
    if r.random() < 0.3:
        text += r.choice(TAILS[lang])
    return text[0].upper() + text[1:] if r.random() < 0.8 else text


def build_schema(r: Random, tool: Tool, lang: str) -> dict[str, Any]:
    parameters = [tool.main, *tool.extras]
    order = parameters[:]
    if r.random() < 0.2:
        r.shuffle(order)
    schema: dict[str, Any] = {
        "type": "object",
        "properties": {p.key: property_schema(r, p, lang) for p in order},
    }
    if r.random() < 0.85:
        schema["required"] = [tool.main.key]
    if r.random() < 0.12:
        schema["additionalProperties"] = False
    function: dict[str, Any] = {
        "name": tool.name,
        "description": describe(r, tool, lang),
        "parameters": schema,
    }
    if r.random() < 0.08:
        function = {"name": tool.name, "parameters": schema, "description": function["description"]}
    elif not tool.invented and tool.en.replace(" ", "_") in tool.name and r.random() < 0.06:
        del function["description"]
    if r.random() < 0.1:
        function["strict"] = True
    return {"type": "function", "function": function}


def make_tool(
    r: Random, lang: str, like: Tool | None = None, *, invented: float = 0.45, small: bool = False
) -> Tool:
    """`like`: make a close neighbour of this tool, with its verb or its noun. `small`: one parameter."""
    en, zh, kind, is_new = choose_noun(r, lang, invented)
    verb: tuple[str, str, str] | None = r.choice(topics.ACTION_VERBS) if r.random() < 0.35 else None
    if like is not None and r.random() < 0.5:
        # The same noun with another verb.
        en, zh, is_new = like.en, like.zh, like.invented
        kind = like.main.kind if like.main else kind
        verb = r.choice(topics.ACTION_VERBS)
        while like.verb is not None and verb[1] == like.verb[0]:
            verb = r.choice(topics.ACTION_VERBS)
    elif like is not None and like.verb is not None:
        verb = (like.verb[0], *like.verb)
    elif like is not None:
        verb = None
    lookup = r.choice(topics.LOOKUP_VERBS) if r.random() < 0.8 else values.word(r)
    name = choose_name(r, verb[0] if verb else lookup, en, known=not is_new)
    extras = [
        extra_parameter(r, kind)
        for _ in range(0 if small else r.choices((0, 1, 2, 3), (0.5, 0.3, 0.14, 0.06))[0])
    ]
    main = main_parameter(r, kind)
    seen = {main.key}
    extras = [p for p in extras if not (p.key in seen or seen.add(p.key))]
    tool = Tool(name, (verb[1], verb[2]) if verb else None, en, zh, main, extras, is_new)
    # An invented noun can only be recognised in the user's own language.
    other = {"zh": "en", "en": "zh"}[lang]
    text_lang = lang if is_new or r.random() < 0.8 else other
    tool.schema = build_schema(r, tool, text_lang)
    return tool


def make_tools(
    r: Random, lang: str, count: int, *, invented: float = 0.45, small: bool = False
) -> list[Tool]:
    """Tools with different names and meanings; a part of them close to each other."""
    tools: list[Tool] = []
    while len(tools) < count:
        like = r.choice(tools) if tools and r.random() < 0.4 else None
        tool = make_tool(r, lang, like, invented=invented, small=small)
        if any(t.name == tool.name or (t.verb, t.zh) == (tool.verb, tool.zh) for t in tools):
            continue
        tools.append(tool)
    return tools
