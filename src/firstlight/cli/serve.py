"""``firstlight serve``: answers over HTTP, with a page to see it happen."""

import os
import socket
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from firstlight.errors import SettingsError

if TYPE_CHECKING:
    from firstlight.serve.settings import ServeSettings

Models = Annotated[Path, typer.Argument(metavar="MODELS", help="A model folder, or a folder of model folders.")]
StoreUrl = Annotated[str, typer.Option("--store", metavar="FILE|URL", help="SQLite file, or postgresql+psycopg://…")]
Host = Annotated[str, typer.Option(help="Address to listen on; other than this machine's own it needs API keys.")]
Port = Annotated[int, typer.Option(min=0, max=65_535, help="Where to listen; 0: where there is room.")]
Workers = Annotated[int, typer.Option(min=1, max=64, help="Processes; each holds the model.")]
Report = Annotated[
    Path | None, typer.Option(metavar="EVALUATION", help="What `firstlight evaluate --out` wrote, for `confidence`.")
]
Threads = Annotated[
    int | None, typer.Option(min=1, help="Threads a process computes with; left out: half of its share of the cores.")
]
Log = Annotated[
    Literal["quiet", "json"] | None,
    typer.Option(help="quiet: what goes wrong; json: each request too; left out: quiet at a terminal, else json."),
]

ENDING = 10
"""Seconds that requests under way get to end."""
ALONE, BESIDE_OTHERS = 16, 14
"""How many lists a process takes on at once: of several each gets a part of the clients, now more and now fewer."""


def serve(
    models: Models,
    store: StoreUrl = "firstlight.db",
    host: Host = "127.0.0.1",
    port: Port = 8321,
    workers: Workers = 1,
    report: Report = None,
    threads: Threads = None,
    log: Log = None,
) -> None:
    """Answer over HTTP: what a person did a moment ago changes their next list."""
    try:
        from firstlight.serve.settings import ServeSettings
    except ModuleNotFoundError as error:
        raise SettingsError(f"Serving needs the package {error.name}: pip install 'firstlight[serve]'.") from error

    if not models.is_dir():
        raise SettingsError(f"{models} is not a folder: give a model folder, or a folder of model folders.")
    settings = ServeSettings(
        models=models.resolve(),
        store=store,
        host=host,
        port=free(host, port),
        report=None if report is None else report.resolve(),
        threads=threads or _share(workers),
        log=log or ("quiet" if sys.stderr.isatty() else "json"),
        together=ALONE if workers == 1 else BESIDE_OTHERS,
    )
    _check(settings)
    _introduce(settings, workers)
    _run(settings, workers)


def _check(settings: "ServeSettings") -> None:
    """Say before the start what would end it: a store that cannot be used, an address without keys."""
    from firstlight.serve.confidence import Levels
    from firstlight.store import Store

    Levels.read(settings.report)
    found = Store.open(settings.store)
    try:
        if not settings.loopback and not found.keys():
            raise SettingsError(
                f"Without API keys the server answers this machine only, not {settings.host}: "
                f"`firstlight keys add NAME --store {_shown(settings.store)}` first, or leave out --host."
            )
    finally:
        found.close()


def free(host: str, port: int) -> int:
    """The port, or one that is free for 0; said before the work if it is taken."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
            return int(tried.getsockname()[1])
    except OSError as error:
        raise SettingsError(
            f"{host}:{port} cannot be listened on ({error.strerror}): choose another --port."
        ) from error


def _introduce(settings: "ServeSettings", workers: int) -> None:
    from firstlight.store import Store

    found = Store.open(settings.store)
    keys, counts = len(found.keys()), found.count()
    found.close()
    name = f"[{settings.host}]" if ":" in settings.host else settings.host
    typer.echo(f"Serving {settings.models} at http://{name}:{settings.port}")
    typer.echo(f"  playground  http://{name}:{settings.port}/playground/")
    typer.echo(f"  OpenAPI     http://{name}:{settings.port}/openapi.json")
    typer.echo(f"  store       {_shown(settings.store)}: {counts['events']:,} events, {counts['items']:,} items")
    who = f"{keys:,} API keys" if keys else "no API keys, so only this machine is answered"
    typer.echo(f"  access      {who}")
    typer.echo(f"  processes   {workers}, {settings.threads} threads each; Ctrl-C ends them")


def _run(settings: "ServeSettings", workers: int) -> None:
    from firstlight.serve import workers as processes

    with TemporaryDirectory(prefix="firstlight-") as counts:
        if workers > 1:
            os.environ["PROMETHEUS_MULTIPROC_DIR"] = counts
        settings.to_environment()
        processes.run(
            "firstlight.serve.app:serving",
            settings.host,
            settings.port,
            workers,
            factory=True,
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_graceful_shutdown=ENDING,
        )


def _share(workers: int) -> int:
    """Threads for a process: the rest of its cores is for the requests themselves."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, cores // workers // 2)


def _shown(store: str) -> str:
    """The store without a password."""
    from sqlalchemy import make_url

    return make_url(store).render_as_string(hide_password=True) if "://" in store else store
