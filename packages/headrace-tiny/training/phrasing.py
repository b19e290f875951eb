"""Random sentence frames: {v} is the value, {k} its name, {n} the noun, {d} a date or nothing.

Frames are put together from a lead, a middle and an end, so that the model meets
thousands of them and must look for the noun and the value, not for a sentence it knows.
"""

from random import Random

FIXED = {
    "zh": [
        "{v}的{n}怎么样", "{v}{d}{n}怎么样", "{v}{n}怎么样", "{d}{v}{n}怎么样", "{v}{d}{n}如何", "{v}{d}的{n}", "{d}{v}的{n}怎么样",
        "{n}：{v}", "{v}现在的{n}是多少", "{v}的{n}是多少", "{v}{d}{n}", "{v} {n}", "{n} {v}", "{v}那边{d}的{n}怎样", "{d}{v}{n}好吗",
        "把{v}的{n}告诉我", "{v}的{n}有吗", "{n}，{v}的", "“{v}”的{n}", "{v}，{n}", "我人在{v}，{n}如何", "我{d}要去{v}，那里{n}怎么样",
        "{n}如何，{v}", "{d}{v}有什么{n}", "我想去{v}，那边的{n}呢", "{n}呢，我说的是{v}", "{v}这边{n}是啥", "{v}：{n}", "{n}（{v}）",
        "{v}，想知道{n}", "我问的是{v}的{n}", "{d}的{n}，{v}", "如果是{v}，{n}是多少", "{d}去{v}，{n}会如何", "我住{v}，{n}好吗",
        "{v}的{n}究竟如何", "{v}有{n}吗", "有{v}的{n}没有", "就{v}的{n}", "{v}，{n}咋样", "{v}{n}高吗", "{n}什么样，{v}", "{v}{n}", "{v}{n}如何", "{v}{d}{n}是多少", "我们这里是{v}，{n}怎么样",
        "{n}，{k}是{v}", "{n}，{k}{v}", "{k}是{v}，{n}怎么样", "{k}：{v}，{n}", "{n}，{k}为{v}", "我{d}飞{v}，{n}如何", "{d}到{v}旅游，{n}好吗",
        "{d}要到{v}开会，看看{n}", "家人在{v}，想知道{n}", "我同事去了{v}，{n}怎样", "{v}{n}还行吧", "{v}今后{n}会怎样", "{v}此时{n}", "{v}那儿{n}好不好",
        "弄个{v}{n}", "整一个{v}的{n}", "替我看{v}{n}", "{v}，我要它的{n}", "下个月搬去{v}，{n}怎么样", "老板问{v}的{n}", "{v}{n}够好吗",
    ],
    "en": [
        "{v} {n}", "{n}: {v}", "{n} {v}", "{v}'s {n}", '{n} "{v}"', "What is {v}'s {n}{d}", "Find {n} {v}", "Could you check {v} {n}",
        "For {v}, what is the {n}", "About {v}: the {n}", "{v} - {n}", "In {v}, how is the {n}", "I'm in {v}. How is the {n}{d}",
        "I am going to {v}{d}, what about the {n}", "I have {v} here, what is its {n}", "{n} ({v})", "Regarding {v}, the {n}",
        "{v}: {n}", "{v}: what is the {n} like", "What {n} is there in {v}", "Which {n} has {v}", "I am at {v}. The {n}", "{n}, {v}",
        "What's the {n} like in {v}{d}", "How is the {n} in {v}{d}", "How's the {n} in {v}{d}", "What is the {n} in {v}{d}",
        "What's {v} {n}", "How will the {n} be in {v}{d}", "{v}, what is its {n}", "How good is the {n} of {v}", "How is {v}'s {n}{d}",
        "I will visit {v}{d}. How is the {n} going to be", "What about {v} and its {n}", "The {n}? I mean {v}", "Does {v} have any {n}",
        "It is about {v}: how is the {n} there{d}", "We live near {v}; what is the {n}", "How would you describe the {n} in {v}",
        "{v} {n} report", "{n} report for {v}", "The {n} report of {v}", "Report the {n} of {v}", "{n} report, {v}", "{n} report: {v}",
        "A {n} report on {v}", "Report on {n} in {v}", "I need the {n} report from {v}", "{v}: {n} report", "{v}, a {n} report",
        "{n}, {k} is {v}", "{n}, the {k} is {v}", "{n}; {k}: {v}", "{n} with {k} {v}", "The {k} is {v}, give me the {n}", "{k} {v}: {n}", "{n} for {k} {v}",
        "{n}, {k} = {v}", "My flight lands in {v}{d}, what {n} do I get", "My friend lives in {v}. What about the {n} there", "We drive to {v}{d}, is the {n} fine",
        "Is the {n} in {v} ok", "Are you able to see the {n} in {v}", "How does the {n} in {v} seem", "Has {v} got good {n}", "Can one see the {n} of {v}",
    ],
}  # fmt: skip
LEADS = {
    "zh": (
        "查 查一下 查查 讲一讲 聊聊 谈谈 谈一谈 说一下 瞧瞧 瞅一眼 念念 看一看 查一查 查询 看看 看一下 告诉我 我想知道 我要查 了解一下 搜索 找 关于 给我 想了解 有没有 讲讲 给我查 我关心 汇报 显示 调出 列出 问问 "
        "打听一下 想问 需要 求 了解 搜一下 有关 来看看 我想问问 麻烦找找 快查 你知道 能看到 我得知道 让我看看 报一下 读一下 展示 帮忙找 我要 要 想要"
    ).split(),
    "en": (
        "What is,What's,How is,Check,Tell me,Look up,Can you get,Show me,I want to know,I need,Give me,Search,Get,Find,"
        "Do you know,I'd like to see,How about,Is there,Any news on,Let me see,I am looking for,I wonder about,I'd love,Pull up,"
        "Bring me,Fetch,Display,Is it possible to get,May I see,Report,Read me,Would you find,Kindly give me,I must know,"
        "Curious about,Need,Hand me,I want,I ask for,Try to find,We need,Inform me about,I should learn,Help me find,"
        "Could I get,You could tell me,Load,List,Open,I was asked for,My boss wants,Do look at,I forgot,Where do I see"
    ).split(","),
}
MIDDLES = {
    "zh": ["{v}{d}的{n}"] * 5 + ["{v}{n}", "{d}{v}的{n}", "{n}{v}", "{v}的{n}", "{v}那里的{n}", "{n}，{v}", "“{v}”的{n}", "{v}当前的{n}", "一下{v}的{n}"],
    "en": ["the {n} of {v}{d}", "the {n} for {v}{d}", "the {n} in {v}{d}", "{v}'s {n}", "{n} for {v}", "{v} {n}", "{n} {v}", "the {n} at {v}",
           "the current {n} of {v}", "{n} of {v}{d}", "some {n} for {v}", "the {n} from {v}", "the {n}{d} in {v}", "any {n} near {v}"],
}  # fmt: skip
# What people add to a noun; the tool is about the noun alone.
ABOUT = {
    "zh": "{n}详情 {n}动态 {n}简报 {n}状况 {n}概况 {n}现状 {n}记录 {n}资料 {n}消息 {n}报告 {n}通报 {n}数值".split(),
    "en": "{n} update,{n} info,{n} details,{n} summary,{n} overview,{n} status,{n} data,{n} figures,{n} news,{n} readings,"
    "{n} outlook,{n} facts,{n} situation,{n} conditions,{n} information,latest {n},actual {n}".split(","),
}  # fmt: skip
TAILS = {
    "zh": [
        "",
        "",
        "",
        "",
        "怎么样",
        "如何",
        "是多少",
        "怎样",
        "状况",
        "信息",
        "在哪",
        "是什么",
        "多少",
        "变了吗",
        "好吗",
        "的情况",
        "数据",
        "就行",
        "来",
        "咋样",
        "啥样",
        "怎样了",
        "如何了",
        "正常吗",
        "怎么了",
        "到底怎样",
        "有变化吗",
    ],
    "en": [
        "",
        "",
        "",
        "",
        "",
        "",
        " there",
        " once more",
        " quickly",
        " again",
        " first",
        " today",
        " if possible",
        " in short",
        " as well",
    ],
}


def lookup(r: Random, lang: str) -> str:
    """A frame that asks for a noun of a value."""
    if r.random() < 0.45:
        frame = r.choice(FIXED[lang])
    else:
        bare = lang == "zh" and r.random() >= 0.7
        lead = "" if bare else r.choice(LEADS[lang]) + (" " if lang == "en" else "")
        frame = lead + r.choice(MIDDLES[lang]) + r.choice(TAILS[lang])
    return frame.replace("{n}", r.choice(ABOUT[lang])) if r.random() < 0.15 else frame
