"""Commands as they are given on a terminal, and what they answer."""

import json
from collections.abc import Sequence

from typer.testing import CliRunner, Result

from firstlight.cli import app


def run(*args: object, stdin: str | bytes | None = None) -> Result:
    return CliRunner().invoke(app, [str(arg) for arg in args], input=stdin)


def refused(*args: object, stdin: str | None = None) -> str:
    """The one sentence with which the command fails."""
    done = run(*args, stdin=stdin)
    assert done.exit_code == 2, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    *_, last = done.stderr.strip().splitlines()
    assert last.startswith("Error: ") and last.endswith(".")
    assert "Traceback" not in done.output
    return last.removeprefix("Error: ")


def lines(rows: Sequence[dict[str, object]]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)
