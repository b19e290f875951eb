"""Argument values: real and random places, names, codes, phrases, dates and numbers.

Most values are random strings. A model that meets each value once cannot remember it and
has to learn to copy; the real names only show what users usually write.
"""

import string
from random import Random

# The 3,755 characters of GB2312 level 1, and some of level 2: rare ones, cut into bytes.
HAN = [
    bytes((row, cell)).decode("gb2312")
    for row in range(0xB0, 0xD8)
    for cell in range(0xA1, 0xFA if row == 0xD7 else 0xFF)
]
RARE_HAN = [bytes((row, cell)).decode("gb2312") for row in range(0xD8, 0xF8) for cell in range(0xA1, 0xFF)]
EMOJI = list("🌸🌙⭐🔥🍎🚗🎵📚🏠💡🐱🌊🍀🎉🚀☕")

ZH_PLACES = (
    "北京 上海 广州 深圳 天津 重庆 成都 杭州 南京 武汉 西安 苏州 郑州 长沙 沈阳 大连 济南 哈尔滨 长春 福州 厦门 昆明 "
    "南宁 合肥 太原 石家庄 贵阳 兰州 海口 三亚 乌鲁木齐 拉萨 西宁 银川 呼和浩特 宁波 温州 无锡 常州 徐州 扬州 绍兴 "
    "珠海 佛山 东莞 惠州 桂林 南昌 景德镇 香港 澳门 台北 高雄 东京 大阪 京都 首尔 曼谷 新加坡 吉隆坡 雅加达 河内 "
    "孟买 迪拜 伊斯坦布尔 莫斯科 伦敦 巴黎 柏林 慕尼黑 罗马 米兰 马德里 巴塞罗那 阿姆斯特丹 维也纳 苏黎世 纽约 "
    "洛杉矶 旧金山 芝加哥 波士顿 西雅图 华盛顿 多伦多 温哥华 悉尼 墨尔本 奥克兰 开罗 海淀区 浦东新区 天河区"
).split()
EN_PLACES = (
    "Beijing,Shanghai,Guangzhou,Shenzhen,Hangzhou,Chengdu,Tokyo,Osaka,Kyoto,Seoul,Bangkok,Singapore,Jakarta,Hanoi,"
    "Manila,Mumbai,Dubai,Istanbul,Moscow,London,Paris,Berlin,Munich,Rome,Milan,Madrid,Barcelona,Amsterdam,Vienna,"
    "Zurich,Geneva,Chicago,Boston,Seattle,Washington,Toronto,Vancouver,Sydney,Melbourne,Auckland,Cairo,Athens,Oslo,"
    "Dublin,Brussels,Houston,Dallas,Denver,Miami,Atlanta,Detroit,Austin,Portland,Lima,Bogota,Santiago,Havana,Warsaw,"
    "Prague,New York,San Francisco,Los Angeles,Hong Kong,New Delhi,Rio de Janeiro,Tel Aviv,Cape Town,Buenos Aires"
).split(",")
EN_PEOPLE = "Alice Bob Carol David Emma Frank Grace Henry Julia Kevin Laura Mike Nina Oscar Peter Rosa Sam Tom".split()
ZH_PEOPLE = "张伟 王芳 李娜 刘洋 陈静 杨帆 赵磊 黄敏 周杰 吴迪 徐丽 孙强 小明 小红 老王 李雷 韩梅梅".split()
EN_THINGS = (
    "apple machine learning river music history train market price energy cloud garden robot star ocean travel food "
    "book school health sport movie game phone coffee tea paper bridge island forest summer winter light water meeting "
    "project lunch team red blue green small big new old fast best cheap house kitchen table battery camera "
    "family party birthday dinner office budget review plan holiday doctor dentist car bike shoes jacket rice bread"
).split()
ZH_THINGS = (
    "苹果 机器学习 音乐 历史 市场 能源 云计算 花园 机器人 海洋 旅行 美食 小说 学校 健康 运动 电影 游戏 手机 咖啡 茶叶 "
    "桥梁 岛屿 森林 夏天 会议 报告 项目 午饭 团队 红色 便宜 房子 厨房 电池 相机 家人 生日 晚餐 办公室 预算 计划 假期 "
    "医生 汽车 自行车 鞋子 外套 米饭 面包 人工智能 量子 火锅 春节 足球 篮球 围巾 雨伞 牛奶"
).split()
PLACES = {"zh": ZH_PLACES, "en": EN_PLACES}
PEOPLE = {"zh": ZH_PEOPLE, "en": EN_PEOPLE}
THINGS = {"zh": ZH_THINGS, "en": EN_THINGS}

