"""What an evaluation found, for the terminal and for a file."""

import json
from pathlib import Path

from rich.console import Group

from firstlight.evaluate import Evaluation
from firstlight.files import replacing
from firstlight.report.frames import adapting, details, elsewhere, scores, stages

__all__ = ["adapting", "details", "elsewhere", "scores", "stages", "table", "write_json"]


def table(evaluation: Evaluation) -> Group:
    """What `scores` and `adapting` show; `stages` instead where these are alike, and may be many.

    `adapting` is left out where nobody was judged above 0 events.
    """
    if evaluation.alike:
        return Group(*stages(evaluation))
    adapted = any(cell.known > 0 for row in evaluation.rows for cell in row.cells)
    return Group(scores(evaluation), *([adapting(evaluation)] if adapted else []))


def write_json(evaluation: Evaluation, path: Path | str) -> None:
    """Write all of the evaluation to ``path``: whole, or not at all. Raises SettingsError if that cannot be."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(evaluation.to_dict(), indent=1, allow_nan=False, ensure_ascii=False), "utf-8")
