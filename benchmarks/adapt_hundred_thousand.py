"""Adapting one person with 10 events and ranking 100,000 items, beside one exact matrix-vector product and top-k.

    python benchmarks/adapt_hundred_thousand.py [--learner engine] [--set max_items=100000 --set steps=2]

Both in one run, on the same threads: the product is over 100,000 x 64 floats. Prints milliseconds and their ratio; for
a learner with an inner loop also the forward pass, the same without inner steps.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial

import torch

from firstlight.budget import Budget
from firstlight.cli.options import settings
from firstlight.corpus import build_schema
from firstlight.dataset import read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.learners import make
from firstlight.learners.base import Learner
from firstlight.learners.inner_loop import InnerLoop
from firstlight.learners.melu import Melu
from firstlight.ranking import top
from firstlight.settings import Feedback

ITEMS, SIZE, EVENTS, SHOWN = 100_000, 64, 10, 20


def medians(*what: Callable[[], object], repeats: int = 200) -> list[float]:
    """Milliseconds of one call of each: the medians, after a warm-up.

    They take turns, so that each finds the memory as the others left it and a slow moment is everybody's.
    """
    taken: list[list[float]] = [[] for _ in what]
    for _ in range(10 + repeats):
        for call, seconds in zip(what, taken, strict=True):
            start = time.perf_counter()
            call()
            seconds.append(time.perf_counter() - start)
    return [1e3 * sorted(seconds[10:])[repeats // 2] for seconds in taken]


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--threads", type=int, default=2)
    options.add_argument("--learner", default="engine")
    options.add_argument("--set", action="append", default=[], metavar="KEY=VALUE")
    options.add_argument("--seconds", type=float, default=200.0)
    options.add_argument("--attempts", type=int, default=3)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    market = simulate(n_users=20_000, n_items=ITEMS, n_events=600_000, seed=0)
    with tempfile.TemporaryDirectory() as folder:
        dataset = read_dataset(market.write(folder))
    schema = build_schema(dataset, Feedback())
    corpus = schema.corpus(dataset)
    learner = make(chosen.learner, settings(chosen.set))
    prior = learner.fit(corpus, budget=Budget(chosen.seconds))
    people = corpus.tasks.likes()
    enough = (people.indptr.diff() >= EVENTS + 5).nonzero()[:50, 0]
    supports = [people.select(row.reshape(1)).split(EVENTS).support for row in enough]
    turn = iter(range(10**9))
    vectors, person = torch.randn(corpus.n_items, SIZE), torch.randn(SIZE)

    def ours(by: Learner = learner) -> None:
        support = supports[next(turn) % len(supports)]
        top(by.adapt(prior, support).scores(), SHOWN, support)

    def product() -> None:
        (vectors @ person).topk(SHOWN)

    loops = isinstance(learner, InnerLoop | Melu)
    without = [partial(ours, learner.model_copy(update={"inner_steps": 0}))] if loops else []
    for attempt in range(chosen.attempts):
        reference, adapted, *still = medians(product, ours, *without)
        ratio = adapted / reference
        print(
            f"{attempt + 1}: product and top-k {reference:.2f} ms, {chosen.learner} {adapted:.2f} ms, ratio {ratio:.2f}"
            + "".join(f", forward pass {own:.2f} ms, the inner loop {adapted - own:.2f} ms" for own in still)
        )
    if chosen.learner == "engine":
        print("members:", ", ".join(prior.facts["members"]))


if __name__ == "__main__":
    main()
