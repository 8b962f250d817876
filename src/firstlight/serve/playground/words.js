// Every word of the page in English and in Chinese. What comes from the catalogue stays as it is, but for the names of
// the simulated marketplace's categories.

const EN = {
  title: "firstlight playground",
  headline: "What one click changes",
  intro: "A newcomer has come in. Look at something, and every shelf is ranked anew for them.",
  shelves: "Shelves", compare: "Compare", ours: "firstlight", "item-knn": "item-kNN", popular: "Popular",
  compareIntro: "The same person and the same events, ranked in three ways.",
  shared: (count, of) => `${count} of ${of} also in firstlight’s list`,
  curl: "Copy as curl", share: "Share link", help: "Keyboard", theme: "Dark or light", language: "中文",
  person: "The person", settings: "Person and settings", closePanel: "Close",
  any: "any", device: "device", age_group: "age group", household: "household",
  stage: { zero: "nothing known", few: "getting to know", warm: "well known" },
  events: "Events", noEvents: "No events yet. Whatever you click is listed here, and can be taken back.",
  clear: "Start over", takeBack: (what) => `Take back: ${what}`,
  did: { click: (t) => `looked at ${t}`, favourite: (t) => `liked ${t}`, cart: (t) => `put ${t} in the cart`, purchase: (t) => `bought ${t}` },
  act: { click: (t) => `Look at ${t}`, favourite: (t) => `Favourite ${t}`, cart: (t) => `Put ${t} in the cart`, purchase: (t) => `Buy ${t}` },
  tip: { click: "Look at it", favourite: "Favourite (F)", cart: "Cart (C)", purchase: "Buy (B)", why: "Why? (W)" },
  why: "Why?", whyOf: (t) => `Why ${t}?`,
  warmUp: "Warm-up", warmUpText: (k, ndcg, half) => `With ${k} known, lists for unseen people reached NDCG@10 ${ndcg}${half}, as measured.`,
  eventCount: (k) => (k === 1 ? "1 event" : `${k} events`), beyond: "more than was measured",
  noReport: "Nothing was measured: start the server with --report and an evaluation.",
  axis: "events known", chart: "NDCG@10 by number of events",
  wishes: "How to rank", cross: "Other categories", diversity: "Diversity", explore: "Explore",
  crossHelp: "at least this share from categories not yet touched", diversityHelp: "unlike things beside each other", exploreHelp: "this share of places drawn by chance",
  draw: "Draw again", add: "Add an item", addText: "It can be recommended at once, though nobody has ever liked it.",
  itemTitle: "Title", titleHint: "rustic wooden train", category: "Category", price: "Price", newCategory: "New category…", categoryName: "Name of the new category", addIt: "Add",
  added: "Just added", addedText: "nobody has liked these yet", addedPlace: (place, category) => `no. ${place} in ${category}`, addedBeyond: (category) => `far down in ${category}`, done: (t) => `${t} is on the shelves.`,
  isNew: "New", explored: (p) => `drawn by chance, with probability ${p}`,
  more: "More categories", up: (n) => `up ${n}`, down: (n) => `down ${n}`, entered: "new in the list", free: "free",
  ranked: (ms) => `ranked in ${ms} ms`, moved: (cards, shelves) => `${cards} cards and ${shelves} shelves moved.`, unmoved: "Nothing moved.",
  first: (category, title) => `First now: ${category}, ${title}.`,
  fallback: (name) => `Answered by ${name}.`, empty: "Nothing to recommend.",
  reasons: {
    because_you: (did) => `You ${did}`, category_transfer: (did, from, to) => `You ${did}: ${from} → ${to}`, rest: "All other events together", profile: "What is known of the person",
    popular: "What anybody would get", new: "What the catalogue says of it: nobody has liked it yet",
  },
  whyText: "Where its lead over the average item comes from. The shares add up to 100 %.", whyNoLead: "It has no lead over the average item, so there is nothing to share out; this is what each part added to its score.",
  without: "Take it back", total: "Total", close: "Close", copied: "Copied.", copyThis: "Copy this:",
  again: "Try again", unreachable: "The server does not answer: is it still running?",
  keyTitle: "This server asks for a key", keyText: "It is kept in this browser tab only.", keyLabel: "API key", keyUse: "Use it",
  footer: "Nothing is stored: this page sends the events along with every request.", model: (name) => `model ${name}`,
  shortcuts: [["← → ↑ ↓", "between items"], ["Enter", "look at it"], ["F", "favourite"], ["C", "cart"], ["B", "buy"], ["W", "why"], ["Z", "take the last event back"],
    ["1 2", "shelves, compare"], ["N", "add an item"], ["L", "language"], ["D", "dark or light"], ["?", "this list"]],
};

