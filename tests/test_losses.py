"""The losses of an episode against their definitions."""

import math
from collections.abc import Callable

import pytest
import torch
from episodes import ASKED, KNOWN, episode_of
from gradients import chance, gradients
from torch import Tensor

from firstlight.meta.episodes import Episode, Task
from firstlight.meta.losses import softmax_loss, squared_loss, support_softmax, support_squared


@pytest.mark.parametrize("pooled", [False, True])
def test_the_softmax_loss_is_its_definition(pooled: bool) -> None:
    logits = torch.randn(4, 6, generator=chance(), dtype=torch.float64)
    pool = torch.ones(4, 6, dtype=torch.bool)
    pool[0, 5] = pool[1, 3] = pool[2, 3] = False
    total, weight = 0.0, 0.0
    for row, (known, asked) in enumerate(zip(KNOWN, ASKED, strict=True)):
        running = [j for j in range(6) if j not in {item for item, _ in known} and (not pooled or pool[row, j])]
        rest = math.log(sum(math.exp(logits[row, j]) for j in running))
        liked = [(item, grade) for item, grade in asked if grade > 0]
        count = sum(grade for _, grade in liked)
        if count:
            total += sum(grade * (rest - float(logits[row, item])) for item, grade in liked) / count**0.5
            weight += count**0.5
    found = softmax_loss(logits, episode_of(KNOWN, ASKED, pool if pooled else None))
    assert float(found) == pytest.approx(total / weight, rel=1e-4)


def test_the_support_has_no_part_in_the_softmax() -> None:
    episode = episode_of(KNOWN, ASKED)
    logits = torch.randn(4, 6, generator=chance(), dtype=torch.float64)
    raised = logits.scatter_add(1, episode.task.columns, 50 * (episode.task.grades != 0).double())
    torch.testing.assert_close(softmax_loss(raised, episode), softmax_loss(logits, episode))


def test_the_squared_loss_is_its_definition() -> None:
    predicted = torch.randn(4, 6, generator=chance(), dtype=torch.float64)
    errors = [[(float(predicted[row, i]) - grade) ** 2 for i, grade in asked] for row, asked in enumerate(ASKED)]
    expected = sum(sum(e) / len(e) ** 0.5 for e in errors if e) / sum(len(e) ** 0.5 for e in errors)
    assert float(squared_loss(predicted, episode_of(KNOWN, ASKED))) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("loss", [softmax_loss, squared_loss])
def test_a_batch_without_a_query_costs_nothing(loss: Callable[[Tensor, Episode], Tensor]) -> None:
    nothing: list[list[tuple[int, float]]] = [[], [], [], []]
    values = torch.randn(4, 6, generator=chance(), dtype=torch.float64)
    for episode in (episode_of(KNOWN, nothing), episode_of(nothing, nothing)):
        assert float(loss(values, episode)) == 0
        assert not gradients(lambda w, e=episode: loss(w["x"], e), {"x": values})["x"].any()  # type: ignore[misc]


def test_the_loss_of_a_support_is_its_definition() -> None:
    of_support, taste, others = (torch.randn(n, generator=chance(n), dtype=torch.float64) for n in (4, 4, 7))
    grades = torch.tensor([1.0, -0.5, 2.0, 0.0]).double()
    task = Task(torch.zeros(4, dtype=torch.int64), grades, torch.zeros(0), torch.ones(1))
    rest = sum(math.exp(x) for x in others)
    for whole in (True, False):
        cost = 0.0
        for logit, like, grade in zip(of_support.tolist(), taste.tolist(), grades.tolist(), strict=True):
            against = rest if whole else rest + math.exp(logit)
            cost += grade * (math.log(against) - logit) if grade > 0 else -grade * math.log1p(math.exp(like))
        found = support_softmax(of_support, taste, others, task, whole)
        assert float(found) == pytest.approx(cost / (3.5 + 1) ** 0.5)
    squares = sum((float(of_support[n]) - float(grades[n])) ** 2 for n in range(3)) / 3
    assert float(support_squared(of_support, task)) == pytest.approx(squares)
    empty = task._replace(grades=torch.zeros(4))
    assert float(support_softmax(of_support, taste, others, empty, True)) == 0
    assert float(support_squared(of_support, empty)) == 0
