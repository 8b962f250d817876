"""The program as a process: what it loads, and how it ends when it is told to."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT


def program(*args: object) -> list[str]:
    return [sys.executable, "-c", "from firstlight.cli import main; main()", *map(str, args)]


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT / "src")}


def test_the_command_line_is_there_without_torch() -> None:
    code = "import sys, firstlight.cli; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], env=environment(), capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_the_names_of_the_package_load_when_used() -> None:
    code = """
import sys, firstlight
assert "polars" not in sys.modules and "torch" not in sys.modules
assert all(getattr(firstlight, name) for name in firstlight.__all__)
assert set(firstlight.__all__) < set(dir(firstlight)) and firstlight.Recommender.__name__ == "Recommender"
assert not hasattr(firstlight, "magic")
"""
    subprocess.run([sys.executable, "-c", code], env=environment(), check=True)


@pytest.mark.skipif(os.name == "nt", reason="signals of POSIX")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_command_that_is_ended_leaves_quietly_and_nothing_behind(number: int, code: int, tmp_path: Path) -> None:
    args = program("recommend", tmp_path / "model", "--support", "-", "--out", tmp_path / "recs.csv")
    pipe = subprocess.PIPE
    with subprocess.Popen(args, env=environment(), text=True, stdin=pipe, stdout=pipe, stderr=pipe) as process:
        assert process.stderr is not None and process.stdout is not None
        assert process.stderr.readline() == "Reading …\n"
        process.send_signal(number)
        assert process.wait(timeout=20) == code
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    assert list(tmp_path.iterdir()) == []
