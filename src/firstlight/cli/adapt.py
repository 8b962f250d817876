"""``firstlight adapt``: take a new category, domain, group or device into a model, from a handful of its events."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from firstlight.cli.options import Columns, Seed, Threads, check_place, use_threads
from firstlight.cli.recommend import Model, clean
from firstlight.dataset import read_events, read_items, read_users
from firstlight.errors import SettingsError
from firstlight.progress import shown

if TYPE_CHECKING:
    from rich.table import Table

    from firstlight.adapting import Adapted

SupportFile = Annotated[Path, typer.Option(metavar="EVENTS", help="Events of the place.")]
ItemsFile = Annotated[Path | None, typer.Option(metavar="ITEMS", help="The items of the place, new ones too.")]
UsersFile = Annotated[Path | None, typer.Option(metavar="USERS", help="What is known of the people of the events.")]
KindName = Annotated[
    str, typer.Option("--kind", metavar="category|domain|group|device|user", help="What the place is.")
]
Out = Annotated[Path, typer.Option(metavar="MODEL2", help="Folder for the model that knows the place.")]


def adapt(
    model: Model,
    support: SupportFile,
    out: Out,
    kind: KindName = "category",
    items: ItemsFile = None,
    users: UsersFile = None,
    seed: Seed = 0,
    columns: Columns = None,
    threads: Threads = None,
) -> None:
    """Take a new category, domain, group or device into a model, in seconds, and say what that gained."""
    from firstlight.adapting import KINDS, adapted
    from firstlight.modelfile import check_free
    from firstlight.recommender import Recommender

    if kind not in KINDS:
        raise SettingsError(f"--kind {kind} is none of {', '.join(KINDS)}.")
    check_free(out)
    check_place(out)
    use_threads(threads)
    with shown("Reading"):
        events = clean(read_events(support, columns))
        there = None if items is None else clean(read_items(items, columns))
        known = None if users is None else clean(read_users(users, columns))
        before = Recommender.load(model)
    with shown(f"Adapting {model}"):
        found = adapted(before, events, kind, items=there, users=known, seed=seed)  # type: ignore[arg-type]
        found.model.save(out)
    console = Console(highlight=False, soft_wrap=True)
    new = len(found.model.schema.item_ids) - len(before.schema.item_ids)
    console.print(
        f"The place has {found.items:,} items, {new:,} of them new to the model; {found.people:,} people like some.",
        markup=False,
    )
    if found.gained:
        console.print(_table(found))
    else:
        console.print("Too few people to hold some out: what it gains is not known.")
    console.print(f"The model is in {out}.", markup=False)


def _table(found: "Adapted") -> "Table":
    from rich import box
    from rich.table import Table

    caption = f"{found.held_out:,} people held out, {found.learned:,} learned from; ± half a 95 % interval over people"
    out = Table(box=box.SIMPLE_HEAD, pad_edge=False, caption=caption)
    out.caption_justify = "left"
    for name in ("among its items", "before", "after", "difference"):
        out.add_column(name)
    for name, gained in found.gained.items():
        cells = [f"{part.mean:+.3f} ±{part.half:.3f}" for part in (gained.before, gained.after, gained.difference)]
        out.add_row(name, *(cell.removeprefix("+") for cell in cells[:2]), cells[2])
    return out
