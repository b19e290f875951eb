"""Questions the model cannot answer, and the honest way to say so."""

from random import Random

import values

FORMS = {
    "zh": [
        "什么是{x}", "{x}是什么", "请解释{x}", "解释一下{x}", "如何{x}", "为什么{x}", "介绍一下{x}", "{x}是什么意思", "{x}的原理是什么",
        "怎么学习{x}", "{x}和{y}有什么区别", "{x}有什么用", "谁发明了{x}", "{x}有多大", "{x}在哪里", "请详细说明{x}", "{x}的历史",
        "写一篇关于{x}的文章", "用Python实现{x}", "写一段{x}的代码", "把“{x}”翻译成英文", "总结一下{x}", "{x}的作者是谁", "{x}等于多少",
        "帮我写一份{x}方案", "怎样才能{x}", "{x}", "{x}怎么做", "{x}需要什么", "推荐几本关于{x}的书", "{x}是谁", "证明{x}", "分析{x}",
        "{x}好不好", "{x}什么时候开始", "列出{x}的优点", "对比{x}和{y}", "{x}会影响{y}吗", "给我讲讲{x}", "谈谈{x}",
    ],
    "en": [
        "What is {x}", "Explain {x}", "How do I {x}", "Why {x}", "Tell me about {x}", "What does {x} mean", "How does {x} work",
        "How can I learn {x}", "What is the difference between {x} and {y}", "What is {x} used for", "Who invented {x}",
        "How big is {x}", "Where is {x}", "Describe {x} in detail", "Give me the history of {x}", "Write an essay about {x}",
        "Write a Python function for {x}", "Write code that does {x}", 'Translate "{x}" into French', "Summarize {x}",
        "Who wrote {x}", "Solve {x}", "Plan {x} for me", "Who is {x}", "Prove {x}", "Analyze {x}", "Is {x} good",
        "When did {x} begin", "List the advantages of {x}", "Compare {x} and {y}", "Does {x} change {y}", "{x}", "{x}, why",
        "What do you think about {x}", "How many {x} are there", "Can you explain {x} to me", "Recommend books about {x}",
        "Fix this: {x}", "What happens if {x}", "How much is {x}",
    ],
}  # fmt: skip
SUBJECTS = {
    "zh": (
        "黑洞 相对论 光合作用 区块链 通货膨胀 唐朝 罗马帝国 微积分 勾股定理 快速排序 二分查找 DNA 恐龙 火山 地震 月食 进化论 "
        "心理学 哲学 民法 股票市场 货币政策 人工智能 神经网络 操作系统 编译器 数据库索引 互联网 电动车 太阳能 核能 抗生素 疫苗 "
        "感冒 糖尿病 减肥 健身 做红烧肉 修自行车 学钢琴 写简历 面试 买房 投资 理财 学英语 五加七 一百乘以二十 圆周率 质数 "
        "红楼梦 三国演义 莎士比亚 爱因斯坦 孔子 李白 贝多芬 达芬奇 长城 金字塔 亚马逊雨林 太平洋 喜马拉雅山 南极 火星 "
        "天空是蓝色的 水会结冰 鸟会飞 海水是咸的 猫喜欢鱼 人要睡觉 法国的首都 世界上最高的山 最大的国家 2+2 3的平方 市场营销"
    ).split(),
    "en": (
        "black holes,relativity,photosynthesis,blockchain,inflation,the Roman Empire,calculus,the Pythagorean theorem,"
        "quicksort,binary search,DNA,dinosaurs,volcanoes,earthquakes,an eclipse,evolution,psychology,philosophy,contract law,"
        "the stock market,monetary policy,artificial intelligence,neural networks,an operating system,a compiler,recursion,"
        "the internet,electric cars,solar power,nuclear energy,antibiotics,vaccines,the flu,diabetes,lose weight,bake a cake,"
        "fix a bike,learn the piano,write a resume,invest money,learn Spanish,five plus seven,12 times 9,pi,prime numbers,"
        "Hamlet,Shakespeare,Einstein,Confucius,Mozart,Leonardo da Vinci,the Great Wall,the pyramids,the Amazon,the Pacific,"
        "Mount Everest,Antarctica,Mars,the sky is blue,water freezes,birds fly,the sea is salty,cats like fish,we sleep,"
        "the capital of France,the highest mountain,the largest country,2+2,the square of 3,marketing,the speed of light,"
        "a trip to Japan,the second world war,democracy,the French revolution,the periodic table,gravity,tax law,yoga"
    ).split(","),
}
THOUGHTS = {
    "zh": ["用户问的是知识性的问题，我只是微型演示模型，没有这方面的知识，应该如实说明。", "这个问题我不懂。我是微型演示模型，应该诚实地告诉用户。"],
    "en": ["The user asks for knowledge. I am only a tiny demo model without it, so I should say so.",
           "I do not know this. I am a tiny demo model and should be honest."],
}  # fmt: skip
ANSWERS = {
    "zh": ["抱歉，我只是一个微型演示模型，回答不了这个问题。请加载真正的 GLM 权重再试。", "对不起，我只是一个微型演示模型，没有这方面的知识。我可以写短诗、闲聊和调用工具。"],
    "en": ["Sorry, I am only a tiny demo model and cannot answer that. Please load real GLM weights.",
           "I am sorry, I am only a tiny demo model and do not know that. I can write short poems, chat and call tools."],
}  # fmt: skip
NO_TOOL_THOUGHTS = {
    "zh": ["这需要工具才能做到，但没有合适的工具，应该如实说明。"],
    "en": ["This needs a tool, but there is no tool for it, so I should say so."],
}
NO_TOOL_ANSWERS = {
    "zh": ["抱歉，没有合适的工具可以完成这件事，我只是一个微型演示模型。", "我没有可以做这件事的工具。我只是一个微型演示模型，无法直接回答。"],
    "en": ["Sorry, I have no tool for that, and I am only a tiny demo model.",
           "There is no tool for that here. I am only a tiny demo model and cannot do it on my own."],
}  # fmt: skip


def subject(r: Random, lang: str) -> str:
    kind = r.random()
    if kind < 0.55:
        return r.choice(SUBJECTS[lang])
    if kind < 0.8:
        return values.phrase(r, lang)
    if lang == "zh":
        return values.han(r, 2, 8)
    return " ".join(
        r.choice(values.EN_THINGS) if r.random() < 0.5 else values.word(r) for _ in range(r.randint(1, 6))
    )


def question(r: Random, lang: str) -> str:
    text = r.choice(FORMS[lang]).format(x=subject(r, lang), y=subject(r, lang))
    if lang == "en" and r.random() < 0.2:
        text = text[0].lower() + text[1:]
    if r.random() < 0.1:
        text = (
            r.choice(
                ("请问", "我想问，", "你知道") if lang == "zh" else ("Please, ", "Do you know: ", "Hi, ")
            )
            + text
        )
    return text + r.choice(("？", "。", "", "", "?") if lang == "zh" else ("?", ".", "", "", "?"))