ONSETS = (
    "b c d f g h j k l m n p q r s t v w x y z br ch cl cr dr fl fr gh gl gr hj kl km kn kr ll pl pr ph qu rh sc sh sk "
    "sl sm sn sp st sw th ts tr tw vl wh wr yv zh zw"
).split() + [""] * 4
NUCLEI = "a e i o u y aa ae ai au ay ea ee ei eo eu ey ia ie io iu oa oe oi oo ou oy ua ue ui uy".split()
CODAS = (
    "b c d f g h k l m n p r s t v w x z ch ck ct ff ft gg gh ld lk ll lm ln ls lt mb mp nd ng nk nn ns nt "
    "rd rg rk rl rm rn rs rt rv sh sk sp ss st th tt tz vk wn wk xt"
).split() + [""] * 40


def syllable(r: Random) -> str:
    return r.choice(ONSETS) + r.choice(NUCLEI) + r.choice(CODAS)


# What names of places are made of: Chinese ones, and foreign ones by their sound.
ZH_TOWN = list(
    "安宝北滨城川春达大丹德定东都丰佛阜固关广贵海汉杭和河衡湖化怀淮黄惠吉济家佳嘉建江金津晋京井景靖九开昆来兰乐梁辽林临"
    "岭柳龙陇洛梅门明南内宁平莆浦普齐钱青清庆泉曲仁三沙山汕上韶深石顺朔四松绥台太泰唐桃天田铁通同屯皖万潍渭文乌武西溪仙"
    "咸湘祥襄孝新兴徐宣延盐扬阳伊宜义益银应营永榆玉渊元原源岳云郧枣漳昭郑中舟州周珠竹遵左"
)
ZH_SOUND = list(
    "阿埃艾安奥巴班贝本比波伯博布查达丹德的迪蒂丁杜多厄恩尔法菲费夫弗福戈格圭哈海汉赫霍基吉加贾卡坎康科克库拉莱兰朗劳勒雷"
    "里利林卢伦罗洛马玛迈曼梅门蒙米密莫姆穆纳内尼涅诺努帕佩皮普奇乔萨塞桑沙森圣斯索塔泰坦特提图托瓦威韦维沃乌西希夏辛休"
    "雅亚扬耶伊因尤约扎泽詹兹"
)
ACCENTS = dict(
    zip(
        "acenosuyzidgl",
        ("áàâäãåą", "çćč", "éèêëę", "ñńň", "óòôöõø", "śšş", "úùûü", "ý", "žźż", "íîï", "ď", "ğ", "ł"),
        strict=True,
    )
)

PIECES: list[str] = []
"""The tokenizer's ASCII pieces, once there is one: words made of them let each be copied often."""


def word(r: Random) -> str:
    """An invented ASCII word; a part of them random letters, so that every pair occurs."""
    kind = r.random()
    if PIECES and kind > 0.7:
        return "".join(r.choices(PIECES, k=r.choice((2, 2, 3))))
    if kind < 0.2:
        return "".join(r.choices(string.ascii_lowercase, k=r.randint(3, 8)))
    return "".join(syllable(r) for _ in range(r.choice((1, 2, 2, 3))))


def han(r: Random, low: int = 2, high: int = 4) -> str:
    """Random Chinese characters, now and then a rare one: each of them has to be copied often."""
    size = r.randint(low, high)
    return "".join(r.choice(RARE_HAN if r.random() < 0.05 else HAN) for _ in range(size))


