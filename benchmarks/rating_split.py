"""Who takes part in the rating protocol of RecBole-MetaRec, and how they are split: see rating_protocol.py."""

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from firstlight.corpus import build_schema
from firstlight.dataset import read_dataset
from firstlight.tasks import Corpus, Support, TaskSet

SHORTEST, LONGEST, QUERY = 13, 100, 10


@dataclass(frozen=True)
class Ratings:
    """who: (T,) people, as positions in `Data.names`. owner: (E,) 0..T-1. items: (E,). stars: (E,) float32."""

    who: Tensor
    owner: Tensor
    items: Tensor
    stars: Tensor


@dataclass(frozen=True)
class People:
    """who: (T,). items, stars, mask: (T, S) the support, padded. query, query_stars: (T, 10)."""

    who: Tensor
    items: Tensor
    stars: Tensor
    mask: Tensor
    query: Tensor
    query_stars: Tensor


@dataclass(frozen=True)
class Data:
    """names: (T,) everybody who takes part. ratings: all of theirs. profile: (T, P). content: (N, C), sparse."""

    names: pl.Series
    ratings: Ratings
    profile: Tensor
    content: Tensor | None
    n_items: int


@dataclass(frozen=True)
class Split:
    """Training people with all their ratings; validation and test people with support and query."""

    data: Data
    seed: int
    train: Ratings
    validation: People
    test: People


def read(folder: Path) -> Data:
    """The ratings of everybody with 13 to 100 of them, and what is known of people and items."""
    dataset = read_dataset(folder)
    schema = build_schema(dataset)
    rated = dataset.events.filter(pl.col("value").is_not_null()).unique(["user_id", "item_id"], maintain_order=True)
    rated = rated.filter(pl.len().over("user_id").is_between(SHORTEST, LONGEST))
    names = rated["user_id"].unique().sort()
    owners = pl.DataFrame({"user_id": names}).with_row_index("owner")
    items = pl.DataFrame({"item_id": schema.item_ids}).with_row_index("item")
    rated = rated.join(owners, on="user_id", maintain_order="left").join(items, on="item_id", maintain_order="left")
    owner, item = (torch.tensor(rated[name].to_numpy(), dtype=torch.int64) for name in ("owner", "item"))
    ratings = Ratings(torch.arange(len(names)), owner, item, torch.tensor(rated["value"].to_numpy()))
    profile = schema.profile.encode(dataset.users, names) if schema.profile else torch.zeros(len(names), 0)
    content = None
    if schema.content is not None and dataset.items is not None:
        content = schema.content.encode(dataset.items, schema.item_ids)
    return Data(names, ratings, profile, content, len(items))


def split(data: Data, seed: int, even: bool = False) -> Split:
    """Everything that is drawn, from one seed."""
    chance = torch.Generator().manual_seed(seed)
    known, count = data.ratings, len(data.names)
    rows = torch.randperm(len(known.items), generator=chance)
    shuffled = Ratings(known.who, known.owner[rows], known.items[rows], known.stars[rows])
    first = torch.full((count,), len(rows)).scatter_reduce(0, shuffled.owner, torch.arange(len(rows)), "amin")
    order = torch.randperm(count, generator=chance) if even else first.argsort()
    tenth = count // 10
    train, validation, test = (
        of(shuffled, order[a:b]) for a, b in ((0, -2 * tenth), (-2 * tenth, -tenth), (-tenth, count))
    )
    return Split(data, seed, train, people(validation), people(test))


def of(ratings: Ratings, who: Tensor) -> Ratings:
    """The ratings of the people ``who``, person after person, each in the order they were in."""
    place = torch.full((len(ratings.who),), -1).scatter(0, who, torch.arange(len(who)))
    owner = place[ratings.owner]
    rows = owner.argsort(stable=True)[int((owner < 0).sum()) :]
    return Ratings(who, owner[rows], ratings.items[rows], ratings.stars[rows])


def people(ratings: Ratings) -> People:
    """The first 10 ratings of each person are the query, the others the support."""
    counts = torch.bincount(ratings.owner, minlength=len(ratings.who))
    column = torch.arange(len(ratings.owner)) - (counts.cumsum(0) - counts)[ratings.owner]
    size = (len(counts), int(counts.max()))
    items = torch.zeros(size, dtype=torch.int64).index_put_((ratings.owner, column), ratings.items)
    stars = torch.zeros(size).index_put_((ratings.owner, column), ratings.stars)
    mask = (torch.arange(size[1]) < counts[:, None])[:, QUERY:]
    return People(ratings.who, items[:, QUERY:], stars[:, QUERY:], mask, items[:, :QUERY], stars[:, :QUERY])


def grade(stars: Tensor) -> Tensor:
    """Linear in the stars, above 0 where liked."""
    return (stars - 3.5) / 3


def corpus(split: Split) -> Corpus:
    """The training people as tasks of a learner."""
    train, data = split.train, split.data
    counts = torch.bincount(train.owner, minlength=len(train.who))
    indptr = torch.cat([torch.zeros(1, dtype=torch.int64), counts.cumsum(0)])
    names = data.names[train.who.numpy()]
    tasks = TaskSet(names, indptr, train.items, grade(train.stars), data.profile[train.who])
    return Corpus(tasks, data.n_items, data.content)


def support(data: Data, known: People) -> Support:
    """What a learner is told of people: their support and their profile."""
    return Support(known.items, grade(known.stars) * known.mask, known.mask, data.profile[known.who])
