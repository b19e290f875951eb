"""How a user asks for a tool: random words around a random core, with the arguments inside."""

import re
from dataclasses import dataclass
from random import Random
from typing import Any

import phrasing
import topics
import values
from tools import Parameter, Tool


@dataclass
class Request:
    """`text` is what the user writes; `arguments` is what the call must hold."""

    text: str
    value: str
    arguments: dict[str, Any]


# {v} value, {k} its key, {n} noun, {d} date (or nothing), {a} verb
ACTIONS = {
    "zh": [
        "{a}{n}{v}", "{d}{a}{n}{v}", "把{v}的{n}{a}了", "把{n}{v}{a}", "{a}{v}的{n}", "{a}一下{n}{v}", "我想{a}{n}{v}",
        "我要{a}{v}的{n}", "需要{a}{n}，{v}", "{a}{n}：{v}", "给{v}{a}{n}", "{a}一个{n}，{v}", "为{v}{a}{n}",
        "{n}{v}可以{a}了", "{d}要{a}{n}{v}", "{a}名为{v}的{n}", "将{v}的{n}{a}",
    ],
    "en": [
        "{a} the {n} {v}{d}", "{a} {n} {v}{d}", "{a} a {n} for {v}{d}", "I need to {a} the {n} {v}{d}",
        "I want to {a} {n} {v}", "{a} the {n} of {v}{d}", "{a} {v}'s {n}", "Can you {a} the {n} {v}{d}",
        "Could you {a} {n} {v}", "{a} the {n} called {v}", "{a} {n}: {v}", "Go and {a} the {n} {v}{d}",
        "{n} {v}, {a} it", "Let's {a} the {n} for {v}{d}", "I'd like to {a} the {n} {v}", "Help me {a} a {n}, {v}",
    ],
}  # fmt: skip
OPENERS = {
    "zh": ["请", "请问", "麻烦", "帮我", "请帮我", "你好，", "麻烦帮我", "能不能", "可以", "嗨，", "那个，", "劳驾，", "能帮我", "我说，",
           "现在", "对了，", "喂，", "帮忙", "急，", "您好，请"],
    "en": ["Please ", "Hi, ", "Hello, ", "Hey, ", "Ok, ", "Now ", "So, ", "Quick question: ", "Well, ", "Hi! ",
           "Hey there, ", "Excuse me, ", "Right, ", "One thing: ", "Sorry, "],
}  # fmt: skip
CLOSERS = {
    "zh": [
        "，谢谢",
        "，谢谢你",
        "吧",
        "，急",
        "，好吗",
        "，可以吗",
        "，我在等",
        "，麻烦了",
        "，谢啦",
        "呢",
        "，行吗",
        "哈",
        "嘛",
        "，拜托",
        "，快点",
    ],
    "en": [
        ", please",
        ", thanks",
        " please",
        ", thank you",
        ", if you can",
        " for me",
        ", will you",
        " right now",
        ", ok",
    ],
}
ENDS = {
    "zh": ["？", "。", "", "", "！", "?", "～"],
    "en": ["?", ".", "", "", "!", "?"],
}
SENTENCE_START = re.compile(
    r"(What|How|Check|Tell|Look|Can|Show|Find|Could|Give|Search|Get|Do|Is|Any|Let|Need|May|Where|Which|Bring|Fetch|List)\b"
)
ENDS_PAIR = {
    "zh": ["{v}和{w}", "{v}、{w}", "{v}还有{w}", "{v}跟{w}"],
    "en": ["{v} and {w}", "{v} and also {w}", "{v} & {w}"],
}
VAGUE_TIMES = {
    "zh": "最近 近来 近期 这几天 这阵子 这些天 目前 如今 当前 此刻 这会儿 现在 刚刚 平时 近几日 当下".split(),
    "en": "now,these days,at the moment,lately,right now,this season,nowadays,at present,this hour,recently".split(
        ","
    ),
}
FOLLOW_UPS = {
    "zh": ["那{v}呢", "{v}呢", "那么{v}呢", "再看看{v}", "还有{v}", "换成{v}呢", "也看看{v}"],
    "en": [
        "And {v}",
        "What about {v}",
        "How about {v}",
        "And for {v}",
        "Now {v}",
        "The same for {v}",
        "and {v}",
    ],
}


def main_value(r: Random, kind: str, lang: str) -> str:
    if kind == "place":
        return values.place(r, lang)
    if kind == "person":
        return values.person(r, lang)
    if kind == "code":
        return values.code(r) if r.random() < 0.75 else values.name(r, lang)
    return values.phrase(r, lang) if r.random() < 0.75 else values.name(r, lang)


