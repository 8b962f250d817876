"""``firstlight simulate``: a data set to try things on."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firstlight.cli.options import Seed

Out = Annotated[Path, typer.Argument(metavar="OUT", help="Folder for events, items and users.")]
People = Annotated[int, typer.Option("--users", help="How many people.")]
Items = Annotated[int, typer.Option("--items", help="How many items.")]
Events = Annotated[int, typer.Option("--events", help="About how many clicks, favourites, carts and purchases.")]
Impressions = Annotated[bool, typer.Option("--impressions", help="Also log what was shown.")]


def simulate(
    out: Out,
    users: People = 3_200,
    items: Items = 1_500,
    events: Events = 120_000,
    seed: Seed = 0,
    impressions: Impressions = False,
) -> None:
    """Write the simulated marketplace as a folder of data."""
    from firstlight.datasets import simulated

    market = simulated.simulate(users, items, events, seed, impressions)
    market.write(out)
    Console(highlight=False, soft_wrap=True, markup=False).print(
        f"Simulated: {market.events.height:,} events of {market.users.height:,} people and {market.items.height:,} "
        f"items are in {out}."
    )
