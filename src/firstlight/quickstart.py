"""The whole path on simulated data: a marketplace, a comparison, a model, and three first clicks in words."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from firstlight import report
from firstlight.budget import Budget
from firstlight.corpus import build_schema
from firstlight.dataset import Dataset, read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.evaluate import Evaluation, cold_user, evaluate
from firstlight.explain import reasons
from firstlight.learners import DEFAULT, make
from firstlight.progress import shown
from firstlight.recommender import NO_EVENTS, Recommender

BESIDE = ("popular", "item-knn", "edlae")
DOMAINS = ("toys", "apparel", "phones & accessories")
BEST = 4
"""How many items an example lists."""
JUDGE_SECONDS, TRAIN_SECONDS = 45.0, 25.0
EVENTS_A_PERSON = 37.5

NEWCOMER = "newcomer"

MODEL, EVALUATION, STORE = "model", "evaluation.json", "shop.db"
"""What is kept for a server, by its name in the folder; the store is made by the server."""


@dataclass(frozen=True)
class Example:
    """A newcomer's first click.

    click: what is known of the item. fans: how many people like it. before: the titles that somebody gets of whom
    nothing is known. after: title, was (the rank before), same (whether of the same category), words (the tags that
    both have), both (how many people like both items), lift (how many times as many as by chance).
    share: how much of the lead of these items over the average item, in the score, comes from the click.
    """

    click: dict[str, Any]
    fans: int
    before: list[str]
    after: list[dict[str, Any]]
    share: float


def run(users: int = 3_200, seed: int = 0, console: Console | None = None, out: Path | None = None) -> None:
    """Print the quickstart. users: how many simulated people; how much they do does not change.

    out: a folder for the model and its evaluation, which a server can be started with. Raises SettingsError where it
    cannot be written.
    """
    console = console or Console(highlight=False)
    with shown("Simulating a marketplace"):
        dataset = marketplace(users, seed)
    _introduce(console, dataset, seed)
    found = compare(dataset, seed)
    console.print(report.scores(found))
    with shown(f"Training {DEFAULT}") as progress:
        model = Recommender.fit(dataset, seed=seed, budget=Budget(TRAIN_SECONDS), progress=progress)
    _tell(console, examples(model, dataset, seed))
    _conclude(console)
    if out is not None:
        model.save(out / MODEL)
        report.write_json(found, out / EVALUATION)


def marketplace(users: int, seed: int) -> Dataset:
    """The simulated marketplace, read from a folder as anybody's own data would be."""
    with TemporaryDirectory() as folder:
        simulate(n_users=users, n_events=round(EVENTS_A_PERSON * users), seed=seed).write(folder)
        return read_dataset(Path(folder))


def compare(dataset: Dataset, seed: int) -> Evaluation:
    """The default learner beside three simple ones, for people held out."""
    corpus = build_schema(dataset).corpus(dataset, seed)
    learners = {name: make(name) for name in dict.fromkeys((*BESIDE, DEFAULT))}
    with shown("Comparing learners") as progress:
        budget = Budget(JUDGE_SECONDS)
        return evaluate(corpus, learners, cold_user(corpus, seed=seed), budget=budget, seed=seed, progress=progress)


def examples(model: Recommender, dataset: Dataset, seed: int) -> Sequence[Example]:
    """A newcomer for each of ``DOMAINS``, who clicks one of the better known items there."""
    liked = model.schema.feedback.grade() > 0
    likes = dataset.events.filter(liked).select("user_id", "item_id").unique()
    fans = likes.group_by("item_id").agg(pl.len().alias("fans"))
    catalogue = model.schema.item_ids.to_frame() if dataset.items is None else dataset.items
    items = catalogue.join(fans, on="item_id", how="left").with_columns(pl.col("fans").fill_null(0)).sort("item_id")
    before = model.recommend(names=pl.Series([NEWCOMER]), n=len(model.schema.item_ids), seed=seed)
    domains = [items.filter(pl.col("domain") == domain) for domain in DOMAINS]
    clicks = [known.filter(pl.col("fans") >= pl.col("fans").median()).sample(1, seed=seed) for known in domains]
    return [_example(model, click, items, likes, before, seed) for click in clicks]


