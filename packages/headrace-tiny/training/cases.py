"""The evaluation's questions, each with the check of its answer.

`check_held_out` proves that the corpus knows none of their words.
"""

import json
from collections.abc import Callable, Iterator
from random import Random
from types import ModuleType
from typing import Any

import fields
import fresh
import held_out
import poems_en
import poems_zh
import questions
import structured
import structured_cases
import talk_en
import talk_zh
import topics
import unknown
import values
from dialogues import POEM_REQUESTS, SAYING_FRAMES, make_dialogue
from tools import Parameter, Tool

from answers import Answer, Case, user
from prompts import render

SEED_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "获取指定地点当前的天气情况",
        "parameters": {
            "type": "object",
            "properties": {
                "location": {"type": "string", "description": "城市,例如:北京、上海"},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["location"],
        },
    },
}
EN_TOOL = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the current weather for a city",
        "parameters": {
            "type": "object",
            "properties": {"location": {"type": "string", "description": "City name, e.g. Paris"}},
            "required": ["location"],
        },
    },
}


def calls(name: str, **arguments: Any) -> Callable[[Answer], bool]:
    return lambda answer: answer.calls == [(name, arguments)]


def weather_case(r: Random, lang: str, words: ModuleType = held_out) -> Case:
    city = r.choice(words.CITIES[lang])
    tool = r.choice((SEED_TOOL, EN_TOOL))
    text = r.choice(words.WEATHER[lang]).format(v=city)
    return Case(
        f"held-out city {lang}", user(text), [tool], r.random() < 0.5, calls("get_weather", location=city)
    )


def unseen_tool(r: Random, lang: str) -> tuple[dict[str, Any], str, str, str]:
    """A tool, a request for it, and the key and the value that the call must hold."""
    en, zh, key, key_en, key_zh = r.choice(held_out.NOUNS)
    noun, word = (zh, key_zh) if lang == "zh" else (en, key_en)
    value = r.choice(held_out.VALUES[lang])
    properties = {key: {"type": "string", "description": word}}
    if r.random() < 0.3:
        properties["lang"] = {"type": "string", "enum": ["zh", "en"]}
    function = {
        "name": r.choice(held_out.NAMES).format(n=en, N=en.capitalize()),
        "description": r.choice(held_out.DESCRIPTIONS[lang]).format(n=noun, k=word),
        "parameters": {"type": "object", "properties": properties, "required": [key]},
    }
    text = r.choice(held_out.REQUESTS[lang]).format(n=noun, v=value)
    return {"type": "function", "function": function}, text, key, value


def unseen_case(r: Random, lang: str) -> Case:
    tool, text, key, value = unseen_tool(r, lang)
    right = calls(tool["function"]["name"], **{key: value})
    return Case(f"unseen tool {lang}", user(text), [tool], r.random() < 0.5, right)


def choice_case(r: Random, lang: str) -> Case:
    """Two unseen tools; the name alone has to be right, the arguments are the other case's."""
    first, second = unseen_tool(r, lang), unseen_tool(r, lang)
    while (
        second[0]["function"]["description"] == first[0]["function"]["description"] or second[2] == first[2]
    ):
        second = unseen_tool(r, lang)
    tool, text, key, value = first
    tools = [first[0], second[0]]
    r.shuffle(tools)
    right = calls(tool["function"]["name"], **{key: value})
    return Case(f"one of two tools {lang}", user(text), tools, r.random() < 0.5, right)


