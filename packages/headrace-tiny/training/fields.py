"""Random JSON: fields with names as schemas have them, and short values that fit.

Text between `GIVEN` marks is not learnt: the grammar or chance wrote it, and only what follows is the model's.
"""

import json
import string
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

import topics
import values

GIVEN = "\ue000", "\ue001"
RAW = "\ue002"  # around a number in the place of a string

# By kind of value: (key, what people call it in Chinese).
NAMES = {
    "person": "name 姓名,author 作者,owner 负责人,customer 客户,user 用户,sender 发件人,teacher 老师,patient 病人,employee 员工,contact 联系人,"
    "first_name 名字,last_name 姓氏,full_name 全名,username 用户名,assignee 处理人,artist 歌手,winner 冠军,host 主持人",
    "place": "city 城市,location 地点,country 国家,address 地址,destination 目的地,origin 出发地,venue 场地,region 地区,place 地方,street 街道,"
    "from_city 出发城市,to_city 到达城市,hometown 家乡,capital 首都",
    "phrase": "title 标题,product 商品,topic 主题,subject 科目,item 物品,label 标签,category 类别,genre 类型,brand 品牌,dish 菜名,book 书名,"
    "movie 电影,keyword 关键词,theme 题目,job 职业,company 公司,project 项目,team 团队,hobby 爱好,color 颜色,animal 动物,food 食物,task 任务,"
    "ingredient 配料,skill 技能,event 活动,department 部门,sport 运动,model 型号,heading 小标题,slug 路径",
    "sentence": "summary 摘要,description 描述,answer 回答,message 消息,comment 评论,reason 理由,text 文本,content 内容,explanation 说明,note 备注,"
    "response 回复,result 结果,review 点评,bio 简介,question 问题,advice 建议,steps_text 步骤,output 输出,body 正文,instruction 指示,reply 答复",
    "code": "id 编号,code 代码,order_id 订单号,sku 货号,number 号码,reference 参考号,ticket 票号,serial_number 序列号,token 令牌,version 版本,"
    "isbn 书号,flight 航班,tracking_id 运单号,file 文件,key 键,zip_code 邮编",
    "choice": "status 状态,level 级别,priority 优先级,type 类型,unit 单位,mode 模式,sentiment 情感,size 尺寸,language 语言,gender 性别,kind 种类,"
    "currency 币种,severity 严重程度,role 角色,format 格式,difficulty 难度,season 季节,weekday 星期,method 方法,state 阶段",
    "integer": "age 年龄,count 数量,quantity 件数,year 年份,pages 页数,floor 楼层,stock 库存,points 积分,rank 名次,minutes 分钟,days 天数,seats 座位,"
    "port 端口,limit 上限,population 人口,servings 份数,total 总数,index 序号,guests 客人数,calories 热量",
    "number": "price 价格,amount 金额,temperature 温度,weight 重量,height 身高,score 分数,rating 评分,distance 距离,confidence 置信度,discount 折扣,"
    "latitude 纬度,longitude 经度,speed 速度,ratio 比例,tax 税率,duration 时长,width 宽度",
    "boolean": "active 有效,done 完成,available 有货,is_admin 管理员,verified 已验证,enabled 启用,paid 已付款,public 公开,required 必填,urgent 紧急,"
    "success 成功,has_more 还有更多,spam 垃圾邮件,open 营业,in_stock 现货",
    "date": "date 日期,birthday 生日,due_date 截止日期,start_date 开始日期,end_date 结束日期,created 创建日期,deadline 期限,day 日子,released 发布日期",
    "moment": "created_at 创建时间,updated_at 更新时间,timestamp 时间戳,starts_at 开始时间,ends_at 结束时间",
    "clock": "time 时间,opens 开门时间,closes 关门时间,departure 出发时间,arrival 到达时间",
    "email": "email 邮箱,mail 电子邮件,contact_email 联系邮箱,work_email 工作邮箱",
    "url": "url 网址,link 链接,website 网站,homepage 主页,image_url 图片地址,source 来源",
    "phone": "phone 电话,mobile 手机,tel 联系电话,fax 传真",
    "uuid": "uuid 唯一编号,request_id 请求编号,session_id 会话编号",
    "strings": "tags 标签列表,keywords 关键词列表,names 名单,cities 城市列表,colors 颜色列表,steps 步骤列表,ingredients 配料列表,skills 技能列表,"
    "items 物品列表,lines 诗行,options 选项,topics 主题列表,languages 语言列表,authors 作者列表,reasons 理由列表",
    "numbers": "scores 分数列表,numbers 数字列表,values 数值列表,prices 价格列表,ids 编号列表,ratings 评分列表,coordinates 坐标,years 年份列表",
    "objects": "users 用户列表,products 商品列表,orders 订单列表,results 结果列表,entries 条目,people 人员列表,events 活动列表,lines_items 明细,"
    "records 记录列表,members 成员,tasks 任务列表,messages 消息列表,sections 章节,contacts 联系人列表,data 数据",
    "object": "profile 资料,details 详情,address_info 地址信息,customer_info 客户信息,meta 元数据,settings 设置,dimensions 尺寸信息,company_info 公司信息,"
    "price_info 价格信息,author_info 作者信息,config 配置,user_info 用户信息,payload 载荷,position 位置",
    "map": "scores_by_name 各人分数,labels 标记,metadata 附加数据,translations 译文,attributes 属性,counts 各项数量,headers 请求头,extra 其他",
    "tree": "children 子节点,replies 回帖,subtasks 子任务,folders 文件夹,parts 部件",
    "next": "next 下一个,parent 上级,previous 上一个,left 左子树,right 右子树",
    "null": "middle_name 中间名,nickname 昵称,error 错误,deleted_at 删除时间,notes 附注,optional_value 可选值",
}  # fmt: skip
FIELDS = {
    kind: [tuple(name.split(" ")) for name in names.replace("\n", "").split(",")]
    for kind, names in NAMES.items()
}
SCALARS = "person place phrase sentence code choice integer number boolean date moment clock email url phone uuid null".split()
FORMATTED = {"code", "moment", "clock", "date", "email", "url", "phone", "uuid", "null"}
COMMON = (
    ["person", "phrase", "sentence", "integer", "number"] * 4
    + ["place", "choice", "boolean", "strings"] * 3
    + SCALARS
)
NESTED = ["object", "objects", "strings", "numbers", "map", "tree", "next"]
SENTENCES = {
    "en": ["A short {w} about {x}.", "This is about {x}", "{x} is {w} and {y}.", "The {w} of {x} is {y}.", "I like {x}.", "{x}, {y} and {w}.",
           "Nothing more is known about {x}", "Please see {x} and {y}.", "It is {w}", "A {w} {y} with {x} in it, for all to see.",
           "{x} came first, then {y}, and at last the {w}.", "All about {x}.", "Hello from {x}!", "Yes, {x}.", "No {w} today."],
    "zh": ["关于{x}的简短说明。", "{x}和{y}", "这是{x}。", "{x}的{w}是{y}。", "我喜欢{x}。", "请看{x}。", "先是{x}，然后是{y}，最后是{w}。", "{w}很好",
           "暂无更多{x}的信息", "没有{w}。", "{x}很不错，推荐给大家", "好的，{x}。"],
}  # fmt: skip
CHOICES = sorted(
    {word for words in topics.ENUMS.values() for word in words}
    | set("low medium high open closed active inactive positive negative neutral pending done draft admin user en zh USD EUR".split())
    | set("male female unknown small large yes no other todo in_progress celsius RED GREEN 高 中 低 男 女 正面 负面 是 否".split())
)  # fmt: skip
DAY = date(2020, 1, 1)


