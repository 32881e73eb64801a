"""What pypinyin's dictionary lacks or has otherwise: words with their readings, and characters that their neighbours decide.

Readings stand before tone sandhi. Where the standard of 1985 (普通话异读词审音表) and everyday speech
differ, the standard is taken.
"""

from __future__ import annotations

import re

_READINGS = """
颇为 po1 wei2|长宁 chang2 ning2|曾国藩 zeng1 guo2 fan1|应付账款 ying1 fu4 zhang4 kuan3
地方政府 di4 fang1 zheng4 fu3|地方性 di4 fang1 xing4|地方法院 di4 fang1 fa3 yuan4|地方财政 di4 fang1 cai2 zheng4
老头儿 lao3 tou2 er2|仿佛 fang3 fu2|散发 san4 fa1|为人民 wei4 ren2 min2|颇 po1|大夫 dai4 fu5|目的地 mu4 di4 di4
目的 mu4 di4|得到 de2 dao4|得了 de2 le5|得以 de2 yi3|获得 huo4 de2|取得 qu3 de2|觉得 jue2 de5|懂得 dong3 de5|值得 zhi2 de5
记得 ji4 de5|显得 xian3 de5|使得 shi3 de5|省得 sheng3 de5|晓得 xiao3 de5|舍得 she3 de5|舍不得 she3 bu4 de5|不得不 bu4 de2 bu4
不得了 bu4 de2 liao3|了不得 liao3 bu4 de2|了不起 liao3 bu4 qi3|受不了 shou4 bu4 liao3|大不了 da4 bu4 liao3
忘不了 wang4 bu4 liao3|免不了 mian3 bu4 liao3|少不了 shao3 bu4 liao3|用不了 yong4 bu4 liao3|到不了 dao4 bu4 liao3
返还 fan3 huan2|归还 gui1 huan2|偿还 chang2 huan2|退还 tui4 huan2|还款 huan2 kuan3|还债 huan2 zhai4|还钱 huan2 qian2
还给 huan2 gei3|还清 huan2 qing1|还书 huan2 shu1|都市 du1 shi4|首都 shou3 du1|成都 cheng2 du1|睡着 shui4 zhao2|着火 zhao2 huo3
着凉 zhao2 liang2|着迷 zhao2 mi2|穿着打扮 chuan1 zhuo2 da3 ban4|衣着 yi1 zhuo2|着陆 zhuo2 lu4|着手 zhuo2 shou3
着重 zhuo2 zhong4|执着 zhi2 zhuo2|沉着 chen2 zhuo2|长大 zhang3 da4|成长 cheng2 zhang3|增长 zeng1 zhang3|校长 xiao4 zhang3
部长 bu4 zhang3|市长 shi4 zhang3|家长 jia1 zhang3|长相 zhang3 xiang4|行长 hang2 zhang3|厂长 chang3 zhang3|局长 ju2 zhang3
队长 dui4 zhang3|院长 yuan4 zhang3|会长 hui4 zhang3|班长 ban1 zhang3|长官 zhang3 guan1|上涨 shang4 zhang3|下载 xia4 zai4
转载 zhuan3 zai3|记载 ji4 zai3|装载 zhuang1 zai4|种树 zhong4 shu4|种花 zhong4 hua1|种地 zhong4 di4|种菜 zhong4 cai4
种田 zhong4 tian2|种植 zhong4 zhi2|耕种 geng1 zhong4|种子 zhong3 zi5|中奖 zhong4 jiang3|中毒 zhong4 du2|中风 zhong4 feng1
击中 ji1 zhong4|命中 ming4 zhong4|看中 kan4 zhong4|猜中 cai1 zhong4|射中 she4 zhong4|打中 da3 zhong4|教书 jiao1 shu1
教课 jiao1 ke4|理发 li3 fa4|头发 tou2 fa5|白发 bai2 fa4|长发 chang2 fa4|短发 duan3 fa4|洗发 xi3 fa4|发型 fa4 xing2
好奇 hao4 qi2|爱好 ai4 hao4|好客 hao4 ke4|好学 hao4 xue2|喜好 xi3 hao4|好强 hao4 qiang2|数一数 shu3 yi1 shu3|数数 shu3 shu4
倒数 dao4 shu3|数不清 shu3 bu4 qing1|有空 you3 kong4|没空 mei2 kong4|填空 tian2 kong4|空白 kong4 bai2|空闲 kong4 xian2
抽空 chou1 kong4|空缺 kong4 que1|转盘 zhuan4 pan2|打转 da3 zhuan4|自转 zi4 zhuan4|公转 gong1 zhuan4|转速 zhuan4 su4
出差 chu1 chai1|差不多 cha4 bu4 duo1|差点 cha4 dian3|相差 xiang1 cha4|参差不齐 cen1 ci1 bu4 qi2|上当 shang4 dang4
当作 dang4 zuo4|当成 dang4 cheng2|适当 shi4 dang4|恰当 qia4 dang4|当铺 dang4 pu4|附和 fu4 he4|暖和 nuan3 huo5|测量 ce4 liang2
衡量 heng2 liang2|商量 shang1 liang5|便宜 pian2 yi5|朝阳区 chao2 yang2 qu1|朝气 zhao1 qi4|朝霞 zhao1 xia2|自传 zi4 zhuan4
传记 zhuan4 ji4|处分 chu3 fen4|相处 xiang1 chu3|处理 chu3 li3|处罚 chu3 fa2|处于 chu3 yu2|处境 chu3 jing4|好处 hao3 chu5
子弹 zi3 dan4|炸弹 zha4 dan4|导弹 dao3 dan4|更好 geng4 hao3|更多 geng4 duo1|更加 geng4 jia1|更新 geng1 xin1|变更 bian4 geng1
放假 fang4 jia4|请假 qing3 jia4|假期 jia4 qi1|度假 du4 jia4|寒假 han2 jia4|暑假 shu3 jia4|将领 jiang4 ling3|大将 da4 jiang4
上将 shang4 jiang4|主角 zhu3 jue2|配角 pei4 jue2|角色 jue2 se4|结实 jie1 shi5|结巴 jie1 ba5|试卷 shi4 juan4|答卷 da2 juan4
问卷 wen4 juan4|卷起 juan3 qi3|卷起来 juan3 qi3 lai5|劳累 lao2 lei4|积累 ji1 lei3|累计 lei3 ji4|累积 lei3 ji1|投降 tou2 xiang2
沉没 chen2 mo4|没收 mo4 shou1|淹没 yan1 mo4|灾难 zai1 nan4|难民 nan4 min2|苦难 ku3 nan4|遇难 yu4 nan4|勉强 mian3 qiang3
强迫 qiang3 po4|倔强 jue2 jiang4|歌曲 ge1 qu3|作曲 zuo4 qu3|散文 san3 wen2|散漫 san3 man4|反省 fan3 xing3|似的 shi4 de5
宿舍 su4 she4|宿 su4|高兴 gao1 xing4|兴趣 xing4 qu4|要求 yao1 qiu2|反应 fan3 ying4|应用 ying4 yong4|响应 xiang3 ying4
适应 shi4 ying4|对应 dui4 ying4|供应 gong1 ying4|应付 ying4 fu5|正月 zheng1 yue4|打折 da3 zhe2|折腾 zhe1 teng5|给予 ji3 yu3
供给 gong1 ji3|校对 jiao4 dui4|模样 mu2 yang4|模具 mu2 ju4|尽管 jin3 guan3|尽快 jin3 kuai4|尽早 jin3 zao3|尽量 jin3 liang4
单于 chan2 yu2|曾经 ceng2 jing1|华山 hua4 shan1|六安 lu4 an1|台州 tai1 zhou1|东莞 dong1 guan3|蚌埠 beng4 bu4|番禺 pan1 yu2
龟兹 qiu1 ci2|可汗 ke4 han2|吐蕃 tu3 bo1|厦门 xia4 men2|大厦 da4 sha4|朝鲜 chao2 xian3|秘鲁 bi4 lu3|背包 bei1 bao1
背负 bei1 fu4|薄弱 bo2 ruo4|削弱 xue1 ruo4|剥削 bo1 xue1|露面 lou4 mian4|呜咽 wu1 ye4|咽喉 yan1 hou2|血液 xue4 ye4
鲜血 xian1 xue4|鸡冠 ji1 guan1|冠军 guan4 jun1|看守 kan1 shou3|看护 kan1 hu4|看管 kan1 guan3|倒闭 dao3 bi4|倒车 dao4 che1
倒霉 dao3 mei2|倒退 dao4 tui4|挣扎 zheng1 zha2|扎实 zha1 shi5|驻扎 zhu4 zha1|系鞋带 ji4 xie2 dai4|关系 guan1 xi4
少年 shao4 nian2|少女 shao4 nv3|青少年 qing1 shao4 nian2|干部 gan4 bu4|骨干 gu3 gan4|树干 shu4 gan4|干活 gan4 huo2
能干 neng2 gan4|提供 ti2 gong1|人参 ren2 shen1|弹琴 tan2 qin2|藏族 zang4 zu2|西藏 xi1 zang4|宝藏 bao3 zang4|重新 chong2 xin1
重复 chong2 fu4|重庆 chong2 qing4|重来 chong2 lai2|重做 chong2 zuo4|重写 chong2 xie3|重建 chong2 jian4|重叠 chong2 die2
重阳 chong2 yang2|中央 zhong1 yang1|中间 zhong1 jian1|步行 bu4 xing2|银行 yin2 hang2|行业 hang2 ye4|各行各业 ge4 hang2 ge4 ye4
同行 tong2 hang2|排行 pai2 hang2|行情 hang2 qing2|内行 nei4 hang2|音乐 yin1 yue4|乐队 yue4 dui4|乐器 yue4 qi4|快乐 kuai4 le4
睡觉 shui4 jiao4|午觉 wu3 jiao4|的确 di2 que4|打的 da3 di1|一切 yi1 qie4|一心一意 yi1 xin1 yi1 yi4|一点 yi1 dian3
电子 dian4 zi3|男子 nan2 zi3|女子 nv3 zi3|原子 yuan2 zi3|分子 fen4 zi3|粒子 li4 zi3|王子 wang2 zi3|弟子 di4 zi3|父子 fu4 zi3
母子 mu3 zi3|君子 jun1 zi3|才子 cai2 zi3|孔子 kong3 zi3|老子 lao3 zi3|孙子 sun1 zi5|骰子 tou2 zi5|质子 zhi4 zi3|姐姐 jie3 jie5
奶奶 nai3 nai5|姥姥 lao3 lao5|婶婶 shen3 shen5|嫂嫂 sao3 sao5|宝宝 bao3 bao5|妈妈 ma1 ma5|爸爸 ba4 ba5|哥哥 ge1 ge5
弟弟 di4 di5|妹妹 mei4 mei5|爷爷 ye2 ye5|叔叔 shu1 shu5|舅舅 jiu4 jiu5|姑姑 gu1 gu5|谢谢 xie4 xie5|星星 xing1 xing5
太太 tai4 tai5|耳朵 er3 duo5|石头 shi2 tou5|木头 mu4 tou5|骨头 gu3 tou5|馒头 man2 tou5|舌头 she2 tou5|里头 li3 tou5
意思 yi4 si5|东西 dong1 xi5|朋友 peng2 you5|先生 xian1 sheng5|喜欢 xi3 huan5|漂亮 piao4 liang5|什么 shen2 me5|怎么 zen3 me5
多么 duo1 me5|那么 na4 me5|这么 zhe4 me5|多少 duo1 shao5|明白 ming2 bai5|告诉 gao4 su5|认识 ren4 shi5|衣服 yi1 fu5
果实累累 guo3 shi2 lei2 lei2|硕果累累 shuo4 guo3 lei2 lei2|伤痕累累 shang1 hen2 lei3 lei3|罪行累累 zui4 xing2 lei3 lei3
负债累累 fu4 zhai4 lei3 lei3|大汗 da4 han4|满头大汗 man3 tou2 da4 han4|大汗淋漓 da4 han4 lin2 li2|猛地 meng3 de5|忽地 hu1 de5
蓦地 mo4 de5|霍地 huo4 de5|倏地 shu1 de5|暖和和 nuan3 huo5 huo5
上调 shang4 tiao2|下调 xia4 tiao2|庄稼 zhuang1 jia5
眼睛 yan3 jing5|事情 shi4 qing5|时候 shi2 hou5|地方 di4 fang5|消息 xiao1 xi5|客气 ke4 qi5|麻烦 ma2 fan5|清楚 qing1 chu5
休息 xiu1 xi5|窗户 chuang1 hu5|月亮 yue4 liang5|头儿 tou2 er5|部分 bu4 fen5|学生 xue2 sheng5|护士 hu4 shi5|丈夫 zhang4 fu5
大家伙 da4 jia1 huo3|老实 lao3 shi5|葡萄 pu2 tao5|玻璃 bo1 li5|萝卜 luo2 bo5|嘴巴 zui3 ba5|尾巴 wei3 ba5|胳膊 ge1 bo5
脑袋 nao3 dai5|指甲 zhi3 jia5|豆腐 dou4 fu5|包袱 bao1 fu5|名字 ming2 zi5|困难 kun4 nan5
"""
WORDS = {word: tuple(reading) for word, *reading in (e.split() for e in _READINGS.replace("\n", "|").split("|") if e)}
"""Readings of words."""

