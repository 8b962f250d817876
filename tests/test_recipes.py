"""Recipes: each is what it says, runs through the command line on the simulated marketplace, and adapts."""

import tomllib
from pathlib import Path

import polars as pl
import pytest
import torch
from typer.testing import CliRunner

from firstlight import recipes
from firstlight.cli import app
from firstlight.corpus import build_schema
from firstlight.dataset import Dataset, read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.errors import DataError, SettingsError
from firstlight.learners import LEARNERS
from firstlight.recommender import Recommender
from firstlight.settings import Feedback

NAMES = ("apparel-guide", "cross-category-attention", "cross-category-transfer", "cross-domain-maml", "toys-mamo")
TRAINED = ("steps=30", "batch=32", "embedding_size=16")
QUICK = {"apparel-guide": ("ridge_steps=10", "encoder_steps=10"), "cross-category-transfer": ("size=8",)}


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return simulate(n_users=400, n_items=200, n_events=10_000, seed=5).write(tmp_path_factory.mktemp("shop"))


def test_the_recipes_are_those_that_are_promised() -> None:
    assert recipes.names() == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_recipe_is_printed_as_it_is_read(name: str) -> None:
    printed = CliRunner().invoke(app, ["recipe", name])
    assert printed.exit_code == 0
    assert recipes.Recipe.model_validate(tomllib.loads(printed.stdout)) == recipes.recipe(name)
    assert type(recipes.recipe(name).make()) is LEARNERS[recipes.recipe(name).learner]


def test_without_a_name_all_are_listed() -> None:
    listed = CliRunner().invoke(app, ["recipe"]).stdout.splitlines()
    assert [line.split()[0] for line in listed] == list(NAMES)


def test_settings_go_before_those_of_the_recipe() -> None:
    learner = recipes.recipe("cross-domain-maml").make({"patience": 9, "steps": 5})
    assert (learner.model_dump()["patience"], learner.model_dump()["steps"]) == (9, 5)


def test_a_name_that_is_not_there_is_refused_in_words() -> None:
    with pytest.raises(SettingsError, match="choose one of apparel-guide"):
        recipes.recipe("toys")


@pytest.mark.parametrize("name", NAMES)
def test_each_runs_on_the_simulated_marketplace(name: str, shop: Path, tmp_path: Path) -> None:
    options = [part for setting in QUICK.get(name, TRAINED) for part in ("--set", setting)]
    model, lists = tmp_path / "model", tmp_path / "lists.csv"
    trained = CliRunner().invoke(app, ["train", str(shop), "--recipe", name, "--out", str(model), *options])
    assert trained.exit_code == 0, trained.output
    told = ["recommend", str(model), "--support", str(shop / "events.parquet"), "-n", "3", "--out", str(lists)]
    assert CliRunner().invoke(app, told).exit_code == 0
    assert pl.read_csv(lists).group_by("user_id").len()["len"].unique().to_list() == [3]


def test_a_recipe_and_a_learner_do_not_go_together(shop: Path, tmp_path: Path) -> None:
    command = ["train", str(shop), "--recipe", "toys-mamo", "--learner", "maml", "--out", str(tmp_path / "m")]
    refused = CliRunner().invoke(app, command)
    assert refused.exit_code != 0
    assert "leave --learner out" in refused.output


def test_stars_are_graded_by_the_recipe() -> None:
    stars = pl.DataFrame({"type": ["rate"] * 4, "value": [5.0, 4.0, 3.0, 1.0]})
    graded = stars.select(Feedback(graded=True).grade())["grade"].to_list()
    assert graded == pytest.approx([0.5, 1 / 6, -1 / 6, -5 / 6])
    assert stars.select(Feedback().grade())["grade"].to_list() == pytest.approx([1, 1, -1 / 6, -5 / 6])


def test_tasks_within_a_category_are_about_its_items_alone(shop: Path) -> None:
    dataset = read_dataset(shop)
    corpus = build_schema(dataset).corpus(dataset, within="category")
    people = build_schema(dataset).corpus(dataset).tasks
    assert corpus.pools is not None
    assert corpus.pool is not None
    assert bool((corpus.pool[: len(people)] == -1).all())
    within = corpus.tasks.select(torch.arange(len(people), len(corpus.tasks)))
    assert int(within.indptr[-1]) == int(people.indptr[-1])
    assert torch.equal(corpus.pools[within.items], corpus.pool[len(people) :][within.owner])


