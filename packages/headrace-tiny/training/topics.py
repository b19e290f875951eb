"""What tools are about: nouns, verbs, parameters, and how people hint at them."""

# (English, Chinese, kind of the main value)
NOUNS = [
    ("weather", "天气", "place"), ("temperature", "气温", "place"), ("air quality", "空气质量", "place"),
    ("humidity", "湿度", "place"), ("wind speed", "风速", "place"), ("forecast", "天气预报", "place"),
    ("population", "人口", "place"), ("traffic", "路况", "place"), ("local time", "当地时间", "place"),
    ("time zone", "时区", "place"), ("hotel", "酒店", "place"), ("restaurant", "餐厅", "place"),
    ("sunrise", "日出时间", "place"), ("area code", "区号", "place"), ("rent", "房租", "place"),
    ("event", "活动", "place"), ("gas price", "油价", "place"), ("school", "学校", "place"),
    ("flight", "航班", "code"), ("train", "火车", "code"), ("order", "订单", "code"),
    ("stock price", "股价", "code"), ("package", "包裹", "code"), ("invoice", "发票", "code"),
    ("exchange rate", "汇率", "code"), ("ticket", "车票", "code"), ("account", "账户", "code"),
    ("balance", "余额", "code"), ("file", "文件", "code"), ("log", "日志", "code"), ("server", "服务器", "code"),
    ("device", "设备", "code"), ("coupon", "优惠券", "code"), ("database", "数据库", "code"),
    ("license", "许可证", "code"), ("project", "项目", "code"), ("branch", "分支", "code"),
    ("movie", "电影", "phrase"), ("song", "歌曲", "phrase"), ("book", "图书", "phrase"), ("recipe", "菜谱", "phrase"),
    ("news", "新闻", "phrase"), ("product", "商品", "phrase"), ("stock", "库存", "phrase"), ("price", "价格", "phrase"),
    ("article", "文章", "phrase"), ("picture", "图片", "phrase"), ("video", "视频", "phrase"),
    ("document", "文档", "phrase"), ("course", "课程", "phrase"), ("game", "游戏", "phrase"),
    ("definition", "释义", "phrase"), ("note", "笔记", "phrase"), ("task", "任务", "phrase"),
    ("meeting", "会议", "phrase"), ("reminder", "提醒", "phrase"), ("alarm", "闹钟", "phrase"),
    ("playlist", "歌单", "phrase"), ("calorie", "热量", "phrase"), ("review", "评论", "phrase"),
    ("phone number", "电话号码", "person"), ("address", "地址", "person"), ("email", "邮箱", "person"),
    ("birthday", "生日", "person"), ("salary", "工资", "person"), ("score", "成绩", "person"),
    ("schedule", "日程", "person"), ("contact", "联系人", "person"), ("message", "消息", "person"),
    ("appointment", "预约", "person"), ("profile", "资料", "person"), ("attendance", "考勤", "person"),
    ("medical record", "病历", "person"), ("customer", "客户", "person"), ("employee", "员工", "person"),
]  # fmt: skip

# Who has the first can answer much about the others: no request for one of these is out of reach.
WEATHER_LIKE = {"weather", "temperature", "air quality", "humidity", "wind speed", "forecast"}
TIME_LIKE = {"local time", "time zone", "sunrise"}

LOOKUP_VERBS = (
    "get get get query search fetch lookup check find list view load describe retrieve request".split()
)
# (in the name, English, Chinese)
ACTION_VERBS = [
    ("create", "create", "创建"), ("delete", "delete", "删除"), ("update", "update", "更新"), ("open", "open", "打开"),
    ("close", "close", "关闭"), ("start", "start", "启动"), ("stop", "stop", "停止"), ("book", "book", "预订"),
    ("cancel", "cancel", "取消"), ("send", "send", "发送"), ("add", "add", "添加"), ("remove", "remove", "移除"),
    ("play", "play", "播放"), ("share", "share", "分享"), ("translate", "translate", "翻译"),
    ("download", "download", "下载"), ("print", "print", "打印"), ("lock", "lock", "锁定"), ("unlock", "unlock", "解锁"),
    ("save", "save", "保存"), ("move", "move", "移动"), ("copy", "copy", "复制"), ("rename", "rename", "重命名"),
    ("pay", "pay", "支付"), ("track", "track", "跟踪"), ("export", "export", "导出"), ("archive", "archive", "归档"),
    ("approve", "approve", "批准"), ("reject", "reject", "拒绝"), ("restart", "restart", "重启"), ("rate", "rate", "评价"),
    ("convert", "convert", "转换"), ("compare", "compare", "比较"), ("summarize", "summarize", "总结"),
]  # fmt: skip

# Keys of the main parameter: (key, English, Chinese)
MAIN_KEYS = {
    "place": [
        ("location", "location", "地点"), ("city", "city", "城市"), ("city", "city name", "城市名称"),
        ("place", "place", "地点"), ("region", "region", "地区"), ("location", "city name", "城市名"),
        ("area", "area", "区域"), ("address", "address", "地址"),
    ],
    "code": [
        ("id", "id", "编号"), ("code", "code", "代码"), ("number", "number", "号码"), ("symbol", "symbol", "代码"),
        ("key", "key", "键"), ("identifier", "identifier", "标识"), ("ref", "reference", "编号"),
    ],
    "phrase": [
        ("query", "query", "关键词"), ("keyword", "keyword", "搜索关键词"), ("q", "search text", "内容"),
        ("title", "title", "标题"), ("name", "name", "名称"), ("text", "text", "文本"), ("topic", "topic", "主题"),
    ],
    "person": [
        ("name", "name", "姓名"), ("person", "person", "人员"), ("user", "user", "用户"), ("who", "who", "对象"),
        ("username", "user name", "用户名"), ("target", "target", "对象"),
    ],
}  # fmt: skip

