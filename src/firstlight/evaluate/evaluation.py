"""What an evaluation finds: for each learner a row, in it for each stage a cell."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from firstlight.evaluate.comparison import Interval, Verdict
from firstlight.evaluate.transfer import Transfer


@dataclass(frozen=True)
class Cell:
    """One learner at one stage.

    label: of the stage. shots: the number that the protocol counts by. people: how many are judged; known: how many
    likes of theirs the learner is told, on average. metrics: name -> mean over the test people, with its interval.
    coverage: share of the items that may be ranked in anyone's top 10.
    settings: those that validation chose; validation: their NDCG@10 there.
    against: the best of the other learners on validation (None without another); difference: in NDCG@10 to it, person
    by person; verdict: what that interval says. over_popular: the same difference to the learner ``popular``.
    adapt_ms: milliseconds to adapt to a person and score the catalogue, in batches.
    unadapted: NDCG@10 of the same learner for the same people and candidates, but without their events; gain: what
    the events add to it, person by person; moved: the mean share of a person's first 10 that they replaced; shift: the
    mean root mean square difference that they made to a person's standardised scores. At 0 events nothing is gained.
    elsewhere: metrics among the items of categories in which the person has no event that is known, over the
    elsewhere_people who go on to like such items; empty where the categories of items are not known.
    """

    label: str
    shots: int
    people: int
    known: float
    metrics: Mapping[str, Interval]
    coverage: float
    settings: Mapping[str, Any]
    validation: float
    adapt_ms: float
    unadapted: Interval
    gain: Interval
    moved: float
    shift: float
    against: str | None = None
    difference: Interval | None = None
    verdict: Verdict | None = None
    over_popular: Interval | None = None
    elsewhere: Mapping[str, Interval] = field(default_factory=dict)
    elsewhere_people: int = 0


@dataclass(frozen=True)
class Row:
    """One learner: a cell for each stage, or the sentence that says why there is none.

    tried: how many of its ``variants`` its seconds allowed. fit_seconds: for all that were tried.
    mean: of NDCG@10 over the stages, where they are alike; mean_over_popular: of the difference to ``popular``.
    transfer: what knowing one domain gains in another, where the protocol and the data allow to tell.
    """

    learner: str
    cells: Sequence[Cell] = ()
    tried: int = 0
    variants: int = 0
    fit_seconds: float = 0.0
    error: str | None = None
    mean: Interval | None = None
    mean_over_popular: Interval | None = None
    transfer: Sequence[Transfer] = ()


@dataclass(frozen=True)
class Evaluation:
    """What an evaluation found.

    shots, labels: of the stages. sizes: how many people and items. seconds: what each learner was given. settings: of
    the protocol. alike: whether the stages are of one kind, so that their mean means something.
    """

    protocol: str
    shots: Sequence[int]
    labels: Sequence[str]
    rows: Sequence[Row]
    sizes: Mapping[str, int]
    seconds: float
    seed: int
    version: str
    note: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    alike: bool = False

    def to_dict(self) -> dict[str, Any]:
        """The same as JSON values."""
        return asdict(self)