def name(r: Random, lang: str) -> str:
    """An invented proper name."""
    if lang == "zh":
        return han(r) if r.random() < 0.85 else han(r, 4, 8)
    words = [word(r).capitalize() for _ in range(r.choice((1, 1, 1, 2)))]
    text = r.choice((" ", " ", " ", "-")).join(words)
    return accented(r, text) if r.random() < 0.06 else text


def accented(r: Random, text: str) -> str:
    return "".join(r.choice(ACCENTS[c]) if c in ACCENTS and r.random() < 0.4 else c for c in text)


def zh_place(r: Random) -> str:
    """An invented place of plausible characters: only so can a model tell a name from the words beside it."""
    if r.random() < 0.45:
        return "".join(r.choices(ZH_SOUND, k=r.choice((2, 3, 3, 4, 4, 5, 6))))
    return "".join(r.choices(ZH_TOWN, k=r.choice((2, 2, 2, 3)))) + r.choice(
        ("",) * 9 + ("市", "县", "区", "镇")
    )


def place(r: Random, lang: str) -> str:
    other = r.random() < 0.12
    zh = (lang == "zh") != other
    if r.random() < 0.2:
        return r.choice(ZH_PLACES if zh else EN_PLACES)
    if zh and r.random() < 0.6:
        return zh_place(r)
    return name(r, "zh" if zh else "en")


def person(r: Random, lang: str) -> str:
    if r.random() < 0.4:
        return r.choice(ZH_PEOPLE if lang == "zh" else EN_PEOPLE)
    return han(r, 2, 3) if lang == "zh" else word(r).capitalize()


def code(r: Random) -> str:
    """An identifier: a ticker, an order number, a file name."""
    kind = r.random()
    if kind < 0.35:
        return "".join(r.choices(string.ascii_uppercase, k=r.randint(2, 5)))
    if kind < 0.6:
        return "".join(r.choices(string.ascii_uppercase, k=r.choice((1, 2)))) + str(r.randint(10, 99999))
    if kind < 0.7:
        return f"{word(r)}.{r.choice(('txt', 'py', 'md', 'csv', 'json', 'pdf'))}"
    if kind < 0.78:
        return f"{word(r)}@{word(r)}.com"
    if kind < 0.85:
        return f"{word(r)}-{r.randint(1, 999)}"
    return str(r.randint(100, 999999))


def phrase(r: Random, lang: str) -> str:
    """A few words, as for a search or a message."""
    if lang == "zh":
        parts = [r.choice(ZH_THINGS) if r.random() < 0.5 else han(r, 1, 3) for _ in range(r.randint(1, 3))]
        return "".join(parts) + (r.choice(EMOJI) if r.random() < 0.03 else "")
    parts = [r.choice(EN_THINGS) if r.random() < 0.45 else word(r) for _ in range(r.randint(1, 4))]
    return " ".join(parts) + (" " + r.choice(EMOJI) if r.random() < 0.03 else "")


ZH_DATES = "今天 明天 后天 昨天 本周 这周末 周一 周三 周五 周日 下周 下周二 今晚 明早 元旦 国庆节".split()
EN_DATES = (
    "today,tomorrow,yesterday,tonight,this week,this weekend,next week,Monday,Tuesday,Wednesday,Friday,Sunday,"
    "next Monday,tomorrow morning"
).split(",")


def date(r: Random, lang: str) -> str:
    kind = r.random()
    if kind < 0.15:
        return f"2026-{r.randint(1, 12):02}-{r.randint(1, 28):02}"
    if lang == "zh":
        return f"{r.randint(1, 12)}月{r.randint(1, 28)}日" if kind < 0.3 else r.choice(ZH_DATES)
    return r.choice(EN_DATES)


def clock(r: Random) -> str:
    return f"{r.randint(0, 23):02}:{r.choice(('00', '15', '30', '45'))}"


def amount(r: Random) -> float | int:
    return r.choice(
        (r.randint(1, 9), r.randint(10, 999), r.randint(1000, 9999), round(r.uniform(0.5, 99), 1))
    )
