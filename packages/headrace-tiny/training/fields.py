"""Random JSON: fields with names as schemas have them, and values that are said by the user or always the same.

Text between `GIVEN` marks is not learnt: the grammar or chance wrote it, and only what follows is the model's.
"""

import json
from dataclasses import dataclass
from datetime import date, timedelta
from random import Random
from typing import Any

import values

GIVEN = "\ue000", "\ue001"
RAW = "\ue002"  # around a number in the place of a string

# By kind of value: (key, what people call it in Chinese).
NAMES = {
    "person": "name 姓名,author 作者,owner 负责人,customer 客户,user 用户,sender 发件人,teacher 老师,patient 病人,employee 员工,contact 联系人,"
    "first_name 名字,last_name 姓氏,full_name 全名,username 用户名,assignee 处理人,artist 歌手,winner 冠军,host 主持人",
    "place": "city 城市,location 地点,country 国家,destination 目的地,origin 出发地,venue 场地,region 大区,place 地方,street 街道,"
    "from_city 出发城市,to_city 到达城市,hometown 家乡,capital 首都",
    "phrase": "title 标题,product 商品,topic 主题,subject 科目,item 物品,label 标签,category 类别,genre 类型,brand 品牌,dish 菜名,book 书名,"
    "movie 电影,keyword 关键词,theme 题目,job 职业,company 公司,project 项目,team 团队,hobby 爱好,color 颜色,animal 动物,food 食物,task 任务,"
    "ingredient 配料,skill 技能,event 活动,department 部门,sport 运动,model 型号,heading 小标题,slug 路径",
    "sentence": "summary 摘要,description 描述,answer 回答,message 消息,comment 评论,reason 理由,text 文本,content 内容,explanation 说明,note 备注,"
    "response 回复,result 结果,review 点评,bio 简介,question 问题,advice 建议,steps_text 步骤,output 输出,body 正文,instruction 指示,reply 答复",
    "code": "id 编号,code 代码,order_id 订单号,sku 货号,number 号码,reference 参考号,ticket 票号,serial_number 序列号,token 令牌,version 版本,"
    "isbn 书号,flight 航班,tracking_id 运单号,file 文件,key 键,zip_code 邮编",
    "choice": "status 状态,level 级别,priority 优先级,type 类型,unit 单位,mode 模式,sentiment 情感,size 尺寸,language 语言,gender 性别,"
    "currency 币种,severity 严重程度,role 角色,format 格式,difficulty 难度,season 季节,weekday 星期,method 方法,state 阶段",
    "integer": "age 年龄,count 数量,quantity 件数,year 年份,pages 页数,floor 楼层,stock 库存,points 积分,rank 名次,minutes 分钟,days 天数,seats 座位,"
    "port 端口,limit 上限,population 人口,servings 份数,total 总数,index 序号,calories 热量",
    "number": "price 价格,amount 金额,temperature 温度,weight 重量,height 身高,score 分数,rating 评分,distance 距离,confidence 置信度,discount 折扣,"
    "latitude 纬度,longitude 经度,speed 速度,ratio 比例,tax 税率,duration 时长,width 宽度",
    "boolean": "active 有效,done 完成,available 有货,is_admin 管理员,verified 已验证,enabled 启用,paid 已付款,public 公开,required 必填,urgent 紧急,"
    "success 成功,has_more 还有更多,spam 垃圾邮件,open 营业,in_stock 现货",
    "date": "date 年月日,birthday 生日,due_date 截止日期,start_date 开始日期,end_date 结束日期,created 创建日期,deadline 期限,day 日子,released 发布日期",
    "moment": "created_at 创建时间,updated_at 更新时间,timestamp 时间戳,starts_at 开始时间,ends_at 结束时间",
    "clock": "time 时间,opens 开门时间,closes 关门时间,departure 出发时间,arrival 到达时间",
    "email": "email 邮箱,mail 电子邮件,contact_email 联系邮箱,work_email 工作邮箱",
    "url": "url 网址,link 链接,website 网站,homepage 主页,image_url 图片地址,source 来源",
    "phone": "phone 电话,mobile 手机,tel 联系电话,fax 传真",
    "span": "interval 间隔,timeout 超时,period 周期,elapsed 用时",
    "ip": "ip 地址码,server_ip 服务器地址,client_ip 客户端地址",
    "uuid": "uuid 唯一编号,request_id 请求编号,session_id 会话编号",
    "strings": "tags 标签列表,keywords 关键词列表,names 名单,cities 城市列表,colors 颜色列表,steps 步骤列表,ingredients 配料列表,skills 技能列表,"
    "items 物品列表,lines 诗行,options 选项,topics 主题列表,languages 语言列表,authors 作者列表,reasons 理由列表",
    "numbers": "scores 分数列表,numbers 数字列表,values 数值列表,prices 价格列表,ids 编号列表,ratings 评分列表,coordinates 坐标,page_numbers 页码列表",
    "objects": "users 用户列表,products 商品列表,orders 订单列表,results 结果列表,entries 条目,people 人员列表,events 活动列表,lines_items 明细,"
    "records 记录列表,members 成员,tasks 任务列表,messages 消息列表,sections 章节,contacts 联系人列表,data 数据",
    "object": "profile 资料,details 详情,address_info 地址信息,customer_info 客户信息,meta 元数据,settings 设置,dimensions 尺寸信息,company_info 公司信息,"
    "price_info 价格信息,author_info 作者信息,config 配置,user_info 用户信息,payload 载荷,position 位置",
    "map": "scores_by_name 各人分数,labels 标记,metadata 附加数据,translations 译文,attributes 属性,counts 各项数量,headers 请求头,extra 其他",
    "null": "middle_name 中间名,nickname 昵称,error 错误,deleted_at 删除时间,notes 附注,optional_value 可选值",
}  # fmt: skip
FIELDS = {
    kind: [tuple(name.split(" ")) for name in names.replace("\n", "").split(",")]
    for kind, names in NAMES.items()
}
NESTED = ["strings", "numbers", "objects", "object", "map"]
SCALARS = [kind for kind in FIELDS if kind not in NESTED]
COMMON = (
    ["phrase", "sentence", "integer", "number"] * 6 + ["person", "place", "boolean", "choice"] * 3 + SCALARS
)
# What is written if the user did not say it.
WORD = {"en": "unknown", "zh": "未知"}
USUAL: dict[str, Any] = {
    "integer": 1,
    "number": 1,
    "boolean": True,
    "null": None,
    "date": "2026-01-01",
    "moment": "2026-01-01T09:00:00Z",
    "clock": "09:00:00Z",
    "span": "PT1H",
    "ip": "192.0.2.1",
    "email": "unknown@example.com",
    "url": "https://example.com",
    "uuid": "00000000-0000-0000-0000-000000000000",
}
SAYABLE = ["person", "place", "phrase", "code", "integer", "number", "date", "email"]
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
    """A field; one in three has a name that says nothing of its kind."""
    if r.random() < 0.35:
        key = invented_key(r, lang)
        return Field(restyle(r, key), key.replace("_", " "), kind)
    key, zh = r.choice(FIELDS[kind])
    if lang == "zh":
        return Field(zh if r.random() < 0.3 else restyle(r, key), zh, kind)
    return Field(restyle(r, key), key.replace("_", " "), kind)


