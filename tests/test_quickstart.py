"""The quickstart: what it says, in what width, and that it says that the data are simulated."""

import io
import re

import pytest
from rich.console import Console

from firstlight import quickstart
from firstlight.dataset import Dataset
from firstlight.learners import DEFAULT, make
from firstlight.recommender import Recommender


@pytest.fixture(scope="module")
def told() -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(quickstart, "JUDGE_SECONDS", 2.0)
        patch.setattr(quickstart, "TRAIN_SECONDS", 2.0)
        console = Console(file=io.StringIO(), width=80, highlight=False)
        quickstart.run(users=400, seed=0, console=console)
    return console.file.getvalue()


def test_it_says_first_and_last_that_the_data_are_simulated(told: str) -> None:
    first, *_, last = [part for part in re.split(r"\n\s*\n", told) if part.strip() and "firstlight" not in part]
    assert "simulated" in first and "simulated" in last


def test_every_learner_has_a_row_at_every_number_of_events(told: str) -> None:
    assert all(f"{shots} event" in told for shots in (0, 1, 3, 5))
    for name in (*quickstart.BESIDE, DEFAULT):
        (row,) = re.findall(rf"^ {name} .*$", told, re.MULTILINE)
        assert len(re.findall(r"\.\d{3} ±\.\d{3}", row)) >= 4


def test_three_newcomers_click(told: str) -> None:
    clicks = re.findall(r"^A newcomer clicks (.+) \((.+)\)\.$", told, re.MULTILINE)
    assert [domain for _, domain in clicks] == list(quickstart.DOMAINS)
    assert len(re.findall(r"^  [1-4]  \w", told, re.MULTILINE)) == 12


def test_it_fits_a_terminal_of_80_columns(told: str) -> None:
    assert max(map(len, told.splitlines())) <= 80


def test_it_says_what_to_do_with_data_of_ones_own(told: str) -> None:
    commands = re.findall(r"^  firstlight (\w+)", told, re.MULTILINE)
    assert commands == ["check", "evaluate", "train", "recommend"]


@pytest.fixture(scope="module")
def market() -> Dataset:
    return quickstart.marketplace(400, seed=0)


def test_the_examples_are_what_the_model_recommends_and_what_the_data_say(market: Dataset) -> None:
    model = Recommender.fit(market, make("item-knn"))
    for example in quickstart.examples(model, market, seed=3):
        scores = [item["score"] for item in example.after]
        assert scores == model.similar(example.click["item_id"], n=quickstart.BEST)["score"].to_list()
        fans = set(market.events.filter(item_id=example.click["item_id"])["user_id"])
        assert example.fans == len(fans)
        assert 0.9 < example.share <= 1.1  # item-kNN knows nothing but the click
        for item in example.after:
            both = fans & set(market.events.filter(item_id=item["item_id"])["user_id"])
            assert item["both"] == len(both)
            assert set(item["words"]) == set(item["tags"]) & set(example.click["tags"])
            assert 1 <= item["was"] <= len(model.schema.item_ids)


def test_the_same_seed_tells_the_same(market: Dataset) -> None:
    model = Recommender.fit(market, make("item-knn"))
    first, again, other = (quickstart.examples(model, market, seed) for seed in (1, 1, 2))
    assert first == again
    assert first != other
