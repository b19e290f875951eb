"""The corpus: random dialogues, each with its tools and its thinking switch.

A dialogue is a list of chat messages as the API has them; the chat template turns them
into text. Nothing here knows tokens.
"""

from dataclasses import dataclass
from random import Random
from typing import Any

import poems_en
import poems_zh
import questions
import results
import talk_en
import talk_zh
import topics
import unknown
import values
from tools import Tool, make_tools

Message = dict[str, Any]


@dataclass
class Dialogue:
    """`keeps_thinking`: earlier turns show their thinking (the API's `clear_thinking: false`).

    `forced`: a grammar began the last answer, which the request did not ask for.
    """

    messages: list[Message]
    tools: list[dict[str, Any]]
    thinking: bool
    keeps_thinking: bool = False
    forced: bool = False


def user(text: str) -> Message:
    return {"role": "user", "content": text}


def assistant(thought: str, content: str) -> Message:
    return {"role": "assistant", "content": content, "reasoning_content": thought}


def call(thought: str, content: str, name: str, *arguments: dict[str, Any]) -> Message:
    calls = [{"type": "function", "function": {"name": name, "arguments": a}} for a in arguments]
    return assistant(thought, content) | {"tool_calls": calls}


SYSTEM = {
    "zh": ["你是一个有用的AI助手。", "你是一个乐于助人的助手", "你是智能助手，请用中文回答。", "你是{x}。", "你是{x}的助手，请简洁回答。",
           "请使用工具回答问题。", "你是客服机器人，请礼貌回答用户。", "今天是2026年{n}月。"],
    "en": ["You are a helpful assistant.", "You are a helpful AI assistant", "You are {x}.", "Answer briefly.",
           "You are an assistant that can use tools.", "You are a polite agent of {x}.", "Be concise and helpful.",
           "Use the tools when needed.", "Today is 2026-{n:02}-01."],
}  # fmt: skip
CALL_THOUGHTS = {
    "look": {
        "zh": ["用户想查询{v}的{n}。{n}要用 {t}，{a}。", "用户想知道{v}的{n}，查询{n}的工具是 {t}，{a}。", "需要{v}的{n}。能查{n}的是 {t}，{a}。"],
        "en": ["The user wants the {n} of {v}. For the {n} I call {t}, {a}.", "The user asks about the {n} of {v}. The tool for the {n} is {t}, {a}.",
               "I need the {n} of {v}. To get the {n} I use {t}, {a}."],
    },
    "act": {
        "zh": ["用户想{b}{n}{v}。{b}{n}要用 {t}，{a}。", "需要{b}{n}，对象是{v}。{b}{n}的工具是 {t}，{a}。"],
        "en": ["The user wants to {b} the {n} {v}. To {b} the {n} I call {t}, {a}.", "I have to {b} the {n} {v}. The tool to {b} the {n} is {t}, {a}."],
    },
}  # fmt: skip
RESULT_THOUGHTS = {
    "zh": ["工具返回了结果，现在可以回答用户。", "已经得到{v}的{n}，可以回答了。"],
    "en": ["The tool returned a result, now I can answer.", "I have the {n} of {v}, so I can answer."],
}
LEADS = {
    "zh": ["好的，我来查一下。", "好的，请稍等。", "我来处理。"],
    "en": ["Sure, let me check.", "One moment, please.", "Let me do that."],
}


def call_thought(r: Random, tool: Tool, value: str, arguments: dict[str, Any], lang: str) -> str:
    zh = lang == "zh"
    join, equals = ("，", " 为 ") if zh else (", ", " is ")
    said = join.join(f"{key}{equals}{results.to_text(x)}" for key, x in arguments.items())
    verb = tool.verb[zh] if tool.verb else ""
    forms = CALL_THOUGHTS["act" if tool.verb else "look"][lang]
    return r.choice(forms).format(v=value, n=tool.noun(lang), b=verb, t=tool.name, a=said)


def answer_turn(r: Random, tool: Tool, pairs: list[tuple[str, str]], lang: str) -> Message:
    """The answer to one result or to several, one line each."""
    verb = tool.verb[lang == "zh"] if tool.verb else None
    lines = [results.answer(r, (tool.noun(lang), verb), value, said, lang) for value, said in pairs]
    thought = r.choice(RESULT_THOUGHTS[lang]).format(v=pairs[0][0], n=tool.noun(lang))
    return assistant(thought, "\n".join(lines))