TOGETHER = set(
    """一定 一样 一直 一起 一般 一边 一旦 一致 一律 一度 一再 一向 一共 一同 一些 统一 唯一 万一 专一 单一 之一 其一 逐一 划一
    不一 合一 归一 周一 老虎 水果 展览 展览馆 洗脸 总统 总统府 手表 雨伞 选举 选举法 领导 老板 导演 表演 永远 管理 管理者 保险
    主体 可以 所以 你好 有点 只有 只好 小姐 早点 旅馆 水井 母语 口语 古典 典礼 奖品 产品 品种 处理 理想 理解 了解 整理 整体
    总理 总体 主导 主管 指导 指点 辅导 引导 影响 友好 美好 美满 美女 勇敢 感想 感染 敏感 反感 反响 采取 采访 彩礼 草本 产卵
    场所 厂长 打扫 打倒 打鼓 胆敢 岛屿 抵挡 顶点 短跑 法语 反省 仿古 粉笔 抚养 腐朽 改口 改写 赶紧 稿纸 给予 古老 骨髓 鼓舞
    广场 果敢 海岛 海港 好转 虎口 悔改 火把 伙伴 几百 几点 减少 检举 剪纸 简短 讲解 讲演 脚趾 解体 解渴 尽管 酒馆 举止 举手
    考古 可耻 可口 苦恼 垮台 老手 老鼠 老者 冷水 冷饮 礼品 理睬 脸谱 两种 了却 领土 领海 笼统 旅店 马脚 马匹 买主 蚂蚁 满口
    美酒 门口 免检 勉强 敏捷 母体 拇指 奶粉 脑海 恼火 碾子 扭转 女子 偶尔 跑马 普选 起码 起草 起点 取暖 犬马 染指 扰乱 软骨
    洒水 赏脸 审美 省长 史诗 始祖 使馆 手掌 手指 首领 首长 首府 守法 爽朗 水准 水手 水鸟 死板 死守 锁骨 躺椅 讨好 体检 铁索
    统考 土产 土法 妥协 瓦解 往返 委婉 稳妥 午饭 舞女 五百 五点 侮辱 洗手 洗澡 喜酒 显眼 险阻 想法 享有 小鬼 小丑 小雪 小组
    许可 选手 选种 雪景 眼底 养老 养狗 野草 以免 引起 饮水 永久 勇猛 雨水 语法 语种 雨点 远古 远景 允许 当地 各地 本地 外地
    内地 土地 草地 工地 基地 场地 陆地 大地 天地 战地 墓地 领地 产地 圣地 胜地 两地 异地 原地 就地 实地 属地 高地 盆地 湿地
    绿地 耕地 用地 占地 落地 早晚 早已 早场 展品 掌管 找死 诊所 整改 纸板 指使 指挥 指甲 止痒 主讲 主持 主演 转悠 转脸 准许
    子女 总得 走狗 走访 阻挡 组长 组委 祖母 左手 嘴角 好好 买好 找到 水管 股东 股指 股市 小孩 纸张""".split()
)
"""Words without a reading of their own that sandhi and 一 treat as one."""

