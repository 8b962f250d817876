"""The engine taken to a new place from a handful of its events."""

from dataclasses import replace

import polars as pl
import pytest
import torch
from conformance import support, tiny, training
from test_engine import QUICK

from firstlight.adapting import adapted
from firstlight.datasets.simulated import simulate
from firstlight.errors import DataError, SettingsError
from firstlight.learners import make
from firstlight.learners.base import Prior
from firstlight.learners.local import cases, learned, localised
from firstlight.ranking import top
from firstlight.recommender import Recommender
from firstlight.tasks import Corpus


@pytest.fixture(scope="module")
def prior() -> Prior:
    return QUICK.fit(training(), seed=1)


def local(n_people: int, liked: list[int]) -> Corpus:
    """People of the place, who like what popularity elsewhere does not foresee."""
    rows = [[*liked, n % 5] for n in range(n_people)]
    corpus = tiny(rows, training().n_items)
    return replace(
        corpus, tasks=replace(corpus.tasks, profile=torch.zeros(n_people, training().tasks.profile.shape[1]))
    )


def test_half_of_what_a_person_likes_inside_is_to_be_found() -> None:
    likes = tiny([[0, 1, 2, 9], [9], [3]], 10).tasks
    inside = torch.arange(10) < 5
    batch = cases(likes, inside)
    assert batch.query[batch.query_mask].tolist() == [1, 2, 3]
    assert batch.support.items[batch.support.mask].tolist() == [0, 9]
    assert not len(cases(likes, torch.zeros(10, dtype=torch.bool)))


def test_what_is_liked_in_a_place_comes_first_there(prior: Prior) -> None:
    counts = training().tasks.item_counts(training().n_items)
    rare = counts.argsort()[:3].tolist()
    nobody = support([[]], training().tasks.profile.shape[1])
    everything = torch.ones(training().n_items, dtype=torch.bool)
    after = localised(prior, local(200, rare), everything)
    best = top(QUICK.adapt(after, nobody).scores(), 3)[0].tolist()
    before = top(QUICK.adapt(prior, nobody).scores(), 3)[0].tolist()
    assert set(best) == set(rare)
    assert not set(before) & set(rare)


def test_a_handful_of_people_moves_a_little_and_nobody_nothing(prior: Prior) -> None:
    nobody = support([[]], training().tasks.profile.shape[1])
    everything = torch.ones(training().n_items, dtype=torch.bool)
    rare = int(training().tasks.item_counts(training().n_items).argmin())

    def place(people: int) -> int:
        scores = QUICK.adapt(localised(prior, local(people, [rare]), everything), nobody).scores()[0]
        return int((scores > scores[rare]).sum())

    assert place(50) < place(3) <= place(0)
    assert localised(prior, local(0, []), everything) is prior


def test_local_members_learn_of_the_place_alone() -> None:
    inside = torch.arange(training().n_items) < 3
    found = learned(local(20, [1, 2, 9]), inside, torch.arange(20))
    counts = found["local-popular"].tensors["counts"]
    assert counts[3:].sum() == 0
    assert counts[1] >= 20 and counts[2] >= 20


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Recommender, pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """A model that has never seen the marketplace's new category; the category's items, events and the people."""
    from firstlight.dataset import read_dataset

    market = simulate(n_users=500, n_items=151, n_events=14_000, seed=3)
    folder = tmp_path_factory.mktemp("shop")
    market.write(folder)
    whole = read_dataset(folder)
    assert whole.items is not None and whole.users is not None
    new = whole.items.filter(pl.col("category") == market.truth.new_category)
    known = whole.items.filter(pl.col("category") != market.truth.new_category)
    there = pl.col("item_id").is_in(new["item_id"].implode())
    model = Recommender.fit(replace(whole, events=whole.events.filter(~there), items=known), QUICK)
    people = whole.events.filter(there)["user_id"].unique()
    return model, new, whole.events.filter(pl.col("user_id").is_in(people.implode())), whole.users


def test_a_new_item_can_be_recommended_in_the_next_call(
    shop: tuple[Recommender, pl.DataFrame, pl.DataFrame, pl.DataFrame],
) -> None:
    model, new, events, _ = shop
    grown = model.with_items(new)
    lists = grown.recommend(events, candidates=new["item_id"], n=3)
    assert set(lists["item_id"]) <= set(new["item_id"])
    assert grown.with_items(new) is grown
    assert grown.items is not None and set(new["item_id"]) <= set(grown.items["item_id"])
    old = events.filter(pl.col("item_id").is_in(model.schema.item_ids.implode()))
    before = model.recommend(old, n=5, candidates=model.schema.item_ids)
    after = grown.recommend(old, n=5, candidates=model.schema.item_ids)
    assert before["item_id"].to_list() == after["item_id"].to_list()


def test_a_model_takes_a_category_in(shop: tuple[Recommender, pl.DataFrame, pl.DataFrame, pl.DataFrame]) -> None:
    model, new, events, users = shop
    found = adapted(model, events, "category", items=new, users=users)
    assert found.items == new.height
    assert found.learned + found.held_out == found.people
    assert (len(found.gained) > 0) == (found.held_out > 0)
    for gained in found.gained.values():
        assert gained.difference.mean == pytest.approx(gained.after.mean - gained.before.mean, abs=1e-6)
    assert set(new["item_id"]) <= set(found.model.schema.item_ids)
    assert found.model.recommend(events, n=3).height


def test_a_place_that_cannot_be_taken_in_is_refused(
    shop: tuple[Recommender, pl.DataFrame, pl.DataFrame, pl.DataFrame],
) -> None:
    model, new, events, _ = shop
    with pytest.raises(SettingsError, match="no kind 'street'"):
        adapted(model, events, "street")  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="one of popular, and only engine"):
        adapted(replace(model, learner=make("popular")), events, "group")
    with pytest.raises(DataError, match="None of the 0 events is a like"):
        adapted(model, events.clear(), "category", items=new)
    with pytest.raises(DataError, match="knows no domain of its items"):
        adapted(replace(model, items=None), events, "domain")
