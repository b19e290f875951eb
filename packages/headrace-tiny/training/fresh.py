"""A second set of phrasings, written before the sixth leg's corpus and looked at only after its training.

The corpus was widened with the failures of `held_out` in view; this set says what that is worth elsewhere.
"""

CITIES = {
    "zh": "宜昌 九江 遵义 里加 那不勒斯 撒马尔罕 绵阳 赤峰 阿克苏 日喀则 蚌埠 卡萨布兰卡".split(),
    "en": "Sapporo,Leipzig,Tampere,Ankara,Bergen,San Juan,Windhoek,Porto,Brisbane,Almaty,Santa Cruz,Sofia".split(","),
}  # fmt: skip
WEATHER = {
    "zh": ["{v}的天气适不适合爬山", "这周末飞{v}，天气靠谱吗", "帮我盯一下{v}的天气", "{v}外面天气咋样", "孩子在{v}上学，天气冷吗", "给我说说{v}天气",
           "{v}的天气有没有好转", "{v}接下来天气怎么个走法", "来一份{v}天气"],
    "en": ["Is {v} having decent weather?", "My train reaches {v} at noon, what weather will I meet?", "{v} weather forecast please",
           "Quick weather lookup: {v}", "How does the weather look in {v}?", "My parents moved to {v}. What is the weather there?",
           "Would you tell me what weather {v} has?", "Can the weather in {v} be trusted?"],
}  # fmt: skip
# (what is said, a saying of the corpus with the same intent)
SAYINGS = {
    "zh": [("你名字叫啥呀", "你是谁"), ("谢谢你帮我这么多", "谢谢"), ("我得走了，拜拜", "再见"), ("有没有搞笑的段子", "讲个笑话"), ("你这两天好吗", "你好吗"),
           ("你能为我做点什么", "你能做什么"), ("你真是太聪明了", "你真棒"), ("我难过得想哭", "我很难过"), ("难道你是个真人不成", "你是人吗"), ("祝你做个好梦，晚安", "晚安"),
           ("上班好累呀", "我好累"), ("睡前讲个故事吧", "讲个故事"), ("你几岁啦", "你几岁了"), ("日子好无聊啊", "好无聊")],
    "en": [("Could you say who you are", "Who are you"), ("Thank you for your time", "Thanks"), ("Alright, see you around", "Bye"),
           ("I could use a joke", "Tell me a joke"), ("How have things been with you", "How are you"), ("What are the things you can do", "What can you do"),
           ("You are doing a great job", "You are great"), ("I am feeling really sad", "I am sad"), ("Are you an actual human", "Are you human"),
           ("Sleep well and good night", "Good night"), ("I am so very tired", "I am tired"), ("Got a nice story to tell", "Tell me a story"),
           ("Your age, please", "How old are you"), ("I am bored to death", "I am bored")],
}  # fmt: skip
# What a tool says in words; {x} degrees, {s} the sky: both have to be in the answer.
RESULTS = {
    "zh": ["{v}现在是{s}，{x}度左右", "{s}，白天气温{x}度，适合出门", "当前{v}：{s}、{x}度"],
    "en": ["Currently {s} in {v} with {x} degrees", "{x} degrees and {s}, a good day for a walk", "Weather for {v}: {s}, around {x} degrees"],
}  # fmt: skip
