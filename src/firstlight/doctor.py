"""What is wrong with an installation that is to serve, and what to do about it: the checks of ``firstlight doctor``.

Each check looks at one thing and says in a sentence what it found; a check that fails is a finding too. Nothing is
changed, but that a store of an older version is brought up to date as ``serve`` does.
"""

import http.client
import json
import os
import re
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import Literal

import polars as pl

from firstlight.errors import FirstlightError
from firstlight.manifest import MANIFEST, read_manifest
from firstlight.serve.settings import LOOPBACK

OLDEST_PYTHON = (3, 11)
SHIPPED = ("serve", "postgres")
"""Of the optional packages, those that serving needs."""

PATIENCE = 2.0
"""Seconds that a server on the port is given to say who it is."""

REQUIREMENT = re.compile(
    r"(?P<name>[\w.-]+)(?:\[[^]]*\])?(?:>=(?P<least>[\d.]+))?(?:\s*;.*extra == ['\"](?P<extra>\w+))?"
)
CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")

State = Literal["ok", "note", "wrong"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. remedy: what to do, where something is to be done and ``says`` does not say it."""

    about: str
    state: State
    says: str
    remedy: str = ""


def examine(
    models: Path | None = None, store: str | None = None, host: str = "127.0.0.1", port: int = 8321
) -> list[Finding]:
    """Look at Python, packages and threads, at the models and the store if they are named, and at the port.

    models: a model folder or a folder of them. store: a file or the URL of a database.
    """
    checks: dict[str, Callable[[], Sequence[Finding]]] = {"Python": python, "packages": packages, "threads": threads}
    if models is not None:
        checks["model"] = partial(model_folders, models)
    if store is not None:
        checks["store"] = partial(stored, store, host)
    checks["port"] = partial(port_free, host, port)
    return [finding for about, check in checks.items() for finding in _looked(about, check)]


def python(version: tuple[int, ...] = sys.version_info[:3]) -> list[Finding]:
    """Whether this Python is new enough."""
    named = ".".join(map(str, version))
    if version < OLDEST_PYTHON:
        oldest = ".".join(map(str, OLDEST_PYTHON))
        return [Finding("Python", "wrong", f"{named} is too old.", f"Install Python {oldest} or newer.")]
    return [Finding("Python", "ok", f"{named}, {sys.executable}")]


def packages(requirements: Sequence[str] | None = None) -> list[Finding]:
    """Whether what firstlight needs is there and new enough. requirements: as in its metadata; None: those."""
    try:
        wanted = metadata.requires("firstlight") or [] if requirements is None else requirements
        own = metadata.version("firstlight")
    except metadata.PackageNotFoundError:
        return [
            Finding("packages", "note", "firstlight runs from its source and is not installed.", "pip install -e .")
        ]
    wishes = [match for match in map(REQUIREMENT.match, wanted) if match and match["extra"] in (None, *SHIPPED)]
    found = [_package(match["name"], match["least"] or "0", match["extra"]) for match in wishes]
    fine = ", ".join([f"firstlight {own}", *(f"{each.about} {each.says}" for each in found if each.state == "ok")])
    return [Finding("packages", "ok", fine), *(each for each in found if each.state != "ok")]


def threads(cores: float | None = None, asked: str | None = None) -> list[Finding]:
    """Whether more threads are asked for than there are cores, which makes everything many times slower.

    cores: None: those that this process may use. asked: None: OMP_NUM_THREADS.
    """
    cores = _cores() if cores is None else cores
    asked = os.environ.get("OMP_NUM_THREADS", "") if asked is None else asked
    says = f"{cores:g} cores may be used, and OMP_NUM_THREADS is {asked or 'not set'}."
    most = max(1, int(cores))
    if asked and not (asked.isdecimal() and int(asked) >= 1):
        return [Finding("threads", "wrong", says, f"Set OMP_NUM_THREADS to a number from 1 to {most}.")]
    if int(asked or 1) > most or (not asked and cores < _visible()):
        return [Finding("threads", "wrong" if asked else "note", says, f"Set OMP_NUM_THREADS to {most} or less.")]
    return [Finding("threads", "ok", says)]


def model_folders(folder: Path) -> list[Finding]:
    """Whether each model loads, is whole, and gives somebody of whom nothing is known a list of finite scores."""
    if (folder / MANIFEST).exists():
        return [_model(folder)]
    if not folder.is_dir():
        return [
            Finding("model", "wrong", f"{folder} is not a folder.", "Train one: firstlight train DATA --out MODEL.")
        ]
    found = sorted(path for path in folder.iterdir() if (path / MANIFEST).exists() and not path.name.startswith("."))
    if not found:
        remedy = f"Train one: firstlight train DATA --out {folder / 'first'}."
        return [Finding("model", "wrong", f"{folder} holds no model folder.", remedy)]
    return [_model(path) for path in found]


def stored(url: str, host: str = LOOPBACK[0]) -> list[Finding]:
    """Whether the store can be reached and read, and has the keys that ``host`` asks for.

    A file that is not there is not made.
    """
    from firstlight.store import Store

    file = _file(url)
    if file is not None and not file.exists():
        return [_place(file)]
    with closing(Store.open(url)) as store:
        counted = ", ".join(f"{count:,} {name}" for name, count in store.count().items())
        version, keys = store.state().model, len(store.keys())
    says = f"{_shown(url)}: {counted}, {keys:,} keys; model in use: {version or 'none activated'}."
    if host not in LOOPBACK and not keys:
        remedy = f"firstlight keys add NAME --store {_shown(url)}, or serve on {LOOPBACK[0]}."
        return [Finding("store", "wrong", f"{says} Without a key it is not served on {host}.", remedy)]
    return [Finding("store", "ok", says)]


def port_free(host: str, port: int) -> list[Finding]:
    """Whether a server could listen there; a firstlight that already does is asked how it is."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        return [_taken(host, port, error)]
    return [Finding("port", "ok", f"{host}:{port} is free.")]


def _looked(about: str, check: Callable[[], Sequence[Finding]]) -> Sequence[Finding]:
    try:
        return check()
    except FirstlightError as error:  # which says itself what to do
        return [Finding(about, "wrong", str(error))]
    except Exception as error:  # whatever is broken, the other checks are still worth making
        return [Finding(about, "wrong", f"{type(error).__name__}: {error}", "Install firstlight again.")]


def _package(name: str, least: str, extra: str | None) -> Finding:
    wish = f"firstlight[{extra}]" if extra else f"{name}>={least}"
    remedy = f"pip install '{wish}'"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        needed = {None: "", "serve": ", which `firstlight serve` needs", "postgres": ", which PostgreSQL needs"}
        return Finding(name, "note" if extra else "wrong", f"is not installed{needed.get(extra, '')}.", remedy)
    if _numbers(version) < _numbers(least):
        return Finding(name, "wrong", f"{version} is older than {least}.", remedy)
    return Finding(name, "ok", version)


def _numbers(version: str) -> tuple[int, ...]:
    release = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in release[0].split(".")) if release else ()


