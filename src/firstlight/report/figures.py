"""How one figure is written: digits, signs, marks."""

from collections.abc import Sequence

from rich.markup import escape

from firstlight.evaluate import Cell, Evaluation, Interval, Row
from firstlight.evaluate.comparison import Verdict, verdict
from firstlight.evaluate.metrics import MAIN

MARKS: dict[Verdict | None, str] = {"better": "▲", "worse": "▼", "level": " ", None: " "}
SMALL = 0.1
"""Where no learner reaches this, figures have four digits, else three."""
SMALLEST = 0.01
"""A score shift below it is shown by its first digit that is not 0."""
IDLE = 0.01
"""Adapting that replaces less of the first ten, without a sure gain or loss, does nothing."""


def digits(evaluation: Evaluation) -> int:
    """After the point, of every NDCG@10 in the report."""
    return 3 if max(best(evaluation, label) for label in evaluation.labels) >= SMALL else 4


def best(evaluation: Evaluation, label: str) -> float:
    """The highest NDCG@10 at a stage; 0 where every learner failed."""
    cells = [cell for row in evaluation.rows for cell in row.cells if cell.label == label]
    return max((cell.metrics[MAIN].mean for cell in cells), default=0.0)


def number(value: float, digits: int) -> str:
    """Without the 0 before the point."""
    return f"{value:.{digits}f}".removeprefix("0") if value < 1 else f"{value:.{digits - 1}f}"


def signed(value: float, digits: int) -> str:
    """With a plus or a minus."""
    return f"{'-' if value < 0 else '+'}{number(abs(value), digits)}"


def within(interval: Interval, digits: int) -> str:
    """The mean ± half the interval."""
    return f"{number(interval.mean, digits)} ±{number(interval.half, digits)}"


def score(cell: Cell, digits: int, best: float) -> str:
    """NDCG@10 ± half its interval, bold where it is the best, and how it stands to the other learners."""
    found = cell.metrics[MAIN]
    mean = number(found.mean, digits)
    strong = f"[bold]{mean}[/bold]" if found.mean == best else mean
    return f"{strong} ±{number(found.half, digits)}{MARKS[cell.verdict]}"


def over_popular(mean: Interval, over: Interval | None, digits: int) -> str:
    """A mean with its difference to popularity, or ± half its interval where there is none."""
    if over is None:
        return f"{within(mean, digits)} "
    return f"{number(mean.mean, digits)} {signed(over.mean, digits)}{MARKS[verdict(over)]}"


def gain(cell: Cell, digits: int) -> str:
    """What the events add, ± half its interval, and the share of the first ten that they replaced."""
    found = cell.gain
    return f"{signed(found.mean, digits)} ±{number(found.half, digits)}{MARKS[verdict(found)]} {cell.moved:>4.0%}"


def shift(value: float) -> str:
    """A score shift."""
    return (f"{value:.2f}" if value >= SMALLEST else f"{value:.1g}").removeprefix("0") or "0"


def idle(row: Row) -> str:
    """A sentence where adapting does nothing, else ""."""
    judged = [cell for cell in row.cells if cell.known > 0]
    still = [cell.label for cell in judged if cell.moved < IDLE and verdict(cell.gain) == "level"]
    if not still:
        return ""
    where = f" {at(together(still))}" if len(still) < len(judged) else ""
    return f"{row.learner}: adapting changes nothing{where}"


def at(label: str) -> str:
    """Where: "at 3 events", "for new items"."""
    return f"{'at' if label.endswith(('event', 'events')) else 'for'} {label}"


def together(labels: Sequence[str]) -> str:
    """Labels in one list: "1, 3 events"."""
    return ", ".join([*(label.removesuffix(" events").removesuffix(" event") for label in labels[:-1]), labels[-1]])


def plain(text: str) -> str:
    """The text, with nothing in it that rich would take for a sign of its own."""
    return escape(text)
