"""The command line: one command, one call of the library."""

import signal
import sys
import warnings
from importlib.metadata import PackageNotFoundError, version
from typing import Annotated, Any

import typer

from firstlight.cli.adapt import adapt
from firstlight.cli.check import check
from firstlight.cli.doctor import doctor
from firstlight.cli.evaluate import evaluate
from firstlight.cli.group import INTERRUPTED, OneSentence
from firstlight.cli.keys import keys
from firstlight.cli.learners import learners
from firstlight.cli.predict import predict
from firstlight.cli.quickstart import quickstart
from firstlight.cli.recipe import recipe
from firstlight.cli.recommend import recommend
from firstlight.cli.serve import serve
from firstlight.cli.simulate import simulate
from firstlight.cli.train import train

app = typer.Typer(
    cls=OneSentence,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Recommends from the first click: for people, items and categories never seen before.",
)
for command in (
    quickstart,
    check,
    train,
    adapt,
    recommend,
    predict,
    evaluate,
    learners,
    recipe,
    simulate,
    serve,
    doctor,
):
    app.command()(command)
app.add_typer(keys, name="keys")


def _print_version(wanted: bool) -> None:
    if wanted:
        try:
            typer.echo(f"firstlight {version('firstlight')}")
        except PackageNotFoundError:
            typer.echo("firstlight unknown")
        raise typer.Exit


@app.callback()
def top(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Say which.")
    ] = False,
) -> None:
    """Take the options that stand before a command."""


def main() -> None:
    """The program ``firstlight``."""
    # Ended from outside, a command still cleans up what it has half written.
    signal.signal(signal.SIGTERM, _leave)
    # Polars lets a read go on after Ctrl-C: waiting for standard input would not end.
    if hasattr(signal, "siginterrupt"):
        signal.siginterrupt(signal.SIGINT, True)
    warnings.filterwarnings("ignore", "Sparse CSR tensor support is in beta", UserWarning)
    try:
        app()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _leave(number: int, frame: Any) -> None:
    sys.exit(128 + number)