def _visible() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _cores() -> float:
    """The cores this process may use: a container's share can be less than what it sees."""
    try:
        quota, period = CPU_QUOTA.read_text().split()
        return min(_visible(), int(quota) / int(period))
    except (OSError, ValueError):
        return _visible()


def _model(folder: Path) -> Finding:
    from firstlight.recommender import Recommender

    about = f"model {folder.name}"
    try:
        recommender = Recommender.load(folder)
        best = recommender.recommend(names=pl.Series(["somebody"]), n=1)
    except FirstlightError as error:
        return Finding(about, "wrong", str(error))
    if not best["score"].is_finite().all():
        return Finding(
            about, "wrong", "Its scores are not finite.", f"Train it again: firstlight train DATA --out {folder}."
        )
    created = read_manifest(folder).created
    return Finding(about, "ok", f"{recommender.prior.learner}, {len(recommender.schema.item_ids):,} items, {created}.")


def _file(url: str) -> Path | None:
    """The file of an SQLite store; None for another database."""
    path = url.removeprefix("sqlite:///")
    return None if "://" in path or path == ":memory:" else Path(path)


def _place(file: Path) -> Finding:
    near = next(folder for folder in file.absolute().parents if folder.exists())
    if not (near.is_dir() and os.access(near, os.W_OK)):
        return Finding("store", "wrong", f"{file} cannot be written.", f"Make {near} writable, or name another file.")
    return Finding("store", "note", f"{file} is not there yet: `firstlight serve` makes it.")


def _shown(url: str) -> str:
    return re.sub(r"(://[^:/@]*):.*@", r"\1:***@", url)


def _taken(host: str, port: int, error: OSError) -> Finding:
    where, remedy = f"{host}:{port}", f"Stop what listens there, or choose another port than {port}."
    if not (version := _serving(host, port, "/version")):
        return Finding("port", "wrong", f"{where} cannot be used ({error.strerror or error}).", remedy)
    if not _serving(host, port, "/readyz"):
        return Finding("port", "wrong", f"{version} listens on {where} and is not ready.", "Read its log.")
    return Finding("port", "ok", f"{version} serves on {where} and is ready.")


def _serving(host: str, port: int, path: str) -> str:
    """What a firstlight there says; empty where there is none, or where it says no."""
    with closing(http.client.HTTPConnection(host, port, timeout=PATIENCE)) as connection:
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = json.loads(answer.read(65_536))
        except (OSError, http.client.HTTPException, ValueError):
            return ""
    told = body if isinstance(body, dict) and answer.status == 200 else {}
    return f"firstlight {told.get('version', told.get('firstlight', ''))}".rstrip() if told else ""
