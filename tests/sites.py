"""Servers as tests need them: a small model, the application without a socket, and processes with one."""

import asyncio
import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import uvicorn
from fastapi import FastAPI

from firstlight.dataset import read_dataset
from firstlight.datasets.simulated import simulate
from firstlight.learners import make
from firstlight.recommender import Recommender
from firstlight.serve.app import create
from firstlight.serve.settings import ServeSettings
from firstlight.serve.state import Shop

HOME = "http://127.0.0.1"
JSON = {"content-type": "application/json"}


def settings(models: Path, store: Path | str, **more: Any) -> ServeSettings:
    return ServeSettings(models=models, store=str(store), **more)


@dataclass
class Site:
    """The application, started in this process; requests do not leave it."""

    app: FastAPI
    loop: asyncio.AbstractEventLoop
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def shop(self) -> Shop:
        shop: Shop = self.app.state.shop
        return shop

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(work)

    def client(self) -> httpx.AsyncClient:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url=HOME, headers=self.headers)

    def ask(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        async def asked() -> httpx.Response:
            async with self.client() as client:
                if isinstance(body, bytes):
                    return await client.request(method, path, content=body, **{"headers": JSON, **more})
                return await client.request(method, path, **({} if body is None else {"json": body}), **more)

        found: httpx.Response = self.run(asked())
        return found

    def post(self, path: str, body: Any) -> Any:
        """The answer to a request that must be answered."""
        return good(self.ask("POST", path, body))

    def put(self, path: str, body: Any) -> Any:
        return good(self.ask("PUT", path, body))

    def get(self, path: str) -> Any:
        return good(self.ask("GET", path))

    def listed(self, **body: Any) -> list[str]:
        """The ids that are recommended."""
        return [item["item_id"] for item in self.post("/v1/recommend", body)["items"]]

    def together(self, calls: list[tuple[str, str, Any]]) -> list[httpx.Response]:
        """Several requests at the same time."""

        async def asked() -> list[httpx.Response]:
            async with self.client() as client:
                return await asyncio.gather(*(client.request(m, p, json=b) for m, p, b in calls))

        found: list[httpx.Response] = self.run(asked())
        return found


def good(response: httpx.Response) -> Any:
    assert response.status_code == 200, response.text
    return response.json()


def problem(response: httpx.Response, status: int, code: str) -> Any:
    """The problem that a request is refused with."""
    assert (response.status_code, response.headers["content-type"]) == (status, "application/problem+json")
    told = response.json()
    assert (told["status"], told["code"]) == (status, code), told
    assert "Traceback" not in response.text and "/tmp" not in response.text
    return told


@contextmanager
def site(settings: ServeSettings) -> Iterator[Site]:
    """The application from its start to its end."""
    app = create(settings)
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        life = app.router.lifespan_context(app)
        loop.run_until_complete(life.__aenter__())
        try:
            yield Site(app, loop)
        finally:
            loop.run_until_complete(life.__aexit__(None, None, None))


@contextmanager
def listening(settings: ServeSettings) -> Iterator[str]:
    """The address of the application, served by a thread of this process."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(create(settings), port=port, log_config=None, access_log=False))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started and thread.is_alive():
            time.sleep(0.01)
        assert server.started
        yield f"{HOME}:{port}"
    finally:
        server.should_exit = True
        thread.join()


def free_port() -> int:
    with socket.socket() as tried:
        tried.bind(("127.0.0.1", 0))
        return int(tried.getsockname()[1])


class Process:
    """``firstlight serve`` in a process of its own, until the block ends."""

    def __init__(self, models: Path, store: str, *options: str, environment: Mapping[str, str] | None = None) -> None:
        self.port = free_port()
        self.url = f"{HOME}:{self.port}"
        program = [sys.executable, "-c", "from firstlight.cli import main; main()", "serve", str(models)]
        self._command = [*program, "--store", store, "--port", str(self.port), "--threads", "1", *options]
        self._environment = {**os.environ, **(environment or {})}

    def __enter__(self) -> Self:
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(
            self._command, stdout=pipe, stderr=pipe, text=True, env=self._environment, start_new_session=True
        )
        return self

    def ready(self, seconds: float = 60.0) -> Self:
        """Wait until it answers; what it says instead is the failure."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and self.process.poll() is None:
            with suppress(httpx.TransportError):
                if _connector().get(f"{self.url}/readyz").status_code == 200:
                    return self
            time.sleep(0.1)
        raise AssertionError(self.stop())

    def stop(self) -> str:
        """End it as an operator would; all that it has said."""
        self.process.send_signal(signal.SIGTERM)
        try:
            out, err = self.process.communicate(timeout=20)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        return out + err

    def kill(self) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self.process.poll() is None:
            self.kill()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@cache
def _connector() -> httpx.Client:
    """Opens a connection for each request, so that any process that listens may take it."""
    return httpx.Client(limits=httpx.Limits(max_keepalive_connections=0), timeout=20)


def over(url: str, method: str, path: str, body: Any = None) -> Any:
    """The answer to a request that must be answered, over the network."""
    return good(_connector().request(method, f"{url}{path}", json=body))


@cache
def models() -> Path:
    """A folder with the models ``first`` and ``second`` of one small marketplace; gone with the process."""
    folder = Path(tempfile.mkdtemp(prefix="models"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    simulate(n_users=120, n_items=60, n_events=2_500, seed=1).write(folder / "data")
    dataset = read_dataset(folder / "data")
    for name, learner in (("first", "content-knn"), ("second", "ease")):
        Recommender.fit(dataset, make(learner), seed=0).save(folder / "models" / name)
    return folder / "models"


def one_model(folder: Path, name: str = "first") -> Path:
    """A folder of models that a test may damage, with one model."""
    shutil.copytree(models() / name, folder / "models" / name)
    return folder / "models"
