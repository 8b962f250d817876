"""Whole meta-training steps of MeLU, users per second: ours beside the plain loop that takes one task at a time.

    OMP_NUM_THREADS=2 python benchmarks/meta_step.py [--rounds 7] [--threads 2]

Sizes of ML-1M: 8 fields with a vector of 32 each (gender 2, age 7, occupation 21, postcode 3,402; rate 6, genre 25,
director 2,186, actor 8,030), layers 256-64-64-1, 10 support and 10 query examples with stars, random ids. A step looks
up the vectors, adapts the three layers, takes the query loss through the inner steps, goes backward, and lets Adam
move everything: vectors and layers.

Plain: a table a field, looked up for each task; for each task torch.autograd.grad(create_graph=True) over the layers;
the query losses summed, one backward; torch.optim.Adam as it comes. Loop: the same with one look-up for the batch, so
that nothing but the tasks is taken one at a time.
Ours: one table for all fields and one look-up, firstlight.models.decision (which takes the person's vectors once a
task), and Adam in torch's fused form: Adam to the letter, dense and not lazy, so vectors that are not in the batch
move on by their momentum, as in the loops. A lazily updated table (SparseAdam) was tried: no faster at these sizes.

All are timed in turn, round after round; the ratio is the median of the rounds' ratios. Before that, they must agree
on the meta-gradient of the first batch. Where there is a GPU, ours is timed there too.
"""

import argparse
import json
import time
from dataclasses import asdict, dataclass, fields
from statistics import median

import torch
from torch import Tensor
from torch.nn.functional import embedding, linear, mse_loss

from firstlight.models import decision

FIELDS = (2, 7, 21, 3402, 6, 25, 2186, 8030)
PERSON = 4
SIZE, HIDDEN, SHOTS = 32, 64, 10
RATE = 0.01


@dataclass(frozen=True)
class Batch:
    """ids: (T, 2 × SHOTS, 8), of each field, support before query; stars, wanted: (T, SHOTS) of support and query.

    person: (T, 4), support, query: (T, SHOTS, 4): the same ids, as rows of one table of all fields.
    """

    ids: Tensor
    stars: Tensor
    wanted: Tensor
    person: Tensor
    support: Tensor
    query: Tensor

    def to(self, device: str) -> "Batch":
        return Batch(*(getattr(self, field.name).to(device) for field in fields(self)))


@dataclass(frozen=True)
class Case:
    batch: int
    steps: int
    order: int


def draw(tasks: int, chance: torch.Generator) -> Batch:
    ids = torch.stack([torch.randint(n, (tasks, 2 * SHOTS), generator=chance) for n in FIELDS], 2)
    ids[:, :, :PERSON] = ids[:, :1, :PERSON]
    stars, wanted = torch.randint(1, 6, (2, tasks, SHOTS), generator=chance).float()
    rows = ids + torch.tensor([0, *FIELDS[:-1]]).cumsum(0)
    support, query = rows[:, :SHOTS, PERSON:].contiguous(), rows[:, SHOTS:, PERSON:].contiguous()
    return Batch(ids, stars, wanted, rows[:, 0, :PERSON].contiguous(), support, query)


class Loop:
    """One task at a time."""

    def __init__(self, tables: list[Tensor], weights: dict[str, Tensor], case: Case) -> None:
        self.case = case
        self.tables = [table.clone().requires_grad_() for table in tables]
        self.weights = [tensor.clone().requires_grad_() for tensor in weights.values()]
        self.adam = torch.optim.Adam([*self.tables, *self.weights])

    def gradient(self, batch: Batch) -> None:
        """Leave the meta-gradient in .grad."""
        self.adam.zero_grad()
        fields = zip(batch.ids.unbind(2), self.tables, strict=True)
        x = torch.cat([embedding(ids, table) for ids, table in fields], 2)
        support, query = x[:, :SHOTS].unbind(), x[:, SHOTS:].unbind()
        tasks = zip(support, batch.stars.unbind(), query, batch.wanted.unbind(), strict=True)
        losses = [mse_loss(self.forward(self.adapted(x, y), q), z) for x, y, q, z in tasks]
        torch.autograd.backward(torch.stack(losses).sum())

    def adapted(self, x: Tensor, stars: Tensor) -> list[Tensor]:
        own, second = self.weights, self.case.order == 2
        x = x if second else x.detach()
        for _ in range(self.case.steps):
            slopes = torch.autograd.grad(mse_loss(self.forward(own, x), stars), own, create_graph=second)
            own = [tensor - RATE * slope for tensor, slope in zip(own, slopes, strict=True)]
        return own

    @staticmethod
    def forward(weights: list[Tensor], x: Tensor) -> Tensor:
        first, first_bias, second, second_bias, last, last_bias = weights
        x = torch.relu(linear(x, first, first_bias))
        x = torch.relu(linear(x, second, second_bias))
        return x @ last + last_bias

    def step(self) -> None:
        self.adam.step()

    def found(self) -> list[Tensor]:
        """The meta-gradient: of the tables one above the other, then of each weight."""
        return [torch.cat([grad(table) for table in self.tables]), *map(grad, self.weights)]


