"""What the measurements of the server share: a server in a process of its own, and clients that cost little."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self, cast

import polars as pl

HOST = "127.0.0.1"
FIRSTLIGHT = (sys.executable, "-c", "from firstlight.cli import main; main()")
HEAD_END = b"\r\n\r\n"


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind((HOST, 0))
        return int(tried.getsockname()[1])


def pin(cores: int) -> None:
    """Keep this process, and all that it starts, on the last so many cores of those it may use."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-cores:])


@dataclass
class Server:
    """A command that listens on ``port``, from when ``ready`` answers to the end of the block.

    log: where what it says goes; None: nowhere.
    """

    command: Sequence[str]
    port: int
    ready: str = "/readyz"
    log: Path | None = None
    patience: float = 60.0
    process: subprocess.Popen[bytes] = field(init=False)

    @classmethod
    def of(cls, model: Path, store: str, *options: str, log: Path | None = None) -> Self:
        """``firstlight serve`` on a port that is free."""
        port = free_port()
        command = [
            *FIRSTLIGHT,
            "serve",
            str(model),
            "--store",
            store,
            "--host",
            HOST,
            "--port",
            str(port),
            "--log",
            "quiet",
            *options,
        ]
        return cls(command, port, log=log)

    def __enter__(self) -> Self:
        """Start it. Raises RuntimeError, with what it said last, where it ends or is not ready in time."""
        with open(os.devnull if self.log is None else self.log, "ab") as log:
            self.process = subprocess.Popen(self.command, stdout=log, stderr=log, start_new_session=True)
        until = time.monotonic() + self.patience
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(OSError), urllib.request.urlopen(f"http://{HOST}:{self.port}{self.ready}", timeout=2):
                return self
            time.sleep(0.05)
        self.kill()
        said = self.log.read_text(errors="replace")[-2_000:] if self.log else ""
        raise RuntimeError(f"{' '.join(self.command)} is not ready after {self.patience:.0f} s: {said}")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.process.terminate()
        try:
            self.process.wait(15)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """End it and its workers at once, as a power cut would."""
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def megabytes(self) -> float:
        """What it holds in memory now, its workers included."""
        group = [pid for pid in map(int, filter(str.isdecimal, os.listdir("/proc"))) if _group(pid) == self.process.pid]
        return sum(map(_resident, group)) / 2**20

    def ask(self, path: str, body: Any = None, method: str = "POST") -> Any:
        """One request by itself, and the JSON of its answer. Raises OSError for another status than 200."""
        data = None if body is None else json.dumps(body).encode()
        made = urllib.request.Request(f"http://{HOST}:{self.port}{path}", data, method=method)
        made.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(made, timeout=30) as answer:
            return json.loads(answer.read())


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    seconds: float
    body: bytes


class Connection(asyncio.Protocol):
    """One client: a connection that is kept open and has one request under way at a time."""

    def __init__(self) -> None:
        self.received = bytearray()
        self.due: asyncio.Future[tuple[int, bytes]] | None = None
        self.transport: asyncio.Transport | None = None

    @classmethod
    async def to(cls, port: int) -> "Connection":
        _, made = await asyncio.get_running_loop().create_connection(cls, HOST, port)
        return made

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.due and not self.due.done():
            self.due.set_exception(ConnectionResetError("the server closed the connection"))

    def data_received(self, data: bytes) -> None:
        self.received += data
        head = self.received.find(HEAD_END)
        if head < 0 or self.due is None or self.due.done():
            return
        start = head + len(HEAD_END)
        length = int(self.received[:head].lower().partition(b"content-length:")[2].split(b"\r\n", 1)[0] or 0)
        if len(self.received) >= start + length:
            answer = int(self.received[9:12]), bytes(self.received[start : start + length])
            self.received.clear()
            self.due.set_result(answer)

    async def ask(self, request: bytes) -> Reply:
        """Send what ``request`` made and wait for its answer. Raises ConnectionError where none comes."""
        assert self.transport is not None
        self.due = asyncio.get_running_loop().create_future()
        start = time.perf_counter()
        self.transport.write(request)
        status, body = await self.due
        return Reply(status, time.perf_counter() - start, body)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.close()


def request(path: str, body: Any, method: str = "POST") -> bytes:
    """The bytes of a request."""
    data = json.dumps(body).encode()
    head = f"{method} {path} HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(data)}\r\n\r\n".encode() + data


def item_ids(model: Path) -> list[str]:
    """The items of a model folder."""
    return [str(name) for name in pl.read_parquet(model / "items.parquet")["item_id"]]


def _group(pid: int) -> int:
    try:
        return os.getpgid(pid)
    except ProcessLookupError:
        return 0


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError):
        return 0
