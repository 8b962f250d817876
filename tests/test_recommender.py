"""The recommender: who gets a list, what is in it, and that it is the same whoever else asks, saved or not."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import torch
from polars.testing import assert_frame_equal
from shops import recommender

from firstlight import modelfile
from firstlight.dataset import Dataset, read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.errors import DataError, ModelError
from firstlight.events import EVENT_SCHEMA
from firstlight.learners import make
from firstlight.recommender import NO_EVENTS, Recommender, people
from firstlight.settings import Feedback


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("market")
    return read_dataset(simulate(n_users=300, n_items=150, n_events=8_000, seed=1).write(folder))


@pytest.fixture(scope="module", params=["popular", "item-knn"])
def model(dataset: Dataset, request: pytest.FixtureRequest) -> Recommender:
    return Recommender.fit(dataset, make(request.param))


@pytest.fixture(scope="module")
def knn(dataset: Dataset) -> Recommender:
    return Recommender.fit(dataset, make("item-knn"))


def events_of(*rows: tuple[str, str] | tuple[str, str, str]) -> pl.DataFrame:
    """Clean events without times: (user, item) or (user, item, type)."""
    full = [(*row, "click")[:3] for row in rows]
    known = pl.DataFrame(full, schema=["user_id", "item_id", "type"], orient="row")
    return pl.concat([NO_EVENTS, known.cast(pl.String)], how="diagonal")


# --- who gets a list


def test_everybody_gets_one_list_of_n_different_items_best_first(model: Recommender, dataset: Dataset) -> None:
    lists = model.recommend(dataset.events, dataset.users, n=7)
    assert dict(lists.schema) == {
        "user_id": pl.String, "item_id": pl.String, "rank": pl.Int64, "score": pl.Float32
    }  # fmt: skip
    each = lists.group_by("user_id").agg(pl.col("rank").sort(), pl.col("item_id").n_unique(), pl.col("score"))
    assert set(each["user_id"]) == set(dataset.users["user_id"])
    assert each["rank"].to_list() == [list(range(1, 8))] * each.height
    assert (each["item_id"] == 7).all()
    assert all(scores.is_sorted(descending=True) for scores in each["score"])


def test_people_come_in_the_order_of_users_then_of_events(model: Recommender) -> None:
    users = pl.DataFrame({"user_id": ["z", "a"]})
    events = events_of(("m", "i000"), ("a", "i001"), ("b", "i001"))
    assert people(events, users).to_list() == ["z", "a", "m", "b"]
    assert model.recommend(events, users, n=1)["user_id"].to_list() == ["z", "a", "m", "b"]


def test_names_says_who(model: Recommender) -> None:
    lists = model.recommend(events_of(("a", "i001")), names=pl.Series(["never seen", "a", "never seen"]), n=2)
    assert lists["user_id"].to_list() == ["never seen"] * 2 + ["a"] * 2


def test_nobody_gets_nothing(model: Recommender) -> None:
    lists = model.recommend()
    assert lists.is_empty() and lists.columns == ["user_id", "item_id", "rank", "score"]


def test_somebody_without_events_gets_what_is_popular(model: Recommender, dataset: Dataset) -> None:
    grade = Feedback().grade() > 0
    fans = dataset.events.filter(grade).select("user_id", "item_id").unique().group_by("item_id").len()
    shown = model.recommend(users=pl.DataFrame({"user_id": ["new"]}), n=10)["item_id"]
    assert fans.filter(pl.col("item_id").is_in(shown.implode()))["len"].min() == fans["len"].top_k(10).min()


# --- what is in it


def test_nothing_of_the_support_is_recommended_liked_or_not(model: Recommender, dataset: Dataset) -> None:
    kinds = pl.int_range(pl.len()).replace_strict({0: "impression", 1: "rate"}, default=pl.col("type"))
    mixed = dataset.events.with_columns(type=kinds, value=pl.lit(1.0, pl.Float32))
    lists = model.recommend(mixed, n=150)
    assert lists.join(mixed, on=["user_id", "item_id"], how="semi").is_empty()
    seen = mixed.join(model.items, on="item_id", how="semi").group_by("user_id").agg(pl.col("item_id").n_unique())
    counts = lists.group_by("user_id").len().join(seen, on="user_id")
    assert (counts["len"] + counts["item_id"] == 150).all()


def test_only_candidates_are_recommended_and_fewer_than_n_are_a_short_list(model: Recommender) -> None:
    candidates = pl.Series(["i003", "i005", "i007", "unheard of"])
    lists = model.recommend(events_of(("a", "i005"), ("b", "i001")), candidates=candidates, n=20)
    assert {who[0]: set(part["item_id"]) for who, part in lists.group_by("user_id")} == {
        "a": {"i003", "i007"},
        "b": {"i003", "i005", "i007"},
    }
    assert lists["rank"].to_list() == [1, 2, 1, 2, 3]
    assert model.recommend(events_of(("a", "i005")), candidates=pl.Series(["unheard of"])).is_empty()


def test_items_that_the_model_does_not_know_change_nothing(model: Recommender) -> None:
    known, more = events_of(("a", "i005")), events_of(("a", "i005"), ("a", "unheard of"), ("b", "unheard of"))
    assert_frame_equal(model.recommend(known), model.recommend(more, names=pl.Series(["a"])))
    assert model.unknown(pl.Series(["x", "i005", "y", "x"])).to_list() == ["x", "y"]


def test_equal_scores_are_in_an_order_drawn_from_the_seed_and_the_person() -> None:
    popular = recommender("popular")
    alike = {name: torch.zeros_like(values) for name, values in popular.prior.tensors.items()}
    constant = replace(popular, prior=replace(popular.prior, tensors=alike))
    names = pl.Series([f"n{number}" for number in range(50)])
    first, again, other = (constant.recommend(names=names, n=5, seed=seed) for seed in (0, 0, 1))
    assert_frame_equal(first, again)
    assert not first.equals(other)
    assert first.group_by("user_id").agg("item_id")["item_id"].n_unique() == 50


def test_events_that_the_reader_has_not_read_are_refused(knn: Recommender) -> None:
    with pytest.raises(DataError, match="The events have no column 'type': read them with read_events"):
        knn.recommend(pl.DataFrame({"user_id": ["a"], "item_id": ["i001"]}))


# --- the same, whoever else asks


def test_people_together_and_alone_get_the_same(
    model: Recommender, dataset: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = model.recommend(dataset.events, dataset.users, n=5)
    monkeypatch.setattr("firstlight.ranking.CHUNK_TASKS", 7)
    assert_frame_equal(model.recommend(dataset.events, dataset.users, n=5), together)
    for name in ("u000", "u150", "u299"):
        alone = model.recommend(dataset.events, dataset.users, names=pl.Series([name]), n=5)
        assert_frame_equal(alone, together.filter(pl.col("user_id") == name))


def test_a_model_that_was_saved_gives_the_same_lists(model: Recommender, dataset: Dataset, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    loaded = Recommender.load(tmp_path / "model")
    assert loaded.learner == model.learner
    assert_frame_equal(loaded.recommend(dataset.events, dataset.users), model.recommend(dataset.events, dataset.users))
    assert loaded.items is not None and model.items is not None
    assert_frame_equal(loaded.items, model.items)


def test_a_model_names_nobody(model: Recommender, dataset: Dataset, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    saved = b"".join(path.read_bytes() for path in (tmp_path / "model").iterdir())
    assert not any(name.encode() in saved for name in dataset.users["user_id"])


def test_feedback_is_kept_with_the_model(dataset: Dataset, tmp_path: Path) -> None:
    feedback = Feedback(weights={"click": 0.0}, like_from=3.0)
    Recommender.fit(dataset, make("popular"), feedback=feedback).save(tmp_path / "model")
    assert Recommender.load(tmp_path / "model").schema.feedback == feedback


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"learner": "unheard-of"}, "needs another version of firstlight"),
        ({"settings": {"unheard_of": 1}}, "needs another version of firstlight"),
        ({"learner": 7}, "does not say the learner"),
        ({"feedback": None}, "train again"),
    ],
)
def test_a_model_that_cannot_be_used_is_refused(
    knn: Recommender, tmp_path: Path, change: Mapping[str, object], said: str
) -> None:
    knn.save(tmp_path / "model")
    tensors, document, tables = modelfile.load(tmp_path / "model")
    modelfile.save(tmp_path / "model", tensors, {**document, **change}, tables)
    with pytest.raises(ModelError, match=said):
        Recommender.load(tmp_path / "model")


def test_nothing_liked_is_said_before_training(dataset: Dataset) -> None:
    weights = dict.fromkeys(("click", "cart", "favourite", "purchase"), 0.0)
    with pytest.raises(DataError, match=r"None of the 7,\d+ events \(cart, click, favourite, purchase\) counts"):
        Recommender.fit(dataset, make("popular"), feedback=Feedback(weights=weights))


# --- similar items


def test_similar_items_are_what_somebody_gets_who_likes_just_this(knn: Recommender) -> None:
    near = knn.similar("i010", n=5)
    assert near.columns == ["item_id", "rank", "score"]
    assert near["rank"].to_list() == [1, 2, 3, 4, 5]
    assert "i010" not in near["item_id"]
    assert near["item_id"].to_list() == knn.recommend(events_of(("", "i010")), n=5)["item_id"].to_list()
    with pytest.raises(DataError, match="does not know the item 'unheard of'"):
        knn.similar("unheard of")


def test_events_have_the_schema_that_the_reader_gives() -> None:
    assert dict(NO_EVENTS.schema) == dict(EVENT_SCHEMA)


def test_what_was_switched_off_is_named() -> None:
    model = recommender("item-knn")
    domains = model.schema.domains
    assert domains is not None
    assert model.switched_off == []
    facts = {**model.prior.facts, "switched_off": [[0, 1], 2]}
    found = replace(model, prior=replace(model.prior, facts=facts)).switched_off
    assert found == [(domains[0], domains[1]), (None, domains[2])]
