"""What there is to learn from the simulated marketplace, and the truth it is learned about."""

import numpy as np
import pytest

from firstlight.datasets.simulated import Marketplace, simulate
from firstlight.datasets.truth import Floats, Ints

DISCOUNT = 1 / np.log2(np.arange(2, 12))


@pytest.fixture(scope="module")
def market() -> Marketplace:
    return simulate()


def liked(market: Marketplace) -> list[Ints]:
    """The rows of the items each person liked, in the order of time."""
    users = market.users.select("user_id").with_row_index("user")
    items = market.items.select("item_id").with_row_index("item")
    rows = market.events.join(users, on="user_id").join(items, on="item_id").sort("time", maintain_order=True)
    lists = rows.unique(["user", "item"], keep="first", maintain_order=True).group_by("user").agg("item")
    out: list[Ints] = [np.empty(0, np.int64)] * users.height
    for user, likes in zip(lists["user"], lists["item"], strict=True):
        out[user] = likes.to_numpy().astype(np.int64)
    return out


def test_people_have_a_long_tail(market: Marketplace) -> None:
    counts = np.array([len(items) for items in liked(market)])
    assert 2_700 < (counts > 0).sum() < 3_150, "some people have no events"
    assert 10 <= np.median(counts[counts > 0]) <= 30
    assert np.quantile(counts[counts > 0], 0.05) <= 4 and np.quantile(counts, 0.99) >= 60


def test_items_have_a_long_tail(market: Marketplace) -> None:
    counts = np.sort(np.bincount(np.concatenate(liked(market)), minlength=market.items.height))[::-1]
    assert 0.4 < counts[: len(counts) // 5].sum() / counts.sum() < 0.8
    assert np.median(counts) < counts.mean()


def test_words_carry_taste(market: Marketplace) -> None:
    vectors = market.truth.item_vectors
    near = vectors @ vectors.T
    words = market.items["tags"].to_list()
    for place in (0, 1):
        word = np.array([tags[place] for tags in words])
        same = (word[:, None] == word) & ~np.eye(len(word), dtype=bool)
        assert near[same].mean() > near[~same].mean() + 0.35


def ndcg(scores: Floats, rows: list[Ints], shots: int) -> float:
    """Mean NDCG@10 of what each person likes after their first ``shots``."""
    gains = []
    for score, items in zip(scores, rows, strict=True):
        left = np.where(np.isin(np.arange(len(score)), items[:shots]), -np.inf, score)
        hits = np.isin(np.argsort(-left)[:10], items[shots:])
        gains.append((hits * DISCOUNT).sum() / DISCOUNT[: len(items) - shots].sum())
    return float(np.mean(gains))


def test_there_is_something_to_learn(market: Marketplace) -> None:
    """random < popular < popular among one's like < co-occurrence < the truth, by far."""
    rows = liked(market)
    people = np.flatnonzero([len(items) >= 15 for items in rows])[::3]
    known = np.zeros((market.users.height, market.items.height))
    for user in np.setdiff1d(np.arange(len(known)), people):
        known[user, rows[user]] = 1
    together = known.T @ known
    popular = together.diagonal().copy()
    similar = together / (np.sqrt(np.outer(popular, popular)) + 10)
    np.fill_diagonal(similar, 0)
    profile = market.truth.people.profile
    peers = np.stack([known.T @ (profile == profile[user]).mean(1) for user in people])
    test = [rows[user] for user in people]
    random = np.random.default_rng(0).random((len(people), known.shape[1]))

    def support(shots: int) -> Floats:
        return np.stack([similar[items[:shots]].sum(0) for items in test])

    everyone = np.broadcast_to(popular, random.shape)
    oracle = market.truth.scores(people)
    figures = {k: [ndcg(s, test, k) for s in (random, everyone, support(k), oracle)] for k in (1, 3, 5)}
    for floor, popularity, neighbours, truth in figures.values():
        assert 2 * floor < popularity < 0.15
        assert neighbours > 1.5 * popularity
        assert truth > 1.3 * neighbours
    assert figures[5][2] / figures[5][3] > figures[1][2] / figures[1][3], "more events teach more"
    assert ndcg(peers, test, 0) > 1.15 * ndcg(everyone, test, 0), "who somebody is tells what they like"


def test_preference_is_interest_times_click(market: Marketplace) -> None:
    truth, users = market.truth, np.array([4, 2, 9])
    interest = truth.interest(users)
    assert interest.sum(1) == pytest.approx(1)
    table = truth.preference(users[:, None], np.arange(market.items.height))
    assert table == pytest.approx(truth.scores(users))
    assert table == pytest.approx(interest[:, truth.item_category] * truth.click(users[:, None], np.arange(1_500)))
    one = truth.preference(4, 17, truth.start)
    assert one == pytest.approx(truth.scores([4], truth.start)[0, 17])


def test_best_is_what_has_arrived(market: Marketplace) -> None:
    truth = market.truth
    best = truth.best(np.arange(20), 30, truth.start)
    assert best.shape == (20, 30)
    assert (truth.arrival[best] <= np.datetime64(truth.start)).all()
    scores = np.take_along_axis(truth.scores(np.arange(20), truth.start), best, 1)
    assert (np.diff(scores) <= 0).all()


def test_newcomers_are_others_of_the_same_kind(market: Marketplace) -> None:
    others = market.truth.newcomers(2_000, seed=1)
    assert others.people.frame().columns == market.users.columns
    assert others.people.frame().height == len(others.scores(np.arange(2_000))) == 2_000
    old = market.users["age_group"] == "old"
    means = [market.truth.people.tastes[old].mean(0), others.people.tastes[others.people.profile[:, 0] == 2].mean(0)]
    assert np.corrcoef(*means)[0, 1] > 0.9
    assert not np.array_equal(others.people.tastes, market.truth.newcomers(2_000, seed=2).people.tastes)