@dataclass
class Field:
    key: str
    word: str
    kind: str


def invented_key(r: Random, lang: str) -> str:
    """A name that no list has."""
    if lang == "zh" and r.random() < 0.4:
        return values.han(r, 2, 4)
    words = [
        r.choice(values.EN_THINGS).split(" ")[0] if r.random() < 0.4 else values.word(r)
        for _ in range(r.choice((1, 1, 2, 2, 3)))
    ]
    return "_".join(words)


def restyle(r: Random, key: str) -> str:
    kind = r.random()
    if kind < 0.3:
        first, *rest = key.split("_")
        return first + "".join(word.capitalize() for word in rest)
    return key.replace("_", "-") if kind < 0.33 else key.capitalize() if kind < 0.37 else key


def field(r: Random, lang: str, kind: str) -> Field:
    """A field; one in four has a name that says nothing of its kind, which is then mostly text or a number."""
    if r.random() < (0.08 if kind in FORMATTED else 0.3):
        key = invented_key(r, lang)
        return Field(restyle(r, key), key.replace("_", " "), kind)
    named = kind if r.random() < 0.93 else r.choice(SCALARS)
    key, zh = r.choice(FIELDS[named])
    if lang == "zh":
        return Field(zh if r.random() < 0.3 else restyle(r, key), zh, kind)
    return Field(restyle(r, key), key.replace("_", " "), kind)


