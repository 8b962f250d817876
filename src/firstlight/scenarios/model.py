"""A model of scenarios: learned from a table, saved as a folder, asked for the probability of yes of any rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import torch
from pydantic import ValidationError
from torch import Tensor

from firstlight import modelfile
from firstlight.errors import DataError, ModelError
from firstlight.scenarios.base import Prior, ScenarioLearner
from firstlight.scenarios.calibration import Calibration, calibrate
from firstlight.scenarios.encoding import Encoder, fit_encoder
from firstlight.scenarios.examples import Examples, Rows, padded, turns
from firstlight.scenarios.learners import make
from firstlight.scenarios.metrics import figures
from firstlight.scenarios.table import choose, labels, scenarios
from firstlight.scenarios.validation import SHOTS, Said, held_out, tune

TASK = "scenario"
BLOCK = 1_024
"""Rows of one scenario that are scored at once."""
ROOM = 4_000_000
"""Numbers that the supports, and the rows, that are looked at at once may have."""
PROBABILITY = "probability"


@dataclass(frozen=True)
class ScenarioModel:
    """label, scenario: the names of those columns. facts: figures on held-out scenarios, by number of labelled rows.

    Nothing of any one row is in it: a scenario's labelled rows are given again as support with every question.
    """

    label: str
    scenario: str
    encoder: Encoder
    learner: ScenarioLearner
    prior: Prior
    calibration: Calibration
    facts: Mapping[str, Any]

    @classmethod
    def fit(
        cls,
        frame: pl.DataFrame,
        label: str,
        scenario: str = "domain",
        features: Sequence[str] | None = None,
        learner: ScenarioLearner | None = None,
        *,
        seed: int = 0,
        tuned: bool = True,
    ) -> "ScenarioModel":
        """Learn from labelled rows of many scenarios. features: the columns to use; None: all but ids (``*_id``).

        tuned: whether settings and calibration are chosen on held-out scenarios; else they stay as given.
        Raises DataError for rows that cannot be used.
        """
        outcome, names = labels(frame, label), scenarios(frame, scenario)
        if outcome.n_unique() < 2:
            raise DataError(
                f"All {frame.height:,} rows have {label} {outcome[0]:.0f}; give rows of both outcomes to learn from."
            )
        learner = learner or make()
        encoder = fit_encoder(frame, choose(frame, label, scenario, features), learner.knots)
        examples = Examples.of(encoder.encode(frame), _tensor(outcome), numbered(names))
        learner = tune(learner, examples, seed) if tuned else learner
        prior = learner.fit(examples, seed)
        calibration = Calibration()
        facts: dict[str, Any] = {"scenarios": len(examples), "rows": frame.height}
        if tuned and len(examples) > 2:
            said = held_out(learner, examples, seed + 1)
            calibration = calibrate(said)
            facts["held_out"] = _facts(said._replace(logits=calibration(said.logits)))
        return cls(label, scenario, encoder, learner, prior, calibration, facts)

    def probabilities(self, rows: pl.DataFrame, support: pl.DataFrame | None = None) -> pl.Series:
        """The probability of yes of each of ``rows``, given the labelled rows ``support`` of their scenarios.

        Without a scenario column in a table, all its rows are of one scenario without a name.
        """
        if rows.is_empty():
            return pl.Series(PROBABILITY, [], dtype=pl.Float64)
        of_rows = self._names(rows)
        known = rows.head(0).with_columns(pl.lit(0).alias(self.label)) if support is None else support
        of_both = numbered(pl.concat([of_rows, self._names(known)]))
        task, known_task = of_both[: rows.height], of_both[rows.height :]
        said = _tensor(labels(known, self.label))
        given, _ = padded(self.encoder.encode(known), said, known_task, int(of_both.max()) + 1)
        logits = self.calibration(self._logits(given, self.encoder.encode(rows), task))
        return pl.Series(PROBABILITY, torch.sigmoid(logits).numpy())

    def _logits(self, given: Rows, features: Tensor, task: Tensor) -> Tensor:
        """(R,): of each row, given the support of its ``task``; in blocks, so that one large scenario pads no other."""
        owner, block = torch.unique(torch.stack([task, turns(task) // BLOCK], 1), dim=0, return_inverse=True)
        most = max(1, ROOM // (features.shape[1] * max(given.mask.shape[1], BLOCK)))
        found = torch.zeros(len(task), dtype=torch.float64)
        for first in range(0, len(owner), most):
            mine = (block >= first) & (block < first + most)
            own = owner[first : first + most, 0]
            query, within = padded(features[mine], found[mine], block[mine] - first, len(own))
            logits = self.learner.logits(self.prior, given.of(own), query.features)
            found[mine] = logits[block[mine] - first, within]
        return found

    def _names(self, frame: pl.DataFrame) -> pl.Series:
        if self.scenario in frame.columns:
            return scenarios(frame, self.scenario).alias(self.scenario)
        return pl.Series(self.scenario, [""] * frame.height, dtype=pl.String)

    def save(self, folder: Path | str) -> None:
        """Write a model folder; see `modelfile.save` for what it raises."""
        document = {
            "task": TASK,
            "label": self.label,
            "scenario": self.scenario,
            "encoder": self.encoder.model_dump(mode="json"),
            "learner": self.learner.name,
            "settings": self.learner.model_dump(mode="json"),
            "calibration": self.calibration._asdict(),
            "facts": dict(self.facts),
        }
        modelfile.save(folder, self.prior, document)

    @classmethod
    def load(cls, folder: Path | str) -> "ScenarioModel":
        """Read a model folder back. Raises ModelError for one that is damaged or that is no model of scenarios."""
        contents = modelfile.load(folder)
        said = contents.document
        if said.get("task") != TASK:
            raise ModelError(f"{folder} is a model that recommends items: use firstlight recommend with it.")
        try:
            return cls(
                said["label"],
                said["scenario"],
                Encoder.model_validate(said["encoder"]),
                make(said["learner"], said["settings"]),
                contents.tensors,
                Calibration(**said["calibration"]),
                said["facts"],
            )
        except (KeyError, TypeError, ValidationError) as error:
            raise ModelError(f"{folder} does not say all that a model of scenarios needs: train again.") from error


def numbered(names: pl.Series) -> Tensor:
    """(R,) int64: the same number from 0 for the same name, in order of their first rows."""
    places = {name: number for number, name in enumerate(names.unique(maintain_order=True))}
    return _tensor(names.replace_strict(places, return_dtype=pl.Int64))


def _facts(said: Said) -> dict[str, dict[str, float]]:
    """Number of labelled rows → metric → figure."""
    return {str(shots): figures(*said.select(said.shots == shots)[:2]) for shots in SHOTS}


def _tensor(column: pl.Series) -> Tensor:
    return torch.tensor(column.to_numpy())
