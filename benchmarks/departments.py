"""A person's first events in a department, by what they do elsewhere: popularity with a share of something else beside.

    python benchmarks/departments.py DATA [--folds 5] [--seeds 1,2] [--threads 1]

DATA: a folder in the plain layout whose items have categories or domains: the departments. The people are dealt into
folds; everybody is judged once, by what is learned from the other folds. Their own events in a department are hidden
and to be found among its items, by all their other events, in each of the ten largest departments. A share s is:
popularity + s · the other, both divided by their deviation.
NDCG@10 less that of popularity, the mean over pairs of person and department; ± half a 95 % interval, over people.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from firstlight.corpus import build_schema
from firstlight.dataset import read_dataset
from firstlight.evaluate.protocols.places import largest
from firstlight.evaluate.protocols.source import Source
from firstlight.evaluate.protocols.stages import cases
from firstlight.learners.across import POPULAR, listed
from firstlight.learners.base import Learner
from firstlight.learners.blend import ndcg
from firstlight.learners.item_knn import ItemKnn
from firstlight.learners.joint_items import JointItems
from firstlight.learners.pairs import Twins
from firstlight.learners.popular import Popular

LEARNERS: Mapping[str, Learner] = {
    POPULAR: Popular(),
    "joint-items": JointItems(shrink=10.0, shrink_across=50.0, cross=1.0, guard=False),
    "item-knn": ItemKnn(),
}
SHARES = (0.1, 0.2, 0.3, 0.5)


def gains(source: Source, departments: list[int], folds: int) -> Iterator[tuple[int, Tensor, Mapping[str, Tensor]]]:
    """For each fold and department: its number, whom it is about (n,), and by name how much each gains (n,)."""
    tasks, of = source.corpus.tasks, source.need_categories("departments").of
    parts = torch.randperm(len(tasks), generator=torch.Generator().manual_seed(source.seed)).chunk(folds)
    for fold in range(folds):
        rest = torch.cat([part for other, part in enumerate(parts) if other != fold]).sort().values
        training = source.corpus.select(rest)
        priors = {name: learner.fit(training) for name, learner in LEARNERS.items()}
        for department in departments:
            inside = of[tasks.items] == department
            found = cases(tasks, parts[fold].sort().values, ~inside, inside)
            known = found.batch.support.mask.any(1)
            part = listed(LEARNERS, priors, found.batch, of == department, Twins.none(len(of)))
            usual = part.scores[POPULAR]
            base = ndcg(usual, part.relevant, part.ideal)
            gained = {
                f"{share} {name}": (ndcg(usual + share * scores, part.relevant, part.ideal) - base)[known]
                for name, scores in part.scores.items()
                for share in SHARES
                if name != POPULAR
            }
            yield department, found.people[known], gained


def measured(gain: Tensor, people: Tensor) -> str:
    """The mean over pairs (n,), with an interval over their people (n,)."""
    who, number = torch.unique(people, return_inverse=True)
    off = torch.zeros(len(who)).index_add_(0, number, gain - gain.mean())
    return f"{float(gain.mean()):+.4f} ± {1.96 * float(off.square().sum().sqrt()) / len(gain):.4f}"


def main() -> None:
    """Read the options and measure."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("data", type=Path)
    options.add_argument("--folds", type=int, default=5)
    options.add_argument("--seeds", default="1,2")
    options.add_argument("--threads", type=int, default=1)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    dataset = read_dataset(chosen.data)
    schema = build_schema(dataset)
    for seed in map(int, chosen.seeds.split(",")):
        source = Source.of(dataset, schema, seed)
        categories = source.need_categories("departments")
        departments = largest(source, categories)
        found = list(gains(source, departments, chosen.folds))
        people = torch.cat([who for _, who, _ in found])
        whole = {name: torch.cat([gained[name] for _, _, gained in found]) for name in found[0][2]}
        print(
            f"seed {seed}: {len(people):,} pairs of {len(people.unique()):,} people and {len(departments)} departments"
        )
        for name, gain in whole.items():
            print(f"  popularity + {name:16} {measured(gain, people)}")
        best = max(whole, key=lambda name: float(whole[name].mean()))
        for department in departments:
            theirs = [(gained[best], who) for number, who, gained in found if number == department]
            gain, who = (torch.cat(part) for part in zip(*theirs, strict=True))
            print(f"    {best}, {categories.names[department]:24} {measured(gain, who)}")


if __name__ == "__main__":
    main()
