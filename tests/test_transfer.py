"""The learners between domains: the conformance suite, and each against a truth that is known."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from conformance import Conformance, support, tiny, training
from torch import Tensor

from firstlight.corpus import build_schema
from firstlight.dataset import read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.datasets.vocabulary import COMPLEMENTS
from firstlight.errors import DataError
from firstlight.learners.behaviour_transfer import BehaviourTransfer
from firstlight.learners.feature_transfer import FeatureTransfer
from firstlight.learners.finetune import Finetune
from firstlight.learners.joint import Joint
from firstlight.learners.joint_items import JointItems
from firstlight.learners.pairs import Twins, counted
from firstlight.learners.transfer import Gain, crossing, facts, halves, places, put_aside, switches
from firstlight.tasks import Corpus

SMALL: dict[str, Any] = {"embedding_size": 16, "steps": 60, "batch": 64, "negatives": 64}


class TestJointItems(Conformance):
    learner = JointItems()
    floor = 1.5


class TestJoint(Conformance):
    learner = Joint(size=32)
    floor = 1.3


class TestFinetune(Conformance):
    learner = Finetune(embedding_size=16, steps=60, batch=64, negatives=64, inner_steps=2)
    floor = 1.5
    exact = False


class TestFeatureTransfer(Conformance):
    learner = FeatureTransfer(embedding_size=16, steps=60, batch=64, negatives=64, inner_steps=2)
    floor = 1.5
    exact = False


class TestBehaviourTransfer(Conformance):
    learner = BehaviourTransfer(embedding_size=16, steps=60, batch=64)
    floor = 1.7
    exact = False


LEARNERS = [JointItems(), Joint(size=8), Finetune(embedding_size=8, steps=5, batch=8)]
each_of_them = pytest.mark.parametrize("learner", LEARNERS, ids=[learner.name for learner in LEARNERS])


def two_domains(rows: list[list[int]], n_items: int, first: int) -> Corpus:
    """Who likes what in which order; the ``first`` items are of domain 0, the others of 1."""
    corpus = tiny(rows, n_items)
    return Corpus(corpus.tasks, n_items, domains=(torch.arange(n_items) >= first).long())


@each_of_them
@pytest.mark.parametrize("shared", [True, False], ids=["one known in both", "nobody known in both"])
def test_a_domain_of_one_item_is_learned(learner: JointItems | Joint | Finetune, shared: bool) -> None:
    rows = [[0, 1, 2], [1, 2, 3], [0, 2, 3], [4], [0, 1, 4] if shared else [0, 1]]
    prior = learner.fit(two_domains(rows, 5, first=4))
    scores = learner.adapt(prior, support([[(0, 1.0)], [(4, 1.0)], []], 0)).scores()
    assert scores.shape == (3, 5)
    assert bool(scores.isfinite().all())
    assert prior.facts["switched_off"] == []


def test_items_of_no_domain_are_together_in_one() -> None:
    corpus = Corpus(tiny([[0]], 3).tasks, 3, domains=torch.tensor([1, -1, 0]))
    assert places(corpus).tolist() == [1, 2, 0]
    assert places(tiny([[0]], 3)).tolist() == [0, 0, 0]


def test_crossing_hides_the_target_of_those_known_in_both() -> None:
    corpus = two_domains([[4, 0, 5, 1], [0, 1], [5, 4], [2, 4]], 6, first=4)
    batch = crossing(corpus.tasks, places(corpus), 0, 1)
    assert batch.support.items.tolist() == [[0, 1], [2, 0]]
    assert batch.support.mask.tolist() == [[True, True], [True, False]]
    assert batch.query.tolist() == [[4, 5], [4, 0]]
    assert batch.query_mask.tolist() == [[True, True], [True, False]]
    assert len(crossing(tiny([[0], [1]], 2).tasks, torch.tensor([0, 1]), 0, 1)) == 0


def test_only_people_known_in_several_domains_are_put_aside() -> None:
    rows = [[0, 5] if number % 2 else [0, 1] for number in range(400)]
    corpus = two_domains(rows, 6, first=4)
    rest, aside = put_aside(corpus.tasks, places(corpus), seed=0)
    assert len(aside) == 40
    assert bool((aside % 2 == 1).all())
    assert sorted([*rest.tolist(), *aside.tolist()]) == list(range(400))
    assert len(put_aside(corpus.select(torch.arange(100)).tasks, places(corpus), seed=0)[1]) == 0


def test_a_source_that_does_harm_is_switched_off_and_named() -> None:
    chance = torch.Generator().manual_seed(0)
    figures = torch.rand(100, generator=chance)
    gains = [
        Gain.of(0, 1, figures - 0.1, figures),
        Gain.of(1, 0, figures + 0.1, figures),
        Gain.of(0, 2, figures, figures),
    ]
    assert facts(gains)["switched_off"] == [[0, 1]]
    assert switches(gains, torch.arange(3)).tolist() == [[1, 0, 1], [1, 1, 1], [1, 1, 1]]


def test_halves_are_apart_unless_there_is_one() -> None:
    left, right = halves(10, 0.8, seed=0)
    assert sorted([*left.tolist(), *right.tolist()]) == list(range(10))
    assert [len(part) for part in halves(1, 0.8, seed=0)] == [1, 1]


def crossed_tastes(meaningless: bool = False, people: int = 600) -> Corpus:
    """Items 0 to 19 are of one domain, 20 to 39 of the other; who likes the first half of a domain likes the first half
    of the other, or, where that is meaningless, any of it."""
    chance = np.random.default_rng(0)
    rows = []
    for person in range(people):
        half = person % 2 * 10
        here = half + chance.choice(10, 4, replace=False)
        there = 20 + half + chance.choice(10, 4, replace=False)
        if meaningless:
            there = 20 + chance.choice(20, 4, replace=False)
        rows.append([*here, *there] if person % 3 == 0 else [*here] if person % 3 == 1 else [*there])
    return two_domains([[int(item) for item in row] for row in rows], 40, first=20)


@pytest.mark.parametrize("learner", [JointItems(), Joint(size=8)], ids=["joint-items", "joint"])
def test_a_taste_is_carried_to_the_other_domain(learner: JointItems | Joint) -> None:
    prior = learner.fit(crossed_tastes())
    scores = learner.adapt(prior, support([[(0, 1.0), (3, 1.0)], [(13, 1.0), (15, 1.0)]], 0)).scores()
    assert float(scores[0, 20:30].min()) > float(scores[0, 30:].max())
    assert float(scores[1, 30:].min()) > float(scores[1, 20:30].max())


def test_joint_items_is_its_formula() -> None:
    rows = [[0, 1, 4], [0, 4, 5], [1, 0], [2, 5], [4, 0, 1]]
    corpus = two_domains(rows, 6, first=4)
    learner = JointItems(shrink=2.0, shrink_across=3.0, direction=0.5, cross=0.7, twins=False)
    scores = learner.adapt(learner.fit(corpus), support([[(0, 1.0), (4, 0.5)]], 0)).scores()[0]
    domain, both = np.array([0, 0, 0, 0, 1, 1]), [0, 1, 3, 4]
    expected = np.zeros(6)
    for item, grade in ((0, 1.0), (4, 0.5)):
        for other in range(6):
            across = domain[item] != domain[other]
            people = (
                both if across else [n for n, row in enumerate(rows) if any(domain[i] == domain[item] for i in row)]
            )
            after = sum(rows[n].index(item) < rows[n].index(other) for n in people if {item, other} <= {*rows[n]})
            before = sum(rows[n].index(item) > rows[n].index(other) for n in people if {item, other} <= {*rows[n]})
            likes, shrink = sum(item in rows[n] for n in people), 3.0 if across else 2.0
            share = sum(other in rows[n] for n in people) / len(people)
            chance = (1.5 * after + 0.5 * before + shrink * share) / (likes + shrink)
            expected[other] += grade * chance * (0.7 if across else 1.0)
    assert np.allclose(scores.numpy(), expected, atol=1e-5)


def test_complements_are_found_in_their_direction(tmp_path: Path) -> None:
    market = simulate(n_users=1_600, n_items=600, n_events=60_000, seed=3)
    dataset = read_dataset(market.write(tmp_path))
    schema = build_schema(dataset)
    corpus = schema.corpus(dataset)
    category = pl.DataFrame({"item_id": schema.item_ids}).join(market.items, "item_id", "left", maintain_order="left")
    named = category["category"].to_numpy()
    usual = corpus.tasks.item_counts(corpus.n_items).argsort().argsort() / corpus.n_items
    learner = JointItems(shrink=2.0, shrink_across=50.0, cross=0.3)
    prior = learner.fit(corpus)
    assert prior.facts["chosen"]["direction"] > 0

    def lift(source: str, target: str) -> float:
        """How much nearer to the top the items of ``target`` are after one of ``source`` than by popularity."""
        here, there = ((torch.from_numpy(named == name)).nonzero()[:, 0] for name in (source, target))
        known = support([[(int(item), 1.0)] for item in here], corpus.tasks.profile.shape[1])
        place = learner.adapt(prior, known).scores().argsort(1).argsort(1) / corpus.n_items
        return float((place[:, there] - usual[there]).mean())

    gaps = [lift(first, then) - lift(then, first) for first, then in COMPLEMENTS]
    assert min(gaps) > 0


def test_without_an_order_no_direction_is_seen() -> None:
    chance = np.random.default_rng(0)
    rows = [[int(item) for item in chance.permutation(30)[:6]] for _ in range(500)]
    assert not counted(tiny(rows, 30), 30).order_tells()
    assert counted(tiny([sorted(row) for row in rows], 30), 30).order_tells()


def with_twins() -> Corpus:
    """Item 5 of the second domain is item 0 of the first under another id: whoever likes the one likes the other."""
    chance = np.random.default_rng(0)
    rows = []
    for _ in range(90):  # too few to measure whether the one domain helps in the other
        row = [int(item) for item in {*chance.choice(5, 2, replace=False), *(5 + chance.choice(5, 2, replace=False))}]
        row = [item for item in row if item != 5]
        rows.append([*row, 5] if 0 in row else row)
    return two_domains(rows, 10, first=5)


def test_twins_are_found_and_passed_over_together() -> None:
    corpus = with_twins()
    twins = counted(corpus, 30).twins()
    assert twins.other[[0, 5]].tolist() == [5, 0]
    assert bool((twins.share[[0, 5]] > 0.9).all())
    assert float(twins.share[[1, 2, 3, 4, 6, 7, 8, 9]].max()) < 0.7
    known = support([[(1, 1.0)], [(0, 1.0)], [(1, 1.0), (6, 1.0)], []], 0)
    wanted = twins.wanted(known, places(corpus))
    assert (wanted[:, 5] < 0.1).tolist() == [True, False, False, False]
    learner = JointItems(direction=0.0)
    scores = learner.adapt(learner.fit(corpus), known).scores()
    assert int(scores[0, 5:].argmin()) == 0
    assert int(scores[1, 5:].argmax()) == 0


def test_a_transfer_is_judged_without_the_twins_of_what_is_known() -> None:
    corpus = two_domains([[0, 5, 6], [1, 6]], 10, first=5)
    twins = Twins(torch.tensor([5, 1, 2, 3, 4, 0, 6, 7, 8, 9]), torch.tensor([0.9] + [0.0] * 4 + [0.9] + [0.0] * 4))
    batch = twins.apart(crossing(corpus.tasks, places(corpus), 0, 1))
    assert batch.query[batch.query_mask].tolist() == [6, 6]


@pytest.mark.parametrize("meaningless", [True, False])
def test_joint_names_the_sources_that_it_gives_no_weight(meaningless: bool) -> None:
    prior = Joint(size=8).fit(crossed_tastes(meaningless))
    assert torch.tensor(prior.facts["weights"]).diagonal().tolist() == [1.0, 1.0]
    assert prior.facts["gains"]
    for gain in prior.facts["gains"]:
        named = [gain["source"], gain["target"]] in prior.facts["switched_off"]
        assert named == (gain["with"] <= gain["without"])


def test_a_head_alone_moves_and_what_is_frozen_does_not() -> None:
    learner = FeatureTransfer(**SMALL, inner_steps=3)
    assert learner.fast_names() == ("taste",)
    assert set(FeatureTransfer(**SMALL, body_share=0.1).fast_names()) == {"taste", "person_first", "person_second"}


def test_no_steps_are_behaviour_transfer_and_a_strong_pull_holds_the_weights() -> None:
    corpus = training()
    learner = BehaviourTransfer(**SMALL)
    prior = learner.fit(corpus, seed=1)
    known = support([[(4, 1.0), (9, 1.0)]], corpus.tasks.profile.shape[1])

    def moved(**settings: float) -> Tensor:
        tuned = FeatureTransfer(**SMALL).model_copy(update={"inner_lr": 0.05, **settings})
        return (tuned.adapt(prior, known).scores() - learner.adapt(prior, known).scores()).abs().sum()

    assert float(moved(inner_steps=0)) == 0
    assert 0 < float(moved(inner_steps=10, source_reg=10.0)) < 0.6 * float(moved(inner_steps=10, source_reg=0.0))


@pytest.mark.parametrize("learner", [FeatureTransfer(), BehaviourTransfer(), Joint(space="content")])
def test_without_content_it_says_what_is_missing(learner: FeatureTransfer | Joint) -> None:
    with pytest.raises(DataError, match=f"{learner.name} .*add an items file"):
        learner.fit(tiny([[0, 1], [1, 2]], 3))
