"""The bridges for people known in several domains: the conformance suite, and a bridge that is known."""

import numpy as np
import pytest
import torch
from conformance import Conformance, support, tiny

from firstlight.learners.emcdr import Emcdr
from firstlight.learners.ptupcdr import Ptupcdr
from firstlight.learners.spaces import spaces, standing
from firstlight.learners.transfer import crossing
from firstlight.tasks import Corpus

BRIDGES = [Emcdr(factors=4), Ptupcdr(factors=4, steps=60)]
each_of_them = pytest.mark.parametrize("learner", BRIDGES, ids=[learner.name for learner in BRIDGES])


class TestEmcdr(Conformance):
    learner = Emcdr(factors=16)
    floor = 1.4
    exact = False


class TestPtupcdr(Conformance):
    learner = Ptupcdr(factors=8, steps=25)
    floor = 1.3
    exact = False


def halves_swapped(people: int = 900) -> Corpus:
    """Who likes the first ten items of domain 0 likes the last ten of domain 1, and the other way round."""
    chance, rows = np.random.default_rng(0), []
    for person in range(people):
        half = person % 2 * 10
        here = half + chance.choice(10, 4, replace=False)
        there = 30 - half + chance.choice(10, 4, replace=False)
        row = [*here, *there] if person % 3 == 0 else [*here] if person % 3 == 1 else [*there]
        rows.append([int(item) for item in row])
    return Corpus(tiny(rows, 40).tasks, 40, domains=(torch.arange(40) >= 20).long())


@each_of_them
def test_the_bridge_is_found(learner: Emcdr) -> None:
    prior = learner.fit(halves_swapped())
    assert prior.facts["switched_off"] == []
    assert all(gain["with"] > 1.3 * gain["without"] for gain in prior.facts["gains"])
    scores = learner.adapt(prior, support([[(0, 1.0), (3, 1.0)], [(13, 1.0), (15, 1.0)]], 0)).scores()
    assert float(scores[0, 30:].min()) > float(scores[0, 20:30].max())
    assert float(scores[1, 20:30].min()) > float(scores[1, 30:].max())


@each_of_them
def test_events_of_ones_own_outweigh_the_bridge(learner: Emcdr) -> None:
    prior = learner.fit(halves_swapped())
    contrary = [(0, 1.0), *((item, 1.0) for item in range(20, 29))]
    scores = learner.adapt(prior, support([contrary], 0)).scores()[0]
    assert float(scores[29]) > float(scores[30:].max())


@each_of_them
@pytest.mark.parametrize("rows", [[[0, 1], [2, 3]], [[0], [1], [3]], [[0, 3]]], ids=["apart", "alone", "one person"])
def test_without_people_in_common_popularity_speaks(learner: Emcdr, rows: list[list[int]]) -> None:
    corpus = Corpus(tiny(rows, 4).tasks, 4, domains=torch.tensor([0, 0, 1, 1]))
    prior = learner.fit(corpus)
    assert not prior.tensors["used"].any()
    scores = learner.adapt(prior, support([[(0, 1.0)], []], 0)).scores()
    assert bool(scores.isfinite().all())
    assert torch.allclose(scores[1], corpus.tasks.item_counts(4) / len(rows), atol=1e-6)


def test_standing_is_the_posterior_of_a_gaussian() -> None:
    corpus = halves_swapped(300)
    found = spaces(corpus.tasks, (torch.arange(40) >= 20).long(), 4, noise=5.0, seed=0)
    items = torch.tensor([2, 5, 9])
    mean = torch.tensor([[0.1, -0.2, 0.3, 0.0]])
    got = standing(found, 0, support([[(2, 1.0), (5, 1.0), (9, -1.0), (25, 1.0)]], 0), mean)[0]
    covariance, rows = found.roots[0] @ found.roots[0].T, found.vectors[items]
    kernel = rows @ covariance @ rows.T + found.noise[0] ** 2 * torch.eye(3)
    gap = torch.tensor([1.0, 1.0, -1.0]) - found.popularity[items] / found.people[0] - rows @ mean[0]
    assert torch.allclose(got, mean[0] + covariance @ rows.T @ torch.linalg.solve(kernel, gap), atol=1e-4)


def test_the_personal_bridge_can_be_learned() -> None:
    """Whether tastes are kept or swapped depends on one item of the history, which no linear bridge can tell."""
    chance, rows = np.random.default_rng(0), []
    for person in range(1_500):
        swapped, half = person % 2, person // 2 % 2
        here = [*(half * 10 + chance.choice(10, 5, replace=False)), 20 + swapped]
        rows.append(
            [int(item) for item in [*here, *(22 + (half + swapped) % 2 * 10 + chance.choice(10, 5, replace=False))]]
        )
    corpus = Corpus(tiny(rows, 42).tasks, 42, domains=(torch.arange(42) >= 22).long())
    linear, personal = Emcdr(factors=6), Ptupcdr(factors=6, steps=400, reg=0.0, learning_rate=0.02)
    reached = [learner.fit(corpus).facts["gains"][0]["with"] for learner in (linear, personal)]
    assert reached[1] > 1.15 * reached[0]
    assert len(crossing(corpus.tasks, corpus.domains, 0, 1)) == 1_500  # type: ignore[arg-type]
