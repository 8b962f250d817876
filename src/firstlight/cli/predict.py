"""``firstlight predict``: the probability of yes for rows of any scenario, from what is known of it now."""

from pathlib import Path
from typing import Annotated

import typer

from firstlight.cli.group import note
from firstlight.cli.lists import STDOUT, check_name, write_lists
from firstlight.cli.options import Threads, check_file, use_threads
from firstlight.errors import SettingsError
from firstlight.reading import STDIN

Model = Annotated[Path, typer.Argument(metavar="MODEL", help="Folder that `firstlight train --task scenario` wrote.")]
RowsFile = Annotated[Path, typer.Option(metavar="ROWS", help="The rows to tell of. `-`: standard input.")]
Support = Annotated[
    Path | None, typer.Option(metavar="LABELLED", help="Labelled rows of the same scenarios; left out: none.")
]
Out = Annotated[
    Path, typer.Option(metavar="PROBS", help=".parquet, .csv or .jsonl, also .gz; `-`: JSON lines on standard output.")
]


def predict(model: Model, rows: RowsFile, out: Out, support: Support = None, threads: Threads = None) -> None:
    """Give every row of a table the probability that its outcome is yes, in a column ``probability``."""
    from firstlight.scenarios.model import PROBABILITY, ScenarioModel
    from firstlight.scenarios.table import read_table

    if rows == STDIN == support:
        raise SettingsError("Standard input holds one table only: give - to one of --rows, --support.")
    check_name(out)
    if out != STDOUT:
        check_file(out)
    asked = read_table(rows)
    known = None if support is None else read_table(support)
    use_threads(threads)
    learned = ScenarioModel.load(model)
    said = learned.probabilities(asked, known)
    plain = [name for name, dtype in asked.schema.items() if not dtype.is_nested() and name != PROBABILITY]
    write_lists(asked.select(plain).with_columns(said), out)
    place = "standard output" if out == STDOUT else out
    labelled = 0 if known is None else known.height
    note(f"{asked.height:,} probabilities from {labelled:,} labelled rows went to {place}.")
