"""What tools return, and the answers that put it into words."""

import json
from random import Random
from typing import Any

import values

# key -> (how to say it in Chinese, in English); {x} is the value
WEATHER_FIELDS = {
    "temperature": ("气温{x}", "the temperature is {x}"),
    "temp": ("气温{x}", "the temperature is {x}"),
    "condition": ("天气{x}", "it is {x}"),
    "weather": ("天气{x}", "it is {x}"),
    "humidity": ("湿度{x}", "the humidity is {x}"),
    "wind": ("风力{x}", "the wind is {x}"),
}
FIELDS = (
    "result value status price name level count rate total title state score time distance size owner date message "
    "text data answer amount version color type phone email url number code high low"
).split()
SKIES = {
    "zh": "晴 多云 阴 小雨 中雨 大雨 雷阵雨 小雪 大雪 雾 霾 晴转多云 多云转阴 晴朗".split(),
    "en": "sunny,cloudy,rainy,light rain,snow,foggy,windy,partly cloudy,clear,stormy".split(","),
}
WINDS = {
    "zh": "东风3级 北风2级 微风 西南风4级 无风".split(),
    "en": "3 m/s,light,12 km/h,strong,calm".split(","),
}
DONE = {
    "zh": ["成功", "已完成", "ok", "success", "完成", "true"],
    "en": ["ok", "success", "done", "true", "completed"],
}


def weather_value(r: Random, key: str, lang: str) -> Any:
    if key in ("temperature", "temp"):
        degrees = r.randint(-20, 40)
        return r.choice(
            (f"{degrees}℃", f"{degrees}°C", degrees, f"{degrees}度" if lang == "zh" else f"{degrees} C")
        )
    if key == "humidity":
        return r.choice((f"{r.randint(10, 99)}%", r.randint(10, 99)))
    if key == "wind":
        return r.choice(WINDS[lang])
    return r.choice(SKIES[lang]) if r.random() < 0.8 else values.phrase(r, lang)


def any_value(r: Random, lang: str) -> Any:
    kind = r.random()
    if kind < 0.2:
        return r.randint(-20, 5000)
    if kind < 0.35:
        return round(r.uniform(0, 3000), r.choice((1, 2)))
    if kind < 0.45:
        return f"{r.randint(0, 99)}{r.choice(('%', ' km', '元', '℃', ' USD', '分', ' kg'))}"
    if kind < 0.6:
        return values.code(r)
    return values.phrase(r, lang) if kind < 0.8 else values.name(r, lang)


def to_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def weather_result(r: Random, place: str, lang: str) -> tuple[str, str]:
    keys = r.sample(
        [r.choice(("temperature", "temp")), r.choice(("condition", "weather")), "humidity", "wind"],
        r.choice((1, 2, 2, 3)),
    )
    fields = {key: weather_value(r, key, lang) for key in keys}
    said = [WEATHER_FIELDS[key][lang == "en"].format(x=to_text(x)) for key, x in fields.items()]
    if r.random() < 0.25:
        fields = {r.choice(("city", "location")): place, **fields}
    return dump(r, fields), ("，" if lang == "zh" else ", ").join(said)


def dump(r: Random, fields: dict[str, Any]) -> str:
    return json.dumps(fields, ensure_ascii=False, separators=r.choice(((", ", ": "), (",", ":"))))


SENTENCES = {
    "zh": ["{v}今天{s}，气温{x}度", "{v}{s}，{x}度", "{n}正常，{s}", "共有{x}条{n}", "{v}的{n}是{x}", "没有找到{v}", "{s}，最高{x}度，最低{y}度", "{n}：{w}",
           "{v}目前{s}，风力{y}级", "一切正常", "{w}，{x}", "{v}在{w}，编号{x}"],
    "en": ["It is {s} in {v}, {x} degrees", "{v} is {s} and {x} degrees", "The {n} of {v} is {x}", "Found {x} of {n}", "No {n} found for {v}",
           "{s}, high {x}, low {y}", "{s} with wind of {y} km/h", "There are {x} entries for {v}", "Everything is fine", "{v}: {w}, {x}",
           "It will be {s} today, about {x} degrees", "{w} and {x}"],
}  # fmt: skip


def sentence(r: Random, noun: str, value: str, lang: str) -> str:
    """A tool that answers in words."""
    words = values.phrase(r, lang)
    form = r.choice(SENTENCES[lang])
    said = form.format(
        v=value, n=noun, s=r.choice(SKIES[lang]), w=words, x=r.randint(0, 40), y=r.randint(0, 12)
    )
    return said[0].upper() + said[1:] if r.random() < 0.5 else said


def make_result(r: Random, noun: str, value: str, lang: str, *, action: bool) -> tuple[str, str]:
    """What the tool returns, and the same in words."""
    if not action and r.random() < 0.18:
        said = sentence(r, noun, value, lang)
        return said + r.choice(("。", "", "") if lang == "zh" else (".", "", "")), said
    if noun in ("weather", "天气", "forecast", "天气预报") and r.random() < 0.8:
        return weather_result(r, value, lang)
    if r.random() < 0.3:
        text = to_text(any_value(r, lang))
        if r.random() < 0.3:
            text = f"{r.choice(SKIES[lang])}{'，' if lang == 'zh' else ', '}{text}"
        return (text, text) if not action else (done := r.choice(DONE[lang]), done)
    keys = r.sample(FIELDS, r.choice((1, 1, 2, 2, 3)))
    if r.random() < 0.3:
        keys[0] = values.word(r)
    fields = {key: any_value(r, lang) for key in keys}
    if action and r.random() < 0.6:
        fields = {"status": r.choice(DONE[lang])} | ({"id": values.code(r)} if r.random() < 0.4 else {})
    said = ("，" if lang == "zh" else ", ").join(f"{key}: {to_text(x)}" for key, x in fields.items())
    return dump(r, fields), said


ANSWERS = {
    "zh": [
        "{v}的{n}：{f}。",
        "查到了，{v}的{n}：{f}。",
        "{v}的{n}如下：{f}。",
        "根据查询结果，{v}的{n}：{f}。",
    ],
    "en": [
        "The {n} of {v}: {f}.",
        "Here is the {n} of {v}: {f}.",
        "This is the {n} of {v}: {f}.",
        "{v}, {n}: {f}.",
    ],
}
ACTION_ANSWERS = {
    "zh": ["已经{a}{n}{v}：{f}。", "{n}{v}{a}好了：{f}。"],
    "en": ["Done: {a} the {n} {v}. {f}.", "I asked to {a} the {n} {v}. {f}."],
}


def answer(r: Random, task: tuple[str, str | None], value: str, said: str, lang: str) -> str:
    """`task`: the noun and, of an action, the verb."""
    noun, verb = task
    forms = (ANSWERS if verb is None else ACTION_ANSWERS)[lang]
    return r.choice(forms).format(v=value, n=noun, f=said, a=verb)