class Plain(Loop):
    """The same as such loops are usually written: each task looks its own embeddings up."""

    def gradient(self, batch: Batch) -> None:
        self.adam.zero_grad()
        losses = []
        for ids, stars, wanted in zip(batch.ids.unbind(), batch.stars.unbind(), batch.wanted.unbind(), strict=True):
            fields = zip(ids.unbind(1), self.tables, strict=True)
            x = torch.cat([embedding(row, table) for row, table in fields], 1)
            losses.append(mse_loss(self.forward(self.adapted(x[:SHOTS], stars), x[SHOTS:]), wanted))
        torch.autograd.backward(torch.stack(losses).sum())


class Ours:
    """All tasks together."""

    def __init__(self, tables: list[Tensor], weights: dict[str, Tensor], case: Case) -> None:
        self.case = case
        self.table = torch.cat(tables).requires_grad_()
        self.weights = {name: tensor.clone().requires_grad_() for name, tensor in weights.items()}
        self.adam = torch.optim.Adam([self.table, *self.weights.values()], fused=True)

    def gradient(self, batch: Batch) -> None:
        """Leave the meta-gradient in .grad."""
        self.adam.zero_grad()
        tasks = len(batch.ids)
        ids = torch.cat([batch.person.flatten(), *(part.flatten() for part in (batch.support, batch.query))])
        sizes = [tasks * PERSON, *2 * [tasks * SHOTS * (len(FIELDS) - PERSON)]]
        parts = torch.split(embedding(ids, self.table), sizes)
        person, support, query = parts[0].view(tasks, -1), *(part.view(tasks, SHOTS, -1) for part in parts[1:])
        fast = decision.adapt(
            self.weights,
            support,
            batch.stars,
            torch.ones_like(batch.stars),
            rate=RATE,
            steps=self.case.steps,
            first_order=self.case.order == 1,
            person=person,
        )
        predicted = decision.predict(self.weights, fast, query, person)
        torch.autograd.backward(mse_loss(predicted, batch.wanted, reduction="sum") / SHOTS)

    def step(self) -> None:
        self.adam.step()

    def found(self) -> list[Tensor]:
        """The meta-gradient, as in the loop."""
        return [grad(self.table), *map(grad, self.weights.values())]


def grad(tensor: Tensor) -> Tensor:
    assert tensor.grad is not None
    return tensor.grad


def seconds(what: Loop | Ours, batches: list[Batch]) -> float:
    """Of one step, the mean over the batches."""
    start = time.perf_counter()
    for batch in batches:
        what.gradient(batch)
        what.step()
    if batches[0].ids.is_cuda:
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / len(batches)


def agree(loop: Loop, ours: Ours, batch: Batch) -> float:
    """The largest relative difference of the meta-gradients."""
    loop.gradient(batch)
    ours.gradient(batch)
    pairs = zip(ours.found(), loop.found(), strict=True)
    difference = max(float((a - b).norm() / b.norm()) for a, b in pairs)
    assert difference < 1e-4, f"the meta-gradients differ by {difference:.1e}"
    return difference


def measure(case: Case, rounds: int) -> dict[str, float]:
    """Users per second of each, and the median ratio."""
    chance = torch.Generator().manual_seed(0)
    tables = [0.1 * torch.randn(size, SIZE, generator=chance) for size in FIELDS]
    weights = decision.start(SIZE * len(FIELDS), HIDDEN, chance)
    batches = [draw(case.batch, chance) for _ in range(8)]
    plain, loop, ours = Plain(tables, weights, case), Loop(tables, weights, case), Ours(tables, weights, case)
    found = {"differs": max(agree(plain, ours, batches[0]), agree(loop, ours, batches[0]))}
    seconds(ours, batches)
    each = ((plain, batches[:1]), (loop, batches[:1]), (ours, batches))
    times = [[seconds(what, some) for what, some in each] for _ in range(rounds)]
    for place, name in enumerate(("plain", "loop", "ours")):
        found[name] = case.batch / median(row[place] for row in times)
    found["times plain"] = median(row[0] / row[2] for row in times)
    found["times loop"] = median(row[1] / row[2] for row in times)
    if torch.cuda.is_available():
        found |= on_gpu(case, tables, weights, batches)
    return found


def on_gpu(case: Case, tables: list[Tensor], weights: dict[str, Tensor], batches: list[Batch]) -> dict[str, float]:
    """Users per second there."""
    there = Ours([table.cuda() for table in tables], {name: tensor.cuda() for name, tensor in weights.items()}, case)
    moved = [batch.to("cuda") for batch in batches]
    for _ in range(3):
        seconds(there, moved)
    return {"gpu": case.batch / median(seconds(there, moved) for _ in range(5))}


CASES = [Case(batch, steps, order) for order in (2, 1) for batch in (32, 256) for steps in (1, 5)]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--rounds", type=int, default=7)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    print(f"users per second on {chosen.threads} threads; GPU: {gpu()}")
    print("order  batch  steps   plain    loop    ours   ours/plain  ours/loop")
    rows = []
    for case in CASES:
        found = measure(case, chosen.rounds)
        rows.append({**asdict(case), **{name: float(f"{value:.3g}") for name, value in found.items()}})
        line = f"{case.order:5} {case.batch:6} {case.steps:6} {found['plain']:7.0f} {found['loop']:7.0f} "
        line += f"{found['ours']:7.0f} {found['times plain']:12.1f} {found['times loop']:10.1f}"
        print(line + (f"   GPU {found['gpu']:.0f}" if "gpu" in found else ""), flush=True)
    print(json.dumps({"threads": chosen.threads, "rounds": chosen.rounds, "gpu": gpu(), "cases": rows}))


def gpu() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"


if __name__ == "__main__":
    main()
