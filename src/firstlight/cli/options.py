"""The options that several commands share, and what becomes of them."""

import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from firstlight.dataset import Dataset, read_dataset
from firstlight.errors import SettingsError
from firstlight.progress import shown
from firstlight.settings import DEFAULT_WEIGHTS, Feedback

MOST_THREADS = 8

Data = Annotated[Path, typer.Argument(metavar="DATA", help="Folder with events, and if known items and users.")]
Columns = Annotated[
    Path | None, typer.Option(metavar="TOML", help="File of column names, for a log with names of its own.")
]
LikeFrom = Annotated[float, typer.Option(metavar="X", help="The lowest rating that is a like.")]
Weight = Annotated[
    list[str] | None,
    typer.Option(metavar="TYPE=NUMBER", help="Weight of an event type, 0: it says nothing. Repeat for more."),
]
Seed = Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")]
TimeBudget = Annotated[float, typer.Option(metavar="SECONDS", min=0, help="Time for training one learner.")]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads to compute with; left out: all cores but one, at most 8.")
]

Device = Annotated[
    str, typer.Option(metavar="auto|cpu|cuda", help="Where learners that descend do so; auto: a GPU if there is one.")
]
Graded = Annotated[bool, typer.Option("--graded", help="Better ratings are stronger likes.")]
HalfLife = Annotated[
    float | None,
    typer.Option(
        "--half-life",
        metavar="DAYS",
        min=0.01,
        help="A person's events say half as much when they are so much older than the newest; left out: all alike.",
    ),
]
TextEncoderName = Annotated[
    str | None,
    typer.Option(
        "--text-encoder",
        metavar="NAME",
        help="What reads the items' text: hashed, none, or a language model by folder or name; left out: hashed.",
    ),
]
Reviews = Annotated[bool, typer.Option("--reviews", help="Let the column text of the events speak for their items.")]


def read(data: Path, columns: Path | None) -> Dataset:
    """The data set in a folder, with a progress bar."""
    with shown(f"Reading {data}"):
        return read_dataset(data, columns)


def feedback(
    like_from: float, weights: Sequence[str] | None, graded: bool = False, half_life: float | None = None
) -> Feedback:
    """What counts as liked. Raises SettingsError for a weight or a rating that cannot be."""
    if not math.isfinite(like_from):
        raise SettingsError(f"--like-from is {like_from}: give a rating such as 4.")
    given = dict(_weight(pair) for pair in weights or ())
    return Feedback(weights={**DEFAULT_WEIGHTS, **given}, like_from=like_from, graded=graded, half_life=half_life)


def settings(pairs: Sequence[str] | None) -> dict[str, Any]:
    """``key=value`` pairs as settings: a value is JSON where it can be, else text."""
    return {key: _value(text) for key, text in (_pair(pair, "--set", "key=value") for pair in pairs or ())}


def check_place(path: Path) -> None:
    """Raise SettingsError where nothing can be written: better before the work than after it."""
    near = next(folder for folder in path.absolute().parents if folder.exists())
    if not (near.is_dir() and os.access(near, os.W_OK)):
        raise SettingsError(
            f"{path} cannot be written ({near} is not a folder you may write to): choose another place."
        )


def check_file(path: Path) -> None:
    """The same for a file, which cannot take the place of a folder."""
    check_place(path)
    if path.is_dir():
        raise SettingsError(f"{path} is a folder: name a file in it.")


def use_threads(threads: int | None) -> None:
    """Let torch compute with so many threads; None: as OMP_NUM_THREADS says, else all cores but one, at most 8."""
    import torch

    if threads is None and "OMP_NUM_THREADS" in os.environ:
        return
    torch.set_num_threads(threads or max(1, min(MOST_THREADS, _cores() - 1)))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _weight(pair: str) -> tuple[str, float]:
    name, text = _pair(pair, "--weight", "type=number")
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not (math.isfinite(weight) and weight >= 0):
        raise SettingsError(f"--weight {pair} is not a weight: give a number from 0 up, such as {name}=0.5.")
    return name, weight


def _pair(pair: str, option: str, form: str) -> tuple[str, str]:
    key, equals, value = pair.partition("=")
    if not (equals and key.strip() and value.strip()):
        raise SettingsError(f"{option} {pair!r} cannot be read: write {option} {form}.")
    return key.strip(), value.strip()


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text