def _example(
    model: Recommender, click: pl.DataFrame, items: pl.DataFrame, likes: pl.DataFrame, before: pl.DataFrame, seed: int
) -> Example:
    clicked = click.row(0, named=True)
    one = pl.DataFrame({"user_id": NEWCOMER, "item_id": click["item_id"], "type": "click"})
    events = pl.concat([NO_EVENTS, one], how="diagonal")
    ranked = model.recommend(events, n=len(model.schema.item_ids), seed=seed)
    after = ranked.head(BEST)
    parts = reasons(model, after, events, seed=seed).filter(pl.col("event").is_not_null())
    fans = likes.join(click, on="item_id", how="semi").select("user_id")
    both = likes.join(fans, on="user_id", how="semi").group_by("item_id").agg(pl.len().alias("both"))
    expected = clicked["fans"] * pl.col("fans") / likes["user_id"].n_unique()
    told = (
        after.join(before.select("item_id", was="rank"), on="item_id", how="left")
        .join(items, on="item_id", how="left")
        .join(both, on="item_id", how="left")
        .with_columns(
            pl.col("both").fill_null(0),
            same=pl.col("category") == clicked["category"],
            words=pl.col("tags").list.set_intersection(pl.lit(clicked["tags"], pl.List(pl.String))),
        )
        .with_columns(lift=(pl.col("both") / expected).fill_nan(0.0))
        .sort("rank")
    )
    first = before.head(BEST).join(items, on="item_id", how="left", maintain_order="left")
    scores = ranked["score"].to_numpy()
    lead = float((scores[:BEST] - scores.mean()).sum())
    share = float(parts["part"].to_numpy().sum()) / lead if lead else 0.0
    return Example(clicked, clicked["fans"], first["title"].to_list(), told.to_dicts(), share)


def _introduce(console: Console, dataset: Dataset, seed: int) -> None:
    facts = dataset.report
    console.print(
        f"[bold]A simulated marketplace[/]: {facts.users:,} people, {facts.items:,} items of {len(facts.domains)} "
        f"domains, {facts.events:,} events, all drawn by chance (seed {seed}). Nobody here is real: the figures show "
        "that everything works and how the learners differ, not what they would reach on your data.\n"
    )


def _tell(console: Console, told: Sequence[Example]) -> None:
    first = told[0]
    console.print(
        f"\n[bold]What one click changes[/] for a newcomer of whom nothing else is known ({DEFAULT})\n\n"
        f"Before any click the list begins with what most people like: {', '.join(first.before)}."
    )
    shared = max(first.after, key=lambda item: item["lift"])
    if shared["lift"] > 1:
        console.print(
            f"“{_crowd(shared, first.fans)}” below: of the {first.fans} people who like the clicked item, "
            f"{shared['both']} like this one too, {shared['lift']:.0f} times the share among everybody."
        )
    for example in told:
        console.print(f"\nA newcomer clicks [bold]{example.click['title']}[/] ({example.click['domain']}).\n")
        grid = Table("", "after", "before", "because", box=None, padding=(0, 2, 0, 0), pad_edge=False)
        for place, item in enumerate(example.after, 1):
            grid.add_row(f"{place:>3}", item["title"], f"{item['was']:>6,}", _because(item, example.fans))
        console.print(grid)
        console.print(f"     {min(example.share, 1.0):.0%} of their lead over the average item comes from the click.")


def _because(item: dict[str, Any], fans: int) -> str:
    common = [*item["words"], *([item["category"]] if item["same"] else [])]
    found = [f"also {', '.join(common)}"] if common else []
    found += [_crowd(item, fans)] if item["both"] and item["lift"] > 1 else []
    return "; ".join(found) or "what the model has learned of tastes"


def _crowd(item: dict[str, Any], fans: int) -> str:
    return f"{item['both']} of {fans}, {item['lift']:.0f}×"


def _conclude(console: Console) -> None:
    console.print(
        "\nAll of this was simulated. With an event log of your own, in a folder DATA with events.csv, .jsonl or "
        ".parquet (user_id, item_id, and if known type, value, time) and if known items and users:\n"
    )
    for line in (
        "firstlight check DATA",
        "firstlight evaluate DATA --learners popular,item-knn,anil,engine",
        "firstlight train DATA --out MODEL",
        "firstlight recommend MODEL --support EVENTS -n 20 --out recommendations.csv",
    ):
        console.print(f"  {line}", markup=False, soft_wrap=True)
