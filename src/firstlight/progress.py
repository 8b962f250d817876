"""What takes long, shown on standard error: a bar on a terminal, else a line when it begins and one when it is done."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column

Report = Callable[[str, float], None]
"""As ``learners.base.Progress``, which stands beside torch and would bring it along."""


@contextmanager
def shown(what: str, console: Console | None = None) -> Iterator[Report]:
    """Show that ``what`` is being done while the block runs; the block tells how far it is by calling what it is given.

    On a terminal the bar is gone when the block ends.
    """
    console = console or Console(stderr=True)
    if not console.is_terminal:
        with _lines(what, console) as report:
            yield report
        return
    what_column = TextColumn("{task.description}", table_column=Column(no_wrap=True, overflow="ellipsis"))
    columns = [SpinnerColumn(), BarColumn(24), TaskProgressColumn(), TimeElapsedColumn(), what_column]
    with Progress(*columns, console=console, transient=True) as bars:
        bar = bars.add_task(what, total=None)
        yield lambda step, share: bars.update(bar, description=f"{what}: {step}", total=1.0, completed=share)


@contextmanager
def _lines(what: str, console: Console) -> Iterator[Report]:
    console.print(f"{what} …", markup=False, highlight=False)
    start = time.monotonic()
    yield lambda step, share: None
    console.print(f"{what}: {time.monotonic() - start:.1f} s", markup=False, highlight=False)
