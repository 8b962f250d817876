"""``firstlight recommend``: lists for anybody, from what is known of them now."""

from pathlib import Path
from typing import Annotated

import polars as pl
import typer

from firstlight.cli.group import note
from firstlight.cli.lists import STDOUT, check_name, write_lists
from firstlight.cli.options import Columns, Seed, Threads, check_file, use_threads
from firstlight.dataset import read_events, read_items, read_users
from firstlight.errors import SettingsError
from firstlight.progress import shown
from firstlight.reading import STDIN
from firstlight.tables import Table

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that `firstlight train` wrote.")]
SupportFile = Annotated[
    Path | None, typer.Option(metavar="EVENTS", help="What is known of people: their events. `-`: standard input.")
]
UsersFile = Annotated[
    Path | None, typer.Option(metavar="USERS", help="People who get a list too, and what is known of them.")
]
Candidates = Annotated[Path | None, typer.Option(metavar="ITEMS", help="The only items that may be recommended.")]
Number = Annotated[int, typer.Option("-n", min=1, help="How many items a person gets.")]
Out = Annotated[
    Path,
    typer.Option(metavar="RECS", help=".parquet, .csv or .jsonl, also .gz; `-`: JSON lines on standard output."),
]
Explain = Annotated[bool, typer.Option("--explain", help="Say of each item what it was recommended for.")]


def recommend(
    model: Model,
    out: Out,
    support: SupportFile = None,
    users: UsersFile = None,
    candidates: Candidates = None,
    n: Number = 20,
    explain: Explain = False,
    seed: Seed = 0,
    columns: Columns = None,
    threads: Threads = None,
) -> None:
    """Recommend items to everybody in EVENTS and USERS, also to people never seen before."""
    _check(support, users, candidates, out)
    with shown("Reading"):
        events = None if support is None else _read(read_events(support, columns))
        known = None if users is None else _read(read_users(users, columns))
        chosen = None if candidates is None else _read(read_items(candidates, columns))["item_id"]

    from firstlight.explain import in_words, reasons
    from firstlight.recommender import NO_EVENTS, Recommender

    use_threads(threads)
    with shown(f"Recommending with {model}"):
        recommender = Recommender.load(model)
        events = NO_EVENTS if events is None else events
        _tell_unknown(recommender.unknown(events["item_id"]), "items of the support are unknown to the model")
        if chosen is not None:
            _tell_unknown(recommender.unknown(chosen), "candidates are unknown to the model and cannot be recommended")
        lists = recommender.recommend(events, known, n=n, candidates=chosen, seed=seed)
        if explain:
            lists = in_words(reasons(recommender, lists, events, known, seed=seed), lists, recommender.items)
        write_lists(lists, out)
    place = "standard output" if out == STDOUT else out
    note(f"{lists.height:,} recommendations for {lists['user_id'].n_unique():,} people went to {place}.")


def _check(support: Path | None, users: Path | None, candidates: Path | None, out: Path) -> None:
    """Raise SettingsError for options that do not go together."""
    if support is None and users is None:
        raise SettingsError("Nobody to recommend to: give --support EVENTS, --users USERS, or both.")
    if [support, users, candidates].count(STDIN) > 1:
        raise SettingsError("Standard input holds one table only: give - to one of --support, --users, --candidates.")
    check_name(out)
    if out != STDOUT:
        check_file(out)


def _read(table: Table) -> pl.DataFrame:
    """The rows that can be used; the others are counted on standard error."""
    for kind in table.report.rejected:
        first = f"{kind.reason} (the first: row {kind.example_row:,})"
        note(f"{table.report.file}: {kind.count:,} rows are not used, {first}.")
    return table.frame


def _tell_unknown(item_ids: pl.Series, what: str) -> None:
    if len(item_ids):
        note(f"{len(item_ids):,} {what}, such as {item_ids[0]!r}.")