def test_tasks_within_a_category_need_categories(shop: Path) -> None:
    dataset = read_dataset(shop)
    bare = Dataset(dataset.events, None, dataset.users, dataset.report, dataset.rejected)
    with pytest.raises(DataError, match="column 'category'"):
        build_schema(bare).corpus(bare, within="category")


def held_out(shop: Path) -> tuple[Dataset, pl.DataFrame]:
    """The data without the events of the second largest domain, and those of people with at least eight there."""
    dataset = read_dataset(shop)
    assert dataset.items is not None
    events = dataset.events.drop("domain", strict=False).join(dataset.items.select("item_id", "domain"), on="item_id")
    unseen = events["domain"].value_counts(sort=True)["domain"][1]
    there = events.filter(pl.col("domain") == unseen).unique(["user_id", "item_id"], maintain_order=True)
    known = dataset.events.filter(~pl.col("item_id").is_in(there["item_id"].unique().to_list()))
    left = Dataset(known, dataset.items, dataset.users, dataset.report, dataset.rejected)
    return left, there.filter(pl.len().over("user_id") >= 8).select(dataset.events.columns)


def found(model: Recommender, there: pl.DataFrame, adapted: bool) -> torch.Tensor:
    """(T,) how many of the first ten of the new domain's items a person goes on to like after their first five."""
    first, names = pl.int_range(pl.len()).over("user_id") < 5, there["user_id"].unique().sort()
    support, query = there.filter(first), there.filter(~first)
    known = support if adapted else support.clear()
    lists = model.recommend(known, n=15, candidates=there["item_id"].unique(), names=names)
    lists = lists.join(support, on=["user_id", "item_id"], how="anti").sort("user_id", "rank")
    hits = lists.group_by("user_id").head(10).join(query, on=["user_id", "item_id"], how="semi")
    counts = hits.group_by("user_id").len()
    every = pl.DataFrame({"user_id": names}).join(counts, on="user_id", how="left", maintain_order="left")
    return torch.tensor(every["len"].fill_null(0).to_list()).float()


def test_maml_over_domains_adapts_to_one_never_seen(tmp_path: Path) -> None:
    """Items of the new domain are known by content alone, and five events there say which of them to recommend."""
    shop = simulate(n_users=2_000, n_items=1_000, n_events=80_000, seed=2).write(tmp_path / "shop")
    known, there = held_out(shop)
    plan = recipes.recipe("cross-domain-maml")
    learner = plan.make({"steps": 100, "batch": 64, "embedding_size": 24})
    model = Recommender.fit(known, learner, within=plan.within)
    adapted = found(model, there, adapted=True)
    by_chance = 10 * (there.height / there["user_id"].n_unique() - 5) / there["item_id"].n_unique()
    assert float(adapted.mean()) > 1.5 * by_chance
    gain = adapted - found(model, there, adapted=False)
    assert float(gain.mean() - 2 * gain.std() / len(gain) ** 0.5) > 0


REAL = [
    ("cross-category-attention", "completejourney"),
    ("toys-mamo", "amazon-toys-beauty"),
    ("toys-mamo", "ml-100k"),
    ("cross-domain-maml", "amazon-toys-beauty"),
    ("cross-category-transfer", "amazon-toys-beauty"),
    ("apparel-guide", "ml-100k"),
]


@pytest.mark.parametrize(("name", "data"), REAL)
def test_each_runs_on_real_data(name: str, data: str, shared_data: Path, tmp_path: Path) -> None:
    quick = QUICK.get(name, ("steps=3", "batch=16", "embedding_size=8"))
    options = [part for setting in quick for part in ("--set", setting)]
    folder = shared_data / data
    trained = CliRunner().invoke(
        app, ["train", str(folder), "--recipe", name, "--out", str(tmp_path / "model"), *options]
    )
    assert trained.exit_code == 0, trained.output
    users = tmp_path / "users.csv"
    users.write_text("user_id\nsomebody new\n")
    told = ["recommend", str(tmp_path / "model"), "--users", str(users), "--out", str(tmp_path / "lists.csv")]
    assert CliRunner().invoke(app, told).exit_code == 0
    assert pl.read_csv(tmp_path / "lists.csv").height == 20