# Optional parameters: (key, kind, English, Chinese)
EXTRAS = [
    ("date", "date", "date", "日期"), ("day", "date", "day", "日期"), ("when", "date", "when", "时间"),
    ("days", "days", "days", "天数"), ("unit", "unit", "unit", "单位"), ("limit", "integer", "limit", "条数"),
    ("count", "integer", "count", "数量"), ("page", "integer", "page", "页码"), ("size", "integer", "size", "大小"),
    ("amount", "number", "amount", "金额"), ("price", "number", "price", "价格"), ("weight", "number", "weight", "重量"),
    ("time", "clock", "time", "时间"), ("note", "phrase", "note", "备注"), ("owner", "person", "owner", "负责人"),
    ("mode", "enum", "mode", "模式"), ("format", "enum", "format", "格式"), ("color", "enum", "color", "颜色"),
    ("level", "enum", "level", "级别"), ("language", "enum", "language", "语言"), ("type", "enum", "type", "类型"),
    ("detailed", "boolean", "in detail", "详细"), ("urgent", "boolean", "urgent", "加急"),
    ("destination", "place", "destination", "目的地"), ("region", "place", "region", "地区"),
    ("phone", "code", "phone", "电话"), ("tag", "phrase", "tag", "标签"),
]  # fmt: skip

ENUMS = {
    "mode": ["fast", "slow", "auto", "eco", "normal", "silent"],
    "format": ["json", "csv", "pdf", "text", "html"],
    "color": ["red", "green", "blue", "black", "white"],
    "level": ["low", "medium", "high"],
    "language": ["en", "zh", "fr", "ja", "de"],
    "type": ["basic", "full", "public", "private"],
}
# What the user says -> what the schema allows.
UNITS = {
    "zh": [("摄氏度", "celsius"), ("华氏度", "fahrenheit")],
    "en": [("celsius", "celsius"), ("fahrenheit", "fahrenheit"), ("degrees Celsius", "celsius")],
}

# Questions that mean a noun without naming it.
HINTS = {
    "weather": {
        "zh": [
            "{v}{d}会下雨吗",
            "{v}{d}冷不冷",
            "去{v}要带伞吗",
            "{v}{d}热吗",
            "{d}{v}是晴天吗",
            "{v}{d}适合出门吗",
            "{v}{d}多少度",
            "{v}{d}气温多少",
            "{v}下雪了吗",
            "{v}{d}风大不大",
        ],
        "en": [
            "Will it rain in {v}{d}",
            "Is it cold in {v}{d}",
            "Do I need an umbrella in {v}",
            "Is it sunny in {v}{d}",
            "How hot is it in {v}{d}",
            "Should I wear a coat in {v}{d}",
            "What is the temperature in {v}{d}",
            "temperature in {v}",
            "Is it windy in {v}{d}",
            "Does it snow in {v}{d}",
            "How warm is {v}{d}",
        ],
    },
    "local time": {
        "zh": ["{v}现在几点", "{v}几点了", "{v}是几点", "现在{v}几点钟", "{v}时间", "{v}的时间"],
        "en": [
            "What time is it in {v}",
            "What's the time in {v}",
            "time in {v}",
            "{v} time",
            "Is it late in {v}",
        ],
    },
    "population": {
        "zh": ["{v}有多少人", "{v}住着多少人"],
        "en": ["How many people live in {v}", "How big is {v}"],
    },
    "temperature": {"zh": ["{v}现在多少度", "{v}{d}几度"], "en": ["How many degrees is it in {v}{d}"]},
    "traffic": {
        "zh": ["{v}堵车吗", "{v}路上堵不堵"],
        "en": ["Are the roads busy in {v}", "Is there a jam in {v}"],
    },
    "hotel": {
        "zh": ["我在{v}住哪里好", "{v}有地方住吗"],
        "en": ["Where can I stay in {v}", "I need a room in {v}"],
    },
    "restaurant": {"zh": ["{v}有什么好吃的", "在{v}去哪吃饭"], "en": ["Where can I eat in {v}"]},
    "stock price": {"zh": ["{v}涨了吗", "{v}现在多少钱一股"], "en": ["How is {v} trading", "Did {v} go up"]},
    "package": {
        "zh": ["{v}到哪了", "我的快递{v}送到了吗"],
        "en": ["Where is my parcel {v}", "Has {v} been delivered"],
    },
    "news": {
        "zh": ["{v}有什么最新消息", "最近{v}发生了什么"],
        "en": ["What is new about {v}", "What happened with {v}"],
    },
    "phone number": {"zh": ["怎么打电话给{v}"], "en": ["How can I call {v}", "I want to call {v}"]},
    "birthday": {"zh": ["{v}是哪天出生的"], "en": ["When was {v} born"]},
    "address": {"zh": ["{v}住在哪里"], "en": ["Where does {v} live"]},
    "definition": {"zh": ["{v}这个词是什么意思"], "en": ["What does the word {v} mean"]},
    "calorie": {"zh": ["吃{v}会胖吗"], "en": ["Will {v} make me fat"]},
    "salary": {"zh": ["{v}挣多少钱"], "en": ["How much does {v} earn"]},
}
