"""What is sent: a body that comes in parts, late, or not to its end; and which of several headers counts."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import orjson
import pytest
from sites import models, settings, site

from firstlight.serve.problems import Problem
from firstlight.serve.sent import Sent

Message = dict[str, Any]


def parts(*bodies: bytes, ends: bool = True) -> list[Message]:
    return [
        {"type": "http.request", "body": body, "more_body": place < len(bodies) - 1 or not ends}
        for place, body in enumerate(bodies)
    ]


def sent(messages: Sequence[Message], *headers: tuple[bytes, bytes]) -> Sent:
    """Of these messages; after the last nothing comes any more."""
    left = list(messages)

    async def receive() -> Message:
        if left:
            return left.pop(0)
        await asyncio.sleep(60)
        raise AssertionError("waited for more")

    return Sent.of({"request_id": "r", "headers": list(headers)}, receive)


def test_a_body_in_parts_is_put_together() -> None:
    found = sent(parts(b"ab", b"", b"c"))
    assert not found.waits
    assert asyncio.run(found.body(3)) == b"abc"
    assert not found.waits


def test_of_several_headers_the_first_counts() -> None:
    found = sent([], (b"host", b"one"), (b"host", b"two"), (b"x-name", b"\xe9"))
    assert (found.header("host"), found.header("x-name"), found.header("cookie")) == ("one", "é", None)


@pytest.mark.parametrize(
    ("messages", "headers", "code"),
    [
        (parts(b"abc", b"d"), [], "too_large"),
        (parts(b"a"), [(b"content-length", b"4")], "too_large"),
        ([*parts(b"a", ends=False), {"type": "http.disconnect"}], [], "bad_request"),
        (parts(b"a"), [(b"content-type", b"text/plain")], "media_type"),
    ],
)
def test_a_body_that_cannot_be_taken_is_a_problem(
    messages: list[Message], headers: list[tuple[bytes, bytes]], code: str
) -> None:
    with pytest.raises(Problem) as refused:
        asyncio.run(sent(messages, *headers).body(3))
    assert refused.value.code == code


def test_a_body_that_does_not_come_is_refused_in_time(tmp_path: Path) -> None:
    answered: list[Message] = []

    async def told(message: Message) -> None:
        answered.append(dict(message))

    with site(settings(models() / "first", tmp_path / "shop.db", seconds=0.05)) as own:
        headers = [(b"host", b"127.0.0.1"), (b"content-type", b"application/json")]
        scope = {"type": "http", "method": "POST", "path": "/v1/recommend", "headers": headers}
        own.run(own.app(scope, sent(parts(b"{", ends=False)).receive, told))
    assert answered[0]["status"] == 408
    assert orjson.loads(answered[1]["body"])["code"] == "slow"
