"""``firstlight evaluate``: how well the learners do for people nobody has seen before."""

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
    """How people are held out."""

    cold_user = "cold-user"


Held = Annotated[Protocol, typer.Option(help="Who is held out and judged.")]
Names = Annotated[str | None, typer.Option("--learners", metavar="A,B,C", help="Which learners; left out: all.")]
Shots = Annotated[str, typer.Option(metavar="0,1,…", help="Numbers of events that are known of a person.")]
Out = Annotated[Path | None, typer.Option(metavar="REPORT", help="File for the whole report, as JSON.")]


def evaluate(
    data: Data,
    protocol: Held = Protocol.cold_user,
    names: Names = None,
    shots: Shots = "0,1,3,5,10",
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
    """Compare learners on people that they have never seen, at several numbers of events."""
    from firstlight import report
    from firstlight.budget import Budget
    from firstlight.budget import device as choose
    from firstlight.corpus import build_schema
    from firstlight.evaluate import cold_user
    from firstlight.evaluate import evaluate as judge
    from firstlight.learners import LEARNERS, make

    numbers = _numbers(shots)
    if out is not None:
        check_file(out)
    chosen = {name: make(name) for name in (_split(names) if names is not None else LEARNERS)}
    liked = feedback(like_from, weight, graded)
    use_threads(threads)
    place = choose(device)
    dataset = read(data, columns)
    corpus = build_schema(dataset, liked).corpus(dataset, seed)
    held_out = cold_user(corpus, numbers, seed)
    with shown("Evaluating") as progress:
        found = judge(corpus, chosen, held_out, budget=Budget(time_budget, device=place), seed=seed, progress=progress)
    console = Console(highlight=False)
    console.print(report.table(found))
    console.print(report.details(found))
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
