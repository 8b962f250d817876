"""``firstlight train --task scenario``: learn from a table of rows with a yes/no outcome and write a model folder."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from rich.console import Console
from rich.table import Table

from firstlight.cli.options import check_place, settings, use_threads
from firstlight.errors import SettingsError
from firstlight.progress import shown


def train_scenario(
    table: Path,
    out: Path,
    *,
    label: str | None,
    scenario: str = "domain",
    features: Sequence[str] | None = None,
    learner: str | None = None,
    setting: Sequence[str] | None = None,
    seed: int = 0,
    threads: int | None = None,
) -> None:
    """What ``train`` does with a task of scenarios. Settings that are given with --set are not tuned."""
    from firstlight.modelfile import check_free
    from firstlight.scenarios.learners import DEFAULT, make
    from firstlight.scenarios.model import ScenarioModel
    from firstlight.scenarios.table import read_table

    if label is None:
        raise SettingsError("--task scenario needs --label: name the column that says yes (1) or no (0).")
    check_free(out)
    check_place(out)
    chosen = make(learner or DEFAULT, settings(setting))
    use_threads(threads)
    frame = read_table(table)
    start = time.monotonic()
    with shown(f"Training {chosen.name}"):
        model = ScenarioModel.fit(frame, label, scenario, features, chosen, seed=seed)
    model.save(out)
    console = Console(highlight=False, soft_wrap=True, markup=False)
    count, rows = model.facts["scenarios"], model.facts["rows"]
    console.print(f"Trained {chosen.name} on {rows:,} rows of {count:,} scenarios in {time.monotonic() - start:.0f} s.")
    if "held_out" in model.facts:
        console.print(_table(model.facts["held_out"]))
    console.print(f"The model is in {out}. Next: firstlight predict {out} --support LABELLED --rows ROWS --out PROBS")


def _table(held_out: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table(
        "labelled rows", "log-loss", "AUC", "ECE", title="On scenarios that were held out", title_justify="left"
    )
    for shots, found in held_out.items():
        cells = (f"{found[name]:.4f}" if name in found else "" for name in ("log_loss", "auc", "ece"))
        table.add_row(shots, *cells)
    return table
