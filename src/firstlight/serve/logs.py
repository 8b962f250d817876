"""One line of JSON for each request and each event of the server's life. No id of a person and no key is in any."""

import logging
import os
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import orjson
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from firstlight.serve.metrics import Metrics

LOG = logging.getLogger("firstlight.serve")
QUIET = ("/livez", "/readyz", "/metrics")
"""Asked every few seconds by machines: counted, but logged only where they fail."""


class Lines(logging.Handler):
    """Writes a record as a line of JSON."""

    def emit(self, record: logging.LogRecord) -> None:
        """time, level, message, and what was given as ``extra={"told": {...}}``."""
        told = dict(getattr(record, "told", {}))
        if record.exc_info:
            told["traceback"] = logging.Formatter().formatException(record.exc_info)
        write(record.levelname.lower(), record.getMessage(), told)


def write(level: str, message: str, told: Mapping[str, Any]) -> None:
    """A line on standard error. Requests come here directly: the machinery of logging takes longer than the rest."""
    moment = datetime.now(UTC).isoformat(timespec="milliseconds")
    line = {"time": moment, "level": level, "message": message, **told}
    with suppress(OSError, ValueError):  # nobody listens any more
        sys.stderr.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE).decode())


def install(quiet: bool) -> None:
    """Send what the server and its framework say to standard error, once. quiet: only what goes wrong."""
    for log, level in (
        (LOG, logging.WARNING if quiet else logging.INFO),
        (logging.getLogger("uvicorn.error"), logging.WARNING),
    ):
        if not any(isinstance(handler, Lines) for handler in log.handlers):
            log.addHandler(Lines())
        log.setLevel(level)
        log.propagate = False


class Watched:
    """Gives every request an id, and tells metrics and log what became of it; quiet: the log only of what failed.

    The route is the path as the API describes it: a path that was asked for may hold the id of somebody.
    plain: method and path -> what answers there, of paths that name nothing; the app need not look for it.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics, quiet: bool, plain: Mapping[tuple[str, str], ASGIApp]) -> None:
        self._app, self._metrics, self._quiet, self._plain = app, metrics, quiet, plain

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI call."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started, status = time.perf_counter(), 500
        name = scope["request_id"] = new_id()

        async def told(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"].append((b"x-request-id", name.encode()))
            await send(message)

        try:
            await self._plain.get((scope["method"], scope["path"]), self._app)(scope, receive, told)
        finally:
            self._tell(scope, status, time.perf_counter() - started)

    def _tell(self, scope: Scope, status: int, seconds: float) -> None:
        route = scope.get("described", "other")
        self._metrics.request(route, status, seconds)
        if status >= 500 or not (self._quiet or route in QUIET):
            told = {"request_id": scope["request_id"], "route": route, "status": status, "ms": round(seconds * 1e3, 2)}
            write("warning" if status >= 500 else "info", "request", told)


def new_id() -> str:
    """An id that no other request has."""
    return os.urandom(16).hex()
