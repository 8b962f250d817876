"""Why an item was recommended: what each of a person's events added to its score.

Where a learner knows its scores as sums over events the parts are exact. Else the part of an event is by how much the
item falls behind the average item when the person is adapted to without it (leave one out), in the unit of the score.
Scores compare within a list only, so that an event that shifts or stretches all of them is no reason for any. What is
left of the score does not come from any one event: it is what everybody of the same profile would get, or owed to
several events together.
"""

from dataclasses import replace

import polars as pl
import torch
from torch import Tensor

from firstlight.learners.base import Learner, Prior
from firstlight.ranking import chunk_size
from firstlight.recommender import Recommender
from firstlight.tasks import Support

MOST = 3
"""How many events a reason in words names."""

REST = "the rest"
SCHEMA = {"user_id": pl.String, "item_id": pl.String, "event": pl.String, "part": pl.Float32, "exact": pl.Boolean}


def reasons(
    recommender: Recommender,
    lists: pl.DataFrame,
    events: pl.DataFrame,
    users: pl.DataFrame | None = None,
    *,
    seed: int = 0,
) -> pl.DataFrame:
    """The parts of each score: user_id, item_id, event (the item of one of the person's events), part, exact.

    lists: from ``Recommender.recommend`` with the same events, users and seed; any rows of it.
    ``event`` is null for what comes from no single event; the parts of a recommended item sum to its score.
    """
    names = lists["user_id"].unique(maintain_order=True)
    size = chunk_size(len(recommender.schema.item_ids))
    parts = [names.slice(start, size) for start in range(0, len(names), size)]
    return pl.concat(
        [pl.DataFrame(schema=SCHEMA), *(_parts(recommender, lists, events, users, part, seed) for part in parts)]
    )


def in_words(parts: pl.DataFrame, lists: pl.DataFrame, items: pl.DataFrame | None = None) -> pl.DataFrame:
    """``lists`` with a column ``because``: the events that changed the score most, then the rest; they sum to it.

    parts: from ``reasons``. items: the catalogue, for the titles; an item without one goes by its id.
    """
    key = ["user_id", "item_id"]
    titles = items.select(pl.col("item_id").alias("event"), "title") if items is not None and "title" in items else None
    told = parts.join(titles, on="event", how="left") if titles is not None else parts.with_columns(title=None)
    strength = pl.when(pl.col("event").is_not_null()).then(pl.col("part").abs())
    told = told.with_columns(place=strength.rank("ordinal", descending=True).over(key))
    named = pl.col("place") <= MOST
    told = told.with_columns(
        pl.when(named).then(pl.coalesce("title", "event")).otherwise(pl.lit(REST)).alias("label"),
        pl.when(named).then("place").otherwise(MOST + 1).alias("place"),
    )
    summed = told.group_by([*key, "place", "label"]).agg(pl.col("part").sum()).sort("place")
    sign = pl.when(pl.col("part") < 0).then(pl.lit("−")).otherwise(pl.lit("+"))
    shown = pl.format("{} {}{}", "label", sign, pl.col("part").abs().round_sig_figs(3).cast(pl.String))
    because = summed.group_by(key).agg(shown.alias("because")).with_columns(pl.col("because").list.join(", "))
    return lists.join(because, on=key, how="left", maintain_order="left")


def _parts(
    recommender: Recommender,
    lists: pl.DataFrame,
    events: pl.DataFrame,
    users: pl.DataFrame | None,
    names: pl.Series,
    seed: int,
) -> pl.DataFrame:
    item_ids = recommender.schema.item_ids
    row = pl.DataFrame({"user_id": names}).with_row_index("row")
    place = pl.DataFrame({"item_id": item_ids}).with_row_index("place")
    asked = lists.join(row, on="user_id", maintain_order="left").join(place, on="item_id", maintain_order="left")
    asked = asked.with_columns(column=pl.int_range(pl.len()).over("row"))
    rows, columns, places = (torch.tensor(asked[name].to_list()) for name in ("row", "column", "place"))
    items = torch.zeros(len(names), int(columns.max()) + 1, dtype=torch.int64)
    items[rows, columns] = places
    support, _ = recommender.schema.support(events, users, names, seed)
    parts, exact = contributions(recommender.learner, recommender.prior, support, items)
    of_list = parts[rows, :, columns] * support.mask[rows]
    rest = torch.tensor(asked["score"].to_list()) - of_list.sum(1)
    which, event = support.mask[rows].nonzero(as_tuple=True)
    told = asked.select("user_id", "item_id")
    return pl.concat(
        [
            told[which.numpy()].with_columns(
                item_ids.gather(support.items[rows[which], event].numpy()).alias("event"),
                pl.Series("part", of_list[which, event].numpy(), pl.Float32),
                exact=pl.lit(exact),
            ),
            told.with_columns(
                pl.lit(None, pl.String).alias("event"), pl.Series("part", rest.numpy(), pl.Float32), exact=pl.lit(exact)
            ),
        ]
    )


def contributions(learner: Learner, prior: Prior, support: Support, items: Tensor) -> tuple[Tensor, bool]:
    """(T, S, n): what each support example added to the scores of ``items`` (T, n); and whether that is exact."""
    preference = learner.adapt(prior, support)
    exact = preference.contributions(items)
    if exact is not None:
        return exact, True
    parts = torch.zeros(*support.mask.shape, items.shape[1])
    if not support.mask.any():
        return parts, False
    scores = preference.scores()
    unit, level = scores.std(1, correction=0, keepdim=True), standard(scores).gather(1, items)
    rows, columns = support.mask.nonzero(as_tuple=True)
    for some in torch.split(torch.arange(len(rows)), chunk_size(scores.shape[1])):
        owner = rows[some]
        less = standard(learner.adapt(prior, _without(support.rows(owner), columns[some])).scores())
        parts[owner, columns[some]] = unit[owner] * (level[owner] - less.gather(1, items[owner]))
    return parts, False


def standard(scores: Tensor) -> Tensor:
    """(..., N): each row with mean 0 and deviation 1; a row of equal scores is 0."""
    centred = scores - scores.mean(-1, keepdim=True)
    return centred / scores.std(-1, correction=0, keepdim=True).clamp(min=1e-12)


def _without(support: Support, columns: Tensor) -> Support:
    """The support with the example at one column of each task masked."""
    mask = support.mask.clone()
    mask[torch.arange(len(mask)), columns] = False
    return replace(support, items=support.items * mask, grades=support.grades * mask, mask=mask)
