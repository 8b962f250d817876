"""The tables of an evaluation."""

from collections.abc import Sequence
from statistics import fmean

from rich import box
from rich.table import Table

from firstlight.evaluate import Cell, Evaluation, Row
from firstlight.evaluate.metrics import MAIN, METRICS
from firstlight.report import figures

ABREAST = 4
"""How many learners stand beside each other in a table of many stages."""
LABEL_WIDTH = 20
NARROWEST = 56
"""What stands below a table is no narrower."""
OTHER = "▲ better, ▼ worse than the best other learner on validation"
FLOOR = "+ and - the difference to popular, ▲ surely better, ▼ surely worse"


def scores(evaluation: Evaluation) -> Table:
    """NDCG@10 ± half its interval: a row a learner, a column a stage, the best of each column bold."""
    best = {label: figures.best(evaluation, label) for label in evaluation.labels}
    out, digits = _frame(_title(evaluation), "learner", _caption(evaluation, OTHER)), figures.digits(evaluation)
    for label in evaluation.labels:
        out.add_column(figures.plain(label), justify="right", no_wrap=True)
    for row in evaluation.rows:
        shown = {cell.label: figures.score(cell, digits, best[cell.label]) for cell in row.cells}
        out.add_row(row.learner, *(shown.get(label, "failed") for label in evaluation.labels))
    return out


def stages(evaluation: Evaluation) -> Sequence[Table]:
    """NDCG@10 and its difference to popularity: a row a stage and one for their mean, a column a learner.

    So many learners a table as fit beside each other; what is said of all is below the last.
    """
    groups = [evaluation.rows[place : place + ABREAST] for place in range(0, len(evaluation.rows), ABREAST)]
    return [_abreast(evaluation, rows, first=rows is groups[0], last=rows is groups[-1]) for rows in groups]


def adapting(evaluation: Evaluation) -> Table:
    """What the events of a person change: NDCG@10 gained ± half its interval, and the share of the first ten replaced.

    A row a learner that was judged, a column a stage at which events are known; below it who does nothing with them.
    """
    digits, cells = figures.digits(evaluation), [cell for row in evaluation.rows for cell in row.cells]
    known = {cell.label for cell in cells if cell.known > 0}
    shown = [label for label in evaluation.labels if label in known]
    moving = shown[-1] if all(cell.known == cell.shots for cell in cells) else "a person's events"
    told = [
        f"{MAIN.upper()} gained over the same learner without the person's events, ± half a 95 % interval "
        "(▲ above 0, ▼ below), and the share of the person's first ten that they replaced",
        f"score shift: how far {moving} moved the scores, in their standard deviations",
    ]
    told += filter(None, map(figures.idle, evaluation.rows))
    out = _frame("\nWhat adapting does", "learner", "\n".join(told))
    for label in shown:
        out.add_column(figures.plain(label), justify="right")
    out.add_column("score shift", justify="right", max_width=5)
    for row in evaluation.rows:
        mine = [cell for cell in row.cells if cell.known > 0]
        if mine:
            out.add_row(row.learner, *(figures.gain(cell, digits) for cell in mine), figures.shift(mine[-1].shift))
    return out


def details(evaluation: Evaluation) -> Table:
    """The other metrics and coverage at the middle stage, or on average where stages are alike; what each costs."""
    labels = evaluation.labels if evaluation.alike else [evaluation.labels[len(evaluation.labels) // 2]]
    names = [name for name in METRICS if name != MAIN]
    where = "on average" if evaluation.alike else figures.plain(figures.at(labels[0]))
    out = _frame(f"\nThe other metrics {where}", "learner", None)
    for head in [*names, "coverage", "fit s", "adapt ms"]:
        short = head.replace("precision", "prec").replace("hit_rate", "hit")
        out.add_column(short, justify="right", no_wrap=True)
    for row in evaluation.rows:
        cells = [cell for cell in row.cells if cell.label in labels]
        if cells:
            means = [figures.number(fmean(cell.metrics[name].mean for cell in cells), 3) for name in names]
            covered, cost = fmean(cell.coverage for cell in cells), fmean(cell.adapt_ms for cell in cells)
            out.add_row(row.learner, *means, figures.number(covered, 4), f"{row.fit_seconds:.1f}", f"{cost:.3f}")
    return out


def elsewhere(evaluation: Evaluation) -> Table | None:
    """NDCG@10 and Recall@20 among items of categories new to the person; None where this says nothing of its own."""
    told = {cell.label: cell for row in evaluation.rows for cell in row.cells if _differs(cell)}
    if not told or evaluation.alike:
        return None
    caption = f"{MAIN.upper()} ± half a 95 % interval, then Recall@20, of the people who go on to like such items"
    digits = figures.digits(evaluation)
    out = _frame("\nAmong items of categories new to the person", "learner", caption)
    for label, cell in told.items():
        out.add_column(f"{figures.plain(label)}\n{cell.elsewhere_people:,} people", justify="right")
    for row in evaluation.rows:
        cells = {cell.label: cell for cell in row.cells}
        if cells:
            out.add_row(row.learner, *(_pair(cells[label], digits) for label in told))
    return out


def _abreast(evaluation: Evaluation, rows: Sequence[Row], first: bool, last: bool) -> Table:
    title, caption = _title(evaluation), _caption(evaluation, FLOOR) if last else None
    out = _frame(title if first else f"\n{title}", "", caption, LABEL_WIDTH)
    out.add_column("people", justify="right")
    for row in rows:
        out.add_column(row.learner, justify="right", no_wrap=True)
    digits = figures.digits(evaluation)
    for place, label in enumerate(evaluation.labels):
        people = max((row.cells[place].people for row in evaluation.rows if row.cells), default=0)
        out.add_row(figures.plain(label), f"{people:,}", *(_at(row, place, digits) for row in rows))
    means = [figures.over_popular(row.mean, row.mean_over_popular, digits) if row.mean else "failed" for row in rows]
    out.add_row("mean", "", *means)
    return out


def _at(row: Row, place: int, digits: int) -> str:
    if not row.cells:
        return "failed"
    cell = row.cells[place]
    return figures.over_popular(cell.metrics[MAIN], cell.over_popular, digits)


def _differs(cell: Cell) -> bool:
    return bool(cell.elsewhere) and cell.elsewhere[MAIN] != cell.metrics[MAIN]


def _pair(cell: Cell, digits: int) -> str:
    if not cell.elsewhere:
        return ""
    return f"{figures.within(cell.elsewhere[MAIN], digits)}  {figures.number(cell.elsewhere['recall@20'].mean, 3)}"


def _frame(title: str, head: str, caption: str | None, width: int | None = None) -> Table:
    out = Table(title=title, caption=caption, box=box.SIMPLE_HEAD, padding=(0, 1, 0, 0), pad_edge=False)
    out.title_justify = out.caption_justify = "left"
    out.min_width = NARROWEST
    out.add_column(head, no_wrap=width is None, max_width=width, overflow="fold")
    return out


def _title(evaluation: Evaluation) -> str:
    return f"{MAIN.upper()}, {evaluation.protocol}, {evaluation.sizes['test']:,} people"


def _caption(evaluation: Evaluation, marks: str) -> str:
    sizes = evaluation.sizes
    lines = [
        f"± half a 95 % interval over people · {marks}",
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
    return figures.plain("\n".join(lines))
