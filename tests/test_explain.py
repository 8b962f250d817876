"""Reasons: what each event added to a score, exactly or by leaving it out, and in words."""

from typing import ClassVar

import polars as pl
import pytest
import torch
from shops import Fixed, clicks, frame, market, recommender

from firstlight.budget import Budget, Progress, silent
from firstlight.explain import in_words, reasons
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.recommender import Recommender
from firstlight.tasks import Corpus, Support


class Linear(Learner):
    """score(j) = Σ grade · sin(i + j), which it tells nobody, stretched and shifted with every event."""

    name: ClassVar[str] = "linear"
    summary: ClassVar[str] = "for tests"
    stretch: float = 1.0

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        place = torch.arange(corpus.n_items)
        return self.prior({"votes": torch.sin(place[:, None] + place.float())})

    def adapt(self, prior: Prior, support: Support) -> Preference:
        parts = prior.tensors["votes"][support.items] * (support.grades * support.mask)[:, :, None]
        shots = support.shots()[:, None]
        return Fixed(parts.sum(1) * self.stretch**shots + shots * (self.stretch - 1))


def test_leaving_one_event_out_finds_what_it_did_to_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    linear = Recommender.fit(market(), Linear())
    events = frame([*clicks("i001", "i002", user="a"), *clicks("i003", user="b")])
    lists = linear.recommend(events, pl.DataFrame({"user_id": ["c"]}), n=4)
    monkeypatch.setattr("firstlight.ranking.CHUNK_TASKS", 2)
    parts = reasons(linear, lists, events)
    assert not parts["exact"].any()
    found = parts.filter(pl.col("event").is_not_null())
    assert dict(found.group_by("user_id").len().iter_rows()) == {"a": 8, "b": 4}
    only = found.filter(user_id="b").join(lists, on=["user_id", "item_id"])
    assert only["part"].to_list() == pytest.approx(only["score"].to_list(), abs=0.02)  # its mean is nearly 0
    both = {(item, event): part for _, item, event, part, _ in found.filter(user_id="a").iter_rows()}
    place = {name: float(number) for number, name in enumerate(linear.schema.item_ids)}
    for item in lists.filter(user_id="a")["item_id"]:
        votes = [torch.sin(torch.tensor(place[item] + place[event])) for event in ("i001", "i002")]
        assert (both[item, "i001"] > both[item, "i002"]) == bool(votes[0] > votes[1])


def test_an_event_that_stretches_the_whole_list_is_no_reason() -> None:
    events = frame(clicks("i001", "i002", "i004", user="a"))
    plain, stretched = (Recommender.fit(market(), Linear(stretch=stretch)) for stretch in (1.0, 3.0))
    lists = [model.recommend(events, n=4) for model in (plain, stretched)]
    assert lists[0]["item_id"].to_list() == lists[1]["item_id"].to_list()
    ours, theirs = (
        reasons(model, shown, events).drop_nulls("event").sort("item_id", "event")["part"]
        for model, shown in zip((plain, stretched), lists, strict=True)
    )
    assert (theirs / 27).to_list() == pytest.approx(ours.to_list(), abs=1e-4)


def test_exact_parts_and_left_out_parts_agree_for_a_sum_and_add_up() -> None:
    knn, events = recommender(), market().events.filter(pl.col("user_id").is_in(["u001", "u002", "u003", "u004"]))
    lists = knn.recommend(events, n=5)
    parts = reasons(knn, lists, events)
    assert parts["exact"].all()
    total = parts.group_by("user_id", "item_id").agg(pl.col("part").sum())
    both = lists.join(total, on=["user_id", "item_id"])
    assert both.height == lists.height
    assert both["part"].to_list() == pytest.approx(both["score"].to_list(), abs=1e-5)


def test_a_reason_in_words_names_the_strongest_events_by_title_and_sums_up() -> None:
    lists = pl.DataFrame({"user_id": ["u", "u"], "item_id": ["x", "y"], "rank": [1, 2], "score": [3.5, 1.0]})
    told = [("x", "a", 2.0), ("x", "b", -0.5), ("x", "c", 0.25), ("x", "d", 1.0), ("x", None, 0.75), ("y", None, 1.0)]
    parts = pl.DataFrame(
        [("u", item, event, part, True) for item, event, part in told],
        schema=["user_id", "item_id", "event", "part", "exact"],
        orient="row",
    )
    items = pl.DataFrame({"item_id": ["a", "d"], "title": ["wooden train", "doll"]})
    words = in_words(parts, lists, items)
    assert words.columns == [*lists.columns, "because"]
    assert words["because"].to_list() == ["wooden train +2.0, doll +1.0, b −0.5, the rest +1.0", "the rest +1.0"]
    assert in_words(parts, lists)["because"][0].startswith("a +2.0, d +1.0")
