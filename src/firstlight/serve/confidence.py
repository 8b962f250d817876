"""How good lists are for people with so many events: what an evaluation of the model measured."""

import json
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from firstlight.errors import SettingsError

METRIC = "ndcg@10"


@dataclass(frozen=True)
class Level:
    """People of whom ``events`` likes are known. ndcg: learner -> mean NDCG@10, low, high."""

    events: int
    ndcg: Mapping[str, tuple[float, float, float]]


@dataclass(frozen=True)
class Levels:
    """The levels of an evaluation, the fewest events first; none where there is no evaluation."""

    levels: Sequence[Level] = ()

    @classmethod
    def read(cls, path: Path | None) -> Self:
        """From what ``firstlight evaluate --out`` wrote; None: no levels. Raises SettingsError."""
        if path is None:
            return cls()
        try:
            return cls(_levels(json.loads(path.read_text(encoding="utf-8"))))
        except OSError as error:
            raise SettingsError(
                f"{path} cannot be read ({error.strerror}): give what `firstlight evaluate --out` wrote."
            ) from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise SettingsError(f"{path} is no evaluation: give what `firstlight evaluate --out` wrote.") from error

    def at(self, learner: str, events: int) -> float | None:
        """The mean NDCG@10 of the learner at so many events, between two levels in proportion; None: not measured."""
        known = [(level.events, level.ndcg[learner][0]) for level in self.levels if learner in level.ndcg]
        if not known:
            return None
        right = bisect_right([number for number, _ in known], events)
        if right in (0, len(known)):
            return known[max(right - 1, 0)][1]
        (x0, y0), (x1, y1) = known[right - 1], known[right]
        return y0 + (y1 - y0) * (events - x0) / (x1 - x0)

    def told(self, learner: str) -> list[dict[str, Any]]:
        """Each level as JSON: the learner's figures, and those of the others beside."""
        return [
            {
                "events": level.events,
                "ndcg": level.ndcg[learner][0],
                "interval": level.ndcg[learner][1:],
                "beside": {name: figures[0] for name, figures in level.ndcg.items() if name != learner},
            }
            for level in self.levels
            if learner in level.ndcg
        ]


def _levels(document: Mapping[str, Any]) -> list[Level]:
    found: dict[int, dict[str, tuple[float, float, float]]] = {}
    for row in document["rows"]:
        for cell in row["cells"]:
            figures = cell["metrics"].get(METRIC)
            if figures is not None:
                here = found.setdefault(int(cell["shots"]), {})
                here[row["learner"]] = (figures["mean"], figures["low"], figures["high"])
    return [Level(events, found[events]) for events in sorted(found)]
