"""Progress, on a terminal and elsewhere."""

import io
import re

from rich.console import Console

from firstlight.progress import shown


def test_without_a_terminal_a_step_is_a_line_when_it_begins_and_one_when_it_is_done() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=False)
    with shown("Training", console) as progress:
        progress("a part", 0.5)
        assert out.getvalue() == "Training …\n"
    assert re.fullmatch(r"Training …\nTraining: \d\.\d s\n", out.getvalue())


def test_on_a_terminal_a_bar_shows_the_part_and_is_gone_at_the_end() -> None:
    out = io.StringIO()
    console = Console(file=out, force_terminal=True, width=80, legacy_windows=False)
    with shown("Training", console) as progress:
        progress("a part with a name so long that it has no place beside the bar", 0.5)
    *_, last = out.getvalue().split("\n")
    assert "Training: a part" in out.getvalue() and "50%" in out.getvalue()
    assert last.endswith("\x1b[2K")