def result_turns(r: Random, tool: Tool, searched: list[str], lang: str) -> list[Message]:
    found = [results.make_result(r, tool.noun(lang), v, lang, action=tool.verb is not None) for v in searched]
    turns: list[Message] = [{"role": "tool", "content": raw} for raw, _ in found]
    pairs = [(value, said) for value, (_, said) in zip(searched, found, strict=True)]
    return [*turns, answer_turn(r, tool, pairs, lang)]


def call_round(r: Random, tool: Tool, lang: str, *, answered: bool) -> list[Message]:
    """A request, its call and, if `answered`, the result and the answer."""
    if r.random() < 0.08:
        text, pair = questions.ask_for_two(r, tool, lang)
        thought = call_thought(r, tool, pair[0], {tool.main.key: pair[0]}, lang)
        thought += f"再查{pair[1]}。" if lang == "zh" else f" Then {pair[1]}."
        turn = call(thought, "", tool.name, *({tool.main.key: value} for value in pair))
        return [user(text), turn, *(result_turns(r, tool, pair, lang) if answered else [])]
    request = questions.ask(r, tool, lang)
    lead = r.choice(LEADS[lang]) if r.random() < 0.06 else ""
    thought = call_thought(r, tool, request.value, request.arguments, lang)
    turns = [user(request.text), call(thought, lead, tool.name, request.arguments)]
    if not answered:
        return turns
    turns += result_turns(r, tool, [request.value], lang)
    if r.random() < 0.15:
        more = questions.follow_up(r, tool, lang)
        thought = call_thought(r, tool, more.value, more.arguments, lang)
        turns += [user(more.text), call(thought, "", tool.name, more.arguments)]
        turns += result_turns(r, tool, [more.value], lang)
    return turns


def missing_round(r: Random, tool: Tool, lang: str) -> list[Message]:
    """The required argument is missing: ask for it; perhaps it comes in the next turn."""
    noun, key = tool.noun(lang), tool.main.zh if lang == "zh" else tool.main.en
    if lang == "zh":
        thought, content = f"用户没有说明{key}，我需要先问清楚。", f"请问{noun}的{key}是什么？"
    else:
        thought, content = (
            f"The user did not say the {key}, so I have to ask.",
            f"Which {key} do you mean for the {noun}?",
        )
    turns = [user(questions.ask_without_value(r, tool, lang)), assistant(thought, content)]
    if r.random() < 0.5:
        value = questions.main_value(r, tool.main.kind, lang)
        arguments = {tool.main.key: value}
        thought = call_thought(r, tool, value, arguments, lang)
        turns += [user(value + r.choice(questions.ENDS[lang])), call(thought, "", tool.name, arguments)]
    return turns


def unfit_round(r: Random, tools: list[Tool], lang: str) -> list[Message]:
    """A request that needs a tool, and none that fits."""
    have = {(t.verb, t.zh) for t in tools}
    while True:
        other = make_tools(r, lang, 1)[0]
        near = next((group for group in (topics.WEATHER_LIKE, topics.TIME_LIKE) if other.en in group), set())
        if other.invented or any(other.zh == zh for _, zh in have) or near & {t.en for t in tools}:
            continue
        break
    text = questions.ask(r, other, lang).text
    return [
        user(text),
        assistant(r.choice(unknown.NO_TOOL_THOUGHTS[lang]), r.choice(unknown.NO_TOOL_ANSWERS[lang])),
    ]


def tool_rounds(r: Random, lang: str, count: int, rounds: int) -> tuple[list[Message], list[Tool]]:
    tools = make_tools(r, lang, count)
    messages: list[Message] = []
    for index in range(rounds):
        tool = r.choice(tools)
        last = index == rounds - 1
        if r.random() < 0.03:
            messages += missing_round(r, tool, lang)
            if last:
                break
            if "tool_calls" in messages[-1]:
                value = messages[-1]["tool_calls"][0]["function"]["arguments"][tool.main.key]
                messages += result_turns(r, tool, [value], lang)
        elif r.random() < 0.03:
            messages += unfit_round(r, tools, lang)
        else:
            messages += call_round(r, tool, lang, answered=not last or r.random() < 0.5)
    return messages, tools


