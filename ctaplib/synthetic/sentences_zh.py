"""Write Mandarin sentences for synthetic corpora from a small grammar and our own word lists (simplified characters).

As in `sentences`, words are dealt out like cards, equal seeds give equal sentences, and no two sentences are equal.
"""

from __future__ import annotations

from collections.abc import Iterator

from ctaplib.synthetic.sentences import Sentence, deal

LISTS: dict[str, str] = {
    "人": """老师 医生 司机 农民 工人 学生 邻居 朋友 爷爷 奶奶 叔叔 阿姨 哥哥 姐姐 弟弟
        妹妹 校长 护士 警察 画家 歌手 作家 记者 厨师 渔民 老板 同学 客人 女儿 儿子
        孙子 律师 裁缝 船长 店员 王芳 李强 张伟 刘洋 陈军 赵云 周杰 吴昊 郑爽 孙悦
        冯源""",
    "动物": """小猫 小狗 老虎 熊猫 兔子 猴子 大象 狮子 乌龟 鸭子 公鸡 绵羊 黄牛 白马 狐狸
        松鼠 蜜蜂 蝴蝶 青蛙 鲸鱼 鳄鱼 孔雀 喜鹊 骆驼 蚂蚁""",
    "物": """苹果 雨伞 书包 钥匙 杯子 椅子 桌子 窗户 毛衣 帽子 手表 电脑 手机 照片 地图
        香蕉 葡萄 西瓜 面条 饺子 米饭 牛奶 绿茶 咖啡 鸡蛋 报纸 词典 铅笔 钢琴 吉他
        自行车 飞机 火车 轮船 灯笼 风筝 石头 树叶 玫瑰 菊花 裙子 衬衫 皮鞋 袜子
        肥皂 毛巾 镜子 剪刀 绳子 箱子 玩具 月饼 玉米 花生 蘑菇 辣椒 蒜苗 芹菜 土豆
        豆腐 蛋糕 饼干 糖果 瓶子 盘子 筷子 勺子 锅盖 闹钟 沙发 枕头 被子 扫帚 锤子
        气球 邮票 信封""",
    "处": """公园 学校 医院 车站 商店 图书馆 厨房 院子 河边 山上 海边 城里 村口 桥下
        树林 办公室 教室 机场 码头 花园 博物馆 超市 饭馆 银行 电影院 操场 田野 草原
        沙漠 广场 邮局 宿舍 阳台 楼顶 湖畔 球场 剧院 寺庙 街角 北京 上海 南京 重庆
        西安 苏州 云南 四川 福建""",
    "量": """一个 两个 三个 四个 五个 六个 七个 八个 九个 十个 几个 许多 一些 二十个
        三百个 半箱 一堆""",
    "形": """漂亮 干净 安静 聪明 勇敢 温暖 寒冷 明亮 黑暗 巨大 古老 年轻 新鲜 奇怪 普通
        便宜 昂贵 舒服 热闹 简单 复杂 轻松 紧张 快乐 难过 骄傲 谦虚 严肃 活泼 粗糙
        光滑 柔软 坚硬 潮湿 干燥 美丽 可爱 圆润 曲折 雄伟 脆弱 瘦小 强壮 遥远""",
    "动": """买 卖 找 拿 送 看 借 画 洗 修 换 扔 藏 抱 推 拉 数 摸 喜欢 需要 发现
        忘记 准备 收拾 选择 研究 介绍 检查 欣赏 保护 浪费 丢失 搬运 装满 包装 称赞
        描写 购买 珍惜 讨论 出售 寻找 观察 擦拭 捡起""",
    "时": """今天 昨天 明天 早上 晚上 中午 春天 夏天 秋天 冬天 星期二 星期日 去年 下个月
        八月 十二月 周末 刚才 从前 后来 每天 经常 有时候 半夜 傍晚 上午 节日里 雨后""",
    "方": """慢慢地 悄悄地 认真地 高兴地 仔细地 匆匆地 偷偷地 轻轻地 勇敢地 热情地 耐心地
        立刻 已经 终于 突然 总是 从来不 也 都 又 很少""",
    "愿": "想 要 会 能 可以 应该 必须 打算 愿意 不想 不敢 不会 别",
    "代": "我 你 他 我们 你们 他们 大家 谁 别人",
    "指": "这个 那个 我的 你的 他的 我们的 每个 另一个",
    "副": "很 非常 特别 有点儿 十分 真 不太 更 最 越来越",
    "语": "吗 吧 呢 啊 了",
}

FRAMES: tuple[str, ...] = (
    "时 人 在 处 动 量 物 。",
    "代 愿 去 处 动 物 。",
    "指 物 副 形 。",
    "人 和 人 方 动 指 物 。",
    "处 有 量 动物 ， 副 形 。",
    "代 愿 动 指 物 吗 ？",
    "时 代 看见 量 动物 在 处 。",
    "如果 时 下雨 ， 代 就 不 去 处 。",
    "人 把 物 放在 处 了 。",
    "因为 物 副 形 ， 所以 人 动 了 它 。",
    "动物 从 处 跑 到 处 。",
    "代 为什么 不 动 指 物 呢 ？",
    "形 的 人 送给 代 量 物 。",
    "时 的 处 副 形 ， 代 愿 去 看看 。",
    "人 对 代 说 ， 指 物 在 处 。",
    "请 代 方 动 指 物 。",
    "物 比 物 更 形 。",
    "人 一边 动 物 ， 一边 唱歌 。",
)


def mandarin_stream(seed: int) -> Iterator[Sentence]:
    """Yield sentences of 6 to 20 characters without end, no two alike; `text` has neither spaces nor punctuation."""
    seen: set[str] = set()
    lists = {name: words.split() for name, words in LISTS.items()}
    for words in deal(lists, FRAMES, seed):
        text = "".join(w for w in words if w not in "。，？")
        if text not in seen and 6 <= len(text) <= 20:
            seen.add(text)
            yield Sentence("".join(words), text)
