"""The rating protocol of RecBole-MetaRec on MovieLens-1M, and beside it the same rankers over the whole catalogue.

    python benchmarks/rating_protocol.py DATA --seeds 5 [--learner item-knn ...] [--even]

DATA is a folder in the plain layout (ML-1M: `rate` events with stars). Prints a Markdown table: the mean over all test
people of all seeds, ± half of its 95 % interval (people drawn with replacement), and how far the seeds lie apart.

As in that repository (commit 12ae208): people of 13 to 100 ratings; 8:1:1 into training, validation and test, in the
order in which they first occur in the shuffled ratings, so that long histories come first and the test people have the
shortest (`--even` draws them evenly instead); of each test person 10 random ratings are the query, the others the
support; only the query is ranked, and the 5 of it with the most stars are "relevant", however many the person liked.
Differs: which of equal stars belong to the 5 is not left to the order of the rows; each has its share.
"""

import argparse
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

import torch
from rating_split import QUERY, People, Ratings, Split, corpus, read, split, support
from torch import Tensor

from firstlight.evaluate.comparison import resamples
from firstlight.evaluate.metrics import match, ndcg, precision
from firstlight.learners import make
from firstlight.ranking import top
from firstlight.tasks import Support

DEPTH, LIKED = 5, 4.0
SHRINKS = (0.5, 1.0, 2.0, 5.0, 10.0, 20.0)
GAINS = 1 / torch.arange(2, DEPTH + 2).log2()
COLUMNS = ("P@5", "NDCG@5", "P@10", "P@5, all items", "NDCG@5, all items")


Scorer = Callable[[People], Tensor]
"""People → (T, N) scores of all items; the protocol looks up those of the query."""
Ranker = Callable[[Split], Scorer]
"""Learns from the training people, chooses settings on the validation people; its scorer meets the test people."""


def top_five(stars: Tensor) -> Tensor:
    """(T, Q): how likely each item is among the 5 with the most stars if equal stars are in random order."""
    edge = stars.sort(1, descending=True).values[:, DEPTH - 1 : DEPTH]
    above, equal = (stars > edge).float(), (stars == edge).float()
    return above + equal * (DEPTH - above.sum(1, keepdim=True)) / equal.sum(1, keepdim=True)


def judge(scores: Tensor, known: People, seed: int) -> Tensor:
    """(T, 5): the metrics of COLUMNS. scores: (T, N)."""
    ranked = top_five(known.query_stars).gather(1, top(scores.gather(1, known.query), QUERY, seed=seed))
    inner = [ranked[:, :DEPTH].mean(1), ranked[:, :DEPTH] @ GAINS / GAINS.sum(), ranked.mean(1)]
    lists = top(scores, DEPTH, Support(known.items, known.stars, known.mask, known.stars[:, :0]), seed=seed)
    liked = known.query_stars >= LIKED
    hits = match(lists, known.query, liked)
    whole = [precision(hits, liked.sum(1), DEPTH), ndcg(hits, liked.sum(1), DEPTH)]
    return torch.stack([*inner, *whole], 1)


def everybody(scores: Tensor) -> Scorer:
    """The same scores (N,) for each person."""
    return lambda known: scores.expand(len(known.who), -1)


def at_random(split: Split) -> Scorer:
    chance = torch.Generator().manual_seed(split.seed)
    return lambda known: torch.rand(len(known.who), split.data.n_items, generator=chance)


def popularity(split: Split) -> Scorer:
    return everybody(torch.bincount(split.train.items, minlength=split.data.n_items).float())


def item_mean(split: Split) -> Scorer:
    """The mean of an item's stars, shrunk towards that of all by as many ratings as suits the validation people."""
    train, above = split.train, split.train.stars - split.train.stars.mean()
    return tuned(split, [averages(train.items, above, split.data.n_items, by) for by in SHRINKS])


def item_bias(split: Split) -> Scorer:
    """stars = mean + user bias + item bias, by alternating least squares; the user's part changes no order."""
    return tuned(split, [biases(split.train, split.data.n_items, by) for by in SHRINKS])


def tuned(split: Split, tries: Iterable[Tensor]) -> Scorer:
    """The one of several scores (N,) with the best P@5 on the validation people."""
    known = split.validation
    return max(map(everybody, tries), key=lambda scorer: float(judge(scorer(known), known, split.seed)[:, 0].mean()))


def biases(train: Ratings, n_items: int, by: float, rounds: int = 10) -> Tensor:
    left, items = train.stars - train.stars.mean(), torch.zeros(n_items)
    for _ in range(rounds):
        users = averages(train.owner, left - items[train.items], len(train.who), 2.0)
        items = averages(train.items, left - users[train.owner], n_items, by)
    return items


