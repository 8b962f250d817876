"""The page on the HTTP API tells the truth: its examples are sent to a server, and the answers are as shown.

An ``sh`` block prepares, its last line starts the server. In ``console`` blocks each ``$ curl`` line is a request, and
what stands below it is a part of the answer: fields may be left out, "…" stands for anything, and for the rest of a
list. Numbers may differ by a hundredth. An answer that shows an integer ``status`` has that status, any other 200.
"""

import json
import math
import re
import shlex
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from commands import run
from conftest import ROOT
from test_docs import BLOCK

sys.path.insert(0, str(ROOT / "benchmarks"))
from serving import Server

PAGE = ROOT / "docs" / "api.md"
REST = "…"


@dataclass(frozen=True)
class Example:
    """A request of the page. shown: the answer as it stands there, JSON or text."""

    line: int
    method: str
    path: str
    headers: dict[str, str]
    body: bytes | None
    shown: Any


def examples(text: str) -> Iterator[Example]:
    for match in BLOCK.finditer(text):
        if match["language"] == "console":
            first = text.count("\n", 0, match.start("text")) + 1
            parts = re.split(r"^\$ (?=curl )", match["text"], flags=re.MULTILINE)
            for number, part in enumerate(parts[1:], 1):
                line = first + "$ ".join(parts[:number]).count("\n")
                words, shown = _command(part)
                yield _example(line, words[1:], shown)


def _command(text: str) -> tuple[list[str], str]:
    """The words of the command that a text begins with, which may go on within quotes, and what follows it."""
    lines = text.splitlines()
    for end in range(1, len(lines) + 1):
        if not lines[end - 1].endswith("\\"):
            with suppress(ValueError):
                return shlex.split("\n".join(lines[:end]).replace("\\\n", " ")), "\n".join(lines[end:])
    raise AssertionError(f"a quotation does not end: {text}")


def _example(line: int, words: list[str], shown: str) -> Example:
    method, headers, body, url, rest = "", {}, None, "", iter(words)
    for word in rest:
        match word:
            case "-s":
                pass
            case "-X":
                method = next(rest)
            case "-H":
                name, _, value = next(rest).partition(":")
                headers[name] = value.strip()
            case "--json":
                body = next(rest).encode()
                headers["Content-Type"] = "application/json"
            case _:
                assert not word.startswith("-") and not url, f"line {line}: {word} is not understood here"
                url = word
    path = url.removeprefix("localhost:8321")
    assert path.startswith("/"), f"line {line}: {url}"
    is_json = shown.lstrip().startswith(("{", "["))
    return Example(
        line, method or ("POST" if body else "GET"), path, headers, body, json.loads(shown) if is_json else shown
    )


def differences(shown: Any, got: Any, place: str = "answer") -> list[str]:
    """Where an answer is not as shown."""
    if shown == REST:
        return []
    if isinstance(shown, dict) and isinstance(got, dict):
        shown = {name: value for name, value in shown.items() if name != REST}
        missing = [f"{place} has no {name}" for name in shown.keys() - got.keys()]
        return missing + [
            each for k in shown.keys() & got.keys() for each in differences(shown[k], got[k], f"{place}.{k}")
        ]
    if isinstance(shown, list) and isinstance(got, list):
        known = shown[:-1] if shown and shown[-1] == REST else shown
        if len(got) < len(known) or (known is shown and len(got) > len(known)):
            return [f"{place} has {len(got)} entries"]
        pairs = zip(known, got, strict=False)
        return [each for n, (one, two) in enumerate(pairs) for each in differences(one, two, f"{place}[{n}]")]
    return [] if _alike(shown, got) else [f"{place} is {json.dumps(got, ensure_ascii=False)}, shown is {shown!r}"]


