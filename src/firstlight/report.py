"""What an evaluation found, for the terminal and for a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.evaluate import Cell, Evaluation, Row
from firstlight.evaluate.comparison import verdict
from firstlight.evaluate.metrics import MAIN, METRICS
from firstlight.files import replacing

if TYPE_CHECKING:
    from rich.console import Group
    from rich.table import Table

MARKS = {"better": "▲", "worse": "▼", "level": " ", None: " "}
SMALL = 0.1
"""Where no learner reaches this, figures have four digits, else three."""
SMALLEST = 0.01
"""A score shift below it is shown by its first digit that is not 0."""
IDLE = 0.01
"""Adapting that replaces less of the first ten, without a sure gain or loss, does nothing."""


def table(evaluation: Evaluation) -> Group:
    """What `scores` and `adapting` show; without the latter where nobody was judged above 0 events."""
    from rich.console import Group

    adapted = any(cell.shots > 0 for row in evaluation.rows for cell in row.cells)
    return Group(scores(evaluation), *([adapting(evaluation)] if adapted else []))


def scores(evaluation: Evaluation) -> Table:
    """NDCG@10 ± half its interval: a row a learner, a column a number of events, the best of each column bold."""
    best, digits = {shots: _best(evaluation, shots) for shots in evaluation.shots}, _digits(evaluation)
    out = _frame(f"{MAIN.upper()}, {evaluation.protocol}, {evaluation.sizes['test']:,} people", _caption(evaluation))
    for shots in evaluation.shots:
        out.add_column(_events(shots), justify="right", no_wrap=True)
    for row in evaluation.rows:
        shown = {cell.shots: _score(cell, digits, best[cell.shots]) for cell in row.cells}
        out.add_row(row.learner, *(shown.get(shots, "failed") for shots in evaluation.shots))
    return out


def adapting(evaluation: Evaluation) -> Table:
    """What the events of a person change: NDCG@10 gained ± half its interval, and the share of the first ten replaced.

    A row a learner that was judged, a column a number of events above 0; below it who does nothing with them.
    """
    digits, shown = _digits(evaluation), [shots for shots in evaluation.shots if shots > 0]
    told = [
        f"{MAIN.upper()} gained over the same learner without the person's events, ± half a 95 % interval "
        "(▲ above 0, ▼ below), and the share of the person's first ten that they replaced",
        f"score shift: how far {_events(shown[-1])} moved the scores, in their standard deviations",
    ]
    out = _frame("\nWhat adapting does", "\n".join([*told, *filter(None, map(_idle, evaluation.rows))]))
    for shots in shown:
        out.add_column(_events(shots), justify="right")
    out.add_column("score shift", justify="right", max_width=5)
    for row in evaluation.rows:
        cells = [cell for cell in row.cells if cell.shots > 0]
        if cells:
            out.add_row(row.learner, *(_gain(cell, digits) for cell in cells), _shift(cells[-1].shift))
    return out


def details(evaluation: Evaluation, shots: int | None = None) -> Table:
    """The other metrics at ``shots`` (None: the middle one), coverage, and what each learner costs."""
    at = evaluation.shots[len(evaluation.shots) // 2] if shots is None else shots
    names = [name for name in METRICS if name != MAIN]
    out = _frame(f"\nThe other metrics at {_events(at)}", None)
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


def _events(shots: int) -> str:
    return f"{shots} event{'' if shots == 1 else 's'}"


def _digits(evaluation: Evaluation) -> int:
    return 3 if max(_best(evaluation, shots) for shots in evaluation.shots) >= SMALL else 4


def _best(evaluation: Evaluation, shots: int) -> float:
    """The highest NDCG@10 at ``shots``; 0 where every learner failed."""
    cells = [cell for row in evaluation.rows for cell in row.cells if cell.shots == shots]
    return max((cell.metrics[MAIN].mean for cell in cells), default=0.0)


def _score(cell: Cell, digits: int, best: float) -> str:
    found = cell.metrics[MAIN]
    mean = _number(found.mean, digits)
    strong = f"[bold]{mean}[/bold]" if found.mean == best else mean
    return f"{strong} ±{_number(found.half, digits)}{MARKS[cell.verdict]}"


def _gain(cell: Cell, digits: int) -> str:
    gain = cell.gain
    sign = "-" if gain.mean < 0 else "+"
    number = f"{sign}{_number(abs(gain.mean), digits)} ±{_number(gain.half, digits)}{MARKS[verdict(gain)]}"
    return f"{number} {cell.moved:>4.0%}"


def _shift(value: float) -> str:
    return (f"{value:.2f}" if value >= SMALLEST else f"{value:.1g}").removeprefix("0") or "0"


def _idle(row: Row) -> str:
    """A sentence where adapting does nothing, else ""."""
    judged = [cell for cell in row.cells if cell.shots > 0]
    idle = [cell for cell in judged if cell.moved < IDLE and verdict(cell.gain) == "level"]
    if not idle:
        return ""
    where = ", ".join([*(str(cell.shots) for cell in idle[:-1]), _events(idle[-1].shots)])
    return f"{row.learner}: adapting changes nothing" + (f" at {where}" if len(idle) < len(judged) else "")


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
