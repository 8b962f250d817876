"""What forgetting is worth: a learner whose events fade with age beside the same learner for which all count alike.

    python benchmarks/drift.py simulated|DATA [--learner item-knn] [--days 7] [--first 5] [--last 11] [--half-life auto]

The log is cut into periods of ``--days`` days, 0 the first. For each from ``--first`` to ``--last`` the learner learns
from everything before it; the support of a person is all they did before it, the truth what they like in it and had
nothing to do with before. NDCG@10 over the whole catalogue. ``auto``: of HALF_LIVES the one with which item-kNN does
best in the two periods before, which are not judged. DATA is a folder with times, or ``simulated``, a marketplace
whose tastes move from period 7 on (``--change``). Prints a line for each period, then what the change costs; ± are
halves of 95 % bootstrap intervals over people, all of whose periods are drawn together.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from firstlight.budget import Budget
from firstlight.datareport import describe
from firstlight.dataset import Dataset, read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.evaluate.comparison import resamples
from firstlight.evaluate.metrics import ndcg
from firstlight.learners import make
from firstlight.recommender import Recommender
from firstlight.settings import Feedback

HALF_LIVES = (None, 56.0, 28.0, 14.0)
DEPTH = 10


class Judge:
    """One log, cut into periods."""

    def __init__(self, data: Dataset, days: float, seed: int, seconds: float) -> None:
        self.data, self.seed, self.seconds = data, seed, seconds
        first = data.events["time"].min()
        assert isinstance(first, datetime), "the events have no times"
        self.start, self.period = first.replace(hour=0, minute=0, second=0, microsecond=0), timedelta(days=days)
        self.found, self.models = cache(self._found), dict[tuple[int, str], Recommender]()

    def fitted(self, period: int, learner: str, past: Dataset) -> Recommender:
        """What was learned from all before a period; once, whatever the half-life."""
        if (period, learner) not in self.models:
            budget = Budget(self.seconds)
            self.models[period, learner] = Recommender.fit(past, make(learner), seed=self.seed, budget=budget)
        return self.models[period, learner]

    def _found(self, period: int, learner: str, half_life: float | None) -> pl.DataFrame:
        """user_id and NDCG@10 of everybody with a history who likes something new in the period."""
        feedback = Feedback.model_validate({} if half_life is None else {"half_life": half_life})
        begin, events = self.start + period * self.period, self.data.events.drop_nulls("time")
        before = events.filter(pl.col("time") < begin)
        now = events.filter(pl.col("time").is_between(begin, begin + self.period, closed="left"), feedback.grade() > 0)
        pairs = ["user_id", "item_id"]
        query = now.select(pairs).unique().join(before, on=pairs, how="anti").join(before, on="user_id", how="semi")
        names = query["user_id"].unique().sort()
        past = Dataset(before, self.data.items, self.data.users, self.data.rejected, self.data.report)
        model = self.fitted(period, learner, past)
        model = replace(model, schema=replace(model.schema, feedback=feedback))  # age says less when recommending only
        lists = model.recommend(before.join(query, on="user_id", how="semi"), self.data.users, n=DEPTH, names=names)
        return scored(lists, query, names)

    def half_life(self, period: int) -> float | None:
        """The best in the two periods before."""

        def value(half_life: float | None) -> float:
            tried = pl.concat([self.found(period - back, "item-knn", half_life) for back in (1, 2)])
            return float(tried["ndcg"].sum())

        return max(HALF_LIVES, key=value)


def scored(lists: pl.DataFrame, query: pl.DataFrame, names: pl.Series) -> pl.DataFrame:
    """user_id, ndcg (of ``names``) from lists (user_id, item_id, rank) and what was to be found (user_id, item_id)."""
    row = pl.DataFrame({"user_id": names}).with_row_index("row")
    right = lists.join(query, on=["user_id", "item_id"], how="semi").join(row, on="user_id")
    hits = torch.zeros(len(names), DEPTH, dtype=torch.bool)
    hits[torch.tensor(right["row"].to_list()), torch.tensor(right["rank"].to_list()) - 1] = True
    wanted = row.join(query.group_by("user_id").len(), on="user_id", maintain_order="left")["len"]
    return pl.DataFrame({"user_id": names, "ndcg": ndcg(hits, torch.tensor(wanted.to_list())).tolist()})


def mean(rows: pl.DataFrame, values: Sequence[str], people: pl.DataFrame, weights: Tensor) -> tuple[Tensor, Tensor]:
    """(V,) the means over rows of the columns ``values``, and (B, V) those of each resample of people."""
    sums = people.join(
        rows.group_by("user_id").agg(pl.len(), pl.sum(*values)), on="user_id", how="left", maintain_order="left"
    )
    totals = torch.from_numpy(sums.select(*values, "len").fill_null(0).to_numpy().astype("float64")).float()
    drawn = weights @ totals
    return totals[:, :-1].sum(0) / totals[:, -1].sum(), drawn[:, :-1] / drawn[:, -1:]


def half(drawn: Tensor) -> float:
    """Half the width of the 95 % interval."""
    low, high = torch.quantile(drawn, torch.tensor([0.025, 0.975])).tolist()
    return float(high - low) / 2


def main() -> None:
    """Read the options and print what was found."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("data")
    options.add_argument("--learner", default="item-knn")
    options.add_argument("--days", type=float, default=7.0)
    options.add_argument("--first", type=int, default=5)
    options.add_argument("--last", type=int, default=11)
    options.add_argument("--change", type=int, default=7, help="the first period of another time")
    options.add_argument("--half-life", default="auto", help="days, or auto")
    options.add_argument("--seconds", type=float, default=120.0, help="for learning, each time")
    options.add_argument("--users", type=int, default=3_200, help="of the simulated marketplace")
    options.add_argument("--seed", type=int, default=0)
    chosen = options.parse_args()
    simulated = chosen.data == "simulated"
    data = market(chosen.users, chosen.seed) if simulated else read_dataset(Path(chosen.data))
    judge = Judge(data, chosen.days, chosen.seed, chosen.seconds)
    parts = []
    for period in range(chosen.first, chosen.last + 1):
        half_life = judge.half_life(period) if chosen.half_life == "auto" else float(chosen.half_life)
        alike, fading = (judge.found(period, chosen.learner, life) for life in (None, half_life))
        both = alike.rename({"ndcg": "alike"}).with_columns(fading=fading["ndcg"], period=pl.lit(period))
        parts.append(both.with_columns(gain=pl.col("fading") - pl.col("alike")))
        say(f"period {period}, half-life {half_life}", parts[-1])
    report(pl.concat(parts), chosen.change)


