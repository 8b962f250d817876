"""Twins: one product under two ids, seen by the buyers of the one being the buyers of the other.

What somebody has under one id is found under the other by anything that counts what is bought together, so twins make
every number about recommending look good, and most of all those across domains.

Pairs worth a look come from min-hashing (Broder, On the resemblance and containment of documents, 1997): in a random
order of all people, the first buyers of two items are the same person with a chance equal to the Jaccard index of the
two sets of buyers. The pairs found are then counted exactly.
"""

from math import log

import numpy as np
import polars as pl

LEAST = 5
"""So many people must have bought both: fewer may have come for one offer."""
ALIKE = 0.8
"""So large a share of those who bought either must have bought both."""
SURE = 0.01
"""So many pairs of a whole log are expected to look like twins by chance."""

BANDS, WIDTH = 8, 2
"""Orders of the people: pairs that agree in all of a band are looked at. Of twins just at ``ALIKE``, 3 in 10,000 agree
in none."""
AGREEING = BANDS * WIDTH // 2
"""In so many orders a pair must agree before its buyers are counted."""
CROWD = 50
"""Of more items than this that agree in a band only so many are compared."""

_FIRST = [f"first{order}" for order in range(BANDS * WIDTH)]


def find_twins(events: pl.DataFrame) -> pl.DataFrame:
    """Pairs of items with (nearly) the same buyers: item_id, twin_id (the greater id), buyers, both; largest first.

    events: user_id, item_id, type, as clean events; a buyer of an item is whoever has an event with it that is not an
    impression. buyers: how many people bought either; both: how many bought both (UInt32).
    """
    bought = events.lazy().filter(pl.col("type") != "impression").select("user_id", "item_id")
    items = _numbered(bought, "item_id", LEAST)
    users = _numbered(bought, "user_id", 1)
    coded = bought.join(items.lazy(), on="item_id").join(users.lazy(), on="user_id")
    buyers = coded.select("item", "user").unique().collect(engine="streaming")
    counted = _counted(_candidates(buyers, users.height), buyers)
    alike = counted.filter(pl.col("both") >= LEAST, pl.col("both") >= ALIKE * pl.col("buyers"))
    found = alike.filter(_beyond_chance(buyers, items.height))
    ids = {f"{name}_id": items["item_id"].gather(found[name]) for name in ("item", "twin")}
    named = found.select("buyers", "both").with_columns(**ids).select(*ids, "buyers", "both")
    return named.sort("both", *ids, descending=[True, False, False])


def _numbered(bought: pl.LazyFrame, name: str, least: int) -> pl.DataFrame:
    """``name`` and a number from 0 up in the order of the ids, of those with at least ``least`` rows."""
    counts = bought.group_by(name).len().filter(pl.col("len") >= least).select(name)
    return counts.collect(engine="streaming").sort(name).with_row_index(name.removesuffix("_id"))


def _candidates(buyers: pl.DataFrame, n_users: int) -> pl.DataFrame:
    """item, twin, sizes (of both, together): nearly all pairs that may be twins, each once, and few others."""
    draws = np.random.default_rng(0).random((n_users, len(_FIRST)), dtype=np.float32)
    people = pl.DataFrame(draws, schema=_FIRST).with_row_index("user")
    signed = buyers.lazy().join(people.lazy(), on="user").group_by("item").agg(pl.len().alias("size"), pl.min(*_FIRST))
    some = signed.filter(pl.col("size") >= LEAST).collect(engine="streaming").sort("item")
    bands = [_FIRST[start : start + WIDTH] for start in range(0, len(_FIRST), WIDTH)]
    return pl.concat([_agreeing(some, band) for band in bands]).unique()


def _agreeing(signed: pl.DataFrame, band: list[str]) -> pl.DataFrame:
    """The pairs that agree in a band, and in enough other orders. signed: item, size and a column for each order."""
    few = signed.lazy().filter(pl.len().over(band) > 1, pl.int_range(pl.len()).over(band) < CROWD)
    twins = few.select(pl.col("item", "size", *_FIRST).name.prefix("twin_"))
    pairs = few.join(twins, left_on=band, right_on=[f"twin_{name}" for name in band], coalesce=False)
    sizes = pl.col("size"), pl.col("twin_size")
    like_sizes = pl.min_horizontal(*sizes) >= ALIKE * pl.max_horizontal(*sizes)
    enough = pl.sum_horizontal(pl.col(name) == pl.col(f"twin_{name}") for name in _FIRST) >= AGREEING
    once = pairs.filter(pl.col("item") < pl.col("twin_item"), like_sizes, enough)
    return once.select("item", pl.col("twin_item").alias("twin"), "size", "twin_size").collect(engine="streaming")


def _counted(pairs: pl.DataFrame, buyers: pl.DataFrame) -> pl.DataFrame:
    """The pairs that have buyers in common, with ``both`` and ``buyers``."""
    first = pairs.lazy().join(buyers.lazy(), on="item")
    shared = first.join(buyers.lazy().rename({"item": "twin"}), on=["twin", "user"])
    both = shared.group_by("item", "twin", "size", "twin_size").agg(both=pl.len())
    either = pl.col("size") + pl.col("twin_size") - pl.col("both")
    return both.with_columns(buyers=either).collect(engine="streaming")


def _beyond_chance(buyers: pl.DataFrame, n_items: int) -> pl.Expr:
    """Whether so many in common are more than chance gives one of all pairs of the log.

    Would buyers come in proportion to how much they buy, two items of n and m buyers had λ = n m Σ d² / (Σ d)² in
    common, d what each person buys. The chance of c or more is at most exp(c − λ − c log(c / λ)) (Chernoff).
    """
    bought = buyers.group_by("user").len()["len"].cast(pl.Float64)
    expected = pl.col("size") * pl.col("twin_size") * (float((bought**2).sum()) / max(float(bought.sum()), 1.0) ** 2)
    both = pl.col("both").cast(pl.Float64)
    pairs = max(n_items * (n_items - 1) / 2, 1.0)
    return (both > expected) & (both * (both / expected).log() - both + expected > log(pairs / SURE))
