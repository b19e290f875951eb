"""A second set of phrasings, written before the fifth leg's corpus and looked at only after its training.

The corpus was widened with the failures of `held_out` in view; this set says what that is worth elsewhere.
"""

CITIES = {
    "zh": "泰安 岳阳 延安 马赛 里斯本 雅典 镇江 腾冲 伊尔库茨克 漠河 芜湖 科伦坡".split(),
    "en": "Krakow,Bilbao,Montevideo,Salzburg,Yerevan,Port Louis,Ulaanbaatar,Turin,Adelaide,Casablanca,Santa Fe,Zagreb".split(","),
}  # fmt: skip
WEATHER = {
    "zh": ["{v}天气可好", "后天到{v}出差，天气行不行", "麻烦播报{v}的天气", "{v}眼下天气什么样了", "我朋友在{v}，那儿天气如何", "想听听{v}的天气",
           "{v}的天气糟糕吗", "{v}这两日天气怎么说", "给个{v}天气"],
    "en": ["Is the weather any good in {v}?", "I fly to {v} tonight, what weather awaits me?", "{v} weather bulletin", "Weather check for {v}",
           "What sort of weather has {v} got?", "My sister is in {v}. How is the weather over there?", "Kindly tell me about the weather in {v}",
           "weather now {v}", "Could the weather of {v} be checked?", "The weather in {v}, if you would"],
}  # fmt: skip
# (what is said, a saying of the corpus with the same intent)
SAYINGS = {
    "zh": [("请问你叫啥", "你是谁"), ("真的很感谢你", "谢谢"), ("我要下线了，再见", "再见"), ("快讲个笑话听听", "讲个笑话"), ("你近来好吗", "你好吗"),
           ("你都能干些什么", "你能做什么"), ("你实在太厉害了", "你真棒"), ("我心里好难受", "我很难过"), ("你是不是机器人", "你是人吗"), ("我先睡了，晚安", "晚安"),
           ("今天累坏了", "我好累"), ("我想听一个小故事", "讲个故事"), ("你有多大年纪", "你几岁了"), ("我觉得太无聊了", "好无聊")],
    "en": [("Tell me who you are", "Who are you"), ("Thanks for everything", "Thanks"), ("Okay, goodbye then", "Bye"),
           ("Got any jokes", "Tell me a joke"), ("How are things", "How are you"), ("What are you capable of", "What can you do"),
           ("You did really well", "You are great"), ("I feel really sad", "I am sad"), ("Are you a machine or a human", "Are you human"),
           ("Have a good night", "Good night"), ("I feel so tired", "I am tired"), ("Tell me a nice little story", "Tell me a story"),
           ("What age are you", "How old are you"), ("I am so bored", "I am bored")],
}  # fmt: skip