def _alike(shown: Any, got: Any) -> bool:
    if isinstance(shown, str) and isinstance(got, str):
        return re.fullmatch(".*".join(map(re.escape, shown.split(REST))), got, re.DOTALL) is not None
    if isinstance(shown, float) and isinstance(got, float):
        return math.isclose(shown, got, rel_tol=0.01, abs_tol=0.001)
    return type(shown) is type(got) and bool(shown == got)


def send(server: Server, example: Example) -> tuple[int, str]:
    url = f"http://127.0.0.1:{server.port}{example.path}"
    request = urllib.request.Request(url, example.body, example.headers, method=example.method)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


def faults(server: Server, example: Example) -> list[str]:
    status, text = send(server, example)
    if isinstance(example.shown, str):
        lines = [line for line in example.shown.splitlines() if line.strip() and line != REST]
        wrong = [
            f"there is no line {line!r}" for line in lines if not any(_alike(line, one) for one in text.splitlines())
        ]
        return wrong + ([f"the status is {status}"] if status != 200 else [])
    wanted = example.shown.get("status", 200)
    found = [] if status == (wanted if isinstance(wanted, int) else 200) else [f"the status is {status}"]
    return found + differences(example.shown, json.loads(text))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The server that the page starts, in a folder that is prepared as the page says."""
    folder = tmp_path_factory.mktemp("page")
    block = next(match["text"] for match in BLOCK.finditer(PAGE.read_text("utf-8")) if match["language"] == "sh")
    *before, last = [shlex.split(line)[1:] for line in block.splitlines() if line.startswith("firstlight ")]
    with pytest.MonkeyPatch.context() as patched:
        patched.chdir(folder)
        for command in before:
            assert (done := run(*command)).exit_code == 0, done.output
        assert last[:2] == ["serve", "models"] and last[2] == "--store"
        with Server.of(Path("models"), last[3], log=folder / "server.log") as started:
            yield started


def test_the_answers_are_as_shown(server: Server) -> None:
    wrong = {}
    for example in examples(PAGE.read_text("utf-8")):
        if found := faults(server, example):
            wrong[f"{PAGE.name}:{example.line} {example.method} {example.path}"] = found
    assert wrong == {}


def test_every_route_has_an_example(server: Server) -> None:
    paths = server.ask("/openapi.json", method="GET")["paths"]
    shown = {(each.method, each.path) for each in examples(PAGE.read_text("utf-8"))}
    missing = [
        f"{method.upper()} {path}"
        for path, methods in paths.items()
        for method in methods
        if not any(one == method.upper() and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", path), two) for one, two in shown)
    ]
    assert missing == []


def test_an_answer_that_differs_is_noticed() -> None:
    got = {"items": [{"item_id": "i1", "score": 0.501}, {"item_id": "i2"}], "note": None, "took_ms": 3.2}
    assert differences({"items": [{"item_id": "i1", "score": 0.5}, "…"], "note": None, "took_ms": "…"}, got) == []
    assert differences({"items": [{"item_id": "i…"}, {}]}, got) == []
    assert differences({"items": [{"item_id": "i1"}]}, got) == ["answer.items has 2 entries"]
    assert differences({"items": [{"item_id": "i3"}, "…"]}, got) == ["answer.items[0].item_id is \"i1\", shown is 'i3'"]
    assert differences({"more": 1, "note": ""}, got) == ["answer has no more", "answer.note is null, shown is ''"]


def test_examples_are_read_from_a_page() -> None:
    text = 'text\n```console\n$ curl -s localhost:8321/v1/a --json \'{"n": 1}\'\n{"b": 2,\n "status": 404}\n'
    text += "$ curl -s -X DELETE localhost:8321/v1/c \\\n  -H 'x: y'\n{}\n```\n"
    first, second = examples(text)
    assert (first.line, first.method, first.path, first.body) == (3, "POST", "/v1/a", b'{"n": 1}')
    assert first.shown == {"b": 2, "status": 404}
    assert (second.line, second.method, second.path, second.headers) == (6, "DELETE", "/v1/c", {"x": "y"})