def noise(r: Random, lang: str) -> str:
    """Text of any length that the model did not choose: what it learns is to close the quotes."""
    size = min(24, 1 + int(r.expovariate(0.2)))
    if lang == "zh" and r.random() < 0.7:
        return values.han(r, size, size)
    parts = [
        r.choice((values.word(r), r.choice(values.EN_THINGS), str(r.randint(0, 999)), WORD["en"]))
        for _ in range(1 + size // 3)
    ]
    return r.choice((" ", " ", "", "-", "_")).join(parts if r.random() < 0.7 else parts[:1] * len(parts))


def given(text: str) -> str:
    return GIVEN[0] + text + GIVEN[1]


def said(r: Random, lang: str, kind: str) -> Any:
    """A value for the user to say."""
    match kind:
        case "person":
            return values.person(r, lang)
        case "place":
            return values.place(r, lang)
        case "code":
            return values.code(r)
        case "integer":
            return r.choice((r.randint(0, 9), r.randint(10, 99), r.randint(100, 2030)))
        case "number":
            return values.amount(r)
        case "date":
            return (DAY + timedelta(r.randint(0, 3650))).isoformat()
        case "email":
            return f"{values.word(r)}@{values.word(r)}.{r.choice(('com', 'org', 'cn'))}"
    return values.phrase(r, lang)


def unsaid(r: Random, lang: str, kind: str, depth: int = 0) -> Any:
    """A value that nobody said: it is short, and a list within an object within the answer is empty."""
    match kind:
        case "strings" | "numbers" | "objects" if depth > 0:
            return []
        case "strings" | "numbers":
            of = "phrase" if kind == "strings" else "integer"
            return [unsaid(r, lang, of) for _ in range(r.choices((1, 2, 3), (80, 12, 8))[0])]
        case "objects":
            inner = some_fields(r, lang, COMMON + NESTED[:3])
            return [filled(r, lang, inner, 1) for _ in range(1 if r.random() < 0.85 else 2)]
        case "object":
            return filled(r, lang, some_fields(r, lang, COMMON + NESTED[:3]), 1)
        case "map":
            return {WORD[lang]: unsaid(r, lang, r.choice(("integer", "number", "phrase", "boolean")))}
        case "integer" | "number" if r.random() < 0.15:
            digits = str(r.randint(1, 10 ** r.randint(1, 6)))
            return RAW + given(digits + (f".{r.randint(1, 99)}" if kind == "number" else "")) + RAW
        case "email" if r.random() < 0.4:
            return given(r.choice((WORD["en"], values.word(r)))) + "@example.com"
        case "url" if r.random() < 0.4:
            return given(r.choice((WORD["en"], values.word(r)))) + "://example.com"
    if kind in USUAL:
        return USUAL[kind]
    return given(noise(r, lang)) if r.random() < 0.15 else WORD[lang]


def some_fields(r: Random, lang: str, kinds: list[str], sizes: tuple[int, ...] = (1, 2, 2, 3)) -> list[Field]:
    found = [field(r, lang, r.choice(kinds)) for _ in range(r.choice(sizes))]
    return list({f.key: f for f in found}.values())


def filled(r: Random, lang: str, found: list[Field], depth: int = 0) -> dict[str, Any]:
    """An object whose names a grammar writes: nobody can guess them."""
    return {given(f.key): unsaid(r, lang, f.kind, depth) for f in found}


def to_json(value: Any) -> str:
    """JSON as the grammar holds it, without white space."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return text.replace(f'"{RAW}', "").replace(f'{RAW}"', "")
