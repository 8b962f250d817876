"""Where training stands, in one file from which it goes on to the same result: safetensors with a line of JSON."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from firstlight.errors import SettingsError
from firstlight.files import replacing

MOMENTS = ("exp_avg", "exp_avg_sq", "step")
"""What Adam keeps of each weight."""


@dataclass(frozen=True)
class Snapshot:
    """step: how many were made. weights, average: name -> tensor. moments: Adam's, "NAME/exp_avg" and so on.

    best: the average at the best look at the validation tasks, empty before one; best_loss: the loss there; bad: how
    many looks ago that was; looked: the step of the last look.
    """

    step: int
    weights: dict[str, Tensor]
    average: dict[str, Tensor]
    moments: dict[str, Tensor]
    best: dict[str, Tensor]
    best_loss: float = math.inf
    bad: int = 0
    looked: int = -1

    @classmethod
    def begin(cls, weights: Mapping[str, Tensor]) -> Self:
        """Before the first step."""
        first, average = ({name: value.detach().clone() for name, value in weights.items()} for _ in range(2))
        return cls(0, first, average, {}, {})

    @classmethod
    def of(
        cls,
        step: int,
        weights: Mapping[str, Tensor],
        average: dict[str, Tensor],
        optimiser: torch.optim.Optimizer,
        **looks: Any,
    ) -> Self:
        """Between two steps. looks: the last four fields."""
        kept = {name: optimiser.state.get(value, {}) for name, value in weights.items()}
        moments = {f"{name}/{part}": state[part] for name, state in kept.items() for part in MOMENTS if state}
        return cls(step, {name: value.detach() for name, value in weights.items()}, average, moments, **looks)

    def restore(self, optimiser: torch.optim.Optimizer, weights: Mapping[str, Tensor]) -> None:
        """Give the optimiser back what it knew of its weights."""
        for name, value in weights.items():
            if f"{name}/step" in self.moments:
                # Adam takes its count of steps beside the weights where it is fused.
                optimiser.state[value] = {part: self.moments[f"{name}/{part}"].to(value.device) for part in MOMENTS}


PARTS = ("weights", "average", "moments", "best")


def write_snapshot(path: Path, key: str, snapshot: Snapshot) -> None:
    """Write all of it to ``path``, whole or not at all. Raises SettingsError where the disk refuses."""
    tensors = {
        f"{part}:{name}": value.contiguous().cpu() for part in PARTS for name, value in getattr(snapshot, part).items()
    }
    told = {
        "key": key,
        "step": snapshot.step,
        "best_loss": str(snapshot.best_loss),
        "bad": snapshot.bad,
        "looked": snapshot.looked,
    }
    with replacing(path) as unfinished:
        save_file(tensors, unfinished, {"snapshot": json.dumps(told)})


def read_snapshot(path: Path, key: str) -> Snapshot | None:
    """What ``write_snapshot`` wrote; None where there is no file.

    Raises SettingsError for a file of another training, or one that cannot be read.
    """
    if not path.exists():
        return None
    remedy = "give another file, or remove it to begin anew"
    try:
        with safe_open(path, "pt") as file:
            told = json.loads((file.metadata() or {})["snapshot"])
            parts: dict[str, dict[str, Tensor]] = {part: {} for part in PARTS}
            for name in file.keys():  # noqa: SIM118 - the file is no mapping
                part, _, own = name.partition(":")
                parts[part][own] = file.get_tensor(name)
        numbers = int(told["step"]), float(told["best_loss"]), int(told["bad"]), int(told["looked"])
    except (SafetensorError, OSError, KeyError, TypeError, ValueError) as error:
        raise SettingsError(f"The checkpoint {path} cannot be read ({error}): {remedy}.") from error
    if told["key"] != key:
        raise SettingsError(f"The checkpoint {path} belongs to another training ({told['key']}): {remedy}.")
    return Snapshot(numbers[0], parts["weights"], parts["average"], parts["moments"], parts["best"], *numbers[1:])
