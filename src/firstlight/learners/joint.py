"""Joint: for each target domain one map of tastes, learned from its own likes and, so far as they help, from others'.

    min over A_t   L_t(A) + Σ_s λ_st L_s(A) + ρ ‖A‖²,      L_d(A) = Σ over people ‖z_d − φ A‖²
    score(j) = log p_j + κ φ A_t (c_j − c̄_t),              φ = Σ over the support of grade · (c_i − c̄_{d_i}) / (n + 1)

c: vectors of the items in a space that all domains share, of the text, else of the catalogue's words, else of what is
liked together. z_d: what a person likes in d beyond their support, the mean of c_j − c̄_d in coordinates in which the
items of d vary alike. L is quadratic, so every domain is a pair of sums, any λ is one small solve, and each λ_st is
chosen on people of the target put aside, 0 included: a source that does harm gets 0. Joint training with a weight on
the source's loss is as in Ben-David et al., A theory of learning from different domains, Machine Learning 2010, who
show that the best weight may be 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, Self

import torch
from pydantic import Field
from torch import Tensor

from firstlight.budget import Budget, Progress, silent
from firstlight.cooccurrence import most_liked
from firstlight.errors import DataError
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.transfer import Gain, facts, grown, places, reached
from firstlight.learners.validation import LEAST, People, people_of_validation
from firstlight.models.starts import content_vectors, leading_vectors
from firstlight.tasks import Corpus, NewItems, Support, TaskBatch, TaskSet

WEIGHTS = (0.1, 1.0)
KAPPAS = (0.5, 1.0, 2.0, 4.0, 8.0)
DRAWS = 4
"""So many times the likes of everybody are cut at random into what is known and what is to be foreseen."""
SMALL = 1e-6


class Joint(Learner):
    """size: of the items' vectors. reg: ρ, in people. space: of which the vectors are: "content" (texts or words),
    "together" (what is liked together); None: the first where it tells items of a domain apart, else the second.
    """

    name: ClassVar[str] = "joint"
    summary: ClassVar[str] = "a map of tastes for each domain, learned from it and from those that help it"

    size: int = Field(default=64, ge=1)
    reg: float = Field(default=30.0, gt=0)
    space: Literal["content", "together"] | None = None

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        people = people_of_validation(corpus, seed)
        gains: list[Gain] = []
        width = int(places(corpus).max()) + 1
        weights, kappa = torch.eye(width), torch.full((width,), KAPPAS[1])
        if people is not None:
            progress(f"{self.name}: choosing the weights of the sources", 0.0)
            sums = self._sums(people.training(corpus), seed)
            weights, kappa, gains = self._chosen(sums, people, corpus)
        progress(f"{self.name}: learning from everybody", 0.6)
        sums = self._sums(corpus, seed)
        return self.prior(self._tensors(sums, weights, kappa), weights=weights.tolist(), **facts(gains))

    def adapt(self, prior: Prior, support: Support) -> "MappedPreference":
        return MappedPreference(prior, support)

    def with_items(self, prior: Prior, new: NewItems) -> Prior:
        found = grown(super().with_items(prior, new), new, ("vectors",))
        least = found.tensors["level"].min().expand(new.n)
        return replace(found, tensors={**found.tensors, "level": torch.cat([found.tensors["level"], least])})

    def variants(self) -> Sequence[Self]:
        grid = [{"size": size, "reg": reg} for size in (32, 64, 128) for reg in (30.0, 300.0)]
        return [self, *(other for update in grid if (other := self.model_copy(update=update)) != self)]

    def _vectors(self, corpus: Corpus, seed: int) -> Tensor:
        """(N, F) float32."""
        known = corpus.text is not None or corpus.content is not None
        if self.space == "content" and not known:
            raise DataError(
                f"{self.name} is to learn from what the catalogue says of the items, and here it says nothing: "
                "add an items file with titles, categories or tags, or take space=together."
            )
        if known and self.space != "together":
            vectors = content_vectors(corpus, self.size, seed) if corpus.text is None else corpus.text
            if self.space or _differs(vectors, places(corpus)):
                return vectors
        chosen = most_liked(corpus.tasks, corpus.n_items, corpus.n_items)
        out = torch.zeros(corpus.n_items, self.size)
        if len(chosen):
            out[chosen] = leading_vectors(corpus, chosen, self.size, torch.Generator().manual_seed(seed))
        return out

    def _sums(self, corpus: Corpus, seed: int) -> "Sums":
        return summed(corpus.tasks.likes(), places(corpus), self._vectors(corpus, seed), seed)

    def _tensors(self, sums: "Sums", weights: Tensor, kappa: Tensor) -> dict[str, Tensor]:
        maps = torch.stack([kappa[t] * self._map(sums, weights[:, t]) for t in range(len(kappa))])
        return {"vectors": sums.vectors, "domain": sums.place, "level": sums.level, "maps": maps}

    def _map(self, sums: "Sums", weight: Tensor) -> Tensor:
        """(F, F): A with the weights (D,) of the domains' losses."""
        moment = (weight[:, None, None] * sums.moments).sum(0)
        wanted = (weight[:, None, None] * sums.wanted).sum(0)
        scale = moment.diagonal().mean().clamp(min=SMALL) / max(float(weight @ sums.people), 1.0)
        solved: Tensor = torch.linalg.solve(moment + self.reg * scale * torch.eye(len(moment)), wanted)
        return solved

    def _chosen(self, sums: "Sums", people: People, corpus: Corpus) -> tuple[Tensor, Tensor, list[Gain]]:
        """The weights (D, D) of the sources (rows) for the targets, κ of each, and what every source adds."""
        width, gains = len(sums.people), []
        weights, kappa = torch.eye(width), torch.full((width,), KAPPAS[1])
        tasks = corpus.tasks.select(people.aside).likes()
        batch = tasks.split(tasks.indptr.diff() // 2)
        for target in range(width):
            inside = sums.place == target
            cases = _asking(batch, inside)
            if len(cases) < LEAST:
                continue

            def found(weight: Tensor, strength: float, inside: Tensor = inside, cases: TaskBatch = cases) -> Tensor:
                maps = (strength * self._map(sums, weight)).expand(width, -1, -1)
                tensors = {"vectors": sums.vectors, "domain": sums.place, "level": sums.level, "maps": maps}
                return reached(self.adapt(self.prior(tensors), cases.support).scores(), cases, inside)

            own = weights[:, target].clone()
            figures = {strength: found(own, strength) for strength in KAPPAS}
            kappa[target] = max(figures, key=lambda strength: float(figures[strength].mean()))
            height = figures[float(kappa[target])]
            for source in range(width):
                if source == target or not sums.people[source]:
                    continue
                tried = {}
                for weight in WEIGHTS:
                    own[source] = weight
                    tried[weight] = found(own, float(kappa[target]))
                best = max(tried, key=lambda weight: float(tried[weight].mean()))
                used = float(tried[best].mean()) > float(height.mean())
                means = round(float(tried[best].mean()), 5), round(float(height.mean()), 5)
                gains.append(Gain(source, target, len(cases), *means, used=used))
                own[source], height = (best, tried[best]) if used else (0.0, height)
            weights[:, target] = own
        return weights, kappa, gains


def _differs(vectors: Tensor, place: Tensor) -> bool:
    """Whether items of the same domain differ: a catalogue may say nothing but the domain."""
    width = int(place.max()) + 1
    often = torch.bincount(place, minlength=width).clamp(min=1)
    mean = torch.zeros(width, vectors.shape[1]).index_add_(0, place, vectors) / often[:, None]
    return float((vectors - mean[place]).square().sum()) > SMALL * float(vectors.square().sum())


def _asking(batch: TaskBatch, inside: Tensor) -> TaskBatch:
    """The people who like some of the items ``inside`` in their query, and of the query those alone."""
    mask = batch.query_mask & inside[batch.query]
    rows = mask.any(1).nonzero()[:, 0]
    return TaskBatch(batch.support.rows(rows), batch.query[rows], mask[rows])


@dataclass(frozen=True)
class Sums:
    """What L_d needs of everybody. vectors: (N, F), c_j − c̄ of the item's domain. place: (N,). level: (N,) log p_j.

    moments: (D, F, F), Σ φᵀφ. wanted: (D, F, F), Σ φᵀz_d. people: (D,), how many are in these.
    """

    vectors: Tensor
    place: Tensor
    level: Tensor
    moments: Tensor
    wanted: Tensor
    people: Tensor


def summed(tasks: TaskSet, place: Tensor, vectors: Tensor, seed: int) -> Sums:
    """Of the likes ``tasks``. vectors: (N, F) of the items."""
    width, size, often = int(place.max()) + 1, vectors.shape[1], tasks.item_counts(len(place))
    weight = torch.zeros(width).index_add_(0, place, often).clamp(min=SMALL)
    mean = torch.zeros(width, size).index_add_(0, place, often[:, None] * vectors) / weight[:, None]
    centred = vectors - mean[place]
    level = ((often + 0.5) / max(len(tasks), 1)).log()
    moments, wanted, people = torch.zeros(width, size, size), torch.zeros(width, size, size), torch.zeros(width)
    chance, unit = torch.Generator().manual_seed(seed), torch.eye(size)
    for _ in range(DRAWS):
        shown = torch.rand(len(tasks.items), generator=chance) < 0.5
        known = pooled(tasks.owner[shown], centred[tasks.items[shown]], len(tasks))
        for domain in range(width):
            rest = ~shown & (place[tasks.items] == domain)
            inside = centred[place == domain]
            spread = inside.T @ inside / max(len(inside), 1)
            white = torch.linalg.inv(spread + (0.1 * spread.diagonal().mean() + SMALL) * unit)
            later = pooled(tasks.owner[rest], centred[tasks.items[rest]] @ white, len(tasks))
            able = torch.bincount(tasks.owner[rest], minlength=len(tasks)) > 0
            moments[domain] += known[able].T @ known[able] / DRAWS
            wanted[domain] += known[able].T @ later[able] / DRAWS
            people[domain] += able.sum() / DRAWS
    return Sums(centred, place, level, moments, wanted, people)


def pooled(owner: Tensor, rows: Tensor, people: int) -> Tensor:
    """(T, F): Σ of the rows (E, F) of each person, divided by one more than their number."""
    count = torch.bincount(owner, minlength=people)
    return torch.zeros(people, rows.shape[1]).index_add_(0, owner, rows) / (count + 1)[:, None]


class MappedPreference(Preference):
    """See the formula above; without a support popularity."""

    def __init__(self, prior: Prior, support: Support) -> None:
        self.tensors = prior.tensors
        grades = support.grades * support.mask
        self.weight = grades / (grades.abs().sum(1, keepdim=True) + 1)
        self.events = self.tensors["vectors"][support.items] * self.weight[..., None]

    def scores(self) -> Tensor:
        """(T, N) float32."""
        tensors, known = self.tensors, self.events.sum(1)
        out = tensors["level"].repeat(len(known), 1)
        for target, across in enumerate(tensors["maps"]):
            inside = (tensors["domain"] == target).nonzero()[:, 0]
            out[:, inside] += known @ across @ tensors["vectors"][inside].T
        return out

    def contributions(self, items: Tensor) -> Tensor:
        """(T, S, n), exact: κ times the event's part of φ, mapped, times the item's vector."""
        wanted = torch.einsum("tnij,tnj->tni", self.tensors["maps"][self.tensors["domain"][items]], self._of(items))
        return self.events @ wanted.mT

    def _of(self, items: Tensor) -> Tensor:
        return self.tensors["vectors"][items]
