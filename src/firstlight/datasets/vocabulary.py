"""The words of the simulated marketplace: what is sold there, what it is called, and who looks at it.

A title is a style word, a theme word and a noun: "rustic wooden train set". Style and theme words carry taste
(`firstlight.datasets.world` ties each to a direction); a word that several categories use means the same in all.
"""

from typing import NamedTuple


class Category(NamedTuple):
    """One category: the domain it belongs to, which themes its items have, their median price, and their nouns.

    price: 0 where nothing is sold (news).
    """

    domain: str
    themes: str
    price: float
    nouns: tuple[str, ...]


PROFILE: dict[str, tuple[str, ...]] = {
    "age_group": ("young", "middle-aged", "old"),
    "household": ("single", "couple", "family"),
    "device": ("mobile", "pc"),
}
"""The attributes of a person and their values."""

COMPLEMENTS: tuple[tuple[str, str], ...] = (("phone", "case"), ("tv", "sound bar"), ("dress", "bag"))
"""(from, to): who clicks in the first category soon wants the second; not the other way round."""

NEW_CATEGORY = "smart glasses"
"""The category that arrives late."""

STYLES: tuple[str, ...] = tuple(
    "bold classic colourful dark dreamy elegant futuristic gentle minimalist modern nordic nostalgic playful quirky"
    " romantic rustic tropical urban vintage wild".split()
)

THEMES: dict[str, tuple[str, ...]] = {
    group: tuple(words.split())
    for group, words in {
        "play": "wooden magnetic dinosaur space fairy animal pirate farm racing musical ocean circus",
        "cloth": "velvet linen cotton denim woollen silk red black white floral striped knitted",
        "carry": "leather canvas velvet suede quilted woven red black floral striped waxed beaded",
        "jewel": "silver gold pearl amber jade crystal copper enamel coral onyx moonstone floral",
        "gadget": "metal leather wooden transparent black white red waterproof foldable slim matte solar",
        "screen": "metal wooden black white slim matte curved portable compact solar silver ceramic",
        "home": "wooden bamboo ceramic crystal linen copper marble woven floral striped white velvet",
        "story": "crime space travel cooking history nature football pirate fairy war love robot",
        "report": "political football economic climate space travel health science crime local history robot",
        "sound": "piano jazz folk electronic guitar choir opera soul techno brass acoustic love",
    }.items()
}

BRANDS: dict[str, tuple[str, ...]] = {
    domain: tuple(names.split())
    for domain, names in {
        "toys": "Tinkerlo Pimpolo Brumbly Kindelight Wobbelin Tuffet",
        "apparel": "Halvorra Lindale Modesta Corvane Ystera Bellwether",
        "bags & jewellery": "Sacquine Ormelle Talvi Perlanda Grisette Duvane",
        "phones & accessories": "Voxio Callisar Nembo Quillon Zentric Pocketry",
        "TV & audio": "Sonarra Lumivox Tonefield Ekkora Visaro Hallard",
        "home": "Husmora Emberly Nestoria Claywell Sorrelle Fennick",
        "video": "Northreel Lanternfilm Kinovara Bluecurtain",
        "news": "Dailywire Morningpost Thelantern Civicora",
        "music": "Ochrerecords Lowtide Vinylight Echobarn",
    }.items()
}

CATEGORIES: dict[str, Category] = {
    "train": Category("toys", "play", 35, ("train", "train set", "locomotive")),
    "doll": Category("toys", "play", 25, ("doll", "doll house", "puppet")),
    "puzzle": Category("toys", "play", 15, ("puzzle", "jigsaw puzzle")),
    "building blocks": Category("toys", "play", 30, ("building blocks", "construction kit")),
    "board game": Category("toys", "play", 28, ("board game", "card game", "quiz game")),
    "dress": Category("apparel", "cloth", 60, ("dress", "evening dress", "summer dress")),
    "shirt": Category("apparel", "cloth", 30, ("shirt", "blouse", "polo shirt")),
    "jacket": Category("apparel", "cloth", 90, ("jacket", "coat")),
    "trousers": Category("apparel", "cloth", 45, ("trousers", "shorts")),
    "sweater": Category("apparel", "cloth", 50, ("sweater", "cardigan")),
    "bag": Category("bags & jewellery", "carry", 70, ("handbag", "shoulder bag", "tote bag")),
    "backpack": Category("bags & jewellery", "carry", 55, ("backpack", "daypack")),
    "wallet": Category("bags & jewellery", "carry", 35, ("wallet", "purse")),
    "necklace": Category("bags & jewellery", "jewel", 80, ("necklace", "pendant")),
    "earrings": Category("bags & jewellery", "jewel", 45, ("earrings", "ear studs")),
    "ring": Category("bags & jewellery", "jewel", 90, ("ring", "signet ring")),
    "phone": Category("phones & accessories", "gadget", 450, ("phone", "smartphone")),
    "case": Category("phones & accessories", "gadget", 20, ("phone case", "phone cover", "phone sleeve")),
    "charger": Category("phones & accessories", "gadget", 25, ("charger", "charging dock", "power bank")),
    "headphones": Category("phones & accessories", "gadget", 80, ("headphones", "earbuds", "headset")),
    "smart watch": Category("phones & accessories", "gadget", 180, ("smart watch", "fitness tracker")),
    NEW_CATEGORY: Category("phones & accessories", "gadget", 300, ("smart glasses", "camera glasses")),
    "tv": Category("TV & audio", "screen", 600, ("TV", "flat TV")),
    "sound bar": Category("TV & audio", "screen", 180, ("sound bar", "sound base")),
    "speaker": Category("TV & audio", "screen", 120, ("speaker", "bookshelf speaker")),
    "turntable": Category("TV & audio", "screen", 220, ("turntable", "record player")),
    "projector": Category("TV & audio", "screen", 350, ("projector", "home projector")),
    "lamp": Category("home", "home", 45, ("lamp", "table lamp", "floor lamp")),
    "cushion": Category("home", "home", 20, ("cushion", "pillow")),
    "vase": Category("home", "home", 30, ("vase", "planter")),
    "tableware": Category("home", "home", 25, ("tea set", "bowl", "serving tray")),
    "chair": Category("home", "home", 140, ("chair", "armchair", "stool")),
    "mirror": Category("home", "home", 65, ("mirror", "wall mirror")),
    "series": Category("video", "story", 12, ("series", "mini-series")),
    "film": Category("video", "story", 8, ("film", "short film")),
    "documentary": Category("video", "story", 6, ("documentary", "docuseries")),
    "cartoon": Category("video", "story", 7, ("cartoon", "animated film")),
    "report": Category("news", "report", 0, ("report", "special report")),
    "column": Category("news", "report", 0, ("column", "essay")),
    "interview": Category("news", "report", 0, ("interview", "portrait")),
    "podcast": Category("news", "report", 0, ("podcast", "news podcast")),
    "album": Category("music", "sound", 11, ("album", "double album")),
    "single": Category("music", "sound", 2, ("single", "remix")),
    "live recording": Category("music", "sound", 9, ("live recording", "concert")),
    "playlist": Category("music", "sound", 4, ("playlist", "mixtape")),
}
