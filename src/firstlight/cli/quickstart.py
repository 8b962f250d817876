"""``firstlight quickstart``: the whole path on simulated data."""

from typing import Annotated

import typer

from firstlight.cli.options import Seed, Threads, use_threads

People = Annotated[int, typer.Option("--users", min=300, help="How many simulated people.")]


def quickstart(seed: Seed = 0, users: People = 3_200, threads: Threads = None) -> None:
    """See it work: a simulated marketplace, training, judging, and three examples in words."""
    from firstlight.quickstart import run

    use_threads(threads)
    run(users, seed)
