"""``firstlight evaluate``: how well the learners do for people, items and places nobody has seen before."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firstlight.cli.options import (
    Columns,
    Data,
    Device,
    Graded,
    LikeFrom,
    Seed,
    Threads,
    TimeBudget,
    Weight,
    check_file,
    feedback,
    read,
    use_threads,
)
from firstlight.errors import DataError, SettingsError
from firstlight.progress import shown


class Protocol(StrEnum):
    """What is held out."""

    cold_user = "cold-user"
    cold_item = "cold-item"
    n_shot_item = "n-shot-item"
    cold_domain = "cold-domain"
    leave_category_out = "leave-category-out"
    leave_group_out = "leave-group-out"
    leave_device_out = "leave-device-out"
    new_store = "new-store"
    drift = "drift"
    dormant_user = "dormant-user"


Held = Annotated[Protocol, typer.Option(help="Who or what is held out and judged.")]
Target = Annotated[
    str | None,
    typer.Option(
        metavar="X",
        help="Which domain, category, device or group (COLUMN=VALUE), or how many days, as the protocol has it.",
    ),
]
Names = Annotated[str | None, typer.Option("--learners", metavar="A,B,C", help="Which learners; left out: all.")]
Shots = Annotated[
    str | None,
    typer.Option(metavar="0,1,…", help="Numbers of events that are known: of a person, an item, a domain or a store."),
]
Out = Annotated[Path | None, typer.Option(metavar="REPORT", help="File for the whole report, as JSON.")]


def evaluate(
    data: Data,
    protocol: Held = Protocol.cold_user,
    names: Names = None,
    target: Target = None,
    shots: Shots = None,
    out: Out = None,
    seed: Seed = 0,
    time_budget: TimeBudget = 240.0,
    columns: Columns = None,
    like_from: LikeFrom = 4.0,
    weight: Weight = None,
    graded: Graded = False,
    threads: Threads = None,
    device: Device = "auto",
) -> None:
    """Compare learners on people, items, categories or times that they have never seen."""
    from firstlight import report
    from firstlight.budget import Budget
    from firstlight.budget import device as choose
    from firstlight.corpus import build_schema
    from firstlight.evaluate import Source
    from firstlight.evaluate import evaluate as judge
    from firstlight.evaluate import protocol as draw
    from firstlight.learners import LEARNERS, make

    numbers = None if shots is None else _numbers(shots)
    if out is not None:
        check_file(out)
    chosen = {name: make(name) for name in (_split(names) if names is not None else LEARNERS)}
    liked = feedback(like_from, weight, graded)
    use_threads(threads)
    place = choose(device)
    dataset = read(data, columns)
    source = Source.of(dataset, build_schema(dataset, liked), seed)
    held, budget = draw(protocol, source, numbers, target), Budget(time_budget, device=place)
    with shown("Evaluating") as progress:
        found = judge(
            source.corpus, chosen, held, budget=budget, seed=seed, progress=progress, categories=source.categories
        )
    console = Console(highlight=False)
    console.print(report.table(found))
    console.print(report.details(found))
    if protocol is not Protocol.cold_user and (elsewhere := report.elsewhere(found)) is not None:
        console.print(elsewhere)
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        report.write_json(found, out)
        console.print(f"The whole report is in {out}.", markup=False, soft_wrap=True)
    if all(row.error for row in found.rows):
        raise DataError(f"No learner could be judged; {found.rows[0].learner}: {found.rows[0].error}")


def _numbers(shots: str) -> list[int]:
    try:
        return [int(part) for part in _split(shots)]
    except ValueError as error:
        raise SettingsError(
            f"--shots {shots} cannot be read: give whole numbers from 0 up, such as 0,1,3,5,10."
        ) from error


def _split(text: str) -> list[str]:
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if not parts:
        raise SettingsError(f"{text!r} names nothing: give one or more, with commas between them.")
    return parts