const ZH = {
  title: "firstlight 演示", headline: "一次点击带来的变化", intro: "一位新顾客来了。点开任意商品，所有货架会立即为其重新排序。",
  shelves: "货架", compare: "对比", ours: "firstlight", "item-knn": "物品近邻", popular: "热门",
  compareIntro: "同一个人、同样的行为，三种排序方式。", shared: (count, of) => `${of} 个中有 ${count} 个也在 firstlight 列表中`,
  curl: "复制为 curl", share: "分享链接", help: "键盘", theme: "深色或浅色", language: "English",
  person: "顾客", settings: "顾客与设置", closePanel: "关闭", any: "不限", device: "设备", age_group: "年龄段", household: "家庭",
  stage: { zero: "一无所知", few: "初步了解", warm: "熟悉" },
  events: "行为", noEvents: "还没有行为。您的每次点击都会列在这里，并且可以撤回。", clear: "重新开始", takeBack: (what) => `撤回：${what}`,
  did: { click: (t) => `浏览了 ${t}`, favourite: (t) => `收藏了 ${t}`, cart: (t) => `将 ${t} 加入购物车`, purchase: (t) => `购买了 ${t}` },
  act: { click: (t) => `浏览 ${t}`, favourite: (t) => `收藏 ${t}`, cart: (t) => `将 ${t} 加入购物车`, purchase: (t) => `购买 ${t}` },
  tip: { click: "浏览", favourite: "收藏 (F)", cart: "购物车 (C)", purchase: "购买 (B)", why: "为什么？(W)" },
  why: "为什么？", whyOf: (t) => `为什么推荐 ${t}？`,
  warmUp: "预热", warmUpText: (k, ndcg, half) => `已知 ${k}时，对陌生顾客实测的 NDCG@10 为 ${ndcg}${half}。`, eventCount: (k) => `${k} 个行为`, beyond: "超出测量范围",
  noReport: "没有测量结果：启动服务器时请用 --report 指定评估文件。", axis: "已知行为数", chart: "各行为数下的 NDCG@10",
  wishes: "排序方式", cross: "跨类别", diversity: "多样性", explore: "探索",
  crossHelp: "至少有这一比例来自未接触过的类别", diversityHelp: "让相邻的商品互不相似", exploreHelp: "这一比例的位置随机抽取", draw: "重新抽取",
  add: "添加商品", addText: "即使无人喜欢过，也能立即被推荐。", itemTitle: "标题", titleHint: "rustic wooden train", category: "类别", price: "价格", newCategory: "新类别…", categoryName: "新类别的名称", addIt: "添加",
  added: "刚刚添加", addedText: "尚无人喜欢", addedPlace: (place, category) => `${category}中第 ${place} 位`, addedBeyond: (category) => `在${category}中靠后`, done: (t) => `${t} 已上架。`,
  isNew: "新品", explored: (p) => `随机抽取，概率 ${p}`, more: "更多类别", up: (n) => `上升 ${n}`, down: (n) => `下降 ${n}`, entered: "新进入列表", free: "免费",
  ranked: (ms) => `排序用时 ${ms} 毫秒`, moved: (cards, shelves) => `${cards} 张卡片、${shelves} 个货架移动了位置。`, unmoved: "没有变化。", first: (category, title) => `现在第一：${category}，${title}。`,
  fallback: (name) => `由 ${name} 作答。`, empty: "没有可推荐的商品。",
  reasons: { because_you: (did) => `您${did}`, category_transfer: (did, from, to) => `您${did}：${from} → ${to}`, rest: "其余行为合计", profile: "对顾客的已有了解", popular: "任何人都会看到的部分", new: "仅凭商品目录：尚无人喜欢" },
  whyText: "它领先于平均商品的部分来自哪里。各份额之和为 100 %。", whyNoLead: "它并不领先于平均商品，因此没有份额可分；以下是各部分对得分的贡献。",
  without: "撤回", total: "合计", close: "关闭", copied: "已复制。", copyThis: "请复制：", again: "重试", unreachable: "服务器没有回应：它还在运行吗？",
  keyTitle: "此服务器需要密钥", keyText: "密钥只保存在当前浏览器标签页中。", keyLabel: "API 密钥", keyUse: "使用",
  footer: "不保存任何数据：本页面在每次请求中一并发送行为。", model: (name) => `模型 ${name}`,
  shortcuts: [["← → ↑ ↓", "在商品间移动"], ["Enter", "浏览"], ["F", "收藏"], ["C", "购物车"], ["B", "购买"], ["W", "为什么"], ["Z", "撤回上一个行为"],
    ["1 2", "货架、对比"], ["N", "添加商品"], ["L", "语言"], ["D", "深色或浅色"], ["?", "本列表"]],
};

const ZH_NAMES = table(`train 火车|doll 娃娃|puzzle 拼图|building blocks 积木|board game 桌游|dress 连衣裙|shirt 衬衫|jacket 外套|trousers 裤子|sweater 毛衣|bag 手袋|backpack 背包|wallet 钱包|necklace 项链|earrings 耳环|ring 戒指|phone 手机|case 手机壳|charger 充电器|headphones 耳机|smart watch 智能手表|smart glasses 智能眼镜|tv 电视|sound bar 回音壁|speaker 音箱|turntable 唱机|projector 投影仪|lamp 灯具|cushion 靠垫|vase 花瓶|tableware 餐具|chair 椅子|mirror 镜子|series 剧集|film 电影|documentary 纪录片|cartoon 动画|report 报道|column 专栏|interview 访谈|podcast 播客|album 专辑|single 单曲|live recording 现场录音|playlist 歌单|toys 玩具|apparel 服装|bags & jewellery 箱包首饰|phones & accessories 手机与配件|TV & audio 电视音响|home 家居|video 视频|news 新闻|music 音乐`);
const ZH_VALUES = table(`mobile 手机端|pc 电脑端|young 青年|middle-aged 中年|old 老年|single 单身|couple 夫妻|family 家庭`);

function table(text) {
  return Object.fromEntries(text.split("|").map((line) => [line.slice(0, line.lastIndexOf(" ")), line.slice(line.lastIndexOf(" ") + 1)]));
}

export const LANGUAGES = { en: EN, zh: ZH };

/** The name of a category or domain as the language has it. */
export const named = (language, name) => said(ZH_NAMES, language, name);

/** The same for what is known of a person. */
export const valued = (language, name) => said(ZH_VALUES, language, name);

const said = (table, language, name) => (language === "zh" && Object.hasOwn(table, name) && table[name]) || name;
