"""A person's first events in a department, by what they do elsewhere: popularity with a share of something else beside.

    python benchmarks/departments.py DATA [--folds 5] [--seeds 1,2] [--most 10] [--threads 1]

DATA: a folder in the plain layout whose items have categories or domains: the departments. The people are dealt into
folds; everybody is judged once, by what is learned from the other folds. Their own events in a department are hidden
and to be found among its items, by all their other events, in each of the ``--most`` largest departments. Scores are
standardised over the items of the department; a share s is: popularity + s · the other.
NDCG@10 less that of popularity, the mean over pairs of person and department; ± half a 95 % interval, over people.
"""

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path

import torch
from torch import Tensor

from firstlight.corpus import build_schema
from firstlight.dataset import read_dataset
from firstlight.evaluate.protocols.source import Source
from firstlight.evaluate.protocols.stages import cases
from firstlight.explain import standard
from firstlight.learners.base import Learner
from firstlight.learners.blend import ndcg
from firstlight.learners.item_knn import ItemKnn
from firstlight.learners.joint_items import JointItems
from firstlight.learners.popular import Popular

OTHERS: Mapping[str, Learner] = {
    "joint-items": JointItems(shrink=10.0, shrink_across=50.0, cross=1.0, guard=False),
    "item-knn": ItemKnn(),
}
SHARES = (0.1, 0.2, 0.3, 0.5)
DISCOUNTS = 1 / torch.log2(torch.arange(2, 12).float())


def gains(source: Source, chosen: list[int], folds: int) -> Iterator[tuple[int, Tensor, Mapping[str, Tensor]]]:
    """For each fold and department: its number, whom it is about (n,), and by name how much each gains (n,)."""
    tasks, of = source.corpus.tasks, source.need_categories("departments").of
    chance = torch.Generator().manual_seed(source.seed)
    parts = torch.randperm(len(tasks), generator=chance).chunk(folds)
    noise = 1e-6 * torch.rand(source.corpus.n_items, generator=chance)  # the order of equals
    for fold in range(folds):
        rest = torch.cat([part for other, part in enumerate(parts) if other != fold]).sort().values
        training = source.corpus.select(rest)
        learners = {"popular": Popular(), **OTHERS}
        priors = {name: learner.fit(training) for name, learner in learners.items()}
        for department in chosen:
            inside = of[tasks.items] == department
            found = cases(tasks, parts[fold].sort().values, ~inside, inside)
            known = found.batch.support.mask.any(1)
            items = (of == department).nonzero()[:, 0]
            said = {
                name: standard(learner.adapt(priors[name], found.batch.support).scores()[:, items])
                for name, learner in learners.items()
            }
            wanted = torch.zeros(len(found.batch), len(of), dtype=torch.bool)
            rows, slots = found.batch.query_mask.nonzero(as_tuple=True)
            wanted[rows, found.batch.query[rows, slots]] = True
            ideal = DISCOUNTS.cumsum(0)[found.batch.query_mask.sum(1).clamp(1, 10) - 1]
            usual, equals = said.pop("popular"), noise[items]
            base = ndcg(usual + equals, wanted[:, items], ideal)
            gained = {
                f"{share} {name}": (ndcg(usual + share * scores + equals, wanted[:, items], ideal) - base)[known]
                for name, scores in said.items()
                for share in SHARES
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
    options.add_argument("--most", type=int, default=10)
    options.add_argument("--threads", type=int, default=1)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    dataset = read_dataset(chosen.data)
    schema = build_schema(dataset)
    for seed in map(int, chosen.seeds.split(",")):
        source = Source.of(dataset, schema, seed)
        names = source.need_categories("departments")
        likes = torch.bincount(names.of[source.corpus.tasks.items[source.liked]].clamp(min=0))
        largest = likes.argsort(descending=True)[: chosen.most].tolist()
        found = list(gains(source, largest, chosen.folds))
        people = torch.cat([who for _, who, _ in found])
        print(f"seed {seed}: {len(people):,} pairs of {len(people.unique()):,} people and {len(largest)} departments")
        for name in found[0][2]:
            print(f"  popularity + {name:16} {measured(torch.cat([gain[name] for _, _, gain in found]), people)}")
        best = max(found[0][2], key=lambda name: float(torch.cat([gain[name] for _, _, gain in found]).mean()))
        for department in largest:
            theirs = [(who, gain[best]) for number, who, gain in found if number == department]
            gain, who = torch.cat([gain for _, gain in theirs]), torch.cat([who for who, _ in theirs])
            print(f"    {best}, {names.names[department]:24} {measured(gain, who)}")


if __name__ == "__main__":
    main()