_NUMERAL = "一二三四五六七八九十百千万亿零〇两几数半0-9"
_SURNAMES = dict(
    zip("单曾解仇区任查朴盖翟缪宁葛员华", "shan4 zeng1 xie4 qiu2 ou1 ren2 zha1 piao2 ge3 zhai2 miao4 ning4 ge3 yun4 hua4".split())
)
_VERBS = "走去来说想看做办吃喝买学写读听问找等花用打开关上下回跟让给把努赶好先快早马再注小认加靠付准"
CONTEXT = [
    (re.compile(pattern), reading)
    for pattern, reading in (
        (r"(?<=[我你他她它们您咱])得(?![了到过以奖分名第知病罪逞意体当很不])", "dei3"),
        (rf"(?<=[还就也都必总可只谁])得(?=[{_VERBS}])", "dei3"),
        (r"(?<=[\u4e00-\u9fff])得", "de5"),
        (r"(?<=[在会来去揉])和(?=面)", "huo2"),
        (r"(?<=[块片亩顷种垦田])地", "di4"),
        (r"(?<=[\u4e00-\u9fff]{2})地(?=[\u4e00-\u9fff])(?![里头边])", "de5"),
        (rf"(?<=[{_NUMERAL}每这那哪])只(?![能要有是好会想])", "zhi1"),
        (rf"(?<=[{_NUMERAL}第这那])行(?=$|[字代诗])", "hang2"),
        (r"(?<=[我你他她们])种", "zhong4"),
        (r"背(?=[着起上书])", "bei1"),
        (r"(?<![认成作称视当列选分定变])为(?=[我你他她它您咱])", "wei4"),
        (r"(?<=[成认作分称设定变视以极更最尤甚较大仅约均皆即率量值额度宽速温])为", "wei2"),
        (rf"为(?=[{_NUMERAL}点]+(?:美?元|吨|[公厘毫]?米|[公毫千]?克|公|折|平方|度|岁|摄|升|倍|比|分之|小时|分钟))", "wei2"),
        (r"(?<![可所难得足予加何借])以(?![前后上下来及便免至致外内])[\u4e00-\u9fff]{1,8}?为", "wei2"),
        (r"(?<=[在能可去人])了(?=望)|^了(?=望)|了(?=望[塔台哨站所员])", "liao4"),
        (r"^为(?=[正期零止]|[\u4e00-\u9fff]?期)", "wei2"),
        (r"(?<=[很太更最不好多真挺么这那])长", "chang2"),
        (r"长(?=[大高出成得满着了在])", "zhang3"),
        (r"^得(?=[\u4e00-\u9fff])", "dei3"),
        (r"(?<=[饭汤菜粥])盛|盛(?=[饭汤菜粥满好上]|一碗)", "cheng2"),
        (r"数(?=[了着]数|[了着]一)|(?<=数[了着])数", "shu3"),
        (r"种(?=[了着过下满上])", "zhong4"),
        (r"长(?=[度期久江城远寿裤])", "chang2"),
        (r"重(?=[做写来新建复申组])", "chong2"),
        (r"教(?=[我你他她您人孩了过会])", "jiao1"),
        (r"还(?=[钱债款书清给贷])", "huan2"),
        (r"系(?=[鞋领带好上安])", "ji4"),
        (r"削(?=[苹皮果铅水梨])", "xiao1"),
        (r"(?<=我|你|他|她|们|会|能|要|快|想|去)数(?=[一数到])", "shu3"),
        (r"干(?=[什嘛啥活事掉])", "gan4"),
        (r"倒(?=[水茶酒垃出过])", "dao4"),
        (r"长(?=$)", "chang2"),
        *((rf"(?<=姓){name}", reading) for name, reading in _SURNAMES.items()),
    )
]
"""Characters that no word covers, by what stands beside them (each pattern ends with the character);
the first that fits counts."""