def noise(r: Random, lang: str) -> str:
    """Text of any length that the model did not choose: what it learns is to close the quotes.

    A part repeats itself, as a model does that has lost its way, or looks like another type.
    """
    size = min(40, 1 + int(r.expovariate(0.12)))
    kind = r.random()
    if kind < 0.1:
        return r.choice(("null", "true", "false", str(r.randint(0, 9999)))) + r.choice("}]{[:") * r.randint(
            0, size
        )
    parts = (
        [values.han(r, size, size)]
        if lang == "zh" and r.random() < 0.7
        else [
            r.choice((values.word(r), r.choice(values.EN_THINGS), str(r.randint(0, 999))))
            for _ in range(size)
        ]
    )
    mark = r.choice((" ", " ", " ", "", "-", "_", ", ", ". "))
    if kind < 0.5:
        parts = [r.choice(parts)[: r.randint(1, 8)].strip(), *parts[: r.randint(0, 2)]] * size
        return mark.join(parts)[:120].strip()
    return mark.join(parts)


def given(text: str) -> str:
    return GIVEN[0] + text + GIVEN[1]


@dataclass
class Writer:
    """Writes values. `said`: the user says them, so that they may be anything; else they are usual ones."""

    r: Random
    lang: str
    topic: str
    said: bool

    def fill(self, fields: list[Field], depth: int = 0) -> dict[str, Any]:
        return {f.key: self.value(f.kind, depth) for f in fields}

    def value(self, kind: str, depth: int = 0) -> Any:
        """A value of a kind; now and then with noise in it."""
        r = self.r
        match kind:
            case "strings":
                return self.strings()
            case "numbers":
                of = r.choice(("integer", "number"))
                return [self.scalar(of) for _ in range(r.choice((0, 1, 2, 2, 3, 3, 4)))]
            case "objects":
                inner = self.inner(COMMON if depth < 2 else SCALARS)
                size = r.choices((0, 1, 2, 3), (5, 50, 38, 7))[0]
                return [self.fill(inner, depth + 1) for _ in range(size)]
            case "object":
                return self.fill(self.inner(COMMON + NESTED if depth < 1 else COMMON), depth + 1)
            case "map":
                of = r.choice(("integer", "phrase", "number", "boolean"))
                key = values.person if r.random() < 0.4 else invented_key
                if r.random() < 0.2:
                    return {given(noise(r, self.lang)): self.scalar(of)}
                size = r.choices((0, 1, 2, 3), (8, 40, 40, 12))[0]
                return {key(r, self.lang): self.scalar(of) for _ in range(size)}
            case "tree" | "next":
                grow = self.nodes if kind == "tree" else self.node
                return grow(invented_key(r, self.lang), field(r, self.lang, r.choice(SCALARS)))
            case "person" | "place" | "phrase" | "sentence" | "code" if r.random() < 0.1:
                return given(noise(r, self.lang))
            case "integer" | "number" if r.random() < 0.08:
                digits = str(r.randint(1, 10 ** r.randint(2, 15)))
                digits = digits[:4] + digits[-1] * r.randint(1, 12) if r.random() < 0.4 else digits
                return RAW + given(digits + (r.choice((".5", ".25")) if kind == "number" else "")) + RAW
        return self.scalar(kind)

    def inner(self, kinds: list[str]) -> list[Field]:
        return [field(self.r, self.lang, self.r.choice(kinds)) for _ in range(self.r.choice((1, 2, 2, 3)))]

    def strings(self) -> list[str]:
        r = self.r
        if r.random() < 0.12:
            items = [noise(r, self.lang) for _ in range(r.randint(1, 5))]
            return [given('","'.join(items if r.random() < 0.6 else items[:1] * r.randint(2, 6)))]
        of = r.choice(("phrase", "phrase", "person", "place", "sentence", "choice"))
        return [self.scalar(of) for _ in range(r.choices((0, 1, 2, 3, 4), (6, 20, 40, 28, 6))[0])]

    def nodes(self, key: str, leaf: Field, depth: int = 0) -> list[dict[str, Any]]:
        """A tree: it must come to an end."""
        size = self.r.choices((0, 1, 2), (1 + 6 * depth, 5, 3))[0] if depth < 3 else 0
        return [
            {leaf.key: self.scalar(leaf.kind), key: self.nodes(key, leaf, depth + 1)} for _ in range(size)
        ]

    def node(self, key: str, leaf: Field, depth: int = 0) -> dict[str, Any] | None:
        """A linked list: so must this."""
        if depth > 2 or self.r.random() < 0.2 + 0.25 * depth:
            return None
        return {leaf.key: self.scalar(leaf.kind), key: self.node(key, leaf, depth + 1)}

    def scalar(self, kind: str) -> Any:
        r, lang = self.r, self.lang
        match kind:
            case "person":
                return values.person(r, lang) if self.said else r.choice(values.PEOPLE[lang])
            case "place":
                return values.place(r, lang) if self.said else r.choice(values.PLACES[lang])
            case "phrase":
                usual = (
                    self.topic
                    if r.random() < 0.4
                    else " ".join(r.choices(values.THINGS[lang], k=r.choice((1, 1, 2))))
                )
                return (
                    values.phrase(r, lang) if self.said else usual.replace(" ", "" if lang == "zh" else " ")
                )
            case "sentence":
                return self.sentence()
            case "code":
                return values.code(r) if self.said else r.choice("ABCX") + str(r.randint(1, 999))
            case "choice":
                return r.choice(CHOICES)
            case "integer":
                return r.choice(
                    (r.randint(0, 9), r.randint(10, 99), r.randint(100, 2030), r.randint(-9, 99999))
                )
            case "number":
                return r.choice((values.amount(r), round(r.uniform(-10, 100), 2), round(r.random(), 2)))
            case "boolean":
                return r.random() < 0.6
            case "null":
                return None
        return self.formatted(kind)

    def formatted(self, kind: str) -> str:
        r = self.r
        match kind:
            case "phone":
                return r.choice(("+", "+1 ", "1", "0")) + "".join(
                    r.choices(string.digits, k=r.randint(7, 10))
                )
            case "clock":
                return values.clock(r) + r.choice(("", "", ":00", ":00Z"))
            case "email":
                usual = f"{r.choice(values.EN_PEOPLE).lower()}@example.com"
                return (
                    f"{values.word(r)}@{values.word(r)}.{r.choice(('com', 'org', 'cn'))}"
                    if self.said
                    else usual
                )
            case "url":
                site = (
                    f"{r.choice(('', 'www.'))}{values.word(r)}"
                    if self.said
                    else r.choice(("www.example", "example"))
                )
                return f"https://{site}.com{r.choice(('', '/' + values.word(r)))}"
            case "uuid":
                digits = "".join(r.choices("0123456789abcdef", k=32))
                return given("-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:])))
        day = (DAY + timedelta(r.randint(0, 3650))).isoformat()
        return day if kind == "date" else f"{day}T{values.clock(r)}:00{r.choice(('Z', 'Z', '', '+08:00'))}"

    def sentence(self) -> str:
        r, things = self.r, values.THINGS[self.lang]
        text = r.choice(SENTENCES[self.lang]).format(
            x=self.topic if r.random() < 0.7 else r.choice(things), y=r.choice(things), w=r.choice(things)
        )
        return text[0].upper() + text[1:]


def to_json(value: Any) -> str:
    """JSON as the grammar holds it, without white space."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace(f'"{RAW}', "").replace(f'{RAW}"', "")