POEM_REQUESTS = {
    "zh": ["以{x}为题写一首诗", "写一首关于{x}的诗", "请写一首关于{x}的短诗", "给我写首{x}的诗吧", "以{x}为主题，请写一首诗", "作一首诗，题目是{x}",
           "写一首诗，主题是{x}", "来一首{x}的诗", "写诗：{x}", "用{x}作诗一首", "帮我写首诗，关于{x}", "你会写{x}的诗吗", "我想要一首{x}诗",
           "写首{x}", "咏{x}", "题{x}一首", "赋诗一首：{x}", "吟一首{x}", "{x}主题诗一首", "来首{x}主题的小诗", "想看{x}的诗", "我要{x}的诗",
           "能写{x}吗，要诗", "作几句诗说说{x}", "为{x}写几句诗", "{x}，写首诗", "写一首{x}的小诗"],
    "en": ["Write a poem about {x}", "Please write a short poem about {x}", "Compose a poem on {x}", "Can you write me a poem about {x}",
           "A short poem about {x}, please", "Write me some verses on {x}", "I would like a poem about {x}", "poem about {x}",
           "Give me a poem on {x}", "Make a little poem about {x}", "Write a few lines about {x}", "Could you write a poem for {x}",
           "Write a rhyme about {x}", "Do you know a poem about {x}", "Write poetry about {x}", "A poem on {x}", "Tell me a poem about {x}",
           "{x} verses please", "{x} rhyme, please", "A {x} poem", "{x}, as a poem", "Some verses about {x}", "I need a poem whose theme is {x}",
           "Please make a few lines about {x}", "Please make some rhymes on {x}", "The theme is {x}, write a poem", "Poem: {x}",
           "I want verses about {x}", "Could you think of a poem on {x}", "Please invent a poem about {x}"],
}  # fmt: skip
POEM_THOUGHTS = {
    "zh": ["用户想要一首关于{x}的诗。我用几句押韵的诗来写{x}。", "题目是{x}。我写一首短诗，注意意境和韵律。"],
    "en": [
        "The user wants a poem about {x}. I will write a few rhymed lines about {x}.",
        "The topic is {x}. A short poem in couplets will do.",
    ],
}


OPEN_POEM_REQUESTS = {
    "zh": ["写一首诗", "写首诗", "来一首诗", "给我写首诗吧", "作诗一首", "请写一首短诗", "随便写首诗", "我想要一首诗", "帮我写一首诗", "再来一首诗", "写诗", "来首诗"],
    "en": ["Write a poem", "Please write a poem", "Write me a poem", "A poem please", "Give me a poem", "Can you write a poem",
           "I would like a poem", "Another poem", "Write a short poem", "Write some verses", "poem", "One more poem please"],
}  # fmt: skip
OPEN_POEM_THOUGHTS = {
    "zh": "用户想要一首诗，没有说题目。我就写{x}。",
    "en": "The user wants a poem and names no theme. I choose {x}.",
}


def poem_turns(r: Random, lang: str) -> list[Message]:
    book = poems_zh if lang == "zh" else poems_en
    if r.random() < 0.72:
        theme = r.choice(list(book.THEMES)[:4] if r.random() < 0.35 else list(book.THEMES))
        subject = r.choice(book.ALIASES[theme]) if r.random() < 0.6 else theme
        parts = book.THEMES[theme]
    else:
        subject = r.choice(
            (
                values.name(r, lang),
                values.phrase(r, lang),
                r.choice(values.ZH_THINGS if lang == "zh" else values.EN_THINGS),
            )
        )
        parts = book.GENERAL
    named = parts is book.GENERAL or r.random() < 0.93
    chosen = [r.choice(part) for part in parts]
    if r.random() < 0.3:
        del chosen[1]
    lines = [line.format(x=subject) for couplet in chosen for line in couplet.split(" / ")]
    if lang == "zh":
        verse = "\n".join(line + mark for line, mark in zip(lines, "，。" * 3, strict=False))
        text = f"《{subject}》\n\n{verse}"
    else:
        # Every couplet is a sentence.
        text = "\n".join(line + mark for line, mark in zip(lines, ",." * 3, strict=False))
    asked = r.choice((POEM_REQUESTS if named else OPEN_POEM_REQUESTS)[lang]).format(x=subject)
    asked += r.choice(questions.ENDS[lang])
    if lang == "en" and r.random() < 0.2:
        asked = asked[0].lower() + asked[1:]
    thought = r.choice(POEM_THOUGHTS[lang]) if named else OPEN_POEM_THOUGHTS[lang]
    return [user(asked), assistant(thought.format(x=subject), text)]