SPLIT = {"和面", "和了", "地里", "了望"}
"""Words of the dictionary that are mostly two words in a row."""

STRONG = [
    (re.compile(r"(.)\1地(?=[\u4e00-\u9fff])"), "de5"),
    (re.compile(rf"(?<=[各这那哪某多几每两{_NUMERAL}])种(?!子)"), "zhong3"),
]
"""The same, and stronger than the words that they would stand in: 这种草 has no 种草."""

SYLLABIC_ER = re.compile(
    r"(?<=[女婴幼孤胎少育健宠男托弃])儿|(?<=新生)儿|(?<=足月)儿|(?<=早产)儿|(?<=混血)儿|(?<=患)儿|儿(?=[子女童歌媳孙时科戏化麻])|^儿"
)
"""Places where 儿 is a syllable of its own; everywhere else it colours the syllable before it."""
SINGLE = {"个": "ge4", "们": "men5", "的": "de5", "了": "le5", "着": "zhe5", "吗": "ma5", "呢": "ne5", "吧": "ba5", "么": "me5",
          "嘛": "ma5", "啦": "la5", "长": "chang2", "子": "zi5", "哦": "o4", "啊": "a5", "嗯": "en1", "呀": "ya5", "哼": "heng1",
          "地": "di4", "过": "guo4", "上": "shang4", "里": "li3", "场": "chang3", "佛": "fo2", "调": "tiao2"}  # fmt: skip