def averages(groups: Tensor, values: Tensor, count: int, shrink: float) -> Tensor:
    """(count,) the mean of each group, shrunk towards 0."""
    counts = torch.bincount(groups, minlength=count)
    return torch.zeros(count).index_add_(0, groups, values) / (counts + shrink)


STARS: Mapping[str, Mapping[str, object]] = {
    "mamo": {"embedding_size": 16, "steps": 100, "learning_rate": 6e-3, "reg": 1.0, "patience": 0}
    | {"batch": 256, "most": 40, "inner_steps": 5, "inner_lr": 0.3, "loss": "stars"},
    "melu": {"embedding_size": 16, "steps": 150, "learning_rate": 3e-3, "reg": 1.0}
    | {"batch": 64, "most": 30, "inner_steps": 3, "inner_lr": 0.03, "candidates": 1, "loss": "stars"},
}
"""Settings for expected stars, chosen on the validation people of seeds 0 to 2."""


def learner(name: str) -> Ranker:
    """A learner of the package: for stars where `STARS` has settings for it, else as it is by default."""

    def fitted(split: Split) -> Scorer:
        chosen = make(name, STARS.get(name))
        prior = chosen.fit(corpus(split), seed=split.seed)
        return lambda known: chosen.adapt(prior, support(split.data, known)).scores()

    return fitted


RANKERS: Mapping[str, Ranker] = {
    "random": at_random,
    "popularity": popularity,
    "item mean": item_mean,
    "user and item bias": item_bias,
}


def constant_with_topk(known: People) -> float:
    """P@5 of one score for all, if `torch.topk` breaks the ties of the stars and of the scores by the same rule."""
    stars = known.query_stars
    relevant = torch.zeros_like(stars).scatter_(1, stars.topk(DEPTH).indices, 1.0)
    return float(relevant.gather(1, torch.zeros_like(stars).topk(DEPTH).indices).mean())


def halves(values: Tensor, who: Tensor) -> Tensor:
    """(M,) half of the 95 % interval of the mean of ``values`` (R, M): whole people ``who`` (R,) are drawn."""
    times = torch.bincount(who)
    sums = torch.zeros(len(times), values.shape[1]).index_add_(0, who, values)[times > 0]
    weights = resamples(len(sums))
    means = weights @ sums / (weights @ times[times > 0].float())[:, None]
    ends = means.quantile(torch.tensor([0.025, 0.975]), dim=0)
    return ends.diff(dim=0)[0] / 2


def show(found: Mapping[str, Sequence[Tensor]], who: Tensor) -> None:
    """One row for each ranker: all columns, the spread of the seeds, and P@5 less that of the item mean."""
    print("| ranker |", " | ".join(COLUMNS), "| P@5, seeds apart | P@5 − item mean |")
    print("|---" * (len(COLUMNS) + 3) + "|")
    reference = torch.cat(list(found["item mean"]))[:, 0]
    for name, seeds in found.items():
        values = torch.cat(list(seeds))
        values = torch.cat([values, (values[:, 0] - reference)[:, None]], 1)
        cells = [
            f"{m:.4f} ± {h:.4f}" for m, h in zip(values.mean(0).tolist(), halves(values, who).tolist(), strict=True)
        ]
        apart = torch.stack([seed[:, 0].mean() for seed in seeds]).std().item() if len(seeds) > 1 else 0.0
        print("|", name, "|", " | ".join(cells[:-1]), f"| {apart:.4f} | {cells[-1]} |")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("data", type=Path)
    options.add_argument("--seeds", type=int, default=5)
    options.add_argument("--learner", action="append", default=[], help="also this learner of the package")
    options.add_argument("--even", action="store_true", help="draw test people evenly, short and long histories alike")
    chosen = options.parse_args()
    data = read(chosen.data)
    splits = [split(data, seed, chosen.even) for seed in range(chosen.seeds)]
    rankers = {**RANKERS, **{name: learner(name) for name in chosen.learner}}
    known = [each.test for each in splits]
    found = {
        name: [judge(fit(each)(each.test), each.test, each.seed) for each in splits] for name, fit in rankers.items()
    }
    show(found, torch.cat([test.who for test in known]))
    shots = torch.cat([test.mask.sum(1) for test in known]).float().mean()
    print(
        f"\n{len(data.names):,} people, {len(known[0].who)} tested a seed, {shots:.1f} ratings of support on average."
    )
    print(f"One score for all, ties left to torch.topk: P@5 {sum(map(constant_with_topk, known)) / len(known):.4f}.")


if __name__ == "__main__":
    main()