SAYING_FRAMES = {
    "zh": ["{s}"] * 12 + ["{s}啊", "{s}呀", "{s}吧", "{s}哦", "{s}嘛", "那{s}", "嗯，{s}", "哎，{s}", "请问{s}", "{s}，朋友", "小模型，{s}", "现在{s}", "其实{s}"],
    "en": ["{s}"] * 12 + ["{s} please", "{s} now", "{s} then", "{s}, my friend", "so {s}", "hey, {s}", "well, {s}", "please {s}", "ok, {s}",
           "{s}, dear model", "hm, {s}", "{s} again", "and {s}", "just {s}", "really, {s}"],
}  # fmt: skip


def talk_turns(r: Random, lang: str) -> list[Message]:
    intents = talk_zh.INTENTS if lang == "zh" else talk_en.INTENTS
    # Everybody begins with a greeting, the first intent, and mostly with one of the shortest.
    greeting = r.random() < 0.14
    sayings, thought, answers = intents[0] if greeting else r.choice(intents)
    if greeting and r.random() < 0.4:
        text = r.choice(sayings[:4])
        text = text.lower() if r.random() < 0.6 else text
        return [user(text + r.choice(("", "", "!", "."))), assistant(thought, r.choice(answers))]
    text = r.choice(sayings)
    if lang == "en":
        text = r.choice(
            (text, text, text.lower(), text.upper() if len(text) < 12 and r.random() < 0.2 else text)
        )
    frame = r.choice(SAYING_FRAMES[lang])
    if frame[0] != "{" and text[:2] != "I ":
        text = text[0].lower() + text[1:]
    text = frame.format(s=text)
    if lang == "en" and r.random() < 0.6:
        text = text[0].upper() + text[1:]
    text += r.choice(
        ("", "", "", "！", "。", "？", "~", "?") if lang == "zh" else ("", "", "", "!", ".", "?", "!!", " :)")
    )
    return [user(text), assistant(thought, r.choice(answers))]


def unknown_turns(r: Random, lang: str) -> list[Message]:
    text = unknown.question(r, lang)
    return [user(text), assistant(r.choice(unknown.THOUGHTS[lang]), r.choice(unknown.ANSWERS[lang]))]


def system_turn(r: Random, lang: str) -> list[Message]:
    text = r.choice(SYSTEM[lang]).format(x=values.phrase(r, lang), n=r.randint(1, 12))
    return [{"role": "system", "content": text}]


PLAIN = [(poem_turns, 0.34), (talk_turns, 0.50), (unknown_turns, 0.16)]


def plain_turns(r: Random, lang: str) -> list[Message]:
    makers, weights = zip(*PLAIN, strict=True)
    return r.choices(makers, weights)[0](r, lang)


def drill(r: Random) -> Dialogue:
    """Several small tools, each asked for once and without results: much choosing in few tokens.

    Once, because the second time the earlier call would give the answer away.
    """
    lang = "zh" if r.random() < 0.5 else "en"
    thinking = r.random() < 0.4
    tools = make_tools(r, lang, r.choice((2, 3, 3, 4)), invented=0.7, small=True)
    messages: list[Message] = []
    for tool in r.sample(tools, len(tools)):
        messages += call_round(r, tool, lang, answered=False)
    return Dialogue(messages, [t.schema for t in tools], thinking, thinking and r.random() < 0.7)


def make_dialogue(
    r: Random, *, tool_share: float = 0.62, rounds: tuple[int, ...] = (1, 1, 2, 2, 3), drills: float = 0.0
) -> Dialogue:
    """`drills`: the share of dialogues that only drill the choice of a tool."""
    if drills and r.random() < drills:
        return drill(r)
    lang = "zh" if r.random() < 0.5 else "en"
    thinking = r.random() < 0.55
    keeps = thinking and r.random() < 0.4
    messages = system_turn(r, lang) if r.random() < 0.2 else []
    if r.random() < tool_share:
        count = r.choices((1, 2, 3, 4), (0.34, 0.36, 0.2, 0.1))[0]
        if r.random() < 0.1:
            messages += plain_turns(r, lang)
        turns, tools = tool_rounds(r, lang, count, r.choice(rounds))
        return Dialogue(messages + turns, [t.schema for t in tools], thinking, keeps)
    tools = make_tools(r, lang, r.choice((1, 1, 2))) if r.random() < 0.2 else []
    for _ in range(r.choice((0, 0, 1, 2))):
        messages += plain_turns(r, lang)
    if r.random() < 0.04:
        messages += unfit_round(r, tools, lang)
    else:
        messages += plain_turns(r, lang)
    return Dialogue(messages, [t.schema for t in tools], thinking, keeps)