def result_case(r: Random, lang: str, words: ModuleType = held_out) -> Case:
    """A tool's result is put into words: fields as JSON, or (`fresh`) a sentence."""
    city = r.choice(words.CITIES[lang])
    degrees, sky = (
        r.randint(-15, 38),
        r.choice(("晴", "多云", "小雨") if lang == "zh" else ("sunny", "cloudy", "light rain")),
    )
    fields = r.choice(({"temperature": f"{degrees}℃", "condition": sky}, {"weather": sky, "temp": degrees}))
    result = json.dumps(fields, ensure_ascii=False)
    if words is fresh:
        result = r.choice(fresh.RESULTS[lang]).format(v=city, x=degrees, s=sky)
    text = r.choice(words.WEATHER[lang]).format(v=city)
    call = {"type": "function", "function": {"name": "get_weather", "arguments": {"location": city}}}
    thinking = r.random() < 0.5
    turn = {"role": "assistant", "content": "", "tool_calls": [call]}
    if thinking:
        turn["reasoning_content"] = (
            "用户想知道天气，调用 get_weather。"
            if lang == "zh"
            else "The user asks about the weather. I call get_weather."
        )
    messages = [*user(text), turn, {"role": "tool", "content": result}]
    return Case(
        f"answer from a result {lang}",
        messages,
        [SEED_TOOL],
        thinking,
        lambda answer: not answer.calls and str(degrees) in answer.content and sky in answer.content,
    )


def verse_lines(lang: str, subject: str) -> set[str]:
    book = poems_zh if lang == "zh" else poems_en
    theme = next((name for name, words in book.ALIASES.items() if subject in words), None)
    parts = book.THEMES[theme] if theme else book.GENERAL
    return {line.format(x=subject) for part in parts for couplet in part for line in couplet.split(" / ")}


def poem_case(r: Random, lang: str) -> Case:
    """Right: four lines or more, all of them verse on the subject, none twice."""
    subject = r.choice(held_out.POEM_SUBJECTS[lang])
    text = r.choice(held_out.POEMS[lang]).format(x=subject)
    known = verse_lines(lang, subject)

    def right(answer: Answer) -> bool:
        lines = [
            line.rstrip(",.，。") for line in answer.content.strip().splitlines() if line and line[0] != "《"
        ]
        return not answer.calls and len(lines) >= 4 and len(set(lines)) == len(lines) and set(lines) <= known

    return Case(f"poem {lang}", user(text), [], r.random() < 0.5, right)


def talk_case(r: Random, lang: str, words: ModuleType = held_out) -> Case:
    said, like = r.choice(words.SAYINGS[lang])
    intents = talk_zh.INTENTS if lang == "zh" else talk_en.INTENTS
    answers = next(answers for sayings, _, answers in intents if like in sayings)
    tools = [SEED_TOOL] if r.random() < 0.3 else []
    right: Callable[[Answer], bool] = lambda answer: answer.content.strip() in answers  # noqa: E731
    return Case(f"small talk {lang}", user(said), tools, r.random() < 0.5, right)


def unknown_case(r: Random, lang: str) -> Case:
    tools = [SEED_TOOL] if r.random() < 0.3 else []
    words = ("tiny demo model", "微型演示模型")
    right: Callable[[Answer], bool] = lambda a: not a.calls and any(word in a.content for word in words)  # noqa: E731
    return Case(
        f"honest fallback {lang}", user(r.choice(held_out.QUESTIONS[lang])), tools, r.random() < 0.5, right
    )


def make_cases(count: int, seed: int = 9) -> list[Case]:
    """`count` of each kind and language."""
    r = Random(seed)
    makers = (weather_case, unseen_case, choice_case, result_case, poem_case, talk_case, unknown_case)
    return [maker(r, lang) for maker in makers for lang in ("en", "zh") for _ in range(count)]


def fresh_cases(count: int, seed: int = 4) -> list[Case]:
    """The same of the words of `fresh`."""
    r = Random(seed)
    makers = (weather_case, result_case, talk_case)
    return [maker(r, lang, fresh) for maker in makers for lang in ("en", "zh") for _ in range(count)]


