"""Made-up names: units, officers, businesses and streets of a county that does not exist."""

from __future__ import annotations

import random

# Name, and for an inspection unit the handling unit that it hands over to (事权划分).
HANDLING_UNITS = (
    "综合行政执法大队",
    "价格监督检查股",
    "云溪市场监管所",
    "青岭市场监管所",
    "白石市场监管所",
    "沙洲市场监管所",
    "枫桥市场监管所",
    "龙泉市场监管所",
    "古渡市场监管所",
    "南山市场监管所",
)
INSPECTION_UNITS = {
    "食品生产监管股": "综合行政执法大队",
    "食品流通监管股": "综合行政执法大队",
    "餐饮服务监管股": "云溪市场监管所",
    "药品监管股": "综合行政执法大队",
    "医疗器械监管股": "综合行政执法大队",
    "化妆品监管股": "青岭市场监管所",
    "特种设备监察股": "综合行政执法大队",
    "产品质量监管股": "白石市场监管所",
    "计量监管股": "沙洲市场监管所",
    "标准化与认证监管股": "枫桥市场监管所",
    "广告监管股": "价格监督检查股",
    "网络交易监管股": "龙泉市场监管所",
    "消费者权益保护股": "古渡市场监管所",
}
_FAMILY = "王李张刘陈杨黄赵周吴徐孙朱马胡郭林何高罗郑梁谢宋唐许韩冯邓曹彭曾肖田董潘袁蔡蒋余"
_GIVEN = "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超霞平刚桂英华玉兰红建国志文波辉宁欣雨晨浩宇思琪嘉俊峰"
_SHOPS = (
    "鲜味副食店", "惠民超市", "老街米粉店", "康宁大药房", "兴旺五金厂", "顺达电梯维保部", "好邻居便利店",
    "福满楼酒家", "百草堂药店", "金谷粮油加工厂", "和顺加油站", "佳美化妆品店", "诚信电子秤经营部",
    "乡村豆腐坊", "天天水果行", "光明眼镜店", "利民液化气站", "新星文具店", "绿源饮用水厂",
    "阳光幼儿园食堂",
)  # fmt: skip
_TOWNS = ("城关镇", "云溪镇", "南山镇", "古渡镇", "枫桥镇", "沙洲镇", "白石镇", "青岭镇", "龙泉镇")
_STREETS = ("迎宾路", "人民路", "滨江路", "解放路", "建设路", "文化路", "工业大道", "农贸市场")


def officer(chance: random.Random) -> str:
    given = "".join(chance.sample(_GIVEN, chance.choice((1, 2, 2))))
    return chance.choice(_FAMILY) + given


def party(chance: random.Random) -> str:
    return f"{chance.choice(_TOWNS)}{chance.choice(_SHOPS)}"


def place(chance: random.Random) -> str:
    return f"{chance.choice(_STREETS)}{chance.randint(1, 288)}号"
