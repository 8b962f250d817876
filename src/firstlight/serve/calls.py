"""From HTTP to a plain function and back: one way for every route."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Generic, TypeVar

import orjson
from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from pydantic import BaseModel
from pydantic.json_schema import models_json_schema
from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.routing import Route as Plain
from starlette.types import Receive, Scope, Send

from firstlight.serve import keys, limits, problems
from firstlight.serve.logs import LOG
from firstlight.serve.problems import MEDIA_TYPE, Problem
from firstlight.serve.replies import ProblemReply
from firstlight.serve.sent import Sent
from firstlight.serve.shapes import Shape
from firstlight.serve.state import Shop

Body = TypeVar("Body")
REF = "#/components/schemas/{model}"
PROBLEM: dict[str, Any] = {
    "description": "A problem, by its `code`.",
    "content": {MEDIA_TYPE: {"schema": {"$ref": REF.format(model="ProblemReply")}}},
}
NAME = {"type": "string", "minLength": 1, "maxLength": 256, "pattern": "^[^\\x00]+$"}


@dataclass(frozen=True)
class Call(Generic[Body]):
    """What a route is given. path: the parts of the address that the route names. started: on ``perf_counter``."""

    shop: Shop
    body: Body
    request_id: str
    path: Mapping[str, str]
    started: float

    def took_ms(self) -> float:
        """Milliseconds since the request came in."""
        return round((time.perf_counter() - self.started) * 1e3, 3)


Told = Mapping[str, Any] | Response
Handler = Callable[[Call[Any]], Awaitable[Told]]


@dataclass(frozen=True)
class Route:
    """A line of the API. reply: what an answer looks like. body: what is sent. scope: which keys may; None: anybody.

    together: whether its lists are made together with others; where too many wait it is refused before it is read.
    """

    method: str
    path: str
    handler: Handler
    reply: type[BaseModel] | None
    body: type[Shape] | None = None
    scope: keys.Scope | None = None
    together: bool = False

    @property
    def described(self) -> str:
        """The path as OpenAPI and metrics name it."""
        return self.path.replace(":path}", "}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """An ASGI call: never raises, and takes no longer than the settings allow."""
        scope["described"] = self.described
        sent = Sent.of(scope, receive)
        response = await self._respond(sent, scope["app"].state.shop)
        await response(scope, receive, send)

    async def _respond(self, sent: Sent, shop: Shop) -> Response:
        try:
            async with asyncio.timeout(shop.settings.seconds):
                return await self._answer(sent, shop)
        except TimeoutError:
            return _late(sent, shop.settings.seconds).response()
        except Exception as error:
            problem = problems.of(error)
            if problem.code == "internal":
                LOG.error("failed", exc_info=error, extra={"told": {"request_id": sent.request_id}})
            return problem.response()

    async def _answer(self, sent: Sent, shop: Shop) -> Response:
        started = time.perf_counter()
        if self.together and shop.batcher.full:
            await asyncio.sleep(limits.PAUSE)
            raise limits.busy()
        if self.scope is not None:
            await _admit(sent, shop, self.scope)
        path = {name: _name(name, value) for name, value in sent.path.items()}
        body = None
        if self.body is not None:
            body = self.body.model_validate_json(await sent.body(shop.settings.body))
        told = await self.handler(Call(shop, body, sent.request_id, path, started))
        if isinstance(told, Response):
            return told
        return Response(orjson.dumps(told), media_type="application/json")


def _late(sent: Sent, seconds: float) -> Problem:
    if sent.waits:
        return Problem("slow", f"The body did not come within {seconds:g} seconds: send it again.")
    return Problem("timeout", f"No answer within {seconds:g} s: try again.", retry=1)


async def _admit(sent: Sent, shop: Shop, scope: keys.Scope) -> None:
    authorization, host = sent.header("authorization"), sent.header("host") or ""
    if not shop.keys.quick(authorization, host, scope):
        await run_in_threadpool(shop.keys.check, authorization, host, scope)


def _name(name: str, value: str) -> str:
    if not 0 < len(value) <= 256 or "\0" in value:
        raise Problem("invalid", f"{name} has 1 to 256 characters, none of them NUL.")
    return value


def install(app: FastAPI, routes: Sequence[Route]) -> None:
    """Let the app answer the routes and describe them in its OpenAPI.

    A route reads and checks its request itself, so that the framework is only needed to find it and to describe it.
    """
    for route in routes:
        app.router.routes.append(Plain(route.path, route, methods=[route.method]))
    app.openapi = cache(partial(_openapi, app, routes))  # type: ignore[method-assign]


def _openapi(app: FastAPI, routes: Sequence[Route]) -> dict[str, Any]:
    found = APIRouter()
    for route in routes:
        if route.reply is not None:
            found.add_api_route(
                route.path,
                _named(route),
                methods=[route.method],
                response_model=route.reply,
                responses={"default": PROBLEM},
                openapi_extra=_described(route),
            )
    document = get_openapi(title=app.title, version=app.version, description=app.description, routes=found.routes)
    shapes: list[type[BaseModel]] = [ProblemReply, *(route.body for route in routes if route.body is not None)]
    _, schemas = models_json_schema([(shape, "validation") for shape in shapes], ref_template=REF)
    document["components"]["schemas"].update(schemas["$defs"])
    document["components"]["securitySchemes"] = {"key": {"type": "http", "scheme": "bearer"}}
    return document


def _named(route: Route) -> Callable[[], None]:
    def described() -> None: ...

    described.__name__, described.__doc__ = route.handler.__name__, route.handler.__doc__
    return described


def _described(route: Route) -> dict[str, Any]:
    """What the framework cannot see of a route that reads its request itself."""
    extra: dict[str, Any] = {}
    if names := re.findall(r"{(\w+)(?::path)?}", route.path):
        extra["parameters"] = [{"name": name, "in": "path", "required": True, "schema": NAME} for name in names]
    if route.body is not None:
        schema = {"$ref": REF.format(model=route.body.__name__)}
        extra["requestBody"] = {"required": True, "content": {"application/json": {"schema": schema}}}
    if route.scope is not None:
        extra["security"] = [{"key": []}]
        extra["description"] = f"{route.handler.__doc__ or ''}\n\nNeeds a key with the scope `{route.scope}`."
    return extra
