"""What an evaluation found, for the terminal and for a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.evaluate import Cell, Evaluation, Row
from firstlight.evaluate.metrics import MAIN, METRICS
from firstlight.files import replacing

if TYPE_CHECKING:
    from rich.table import Table

MARKS = {"better": "▲", "worse": "▼", "level": " ", None: " "}
SMALL = 0.1
"""Where no learner reaches this, figures have four digits, else three."""


def table(evaluation: Evaluation) -> Table:
    """NDCG@10 ± half its interval: a row a learner, a column a number of events, the best of each column bold."""
    best = {shots: _best(evaluation, shots) for shots in evaluation.shots}
    digits = 3 if max(best.values()) >= SMALL else 4
    out = _frame(f"{MAIN.upper()}, {evaluation.protocol}, {evaluation.sizes['test']:,} people", _caption(evaluation))
    for shots in evaluation.shots:
        out.add_column(f"{shots} event{'' if shots == 1 else 's'}", justify="right", no_wrap=True)
    for row in evaluation.rows:
        shown = {cell.shots: _score(cell, digits, best[cell.shots]) for cell in row.cells}
        out.add_row(row.learner, *(shown.get(shots, "failed") for shots in evaluation.shots))
    return out


def details(evaluation: Evaluation, shots: int | None = None) -> Table:
    """The other metrics at ``shots`` (None: the middle one), coverage, and what each learner costs."""
    at = evaluation.shots[len(evaluation.shots) // 2] if shots is None else shots
    names = [name for name in METRICS if name != MAIN]
    out = _frame(f"The other metrics at {at} event{'' if at == 1 else 's'}", None)
    for head in [*names, "coverage", "fit s", "adapt ms"]:
        short = head.replace("precision", "prec").replace("hit_rate", "hit")
        out.add_column(short, justify="right", no_wrap=True)
    for row in evaluation.rows:
        for cell in row.cells:
            if cell.shots == at:
                means = [_number(cell.metrics[name].mean, 3) for name in names]
                out.add_row(row.learner, *means, _number(cell.coverage, 4), *_costs(row, cell))
    return out


def write_json(evaluation: Evaluation, path: Path | str) -> None:
    """Write all of the evaluation to ``path``: whole, or not at all. Raises SettingsError if that cannot be."""
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(evaluation.to_dict(), indent=1, allow_nan=False, ensure_ascii=False), "utf-8")


def _frame(title: str, caption: str | None) -> Table:
    from rich import box
    from rich.table import Table

    out = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    out.title_justify = out.caption_justify = "left"
    out.add_column("learner", no_wrap=True)
    return out


def _best(evaluation: Evaluation, shots: int) -> float:
    """The highest NDCG@10 at ``shots``; 0 where every learner failed."""
    cells = [cell for row in evaluation.rows for cell in row.cells if cell.shots == shots]
    return max((cell.metrics[MAIN].mean for cell in cells), default=0.0)


def _score(cell: Cell, digits: int, best: float) -> str:
    found = cell.metrics[MAIN]
    mean = _number(found.mean, digits)
    strong = f"[bold]{mean}[/bold]" if found.mean == best else mean
    return f"{strong} ±{_number(found.half, digits)}{MARKS[cell.verdict]}"


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".removeprefix("0") if value < 1 else f"{value:.{digits - 1}f}"


def _costs(row: Row, cell: Cell) -> Sequence[str]:
    return f"{row.fit_seconds:.1f}", f"{cell.adapt_ms:.3f}"


def _caption(evaluation: Evaluation) -> str:
    from rich.markup import escape

    sizes = evaluation.sizes
    lines = [
        "± half a 95 % interval over people · ▲ better, ▼ worse than the best other learner on validation",
        f"{sizes['trained on']:,} people trained on, {sizes['validation']:,} tuned on, {sizes['items']:,} items, "
        f"{evaluation.seconds:.0f} s a learner, seed {evaluation.seed}",
    ]
    lines += [evaluation.note] if evaluation.note else []
    lines += [f"{row.learner} failed: {row.error}" for row in evaluation.rows if row.error]
    lines += [
        f"{row.learner}: time allowed {row.tried} of {row.variants} settings"
        for row in evaluation.rows
        if row.tried < row.variants
    ]
    return escape("\n".join(lines))