def seed_cases() -> Iterator[Case]:
    """The two prompts that must always work, and the shortest greetings."""
    known = verse_lines("en", "spring")
    for thinking in (True, False):
        for _ in range(10):
            yield Case(
                "seed: poem about spring",
                user("Write a poem about spring"),
                [],
                thinking,
                lambda a: (
                    {line.rstrip(",.") for line in a.content.strip().splitlines()} <= known
                    and len(a.content) > 80
                ),
            )
            yield Case(
                "seed: 北京天气怎么样",
                user("北京天气怎么样"),
                [SEED_TOOL],
                thinking,
                calls("get_weather", location="北京"),
            )
        for text in ("hello", "Hello", "hi", "hey", "你好"):
            intents = talk_zh.INTENTS + talk_en.INTENTS
            answers = {a for sayings, _, found in intents if text.capitalize() in sayings for a in found}
            yield Case(
                "seed: greeting",
                user(text),
                [],
                thinking,
                lambda a, answers=answers: a.content.strip() in answers,
            )


def plain(text: str) -> str:
    return text.replace("{d}", "").strip("？。?.！!～").lower()


def asked_form(r: Random, lang: str) -> str:
    """A random request for the weather, dates and all, with its place and its noun taken out."""
    tool = Tool("get_weather", None, "weather", "天气", Parameter("city", "place", "city", "城市"), [], False)
    request = questions.ask(r, tool, lang)
    return request.text.replace(request.value, "{v}").replace(tool.noun(lang), "{n}")


def corpus_phrases(r: Random) -> set[str]:
    """Every kind of phrasing of the corpus, the random ones sampled, and its places and nouns."""
    tables = (questions.ACTIONS, POEM_REQUESTS, unknown.FORMS, structured.EXACT)
    forms = [form for table in tables for found in table.values() for form in found]
    forms += [hint for hints in topics.HINTS.values() for found in hints.values() for hint in found]
    for lang in ("en", "zh"):
        forms += [asked_form(r, lang) for _ in range(200_000)]
        intents = talk_zh.INTENTS if lang == "zh" else talk_en.INTENTS
        sayings = [saying for sayings, *_ in intents for saying in sayings]
        forms += [frame.format(s=saying) for frame in SAYING_FRAMES[lang] for saying in sayings]
    forms += values.ZH_PLACES + values.EN_PLACES + [noun for en, zh, _ in topics.NOUNS for noun in (en, zh)]
    return {plain(form) for form in forms}


def check_held_out() -> None:
    """Fail if the corpus knows a phrasing, city, noun, saying or question of the evaluation."""
    r = Random(77)
    known = corpus_phrases(r)
    tables = (held_out.WEATHER, held_out.REQUESTS, held_out.POEMS, held_out.QUESTIONS, held_out.CITIES)
    tables += (fresh.WEATHER, fresh.CITIES, structured_cases.EXACT)
    asked = [text for table in tables for found in table.values() for text in found]
    asked += [said for words in (held_out, fresh) for found in words.SAYINGS.values() for said, _ in found]
    asked += [noun for en, zh, *_ in held_out.NOUNS for noun in (en, zh)]
    for text in map(plain, asked):
        assert not {text, text.replace("weather", "{n}").replace("天气", "{n}")} & known, text
    dialogues = [make(r) for make in (make_dialogue, structured.make_structured) for _ in range(5000)]
    corpus = "\n".join(map(render, dialogues))
    # Two characters of Chinese can be met by chance.
    cities = [
        city
        for words in (held_out, fresh)
        for found in words.CITIES.values()
        for city in found
        if len(city) > 2
    ]
    field_names = {name for found in fields.FIELDS.values() for pair in found for name in pair}
    for each in [*structured_cases.SCHEMAS, *structured_cases.FRESH_SCHEMAS]:
        assert each["ask"] == "hi" or each["ask"] not in corpus, each["ask"]
        assert not structured_cases.names_in(each["schema"]) & field_names, each["ask"]
    tables = (held_out.QUESTIONS, structured_cases.OBJECTS)
    for text in [*cities, *(text for table in tables for found in table.values() for text in found)]:
        assert text not in corpus, text
