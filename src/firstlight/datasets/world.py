"""The catalogue and the hidden truth of the simulated marketplace, drawn from a seed."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from firstlight.datasets.truth import START, WEEKS, Floats, Ints, People, Truth, ids
from firstlight.datasets.vocabulary import BRANDS, CATEGORIES, COMPLEMENTS, NEW_CATEGORY, PROFILE, STYLES, THEMES

DIMENSIONS = 12
NEW_CATEGORY_WEEK = 8
LATE_SHARE = 0.25  # of the items arrive while the log runs
MEAN_APPEAL = -2.2

NAMES = tuple(CATEGORIES)
WORDS = STYLES + tuple(dict.fromkeys(word for words in THEMES.values() for word in words))


def draw_world(n_users: int, n_items: int, rng: np.random.Generator) -> tuple[pl.DataFrame, Truth]:
    """The items in the plain layout, and the truth."""
    groups = tuple(_centred(rng.normal(size=(len(values), DIMENSIONS))) for values in PROFILE.values())
    people = People.draw(n_users, groups, rng)
    directions = _unit(rng.normal(size=(len(WORDS), DIMENSIONS)))
    fashion = rng.normal(scale=0.8, size=len(STYLES))
    category, style, theme = _words(n_items, rng)
    vectors = _unit(directions[style] + directions[theme] + rng.normal(scale=0.1, size=(n_items, DIMENSIONS)))
    fame = np.asarray((1 + rng.permutation(n_items)) ** -0.6, dtype=np.float64)
    appeal = MEAN_APPEAL + 0.2 * _standard(np.log(fame)) + rng.normal(scale=0.3, size=n_items)
    arrival = _arrivals(category, rng)
    items = _catalogue(category, style, theme, arrival, rng)
    truth = Truth(
        people=people,
        groups=groups,
        item_vectors=vectors,
        appeal=appeal,
        trend=fashion[style],
        fame=fame,
        item_category=category,
        arrival=arrival,
        price=items["price"].fill_null(np.nan).to_numpy(),
        categories=NAMES,
        category_vectors=_unit(rng.normal(size=(len(NAMES), DIMENSIONS))),
        category_bias=rng.normal(scale=0.4, size=len(NAMES)),
        complements=COMPLEMENTS,
        new_category=NEW_CATEGORY,
    )
    return items, truth


def _words(n_items: int, rng: np.random.Generator) -> tuple[Ints, Ints, Ints]:
    """(N,) each: the category, and the rows in WORDS of the style and of the theme."""
    category = rng.permutation(np.arange(n_items) % len(NAMES))
    # Two items are forced so that the smallest catalogue has something old and something of the new category.
    category[:2] = NAMES.index(NEW_CATEGORY), 0
    themes = np.array([[WORDS.index(word) for word in THEMES[value.themes]] for value in CATEGORIES.values()])
    style = rng.integers(len(STYLES), size=n_items)
    return category, style, themes[category, rng.integers(themes.shape[1], size=n_items)]


def _arrivals(category: Ints, rng: np.random.Generator) -> NDArray[np.datetime64]:
    """(N,) Mondays: most items are there when the log begins, some come later, the new category's all late."""
    week = rng.integers(-52, 1, size=len(category))
    late = rng.random(len(category)) < LATE_SHARE
    late[1] = False
    week[late] = rng.integers(1, WEEKS, size=late.sum())
    new = category == NAMES.index(NEW_CATEGORY)
    week[new] = rng.integers(NEW_CATEGORY_WEEK, WEEKS - 1, size=new.sum())
    week[0] = NEW_CATEGORY_WEEK
    return np.datetime64(START, "us") + week * np.timedelta64(7 * 24 * 3600 * 1_000_000, "us")


def _catalogue(
    category: Ints, style: Ints, theme: Ints, arrival: NDArray[np.datetime64], rng: np.random.Generator
) -> pl.DataFrame:
    """The items in the plain layout. The style and the theme are in the title and the tags; the rest tells no taste."""
    n, kinds = len(category), list(CATEGORIES.values())
    median = np.array([kind.price for kind in kinds])[category]
    price = np.maximum(median * np.exp(rng.normal(scale=0.4, size=n)), 0.99).round(2)
    words = pl.DataFrame(
        {
            "item_id": ids("i", n),
            "domain": _pick([(kind.domain,) for kind in kinds], category, rng),
            "category": _pick([(name,) for name in NAMES], category, rng),
            "style": pl.Series(WORDS).gather(style),
            "theme": pl.Series(WORDS).gather(theme),
            "noun": _pick([kind.nouns for kind in kinds], category, rng),
            "brand": _pick([BRANDS[kind.domain] for kind in kinds], category, rng),
            "price": pl.Series(np.where(median > 0, price, np.nan)).fill_nan(None),
            "time": arrival,
        }
    )
    copy = pl.int_range(pl.len()).over("style", "theme", "noun") + 1
    title = pl.concat_str("style", "theme", "noun", separator=" ")
    return words.select(
        "item_id",
        "domain",
        "category",
        pl.when(copy > 1).then(pl.format("{} no. {}", title, copy)).otherwise(title).alias("title"),
        pl.concat_list("style", "theme").alias("tags"),
        "brand",
        "price",
        "time",
    )


def _pick(choices: list[tuple[str, ...]], row: Ints, rng: np.random.Generator) -> pl.Series:
    """One of ``choices[row]`` for each row, each as likely."""
    counts = np.array([len(options) for options in choices])
    start = np.cumsum(counts) - counts
    chosen = start[row] + np.floor(rng.random(len(row)) * counts[row]).astype(np.int64)
    return pl.Series([option for options in choices for option in options]).gather(chosen)


def _centred(x: Floats) -> Floats:
    return np.asarray(x - x.mean(axis=0))


def _unit(x: Floats) -> Floats:
    return np.asarray(x / np.linalg.norm(x, axis=1, keepdims=True))


def _standard(x: Floats) -> Floats:
    return np.asarray((x - x.mean()) / max(float(x.std()), 1e-9))
