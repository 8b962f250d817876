"""Leave one scenario out: its probabilities of yes after 0, 10 and 30 labelled rows, by every learner.

    python benchmarks/scenarios.py TABLE [--label value] [--scenario domain] [--seed 0] [--draws 5] [--learners ...]

Every scenario of more than 40 rows is left out in turn; a learner is tuned, calibrated and trained on all others, gets
0, 10 or 30 of the scenario's rows, drawn anew ``draws`` times, and is judged on the rows that are in none of these. All
learners and shots of a draw share both. Learners that are trained by gradient keep their defaults, uncalibrated.
The baselines are always among them: `pooled-plain` and `separate-plain`, the regressions on standardised columns
without curves, tuned alike. Intervals: 95 %, from 1,000 resamples of scenarios and of rows within them.
"""

import argparse
import json
import time
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from firstlight.scenarios.base import ScenarioLearner
from firstlight.scenarios.learners import LEARNERS, make
from firstlight.scenarios.metrics import auc, brier_scores, ece, log_losses, mean, reliability
from firstlight.scenarios.model import ScenarioModel
from firstlight.scenarios.table import read_table

SHOTS = (0, 10, 30)
LEAST = 41
RESAMPLES = 1_000
BASELINES = ("pooled-plain", "separate-plain")


def learner(name: str) -> ScenarioLearner:
    """The learner of that name; ``-plain``: on columns without curves."""
    kind, _, plain = name.partition("-")
    return make(kind, {"knots": 0} if plain else {})


def judge(frame: pl.DataFrame, names: list[str], label: str, scenario: str, seed: int, draws: int) -> pl.DataFrame:
    """learner, shots, draw, scenario, row, yes, probability: one row for every answer."""
    rows = frame.with_row_index("row_id")
    sizes = rows.group_by(scenario).len().filter(pl.col("len") >= LEAST).sort(scenario)
    found = []
    for held in sizes[scenario]:
        start = time.monotonic()
        others, own = rows.filter(pl.col(scenario) != held), rows.filter(pl.col(scenario) == held)
        models = {name: fit(others, label, scenario, learner(name), seed) for name in names}
        for draw in range(draws):
            order = own.sample(fraction=1.0, shuffle=True, seed=1_000 * seed + draw)
            for name, model in models.items():
                found += [answers(model, order, name, shots, draw) for shots in SHOTS]
        told = {name: model.learner.model_dump() | model.calibration._asdict() for name, model in models.items()}
        print(f"{held}: {time.monotonic() - start:.0f} s {json.dumps(told)}", flush=True)
    return pl.concat(found)


def fit(frame: pl.DataFrame, label: str, scenario: str, learner: ScenarioLearner, seed: int) -> ScenarioModel:
    """A model that has seen nothing of the scenario that is held out."""
    return ScenarioModel.fit(frame, label, scenario, None, learner, seed=seed, tuned=bool(learner.dials))


def answers(model: ScenarioModel, order: pl.DataFrame, name: str, shots: int, draw: int) -> pl.DataFrame:
    """What a model says of the rows that are in no support, after the first ``shots`` rows."""
    asked = order[max(SHOTS) :]
    said = model.probabilities(asked, order[:shots] if shots else None)
    return asked.select(
        *(pl.lit(name).alias("learner"), pl.lit(shots).alias("shots"), pl.lit(draw).alias("draw")),
        *(pl.col(model.scenario).alias("scenario"), "row_id", pl.col(model.label).cast(pl.Float64).alias("yes")),
        said,
    )


