"""Every error as ``application/problem+json`` (RFC 9457), with a code that stays the same."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import ValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from firstlight.errors import DataError, FirstlightError, ModelError, SettingsError, StoreError
from firstlight.serve.filters import FilterError

MEDIA_TYPE = "application/problem+json"
MOST_ERRORS = 20

TITLES: Mapping[str, tuple[int, str]] = {
    "bad_request": (400, "The request cannot be read"),
    "no_key": (401, "An API key is needed"),
    "scope": (403, "The key may not do this"),
    "foreign_host": (403, "Without API keys only this machine is answered"),
    "not_found": (404, "There is nothing here"),
    "unknown_item": (404, "The model does not know the item"),
    "unknown_model": (404, "There is no such model"),
    "method_not_allowed": (405, "The method is not allowed"),
    "slow": (408, "The request came too slowly"),
    "no_previous": (409, "No model was active before"),
    "model_refused": (409, "The model cannot be used"),
    "too_large": (413, "The request is too large"),
    "media_type": (415, "The body is not JSON"),
    "invalid": (422, "The request is not as described"),
    "filter": (422, "The filter cannot be used"),
    "data": (422, "The data cannot be used"),
    "busy": (429, "Too many requests are under way"),
    "internal": (500, "Something went wrong in the server"),
    "no_model": (503, "No model is ready"),
    "store_away": (503, "The store does not answer"),
    "timeout": (503, "The answer took too long"),
}
"""code -> status, title."""

BY_STATUS = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 413: "too_large", 415: "media_type"}


class Problem(Exception):
    """What a request is refused with.

    code: a key of ``TITLES``. detail: one sentence. errors: for each wrong place code, path and detail.
    retry: after so many seconds it may be worth trying again.
    """

    def __init__(
        self, code: str, detail: str, errors: Sequence[Mapping[str, Any]] = (), retry: int | None = None
    ) -> None:
        super().__init__(detail)
        self.code, self.detail, self.errors, self.retry = code, detail, errors, retry
        self.status, self.title = TITLES[code]

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The problem as an HTTP answer."""
        body = {
            "type": f"urn:firstlight:problem:{self.code}",
            "title": self.title,
            "status": self.status,
            "detail": self.detail,
            "code": self.code,
            **({"errors": list(self.errors)} if self.errors else {}),
        }
        told = dict(headers or {})
        if self.retry is not None:
            told["retry-after"] = str(self.retry)
        if self.code == "no_key":
            told["www-authenticate"] = "Bearer"
        return Response(orjson.dumps(body), self.status, told, MEDIA_TYPE)


def of(error: Exception) -> Problem:
    """The problem that an error raised on purpose is; ``internal``, which says nothing of it, for any other."""
    match error:
        case Problem():
            return error
        case ValidationError():
            return invalid(error)
        case FilterError():
            return Problem("filter", str(error), [{"code": error.code, "path": error.path, "detail": str(error)}])
        case StoreError():
            return Problem("store_away", "The store does not answer now: send the request again.", retry=1)
        case ModelError():
            return Problem("model_refused", str(error))
        case DataError() | SettingsError() | FirstlightError():
            return Problem("data", str(error))
        case _:
            return Problem("internal", "The server made a mistake, which its log tells under the request's id.")


def invalid(error: ValidationError) -> Problem:
    """What is wrong with a body."""
    found = faults(error)
    if found[0]["code"] == "json_invalid":
        return Problem("bad_request", f"The body is not JSON: {found[0]['detail']}.")
    more = error.error_count() - 1
    rest = f", and {more:,} more" if more else ""
    return Problem("invalid", f"{found[0]['path'] or 'The body'}: {found[0]['detail']}{rest}.", found)


def faults(error: ValidationError) -> list[dict[str, str]]:
    """The first wrong places of what was validated: code, path, detail. What was given is not repeated."""
    told = error.errors(include_url=False, include_context=False, include_input=False)[:MOST_ERRORS]
    return [{"code": one["type"], "path": ".".join(map(str, one["loc"])), "detail": one["msg"]} for one in told]


def install(app: FastAPI) -> None:
    """Let what the framework refuses by itself be a problem too."""
    app.add_exception_handler(HTTPException, _refused)
    app.add_exception_handler(RequestValidationError, _unreadable)


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    code = BY_STATUS.get(error.status_code, "bad_request" if error.status_code < 500 else "internal")
    what = f"{request.method} {request.url.path}" if code in ("not_found", "method_not_allowed") else TITLES[code][1]
    return Problem(code, f"{what:.200}: see /openapi.json for what there is.").response(error.headers)


async def _unreadable(request: Request, error: Exception) -> Response:
    return Problem("invalid", "The address is not as described: see /openapi.json.").response()
