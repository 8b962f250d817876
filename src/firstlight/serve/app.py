"""The application: its routes, in one list, and what stands around them."""

import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from firstlight.serve import logs, memory, problems
from firstlight.serve.calls import Route, install
from firstlight.serve.metrics import Metrics
from firstlight.serve.replies import (
    CategoriesReply,
    EventsReply,
    ExplainReply,
    ForgottenReply,
    ModelsReply,
    RankReply,
    RecommendReply,
    RemovedReply,
    RowsReply,
    StateReply,
    VersionReply,
)
from firstlight.serve.routes import health, lists, models, rows
from firstlight.serve.settings import ServeSettings
from firstlight.serve.shapes import (
    CategoriesBody,
    EventsBody,
    ExplainBody,
    ItemsBody,
    RankBody,
    RecommendBody,
    SimilarBody,
    UsersBody,
)
from firstlight.serve.state import Shop

ROUTES = (
    Route("POST", "/v1/recommend", lists.recommend, RecommendReply, RecommendBody, "serve", together=True),
    Route("POST", "/v1/similar", lists.similar, RecommendReply, SimilarBody, "serve", together=True),
    Route("POST", "/v1/categories/recommend", lists.categories, CategoriesReply, CategoriesBody, "serve"),
    Route("POST", "/v1/rank", lists.rank, RankReply, RankBody, "serve", together=True),
    Route("POST", "/v1/explain", lists.explain, ExplainReply, ExplainBody, "serve"),
    Route("POST", "/v1/events", rows.add_events, EventsReply, EventsBody, "ingest"),
    Route("DELETE", "/v1/events/{event_id:path}", rows.remove_event, RemovedReply, scope="admin"),
    Route("PUT", "/v1/items", rows.put_items, RowsReply, ItemsBody, "ingest"),
    Route("PUT", "/v1/users", rows.put_users, RowsReply, UsersBody, "ingest"),
    Route("DELETE", "/v1/users/{user_id:path}", rows.forget_user, ForgottenReply, scope="admin"),
    Route("GET", "/v1/models", models.models, ModelsReply, scope="serve"),
    Route("POST", "/v1/models/rollback", models.rollback, ModelsReply, scope="admin"),
    Route("POST", "/v1/models/{version}/activate", models.activate, ModelsReply, scope="admin"),
    Route("GET", "/livez", health.live, StateReply),
    Route("GET", "/readyz", health.ready, StateReply),
    Route("GET", "/version", health.version, VersionReply),
    Route("GET", "/metrics", health.metrics, None),
    Route("GET", "/", health.home, None),
)

PLAYGROUND = Path(__file__).parent / "playground"
PAGE_HEADERS = {
    "content-security-policy": "default-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cache-control": "no-cache",
}


class Page(StaticFiles):
    """The playground's files, which may ask nobody but this server."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:
        """A file; a browser asks each time whether it has changed."""
        response = super().file_response(*args, **kwargs)
        response.headers.update(PAGE_HEADERS)
        return response


class App(FastAPI):
    """The framework. It finds what a path with a name in it asks for; a request to any other goes to its route."""

    def __init__(self, metrics: Metrics, quiet: bool, **more: Any) -> None:
        super().__init__(**more)
        plain = {(route.method, route.path): route for route in ROUTES if "{" not in route.path}
        self._watched = logs.Watched(super().__call__, metrics, quiet, plain)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI call."""
        scope["app"] = self
        await self._watched(scope, receive, send)


def create(settings: ServeSettings) -> FastAPI:
    """The application. It opens the store and reads the model when it starts, and closes them when it ends."""
    measured, quiet = Metrics(), settings.log == "quiet"

    @asynccontextmanager
    async def life(app: FastAPI) -> AsyncIterator[None]:
        logs.install(quiet)
        memory.keep_freed()
        if settings.threads is not None:
            import torch

            torch.set_num_threads(settings.threads)
        app.state.shop = shop = await run_in_threadpool(Shop, settings, measured)
        gc.collect()
        gc.freeze()  # what lasts is not searched for garbage again, which takes a tenth of a second each time
        try:
            yield
        finally:
            await run_in_threadpool(shop.close)

    app = App(
        measured,
        quiet,
        title="firstlight",
        version="1",
        description="Recommends from the first click.",
        lifespan=life,
        docs_url=None,
        redoc_url=None,
    )
    install(app, ROUTES)
    app.mount("/playground", Page(directory=PLAYGROUND, html=True, check_dir=False), "playground")
    problems.install(app)
    return app


def serving() -> FastAPI:
    """The application of a worker process, with the settings that it finds in the environment."""
    return create(ServeSettings.from_environment())
