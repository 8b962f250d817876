"""What the documentation shows works: its examples run, its links lead somewhere.

A file's ``python`` blocks share one namespace, and its ``console`` lines that begin with ``$ firstlight`` run as they
stand; all of them in the order of the page, in one empty folder. A block whose first line is ``# not run`` is left out.
"""

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

BLOCK = re.compile(r"^(?P<indent> *)```(?P<language>\w+)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\((?!https?://|mailto:)(?P<path>[^)#\s]+)[^)]*\)")
NOT_RUN = "# not run"


def pages(root: Path = ROOT) -> list[Path]:
    return [
        page
        for page in [root / "README.md", root / "CONTRIBUTING.md", *sorted(root.glob("docs/**/*.md"))]
        if page.is_file()
    ]


def blocks(text: str) -> Iterator[tuple[str, str, int]]:
    """(language, text, number of its first line) of each fenced block that is to be run."""
    for match in BLOCK.finditer(text):
        body = textwrap.dedent(match["text"])
        if match["language"] in {"python", "console"} and not body.startswith(NOT_RUN):
            yield match["language"], body, text.count("\n", 0, match.start("text")) + 1


def commands(text: str) -> list[str]:
    """The ``$ firstlight`` lines of a console block, with those that a backslash continues."""
    joined = text.replace("\\\n", " ")
    return [line.removeprefix("$ ") for line in joined.splitlines() if line.startswith("$ firstlight")]


def run(page: Path, folder: Path) -> None:
    """Run the blocks of a page in ``folder``."""
    namespace: dict[str, Any] = {"__name__": page.stem}
    for language, text, line in blocks(page.read_text(encoding="utf-8")):
        if language == "python":
            exec(compile("\n" * (line - 1) + text, page, "exec"), namespace)
        for command in commands(text) if language == "console" else []:
            done = subprocess.run(
                command, shell=True, cwd=folder, env=_environment(folder), capture_output=True, text=True
            )
            assert done.returncode == 0, f"{page.name}: {command}\n{done.stdout}{done.stderr}"


def _environment(folder: Path) -> dict[str, str]:
    """One in which ``firstlight`` is this very package, installed or not."""
    tools = folder.with_name(folder.name + "-bin")
    tools.mkdir(exist_ok=True)
    command = tools / "firstlight"
    command.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c 'from firstlight.cli import main; main()' \"$@\"\n")
    command.chmod(0o755)
    return {**os.environ, "PATH": f"{tools}:{os.environ['PATH']}", "PYTHONPATH": str(ROOT / "src")}


def _runnable(page: Path) -> bool:
    return any(language == "python" or commands(text) for language, text, _ in blocks(page.read_text(encoding="utf-8")))


@pytest.mark.parametrize("page", [page for page in pages() if _runnable(page)], ids=lambda page: page.name)
def test_the_examples_run(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)
    run(page, folder)


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_the_links_lead_somewhere(page: Path) -> None:
    targets = [match["path"] for match in LINK.finditer(page.read_text(encoding="utf-8"))]
    assert [target for target in targets if not (page.parent / target).exists()] == []


def test_examples_run_in_order_and_can_fail(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(
        "```python\nx = 1\n```\ntext\n```python\n# not run\nx = 2\n```\n- a list\n  ```python\n  assert x == 1\n  ```\n"
    )
    run(page, tmp_path)
    page.write_text("```python\nx = 1\n```\n```python\nassert x == 2\n```\n")
    with pytest.raises(AssertionError) as caught:
        run(page, tmp_path)
    assert (caught.traceback[-1].path, caught.traceback[-1].lineno) == (page, 4)


def test_console_lines_are_found() -> None:
    text = "$ make demo\n$ firstlight check data\nread 3 rows\n$ firstlight train data \\\n    --out model\n"
    assert commands(text) == ["firstlight check data", "firstlight train data      --out model"]


def test_a_command_that_fails_is_noticed(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("```console\n$ firstlight --no-such-option\n```\n")
    with pytest.raises(AssertionError, match="no-such-option"):
        run(page, tmp_path)