def say_extra(r: Random, p: Parameter, lang: str) -> tuple[str, Any]:
    """The words at the end of the request, and the value of the argument."""
    zh = lang == "zh"
    if p.kind == "unit":
        words, value = r.choice(topics.UNITS[lang])
        return (
            r.choice(("，用{}", "，单位{}", "，以{}表示")) if zh else r.choice((" in {}", ", unit {}"))
        ).format(words), value
    if p.kind == "days":
        value = r.randint(2, 15)
        return (f"，未来{value}天" if zh else f" for the next {value} days"), value
    if p.kind == "boolean":
        return (f"，要{p.zh}" if zh else f", {p.en}"), True
    if p.kind == "integer":
        value: Any = r.randint(1, 50)
        if p.key in ("limit", "count") and r.random() < 0.6:
            forms = ("，{}条", "，只要{}个", "，前{}条") if zh else (", {} items", ", only {}", ", top {}")
            return r.choice(forms).format(value), value
    elif p.kind == "number":
        value = values.amount(r)
    elif p.kind == "enum":
        value = r.choice(p.choices)
    elif p.kind == "clock":
        value = values.clock(r)
    elif p.kind == "date":
        value = values.date(r, lang)
    else:
        value = main_value(r, p.kind, lang)
    forms = (
        ("，{k}{v}", "，{k}是{v}", "，{k}为{v}", "，{k}：{v}", "，{k}用{v}")
        if zh
        else (", {k} {v}", " with {k} {v}", ", {k} is {v}", ", {k}: {v}", ", {k} = {v}")
    )
    return r.choice(forms).format(k=p.zh if zh else r.choice((p.en, p.key)), v=value), value


def dress(r: Random, core: str, tail: str, lang: str, value: str = "\0") -> str:
    """Put politeness, case and an end around the core of a request; never change `value`."""
    text = core
    if r.random() < 0.35:
        opener = r.choice(OPENERS[lang])
        if SENTENCE_START.match(text) and not opener.endswith("! "):
            text = text[0].lower() + text[1:]
        text = opener + text
    text += tail
    if r.random() < 0.2:
        text += r.choice(CLOSERS[lang])
    text += r.choice(ENDS[lang])
    kind = r.random()
    if lang == "en" and kind < 0.5 and not text.startswith(value):
        text = text[0].upper() + text[1:]
    return text


def key_word(r: Random, tool: Tool, lang: str) -> str:
    return tool.main.zh if lang == "zh" else r.choice((tool.main.en, tool.main.key))


def ask(r: Random, tool: Tool, lang: str) -> Request:
    """A request that `tool` answers; optional arguments appear only when said."""
    value = main_value(r, tool.main.kind, lang)
    arguments: dict[str, Any] = {tool.main.key: value}
    day, tail = "", ""
    for p in tool.extras:
        if p.kind == "date" and not day and r.random() < 0.5:
            said = values.date(r, lang)
            day, arguments[p.key] = (said if lang == "zh" else " " + said), said
        elif r.random() < 0.5:
            words, arguments[p.key] = say_extra(r, p, lang)
            tail += words
    if not day and not any(p.kind == "date" for p in tool.extras) and r.random() < 0.25:
        # A time that no parameter can take.
        day = values.date(r, lang) if r.random() < 0.6 else r.choice(VAGUE_TIMES[lang])
        day = day if lang == "zh" else " " + day
    hints = topics.HINTS.get(tool.en) if tool.verb is None else None
    if hints and r.random() < 0.3:
        core = r.choice(hints[lang])
    elif tool.verb is None:
        core = phrasing.lookup(r, lang)
    else:
        core = r.choice(ACTIONS[lang])
    if day and "{d}" not in core:
        position = "{d}" + core if lang == "zh" else core + "{d}"
        core = position
    verb = tool.verb[lang == "zh"] if tool.verb else ""
    core = core.format(v=value, n=tool.noun(lang), k=key_word(r, tool, lang), d=day, a=verb)
    order = [p.key for p in (tool.main, *tool.extras)]
    arguments = {key: arguments[key] for key in order if key in arguments}
    return Request(dress(r, core, tail, lang, value), value, arguments)


def ask_for_two(r: Random, tool: Tool, lang: str) -> tuple[str, list[str]]:
    """One request for two values: two calls of the same tool."""
    first, second = (main_value(r, tool.main.kind, lang) for _ in range(2))
    both = r.choice(ENDS_PAIR[lang]).format(v=first, w=second)
    verb = tool.verb[lang == "zh"] if tool.verb else ""
    core = phrasing.lookup(r, lang) if tool.verb is None else r.choice(ACTIONS[lang])
    core = core.format(v=both, n=tool.noun(lang), k=key_word(r, tool, lang), d="", a=verb)
    return dress(r, core, "", lang, first), [first, second]


def follow_up(r: Random, tool: Tool, lang: str) -> Request:
    """The same question for another value, after an answer."""
    value = main_value(r, tool.main.kind, lang)
    core = r.choice(FOLLOW_UPS[lang]).format(v=value)
    return Request(core + r.choice(ENDS[lang]), value, {tool.main.key: value})


def ask_without_value(r: Random, tool: Tool, lang: str) -> str:
    """A request that forgets the required argument."""
    noun = tool.noun(lang)
    verb = tool.verb[lang == "zh"] if tool.verb else ""
    if tool.verb is None:
        cores = (
            ["{n}怎么样", "查一下{n}", "{n}", "我想知道{n}", "{n}是多少", "查询{n}"]
            if lang == "zh"
            else [
                "What is the {n}",
                "How is the {n}",
                "Check the {n}",
                "{n}",
                "Tell me the {n}",
                "I want to know the {n}",
            ]
        )
    else:
        cores = (
            ["{a}{n}", "我想{a}{n}", "{a}一下{n}", "我要{a}一个{n}"]
            if lang == "zh"
            else ["{a} a {n}", "{a} the {n}", "I want to {a} a {n}", "I need to {a} the {n}"]
        )
    return dress(r, r.choice(cores).format(n=noun, a=verb), "", lang)
