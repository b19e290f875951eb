"""The evaluation's own words: cities, nouns, phrasings, sayings and questions that the corpus lacks."""

CITIES = {
    "zh": "青岛 洛阳 喀什 烟台 威海 敦煌 雷克雅未克 赫尔辛基 泉州 咸阳 布拉格 内罗毕 大理 丽江 嘉峪关 布宜诺斯艾利斯".split(),
    "en": "Lisbon,Nairobi,Quebec,Helsinki,Reykjavik,San Diego,Kathmandu,Marrakesh,Wroclaw,Ljubljana,Tbilisi,Antananarivo,"
    "Phnom Penh,Gothenburg,Edinburgh,Albuquerque".split(","),
}  # fmt: skip
WEATHER = {
    "zh": ["{v}今天的天气好不好？", "我明天去{v}，天气会怎样", "{v}的天气情况", "天气怎么样，{v}？", "请教一下，{v}天气怎样呢", "{v}最近天气如何呀",
           "说说{v}的天气", "{v}天气咋样啊", "今天{v}是什么天气", "我在{v}，天气怎么样"],
    "en": ["What's the weather like today in {v}?", "I'm travelling to {v}, how will the weather be?", "weather report {v}",
           "Tell me what the weather in {v} is", "{v}: how is the weather there?", "Could you look up today's weather in {v}?",
           "Do you have the weather of {v}?", "I live in {v}. What is the weather?", "How's {v} weather", "weather please, city is {v}"],
}  # fmt: skip
# (English, Chinese, key, English and Chinese words for the key)
NOUNS = [
    ("tide", "潮汐", "port", "the port", "港口"), ("parking", "停车位", "location", "the location", "地点"),
    ("museum", "博物馆", "city", "the city", "城市"), ("altitude", "海拔", "mountain", "the mountain", "山名"),
    ("pollen", "花粉浓度", "city", "the city", "城市"), ("visa", "签证", "applicant", "the applicant", "申请人"),
    ("tuition", "学费", "college", "the college", "学院"), ("horoscope", "运势", "sign", "the sign", "星座"),
    ("ferry", "渡轮", "harbor", "the harbor", "码头"), ("insurance", "保险", "policy_id", "the policy number", "保单号"),
    ("warranty", "保修", "serial", "the serial number", "序列号"), ("lottery", "彩票", "draw", "the draw", "期号"),
    ("toll", "过路费", "road", "the road", "道路"), ("menu", "菜单", "cafe", "the cafe", "店名"),
    ("recording", "录音", "speaker", "the speaker", "讲话人"), ("subscription", "订阅", "member", "the member", "会员"),
    ("blorfin", "咕噜石", "zone", "the zone", "区域"), ("quistle", "飞天扫帚", "owner_name", "the owner", "主人"),
]  # fmt: skip
VALUES = {
    "zh": "青岛 喀什 敦煌 欧阳修远 诸葛青 KX-4471 雷克雅未克 咸阳 长安街 沐风 7731 白羊座 星辰咖啡".split(),
    "en": "Lisbon,Quebec,Wroclaw,Ljubljana,Gwendolyn,Zachary,KX-4471,Phnom Penh,Tbilisi,QZR,7731,Blue Lantern,Fjord".split(
        ","
    ),
}
NAMES = ["get_{n}", "query_{n}", "{n}_service", "fetch_{n}_report", "read_{n}", "show{N}"]
DESCRIPTIONS = {
    "zh": ["查询{n}", "提供{n}方面的数据", "按{k}查询{n}", "返回{n}"],
    "en": ["Get the {n}", "Provides {n} data", "Query the {n} by {k}", "Returns the {n}"],
}
REQUESTS = {
    "zh": ["{v}的{n}帮我看看", "我需要{v}的{n}信息", "{v}的{n}，快帮我查", "想看{v}的{n}", "能查到{v}的{n}吗", "{v}的{n}现在是什么样"],
    "en": ["I would like the {n} of {v}", "Please find out the {n} for {v}", "What {n} does {v} have?", "Let me know the {n} of {v}",
           "Can I have the {n} for {v}?", "Now show the {n} for {v}"],
}  # fmt: skip
POEMS = {
    "zh": ["能为{x}写首诗吗？", "请作诗一首，咏{x}", "我要一首写{x}的诗", "麻烦写一首{x}主题的诗"],
    "en": [
        "I want a poem on the theme of {x}",
        "Please compose a few verses about {x}",
        "Could you make up a poem about {x}?",
        "{x} poem please",
    ],
}
POEM_SUBJECTS = {
    "zh": ["春天", "夏天", "秋天", "冬天", "月亮", "大海", "故乡", "雨", "猫", "彩虹", "奶奶", "火车站"],
    "en": [
        "spring",
        "summer",
        "autumn",
        "winter",
        "the moon",
        "the sea",
        "home",
        "rain",
        "a cat",
        "rainbows",
        "my grandmother",
        "old trains",
    ],
}
# (what is said, a saying of the corpus with the same intent)
SAYINGS = {
    "zh": [("你好，小家伙", "你好"), ("嗨，早上好", "你好"), ("你到底是谁呢", "你是谁"), ("太谢谢你了", "谢谢"), ("那再见了", "再见"),
           ("讲一个笑话给我听", "讲个笑话"), ("你今天好吗", "你好吗"), ("你有哪些本事", "你能做什么"), ("你太棒了", "你真棒"), ("我今天很难过", "我很难过"),
           ("你是真的人吗", "你是人吗"), ("各位晚安", "晚安"), ("我真的好累啊", "我好累"), ("给我讲一个故事", "讲个故事"), ("你今年几岁", "你几岁了")],
    "en": [("Hello friend", "Hello"), ("Hi, good morning", "Hello"), ("So who are you exactly", "Who are you"), ("Thank you, friend", "Thanks"),
           ("Bye for now", "Bye"), ("Would you tell me a joke", "Tell me a joke"), ("How are you feeling today", "How are you"),
           ("What things can you do", "What can you do"), ("You are really great", "You are great"), ("I am so sad today", "I am sad"),
           ("Are you a human being", "Are you human"), ("Good night to you", "Good night"), ("I am very tired", "I am tired"),
           ("Could I hear a short story", "Tell me a story"), ("How old might you be", "How old are you")],
}  # fmt: skip
QUESTIONS = {
    "zh": ["什么是量子纠缠？", "珠穆朗玛峰有多高", "请用Java写一个冒泡排序", "秦始皇是谁", "如何治疗失眠", "三十七加五十八等于几", "蒙娜丽莎在哪个博物馆",
           "为什么树叶是绿的", "给我制定一个马拉松训练计划", "澳大利亚的首都是哪里", "解释一下傅里叶变换", "怎么申请护照", "鲁迅写过什么", "地球的年龄是多少"],
    "en": ["What is quantum entanglement?", "How tall is K2?", "Write a bubble sort in Java", "Who was Napoleon?", "How do I cure insomnia?",
           "What is thirty-seven plus fifty-eight?", "In which museum is the Mona Lisa?", "Why are leaves green?", "Make me a marathon training plan",
           "What is the capital of Australia?", "Explain the Fourier transform", "How do I apply for a passport?", "What did Tolstoy write?",
           "How old is the Earth?"],
}  # fmt: skip
