"""``firstlight train``: learn from the data and write a model folder."""

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firstlight.cli.group import note
from firstlight.cli.options import (
    Columns,
    Data,
    LikeFrom,
    Seed,
    Threads,
    TimeBudget,
    Weight,
    check_place,
    feedback,
    read,
    settings,
    use_threads,
)
from firstlight.progress import shown

Out = Annotated[Path, typer.Option(metavar="MODEL", help="Folder for the model.")]
LearnerName = Annotated[
    str | None, typer.Option(metavar="NAME", help="One of `firstlight learners`; left out: the default.")
]
Setting = Annotated[
    list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the learner. Repeat for more.")
]


def train(
    data: Data,
    out: Out,
    learner: LearnerName = None,
    setting: Setting = None,
    seed: Seed = 0,
    time_budget: TimeBudget = 240.0,
    columns: Columns = None,
    like_from: LikeFrom = 4.0,
    weight: Weight = None,
    threads: Threads = None,
) -> None:
    """Learn from the data and write a model folder."""
    from firstlight.learners import DEFAULT, make
    from firstlight.learners.base import Budget
    from firstlight.modelfile import check_free
    from firstlight.recommender import Recommender

    check_free(out)
    check_place(out)
    chosen = make(learner or DEFAULT, settings(setting))
    liked = feedback(like_from, weight)
    use_threads(threads)
    dataset = read(data, columns)
    if dataset.rejected.height:
        read_rows = sum(file.read for file in dataset.report.files)
        what = f"{dataset.rejected.height:,} of {read_rows:,} rows cannot be used"
        note(f"{what}: `firstlight check {data}` says which and why.")
    start = time.monotonic()
    with shown(f"Training {chosen.name}") as progress:
        budget = Budget(time_budget)
        model = Recommender.fit(dataset, chosen, feedback=liked, seed=seed, budget=budget, progress=progress)
    model.save(out)
    report = dataset.report
    Console(highlight=False, soft_wrap=True).print(
        f"Trained {chosen.name} on {report.events:,} events of {report.users:,} people and "
        f"{len(model.schema.item_ids):,} items in {time.monotonic() - start:.0f} s.\n"
        f"The model is in {out}. Next: firstlight recommend {out} --support EVENTS --out RECS",
        markup=False,
    )
