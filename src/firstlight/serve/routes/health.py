"""Whether the server lives, can answer, and what it has done."""

import platform
from importlib import metadata
from typing import Any

from prometheus_client import CONTENT_TYPE_LATEST
from starlette.concurrency import run_in_threadpool
from starlette.responses import RedirectResponse, Response

from firstlight.serve.calls import Call
from firstlight.serve.problems import Problem


async def live(call: Call[None]) -> dict[str, Any]:
    """The process answers."""
    return {"status": "ok"}


async def ready(call: Call[None]) -> dict[str, Any]:
    """The store answers and a model is ready."""
    state = await run_in_threadpool(call.shop.store.state)
    call.shop.box.follow(state)
    if call.shop.box.served is None:
        raise Problem("no_model", call.shop.box.why, retry=5)
    return {"status": "ok"}


async def metrics(call: Call[None]) -> Response:
    """Counts and seconds, as Prometheus reads them."""
    return Response(await run_in_threadpool(call.shop.metrics.text), media_type=CONTENT_TYPE_LATEST)


async def version(call: Call[None]) -> dict[str, Any]:
    """What is running."""
    served = call.shop.box.served
    try:
        ours = metadata.version("firstlight")
    except metadata.PackageNotFoundError:
        ours = "unknown"
    return {"version": ours, "model": None if served is None else served.version, "python": platform.python_version()}


async def home(call: Call[None]) -> Response:
    """The playground."""
    return RedirectResponse("/playground/")
