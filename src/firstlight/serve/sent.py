"""A request as it comes in: its headers, what its address names, and its body, which is read when it is asked for.

The framework's own object does more than is needed, for each request anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from starlette.types import Receive, Scope

from firstlight.serve.problems import Problem


@dataclass
class Sent:
    """What was sent.

    headers: name -> value, of several the first. path: the parts of the address that the route names. waits: whether
    more of the body is waited for.
    """

    request_id: str
    headers: Mapping[bytes, bytes]
    path: Mapping[str, Any]
    receive: Receive
    waits: bool = False

    @classmethod
    def of(cls, scope: Scope, receive: Receive) -> Self:
        """The request of an ASGI call."""
        return cls(scope["request_id"], dict(reversed(scope["headers"])), scope.get("path_params", {}), receive)

    def header(self, name: str) -> str | None:
        """A header, by its name in small letters."""
        found = self.headers.get(name.encode())
        return None if found is None else found.decode("latin-1")

    async def body(self, most: int) -> bytes:
        """The body. Raises Problem where it is larger than ``most`` bytes, no JSON by its type, or ends early."""
        kind = (self.header("content-type") or "application/json").partition(";")[0].strip().lower()
        if kind != "application/json" and not (kind.startswith("application/") and kind.endswith("+json")):
            raise Problem("media_type", "Send the body as `Content-Type: application/json`.")
        length = self.header("content-length") or "0"
        if length.isdecimal() and int(length) > most:
            raise Problem("too_large", f"The body has {int(length):,} bytes, of at most {most:,}: send it in parts.")
        self.waits, parts, size = True, [], 0
        while self.waits:
            message = await self.receive()
            if message["type"] == "http.disconnect":
                raise Problem("bad_request", "The body ended early: send it again.")
            parts.append(message.get("body", b""))
            size += len(parts[-1])
            if size > most:
                raise Problem("too_large", f"The body has more than {most:,} bytes: send it in parts.")
            self.waits = message.get("more_body", False)
        return b"".join(parts)
