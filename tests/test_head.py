"""The head, whose inner gradient is written out."""

from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor

from firstlight.meta.episodes import Task
from firstlight.meta.head import Head, descend_head
from firstlight.meta.inner import descend
from firstlight.meta.losses import support_softmax, support_squared


@pytest.mark.parametrize("first_order", [False, True])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("stars", [False, True])
def test_the_written_out_gradient_is_that_of_the_losses(stars: bool, whole: bool, first_order: bool) -> None:
    """Steps and meta-gradients of `descend_head` equal those of `descend` on the losses, one task at a time."""
    chance = torch.Generator().manual_seed(0)
    tasks, shown, items, size = 4, 3, 7, 5

    def drawn(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=chance, dtype=torch.float64)

    leaves = [drawn(items, size), drawn(tasks, shown, size), drawn(tasks, items), drawn(tasks, shown)]
    leaves += [drawn(tasks, size), drawn(tasks)]
    grades = torch.tensor([[1.0, 0.5, -1.0], [1.0, 0.0, 0.0], [-0.3, 0.0, 0.0], [0.0, 0.0, 0.0]], dtype=torch.float64)
    keep = torch.tensor([[1.0, 0.0, 2.0, 1.0, 1.0]], dtype=torch.float64).expand(tasks, size)
    level = drawn(tasks, shown)
    columns, profile = torch.zeros(tasks, shown, dtype=torch.int64), torch.zeros(tasks, 0, dtype=torch.float64)
    task = Task(columns, grades, profile, keep)
    rates = {"taste": 0.3, "offset": 0.2}
    how: dict[str, Any] = {"steps": 3, "first_order": first_order, "clip": 0.7}

    def written_out(parts: list[Tensor]) -> Tensor:
        features, own, others, support, taste, offset = parts
        head = Head(others, features, support + level, own, level, 0.5, whole)
        fast = descend_head({"taste": taste, "offset": offset}, rates, head, task, stars=stars, **how)
        return torch.cat([fast["taste"], fast["offset"][:, None]], 1)

    def one_at_a_time(parts: list[Tensor]) -> Tensor:
        features, own, others, support, taste, offset = parts
        ends = []
        for row in range(tasks):
            one = Task(*(part[row] for part in task))

            def loss(fast: Mapping[str, Tensor], row: int = row, one: Task = one) -> Tensor:
                person, shift = (fast["taste"] - taste[row].detach()) * one.keep, fast["offset"] - offset[row].detach()
                known = support[row] + own[row] @ person + 0.5 * shift
                if stars:
                    return support_squared(known + level[row], one)
                among = others[row] + features @ person + 0.5 * shift
                return support_softmax(known + level[row], known, among, one, whole)

            fast = descend(loss, {"taste": taste[row], "offset": offset[row]}, rates, **how)
            ends.append(torch.cat([fast["taste"], fast["offset"][None]]))
        return torch.stack(ends)

    weight = drawn(tasks, size + 1)
    found = []
    for function in (written_out, one_at_a_time):
        parts = [leaf.clone().requires_grad_() for leaf in leaves]
        ends = function(parts)
        slopes = torch.autograd.grad((ends * weight).sum(), parts, allow_unused=True)
        found.append((ends, [torch.zeros(()) if slope is None else slope for slope in slopes]))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-9, atol=1e-10)
    for ours, theirs in zip(found[0][1][:4], found[1][1][:4], strict=True):
        torch.testing.assert_close(ours, theirs.expand_as(ours).to(ours), rtol=1e-7, atol=1e-9)
