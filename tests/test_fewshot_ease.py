"""Few-shot EASE against its objective written out: every support of every person, one target at a time."""

from itertools import combinations

import numpy as np
import pytest
import torch
from conformance import Conformance, support, tiny, training
from numpy.typing import NDArray

from firstlight.learners.fewshot_ease import HALF_FROM, FewshotEase, inverted, moments
from firstlight.tasks import Corpus

Floats = NDArray[np.float64]
LIKES = [[0, 1, 2, 3], [1, 2], [0, 2, 4], [3, 4, 5], [0, 1, 5], [2], [1, 3, 4, 5]]


class TestFewshotEase(Conformance):
    learner = FewshotEase(shots=5)
    floor = 1.9


def objective(learner: FewshotEase, corpus: Corpus, kernel: Floats | None) -> tuple[Floats, Floats]:
    """B (N, N) and the weights of the constant (N,), by least squares over all supports; no item predicts itself."""
    n_items, people = corpus.n_items, [np.array(row) for row in LIKES]
    weight = np.array([len(row) ** learner.activity_power for row in people])
    weight /= weight.mean()
    rows, targets = [], []
    for liked, mass in zip(people, weight, strict=True):
        supports = list(combinations(liked, min(learner.shots, len(liked) - 1)))
        for chosen in supports:
            row, target = np.zeros(n_items + 1), np.zeros(n_items)
            row[list(chosen)], row[-1], target[liked] = 1, 1, 1
            rows.append(row * np.sqrt(mass / len(supports)))
            targets.append(target * np.sqrt(mass / len(supports)))
    inputs, outputs = np.array(rows), np.array(targets)
    reg = learner.reg * learner.shots / np.mean([len(row) for row in people])
    share = learner.content_share if kernel is not None else 0.0
    prior = np.linalg.inv((1 - share) * np.eye(n_items) + share * (np.eye(n_items) if kernel is None else kernel))
    penalty = np.zeros((n_items + 1, n_items + 1))
    penalty[:n_items, :n_items] = reg * prior
    penalty[-1, -1] = 1e-3
    solution = np.zeros((n_items + 1, n_items))
    for target in range(n_items):
        rest = np.delete(np.arange(n_items + 1), target)
        normal = inputs[:, rest].T @ inputs[:, rest] + penalty[np.ix_(rest, rest)]
        solution[rest, target] = np.linalg.solve(normal, inputs[:, rest].T @ outputs[:, target])
    return solution[:-1], solution[-1]


@pytest.mark.parametrize("shots", [1, 2, 3])
@pytest.mark.parametrize("activity_power", [-0.5, 0.0, 1.0])
def test_it_minimises_the_expected_loss_over_all_supports(shots: int, activity_power: float) -> None:
    corpus = tiny(LIKES, 6)
    learner = FewshotEase(shots=shots, activity_power=activity_power, reg=0.7, content_share=0.0)
    prior = learner.fit(corpus)
    item_item, constant = objective(learner, corpus, None)
    np.testing.assert_allclose(prior.tensors["item_item"].numpy(), item_item, atol=2e-4)
    np.testing.assert_allclose(prior.tensors["known"][0].numpy(), constant, atol=2e-4)


def test_items_of_like_content_have_like_rows() -> None:
    content = torch.tensor([[1.0, 0.0], [1.0, 0.0], [0.6, 0.8], [0.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    corpus = Corpus(tiny(LIKES, 6).tasks, 6, content.to_sparse_csr())
    learner = FewshotEase(shots=2, activity_power=0.0, reg=0.7, content_share=0.6)
    item_item, constant = objective(learner, corpus, (content @ content.T).double().numpy())
    prior = learner.fit(corpus)
    np.testing.assert_allclose(prior.tensors["item_item"].numpy(), item_item, atol=2e-4)
    np.testing.assert_allclose(prior.tensors["known"][0].numpy(), constant, atol=2e-4)
    plain = learner.model_copy(update={"content_share": 0.0}).fit(corpus).tensors["item_item"]
    alike, apart = prior.tensors["item_item"][:2, 2:], plain[:2, 2:]
    assert (alike[0] - alike[1]).norm() < (apart[0] - apart[1]).norm()


def test_one_event_without_reg_is_the_conditional_probability() -> None:
    corpus = tiny([[0, 1], [0, 1], [0, 2], [1, 2]], 3)
    prior = FewshotEase(shots=1, activity_power=0.0, reg=1e-6, content_share=0.0).fit(corpus)
    scores = FewshotEase().adapt(prior, support([[(0, 1.0)]], 0)).scores()
    torch.testing.assert_close(scores[0, 1:], torch.tensor([2 / 3, 1 / 3]), atol=1e-3, rtol=0)


def test_someone_unknown_gets_what_the_average_profile_gets() -> None:
    corpus = training()
    prior = FewshotEase().fit(corpus)
    known = prior.tensors["known"]
    nobody = support([[]], corpus.tasks.profile.shape[1])
    torch.testing.assert_close(FewshotEase().adapt(prior, nobody).covered(), known[:1])


def test_half_precision_gives_the_same_lists() -> None:
    corpus = training()
    prior = FewshotEase().fit(corpus)
    assert prior.tensors["item_item"].dtype == torch.float32
    assert len(prior.tensors["chosen"]) < HALF_FROM
    tensors = {**prior.tensors, "item_item": prior.tensors["item_item"].half()}
    known = corpus.tasks.likes().split(3).support
    full = FewshotEase().adapt(prior, known).scores().topk(10).indices
    half = FewshotEase().adapt(FewshotEase().prior(tensors), known).scores().topk(10).indices
    assert (full == half).float().mean() > 0.99


def test_statistics_serve_many_settings() -> None:
    data = moments(training(), 100)
    for share in (0.3, 0.9, 0.3):
        learner = FewshotEase(content_share=share, max_items=100)
        once, anew = learner.solve(data).tensors, learner.fit(training()).tensors
        assert torch.equal(once["item_item"], anew["item_item"])


def test_a_matrix_made_indefinite_by_rounding_is_still_inverted() -> None:
    flat = torch.ones(4, 4) * (1 - 1e-7) + torch.eye(4) * -1e-7
    assert bool(inverted(flat).isfinite().all())