def market(users: int, seed: int) -> Dataset:
    """The simulated marketplace, as if it had been read."""
    made = simulate(n_users=users, n_events=users * 75 // 2, seed=seed)
    return Dataset(made.events, made.items, made.users, made.events.clear(), describe([], made.events, made.items))


def say(what: str, rows: pl.DataFrame) -> None:
    """One line: all alike, fading, and the difference person by person."""
    people = rows.select("user_id").unique().sort("user_id")
    (alike, fading, gain), drawn = mean(rows, ["alike", "fading", "gain"], people, resamples(people.height))
    sides = f"alike {alike:.4f} ±{half(drawn[:, 0]):.4f}, fading {fading:.4f} ±{half(drawn[:, 1]):.4f}"
    print(f"{what}: {rows.height:,} lists, {sides}, gain {gain:+.4f} ±{half(drawn[:, 2]):.4f}", flush=True)


def report(rows: pl.DataFrame, change: int) -> None:
    """Before the change, after it, and what it costs."""
    before, after = rows.filter(pl.col("period") < change), rows.filter(pl.col("period") >= change)
    say(f"before period {change}", before)
    say(f"from period {change} on", after)
    people = rows.select("user_id").unique().sort("user_id")
    weights = resamples(people.height)
    sides = [mean(part, ["alike", "fading", "gain"], people, weights) for part in (before, after)]
    lost, drawn = sides[0][0] - sides[1][0], sides[0][1] - sides[1][1]
    print(
        f"lost: alike {lost[0]:+.4f} ±{half(drawn[:, 0]):.4f}, fading {lost[1]:+.4f} ±{half(drawn[:, 1]):.4f}, ", end=""
    )
    print(f"less by {-lost[2]:.4f} ±{half(drawn[:, 2]):.4f}")


if __name__ == "__main__":
    main()
