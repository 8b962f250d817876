"""``firstlight recommend``: lists for anybody, from what is known of them now."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import polars as pl
import typer

from firstlight.cli.group import note
from firstlight.cli.lists import STDOUT, check_name, write_lists
from firstlight.cli.options import Columns, Seed, Threads, check_file, use_threads
from firstlight.dataset import read_events, read_items, read_users
from firstlight.errors import DataError, SettingsError
from firstlight.progress import shown
from firstlight.reading import STDIN
from firstlight.tables import Table

if TYPE_CHECKING:
    from firstlight.recommender import Recommender

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
        events = None if support is None else clean(read_events(support, columns))
        known = None if users is None else clean(read_users(users, columns))
        chosen = None if candidates is None else clean(read_items(candidates, columns))["item_id"]

    from firstlight.explain import in_words, reasons
    from firstlight.recommender import NO_EVENTS, Recommender

    use_threads(threads)
    with shown(f"Recommending with {model}"):
        recommender = Recommender.load(model)
        events = NO_EVENTS if events is None else events
        _tell_unknown(recommender, events["item_id"], "items of the support")
        if chosen is not None:
            _tell_unknown(recommender, chosen, "candidates, which cannot be recommended")
        lists = recommender.recommend(events, known, n=n, candidates=chosen, seed=seed)
        if explain:
            lists = in_words(reasons(recommender, lists, events, known, seed=seed), lists, recommender.items)
        write_lists(lists, out)
    _tell_cold(recommender, lists["item_id"])
    place = "standard output" if out == STDOUT else out
    note(f"{lists.height:,} recommendations for {lists['user_id'].n_unique():,} people went to {place}.")


def _tell_cold(recommender: "Recommender", item_ids: pl.Series) -> None:
    """Say so where the lists rest on the catalogue alone."""
    liked = recommender.schema.item_ids.filter(pl.Series(recommender.likes().numpy() > 0))
    if recommender.simple and len(item_ids) and not item_ids.is_in(liked.implode()).any():
        note(
            f"Cold start: nobody has liked any of the {item_ids.n_unique():,} recommended items, so that their order "
            "rests on what the catalogue says of them alone."
        )


def _check(support: Path | None, users: Path | None, candidates: Path | None, out: Path) -> None:
    """Raise SettingsError for options that do not go together."""
    if support is None and users is None:
        raise SettingsError("Nobody to recommend to: give --support EVENTS, --users USERS, or both.")
    if [support, users, candidates].count(STDIN) > 1:
        raise SettingsError("Standard input holds one table only: give - to one of --support, --users, --candidates.")
    check_name(out)
    if out != STDOUT:
        check_file(out)


def clean(table: Table) -> pl.DataFrame:
    """The rows that can be used; the others are counted on standard error. Raises DataError where none can."""
    report = table.report
    for kind in report.rejected:
        what = f"{report.file}: {kind.count:,} of {report.read:,} rows are not used, {kind.reason}"
        if not report.accepted:
            raise DataError(f"{what} (the first: row {kind.example_row:,}); {kind.remedy}.")
        note(f"{what} (the first: row {kind.example_row:,}).")
    return table.frame


def _tell_unknown(recommender: "Recommender", item_ids: pl.Series, what: str) -> None:
    unknown = recommender.unknown(item_ids)
    if len(unknown):
        note(f"Unknown to the model: {len(unknown):,} of {item_ids.n_unique():,} {what}, such as {unknown[0]!r}.")