def resamples(scenario: Tensor, row: Tensor, seed: int = 0) -> Tensor:
    """(B, n) float32: how often each answer counts when scenarios, and rows within them, are drawn with replacement."""
    chance = torch.Generator().manual_seed(seed)
    size = int(scenario.max()) + 1
    drawn = torch.randint(size, (RESAMPLES, size), generator=chance)
    often = torch.zeros(RESAMPLES, size).scatter_add_(1, drawn, torch.ones(RESAMPLES, size))
    weights = torch.zeros(RESAMPLES, len(row))
    for number in range(size):
        mine = (scenario == number).nonzero()[:, 0]
        own, place = torch.unique(row[mine], return_inverse=True)
        picked = torch.randint(len(own), (RESAMPLES, len(own)), generator=chance)
        counts = torch.zeros(RESAMPLES, len(own)).scatter_add_(1, picked, torch.ones(RESAMPLES, len(own)))
        weights[:, mine] = counts[:, place] * often[:, [number]]
    return weights


def interval(point: Tensor, drawn: Tensor) -> str:
    """A figure and where 95 % of its resamples lie."""
    low, high = torch.nanquantile(drawn, torch.tensor([0.025, 0.975])).tolist()
    return f"{float(point):.4f} [{low:.4f}, {high:.4f}]"


def table(said: pl.DataFrame) -> None:
    """Print one line for every learner and number of labelled rows, and the reliability of each after 30."""
    said = said.sort("learner", "shots", "draw", "scenario", "row_id")
    groups = {key: group for key, group in said.group_by("learner", "shots", maintain_order=True)}
    one = next(iter(groups.values()))
    scenario = torch.tensor((one["scenario"].rank("dense") - 1).cast(pl.Int64).to_numpy())
    labels = torch.tensor(one["yes"].to_numpy(), dtype=torch.float32)
    weights = resamples(scenario, torch.tensor(one["row_id"].to_numpy()))
    even = torch.ones_like(labels)
    per_scenario = 1 / torch.bincount(scenario)[scenario].float()
    logits = {
        key: torch.logit(torch.tensor(group["probability"].to_numpy()), 1e-9).float() for key, group in groups.items()
    }
    losses = {key: log_losses(logit, labels) for key, logit in logits.items()}
    print(
        "| learner | rows | log-loss | log-loss, scenarios alike | Brier | AUC | ECE | less than the best baseline, % |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for (name, shots), logit in logits.items():
        loss = losses[name, shots]
        best = min(
            (losses[base, shots] for base in BASELINES if (base, shots) in losses), key=lambda x: float(x.mean())
        )
        share = 100 * (1 - mean(loss, even) / mean(best, even)), 100 * (1 - mean(loss, weights) / mean(best, weights))
        cells = [
            interval(mean(loss, even), mean(loss, weights)),
            f"{float(mean(loss, per_scenario)):.4f}",
            f"{float(mean(brier_scores(logit, labels), even)):.4f}",
            interval(auc(logit, labels), auc(logit, labels, weights)),
            interval(ece(logit, labels), ece(logit, labels, weights)),
            interval(*share),
        ]
        print("|", " | ".join([name, str(shots), *cells]), "|")
    for (name, shots), logit in logits.items():
        if shots == max(SHOTS):
            _, predicted, observed = reliability(logit, labels)
            print(
                name, "said", [round(x, 3) for x in predicted.tolist()], "was", [round(x, 3) for x in observed.tolist()]
            )


def main() -> None:
    """Read the options, judge, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("table", type=Path)
    options.add_argument("--label", default="value")
    options.add_argument("--scenario", default="domain")
    options.add_argument("--seed", type=int, default=0)
    options.add_argument("--draws", type=int, default=5)
    options.add_argument("--learners", nargs="+", default=list(LEARNERS))
    options.add_argument("--answers", type=Path, help="Parquet file in which the answers are kept.")
    chosen = options.parse_args()
    torch.set_num_threads(1)
    frame = read_table(chosen.table)
    names = list(dict.fromkeys([*BASELINES, *chosen.learners]))
    said = judge(frame, names, chosen.label, chosen.scenario, chosen.seed, chosen.draws)
    if chosen.answers:
        said.write_parquet(chosen.answers)
    table(said)


if __name__ == "__main__":
    main()
