"""The engine: closed forms and trained encoders, each with a say that depends on how many events there are.

Members speak in probabilities that the person likes an item (few-shot EASE at several numbers of events, the ridge
head, the set encoder, the content head) or in votes (item-kNN, joint items). People of validation choose the settings
of the closed forms and the weight of every member at 0, 1, 3, 5, 10, 20 and 50 events; a member without a weight is
left out. Then the members learn from everybody. Stacking by episodes: Wolpert (1992) with the task's own number of
events as the gate.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor

from firstlight.budget import Budget, Progress, progress_between, silent
from firstlight.learners.across import (
    JOINT,
    POPULAR,
    USUAL,
    VOTES,
    Across,
    AcrossPreference,
    also_between,
    learned_across,
)
from firstlight.learners.base import Learner, Preference, Prior
from firstlight.learners.blend import choose, interpolated, shortlist
from firstlight.learners.content_head import ContentHead
from firstlight.learners.content_knn import ContentKnn
from firstlight.learners.fewshot_ease import FewshotEase, moments
from firstlight.learners.item_knn import ItemKnn
from firstlight.learners.joint_items import JointItems
from firstlight.learners.pairs import Twins
from firstlight.learners.popular import Popular
from firstlight.learners.ridge import Ridge
from firstlight.learners.set_encoder import SetEncoder
from firstlight.learners.summed import Summed
from firstlight.learners.validation import people_of_validation, tuned_fewshot, tuned_votes
from firstlight.tasks import Corpus, NewItems, Support, TaskBatch

TRIFLE = 0.02
"""A member whose weight is below this at every anchor is left out."""
FORESIGHT = "content-head"
VOTERS = ItemKnn | JointItems
"""They say nothing of people without events."""
VOICES = {JOINT: JointItems.name, VOTES: ItemKnn.name, POPULAR: Popular.name}
"""By which members people are served in domains that are new to them."""
HASTE = 1.2
"""Learning again is begun only with so many times the seconds that it took before."""


class Engine(Learner):
    """Scores are weighted sums; they order the items of one person.

    shots: for which numbers of events a few-shot EASE is fitted. encoders: how many set encoders, of different seeds;
    ridges: how many ridge heads. encoder_steps, ridge_steps: of their training. max_items: how many of the
    most liked items the members that need dense matrices cover; the votes cover all.
    """

    name: ClassVar[str] = "engine"
    summary: ClassVar[str] = "all of the best together, weighted by how many events there are"

    shots: tuple[int, ...] = (1, 3, 8)
    encoders: int = 1
    ridges: int = 1
    ridge_steps: int = 220
    encoder_steps: int = 500
    max_items: int = 8_000

    def fit(self, corpus: Corpus, *, seed: int = 0, budget: Budget | None = None, progress: Progress = silent) -> Prior:
        budget = budget or Budget()
        people = people_of_validation(corpus, seed)
        if people is None:
            return self._prior({"popular": Popular().fit(corpus)}, [0], torch.ones(2, 1, 1))
        between = people.aside
        if corpus.domains is not None:
            people, between = also_between(people, corpus, seed)
        rest, cases = people.training(corpus), people.cases(corpus)
        members = self._members(rest, cases, budget.share(0.3), progress)
        priors, took = learned(members, rest, seed, budget.share(0.7), partial(progress_between, progress, 0.35, 0.65))
        members = {name: member for name, member in members.items() if name in priors}
        progress("weights of the members", 0.65)
        anchors, weights = weigh(members, priors, cases, seed)
        across = None
        if corpus.domains is not None and all(name in priors for name in VOICES.values()):
            now = {voice: priors[name] for voice, name in VOICES.items()}
            now[USUAL] = self._prior(priors, anchors, weights)
            those = {USUAL: self, **{voice: members[name] for voice, name in VOICES.items()}}
            twins = Twins.of(priors[JointItems.name].tensors)
            across = learned_across(those, now, corpus.tasks.select(between), corpus.domains, twins, seed)
        heard = {VOICES[voice] for voice in across.voices} if across is not None else set()
        said = weights.any(0).any(0) | torch.tensor([name in heard for name in members])
        members = {name: member for (name, member), says in zip(members.items(), said, strict=True) if says}
        final, _ = learned(members, corpus, seed, budget, partial(progress_between, progress, 0.7, 1.0), took)
        kept = {name: final.get(name, priors[name]) for name in members}
        return self._prior(kept, anchors, weights[..., said], across)

    def _members(
        self, rest: Corpus, cases: Mapping[int, TaskBatch], budget: Budget, progress: Progress
    ) -> dict[str, Learner]:
        ridge = Ridge(steps=self.ridge_steps, max_items=self.max_items)
        encoder = SetEncoder(steps=self.encoder_steps, max_items=self.max_items)
        members: dict[str, Learner] = {"popular": Popular()}
        members |= tuned_fewshot(rest, cases, self.shots, self.max_items, budget, progress)
        members |= tuned_votes({"item-knn": ItemKnn()}, rest, cases)
        if rest.domains is not None:
            members[JointItems.name] = JointItems(shrink=10.0, shrink_across=50.0, cross=1.0, guard=False)
        if rest.content is not None or rest.text is not None:
            members[FORESIGHT] = ContentHead()
        members |= {f"ridge-{n}": ridge for n in range(self.ridges)}
        members |= {f"set-encoder-{n}": encoder for n in range(self.encoders)}
        return members

    def _prior(
        self, priors: Mapping[str, Prior], anchors: Sequence[int], weights: Tensor, across: Across | None = None
    ) -> Prior:
        tensors = {f"{name}/{key}": value for name, prior in priors.items() for key, value in prior.tensors.items()}
        members = {
            name: {"learner": prior.learner, "settings": prior.settings, "facts": dict(prior.facts)}
            for name, prior in priors.items()
        }
        # A row for every number of events up to the last anchor, which also serves all larger ones.
        table = torch.stack([interpolated(anchors, part, torch.arange(anchors[-1] + 1)) for part in weights])
        tensors["weights"] = table
        if across is None:
            return self.prior(tensors, anchors=list(anchors), members=members)
        tensors |= {"domains": across.domains, "order": across.order}
        facts = {"anchors": list(anchors), "members": members}
        return self.prior(tensors, **facts, switched_off=across.off, known_items=across.known)

    def with_items(self, prior: Prior, new: NewItems) -> Prior:
        """As its members take them in; by the content head new items can be recommended at once."""
        tensors = {name: prior.tensors[name] for name in ("weights", "order") if name in prior.tensors}
        if (domains := prior.tensors.get("domains")) is not None:
            own = domains.new_full((new.n,), -1) if new.domains is None else new.domains
            tensors["domains"] = torch.cat([domains, own])
        for name, member in members(prior).items():
            grown = MEMBERS[member.learner].with_items(member, new)
            tensors |= {f"{name}/{key}": value for key, value in grown.tensors.items()}
        return replace(prior, tensors=tensors)

    def adapt(self, prior: Prior, support: Support) -> Preference:
        table = prior.tensors["weights"]
        weights = table[support.profile.any(1).long(), support.shots().clamp(max=table.shape[1] - 1)]
        parts, known = [], members(prior)
        for place, own in enumerate(known.values()):
            if not len(support) or weights[:, place].any():
                parts.append((weights[:, place], MEMBERS[own.learner].adapt(own, support)))
        usual, across = Summed(parts), across_of(prior)
        if across is None or not (new := across.new(support)).any():
            return usual
        rows = new.any(1).nonzero()[:, 0]
        theirs = support.rows(rows)
        speaking = {voice: known[VOICES[voice]] for voice in across.voices}
        voices = {voice: MEMBERS[member.learner].adapt(member, theirs) for voice, member in speaking.items()}
        return AcrossPreference(usual, voices, across, new, rows)


MEMBERS: Mapping[str, Learner] = {
    member.name: member()
    for member in (Popular, FewshotEase, ItemKnn, ContentKnn, ContentHead, JointItems, Ridge, SetEncoder)
}
"""By name. What they learned is in the prior: adapting needs none of their settings. Content-kNN was a member once."""


def across_of(prior: Prior) -> Across | None:
    """How the engine ranks what is in a domain that is new to somebody; None where there are not several domains."""
    if "order" not in prior.tensors:
        return None
    return Across(prior.tensors["domains"], prior.tensors["order"], prior.facts["known_items"])


def members(prior: Prior) -> dict[str, Prior]:
    """Name -> what each member of the engine has learned."""
    found = {}
    for name, member in prior.facts["members"].items():
        tensors = {key[len(name) + 1 :]: value for key, value in prior.tensors.items() if key.startswith(f"{name}/")}
        found[name] = Prior(member["learner"], member["settings"], tensors, member["facts"])
    return found


def with_members(prior: Prior, said: float, more: Mapping[str, Prior], weights: Mapping[str, float]) -> Prior:
    """The prior with more members, which say so much at any number of events, beside ``said`` times what it said."""
    own = torch.tensor([weights[name] for name in more])
    table = prior.tensors["weights"]
    table = torch.cat([said * table, own.expand(*table.shape[:-1], -1)], -1)
    tensors = {f"{name}/{key}": value for name, part in more.items() for key, value in part.tensors.items()}
    known = {
        name: {"learner": part.learner, "settings": part.settings, "facts": dict(part.facts)}
        for name, part in more.items()
    }
    facts = {**prior.facts, "members": {**prior.facts["members"], **known}}
    kept = {name: value for name, value in prior.tensors.items() if name != "order"}  # they speak in every domain
    return replace(prior, tensors={**kept, "weights": table, **tensors}, facts=facts)


def learned(
    members: Mapping[str, Learner],
    corpus: Corpus,
    seed: int,
    budget: Budget,
    progress: Progress,
    took: Mapping[str, float] | None = None,
) -> tuple[dict[str, Prior], dict[str, float]]:
    """What each member learns from the corpus, the closed forms first, and the seconds that each took.

    Members for which no time is left are missing. took: the seconds that each took before; one that would now be cut
    short is left out rather than learned by halves.
    """
    priors: dict[str, Prior] = {}
    seconds: dict[str, float] = {}
    dense = {name: member for name, member in members.items() if isinstance(member, FewshotEase)}
    data = moments(corpus, next(iter(dense.values())).max_items) if dense else None
    for number, (name, member) in enumerate(members.items()):
        before = budget.left()
        if (priors or took) and before <= HASTE * (took or {}).get(name, 0.0):
            continue
        progress(f"learning: {name}", number / len(members))
        if isinstance(member, FewshotEase) and data is not None:
            priors[name] = member.solve(data)
        else:
            priors[name] = member.fit(corpus, seed=seed + number, budget=budget.share(1.0 if took else 0.7))
        seconds[name] = before - budget.left()
    return priors, seconds


def weigh(
    members: Mapping[str, Learner], priors: Mapping[str, Prior], cases: Mapping[int, TaskBatch], seed: int
) -> tuple[list[int], Tensor]:
    """The anchors, and (2, A, members) weights that are already divided by the scale of the member's scores.

    The first are for people of whom only events are known, the second for people with a profile.
    """
    strangers = {shots: replace(batch, support=batch.support.without_profile()) for shots, batch in cases.items()}
    known = any(bool(batch.support.profile.any()) for batch in cases.values())
    first = _weigh(members, priors, strangers, seed)
    return list(cases), torch.stack([first, _weigh(members, priors, cases, seed) if known else first])


def _weigh(
    members: Mapping[str, Learner], priors: Mapping[str, Prior], cases: Mapping[int, TaskBatch], seed: int
) -> Tensor:
    rows, start = [], None
    for shots, batch in cases.items():
        able = [name for name, member in members.items() if shots or not isinstance(member, VOTERS)]
        listed = shortlist({name: members[name].adapt(priors[name], batch.support).scores() for name in able}, batch)
        start = choose(listed, start, seed)
        # What is foreseen of new items is heard at any rate: nobody else speaks of them, and none is among the cases.
        heard = {name: max(weight, TRIFLE * (name == FORESIGHT)) for name, weight in start.items()}
        said = {name: heard[name] / listed.scales[name] for name in able if heard[name] >= TRIFLE}
        rows.append([said.get(name, 0.0) for name in members])
    return torch.tensor(rows)
