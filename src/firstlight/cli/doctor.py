"""``firstlight doctor``: what is wrong with an installation, and what to do."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from firstlight.doctor import Finding

UNWELL = 1
SIGNS = {"ok": "[green]✓[/]", "note": "[yellow]·[/]", "wrong": "[red]✗[/]"}

Models = Annotated[
    Path | None,
    typer.Argument(metavar="[MODELS]", help="A model folder, or a folder of model folders.", show_default=False),
]
StoreUrl = Annotated[
    str | None, typer.Option("--store", metavar="URL", help="File or database URL of the store that is to be served.")
]
Host = Annotated[str, typer.Option(help="The address that the server is to listen on.")]
Port = Annotated[int, typer.Option(min=1, max=65_535, help="The port that it is to listen on.")]
Json = Annotated[bool, typer.Option("--json", help="All findings as JSON on standard output.")]


def doctor(
    models: Models = None, store: StoreUrl = None, host: Host = "127.0.0.1", port: Port = 8321, as_json: Json = False
) -> None:
    """Look at Python, packages, threads, models, store and port: what is wrong and what to do. Code 1: something is."""
    from firstlight.doctor import examine

    found = examine(models, store, host, port)
    well = all(finding.state != "wrong" for finding in found)
    if as_json:
        typer.echo(json.dumps({"ok": well, "findings": [asdict(finding) for finding in found]}, indent=1))
    else:
        _print(found)
    if not well:
        raise typer.Exit(UNWELL)


def _print(found: Sequence["Finding"]) -> None:
    table = Table.grid(padding=(0, 2, 0, 0))
    for finding in found:
        remedy = f"\n[bold]{escape(finding.remedy)}[/]" if finding.remedy else ""
        table.add_row(SIGNS[finding.state], escape(finding.about), escape(finding.says) + remedy)
    console = Console(highlight=False)
    console.print(table)
    wrong = sum(finding.state == "wrong" for finding in found)
    console.print("\nNothing is wrong." if not wrong else f"\n[bold red]{wrong} of {len(found)} findings are wrong.[/]")
