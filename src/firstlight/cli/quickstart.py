"""``firstlight quickstart``: the whole path on simulated data, and if wanted a server to try it with."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from firstlight.cli.options import Seed, Threads, use_threads
from firstlight.cli.serve import free
from firstlight.errors import SettingsError

HOST = "127.0.0.1"

People = Annotated[int, typer.Option("--users", min=300, help="How many simulated people.")]
Serve = Annotated[bool, typer.Option("--serve", help="Go on to serve the model, with a page to try it on.")]
Out = Annotated[
    Path | None, typer.Option(metavar="FOLDER", help="Folder for the model, its evaluation and the server's store.")
]
Port = Annotated[int, typer.Option(min=1, max=65_535, help="Where --serve listens.")]


def quickstart(
    seed: Seed = 0,
    users: People = 3_200,
    threads: Threads = None,
    serve: Serve = False,
    out: Out = None,
    port: Port = 8321,
) -> None:
    """See it work: a simulated marketplace, training, judging, and three examples in words."""
    from firstlight.quickstart import run

    if serve:
        _check(port)
    use_threads(threads)
    if not serve:
        run(users, seed, out=out)
        return
    with _folder(out) as folder:
        run(users, seed, out=folder)
        _serve(folder, port, temporary=out is None)


def _check(port: int) -> None:
    """Say before the work what would end it afterwards: a package that is not there, a port that is taken."""
    try:
        import_module("firstlight.serve.app")
    except ModuleNotFoundError as error:
        raise SettingsError(f"Serving needs the package {error.name}: pip install 'firstlight[serve]'.") from error
    free(HOST, port)


@contextmanager
def _folder(out: Path | None) -> Iterator[Path]:
    if out is not None:
        yield out
        return
    with TemporaryDirectory(prefix="firstlight-") as folder:
        yield Path(folder)


def _serve(folder: Path, port: int, temporary: bool) -> None:
    from firstlight.cli.serve import serve
    from firstlight.quickstart import EVALUATION, MODEL, STORE

    kept = "until the server ends; --out FOLDER keeps them" if temporary else "and stay there"
    typer.echo(f"\nModel, evaluation and store are in {folder} {kept}.\n")
    serve(folder / MODEL, store=str(folder / STORE), host=HOST, port=port, report=folder / EVALUATION)
