"""``firstlight check``: what is in the data, what is cold, what is there twice, what is wrong."""

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from firstlight.cli.group import note
from firstlight.cli.options import Columns, Data, read
from firstlight.dataset import write_rejected
from firstlight.twins import find_twins

Rejected = Annotated[Path, typer.Option(metavar="PATH", help="Where bad rows go, if there are any.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the report as JSON.")]


def check(
    data: Data, columns: Columns = None, rejected: Rejected = Path("rejected.parquet"), as_json: AsJson = False
) -> None:
    """Say what is in the data, what is cold, twice there or wrong; keep the bad rows."""
    dataset = read(data, columns)
    report = dataset.report.with_twins(find_twins(dataset.events), dataset.items)
    if as_json:
        typer.echo(json.dumps(report.as_dict(), indent=1, ensure_ascii=False))
    else:
        Console(highlight=False).print(report.render())
    if dataset.rejected.height:
        write_rejected(dataset, rejected)
        note(f"Bad rows ({dataset.rejected.height:,}) are in {rejected}.")
