"""People known in one domain and new in the other: each learner ranks the whole domain that is new to them.

    python benchmarks/cloth_sport.py DATA [--twins out|in] [--learners item-knn,emcdr] [--sampled] [--threads 2]

DATA: a folder in the plain layout of two domains, whose events have a column `split`: what is learned from is "train";
the "valid" and "test" events are those of people in a domain that is new to them, and everything they have in "train"
is their support. Each learner is fitted once for each of its variants, and one of those is chosen by NDCG@10 of the
"valid" people of each domain.

Twins are one product under an id in either domain. "out": the twins of what a person has are neither candidates nor to
be found, and people of whom nothing else is to be found are left out; "in": they count. DATA/twins.parquet lists them
(item_id, twin_id); without it they are found in the events. Settings are chosen with the same twins as are judged.

--sampled: besides, MRR, NDCG@10 and HR@10 of each item to be found among 999 items drawn at random, twins in: the
protocol of CDRIB, to compare with published tables and for nothing else.
Intervals are of 95 %, over people; the difference is paired, to the best of the baselines on the "valid" people.
"""

import argparse
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from firstlight.corpus import build_schema
from firstlight.dataset import read_dataset
from firstlight.evaluate.comparison import difference, intervals, resamples
from firstlight.evaluate.metrics import METRICS, match
from firstlight.learners import make
from firstlight.learners.base import Learner, Prior
from firstlight.ranking import top
from firstlight.tasks import Corpus, Support
from firstlight.twins import find_twins

BASELINES = ("popular", "item-knn", "ease", "emcdr")
LEARNERS = "popular,item-knn,ease,emcdr,ptupcdr,joint-items,engine"
NEGATIVES, CHUNK = 999, 128
SHOWN = ("ndcg@10", "mrr@10", "hit_rate@10", "recall@20")


@dataclass(frozen=True)
class People:
    """Of one domain: what is known of them, and what is to be found. support: T people. wanted, out: (T, N) bool, to be
    found and out of the running. inside: (N,) bool, the items of the domain."""

    support: Support
    wanted: Tensor
    out: Tensor
    inside: Tensor


def people(corpus: Corpus, row: pl.DataFrame, hidden: pl.DataFrame, domain: int, twins: Tensor | None) -> People:
    """The people of ``hidden`` (user_id, item). row: user_id, row. twins: (2, P) items, or None where they count."""
    found = hidden.join(row, on="user_id", how="inner")
    rows, index = torch.unique(torch.tensor(found["row"].to_numpy()), return_inverse=True)
    tasks = corpus.tasks.select(rows)
    wanted, out = torch.zeros(2, len(rows), corpus.n_items, dtype=torch.bool).unbind()
    wanted[index, torch.tensor(found["item"].to_numpy())] = True
    out[tasks.owner, tasks.items] = True
    if twins is not None:
        has = out.clone()
        for here, there in (twins, twins.flip(0)):
            out.index_put_((torch.arange(len(rows))[:, None], there), has[:, here] | out[:, there])
    wanted &= ~out
    able = wanted.any(1).nonzero()[:, 0]
    support = tasks.split(tasks.indptr.diff()).support
    assert corpus.domains is not None
    return People(support.rows(able), wanted[able], out[able], corpus.domains == domain)


def ranked(learner: Learner, prior: Prior, group: People) -> tuple[dict[str, Tensor], list[Tensor]]:
    """The metrics (T,) of each person, and their scores of the whole catalogue, in chunks."""
    lists, scores = [], []
    for rows in torch.split(torch.arange(len(group.support)), CHUNK):
        one = learner.adapt(prior, group.support.rows(rows)).scores()
        banned = group.out[rows] | ~group.inside
        lists.append(top(one.masked_fill(banned, -torch.inf), 20, seed=0, keys=rows))
        scores.append(one)
    width = int(group.wanted.sum(1).max())
    query = group.wanted.float().topk(width)
    hits, relevant = match(torch.cat(lists), query.indices, query.values > 0), group.wanted.sum(1)
    return {name: metric(hits, relevant) for name, metric in METRICS.items()}, scores


def sampled(scores: Sequence[Tensor], group: People, seed: int = 0) -> dict[str, float]:
    """MRR, NDCG@10 and HR@10 of every item to be found, among 999 others of the domain."""
    chance, ranks = torch.Generator().manual_seed(seed), []
    for part, rows in zip(scores, torch.split(torch.arange(len(group.support)), CHUNK), strict=True):
        person, item = group.wanted[rows].nonzero(as_tuple=True)
        others = (group.inside & ~group.wanted[rows] & ~group.out[rows]).float()
        drawn = torch.multinomial(others, NEGATIVES, generator=chance)[person]
        value, against = part[person, item][:, None], part[person[:, None], drawn]
        ties = (against == value).sum(1) * torch.rand(len(person), generator=chance)
        ranks.append(1 + (against > value).sum(1) + ties.round())
    rank = torch.cat(ranks).float()
    gain = (rank <= 10) / (rank + 1).log2()
    found = {"mrr": (1 / rank).mean(), "ndcg@10": gain.mean(), "hr@10": (rank <= 10).float().mean()}
    return {name: round(float(value), 4) for name, value in found.items()}


def twins_of(folder: Path, events: pl.DataFrame, item_ids: pl.Series, domains: Tensor) -> Tensor:
    """(2, P) positions of the items that are one product, of different domains."""
    listed = folder / "twins.parquet"
    table = pl.read_parquet(listed) if listed.exists() else find_twins(events)
    place = {name: number for number, name in enumerate(item_ids.to_list())}
    found = torch.tensor([[place[name] for name in table[column].to_list()] for column in ("item_id", "twin_id")])
    return found[:, domains[found[0]] != domains[found[1]]]


def cut(folder: Path, twins_out: bool) -> tuple[Corpus, dict[str, dict[str, People]]]:
    """What is learned from, and split -> name of the domain -> its people."""
    whole = read_dataset(folder)
    schema = build_schema(whole)
    events, train = whole.events, whole.events.filter(pl.col("split") == "train")
    corpus = schema.corpus(replace(whole, events=train))
    assert corpus.domains is not None
    twins = twins_of(folder, train, schema.item_ids, corpus.domains) if twins_out else None
    row = pl.DataFrame({"user_id": corpus.tasks.names}).with_row_index("row")
    place = pl.DataFrame({"item_id": schema.item_ids}).with_row_index("item")
    named = place.with_columns(number=pl.Series(corpus.domains.numpy()))
    hidden = events.join(named, on="item_id").select("user_id", "item", "number", "split")
    hidden = hidden.with_columns(pl.col("item").cast(pl.Int64))
    row = row.with_columns(pl.col("row").cast(pl.Int64))
    names = sorted(whole.events["domain"].cast(pl.String).unique().to_list())
    groups = {
        kind: {
            name: people(corpus, row, hidden.filter(pl.col("split") == kind, pl.col("number") == number), number, twins)
            for number, name in enumerate(names)
        }
        for kind in ("valid", "test")
    }
    return corpus, groups


def judged(
    name: str, corpus: Corpus, groups: Mapping[str, Mapping[str, People]], also_sampled: bool
) -> dict[str, dict[str, object]]:
    """Name of the domain -> what the variant that is best there reaches, and metric -> (T,) under "people"."""
    best: dict[str, dict[str, object]] = {}
    for variant in make(name).variants():
        start = time.perf_counter()
        prior = variant.fit(corpus, seed=0)
        seconds = time.perf_counter() - start
        for domain, group in groups["valid"].items():
            validation = float(ranked(variant, prior, group)[0]["ndcg@10"].mean())
            if domain in best and validation <= float(str(best[domain]["validation"])):
                continue
            values, scores = ranked(variant, prior, groups["test"][domain])
            changed = {key: value for key, value in variant.model_dump().items() if value != getattr(make(name), key)}
            best[domain] = {"validation": round(validation, 5), "settings": changed, "fit_s": round(seconds)}
            best[domain] |= {"people": values, "switched_off": prior.facts.get("switched_off", [])}
            if also_sampled:
                best[domain]["sampled_999_negatives"] = sampled(scores, groups["test"][domain])
    return best


def table(found: Mapping[str, Mapping[str, dict[str, object]]], domain: str) -> str:
    """In Markdown: the metrics with their intervals, and the paired difference in NDCG@10 to the best baseline."""
    known = [name for name in BASELINES if name in found]
    against = max(known, key=lambda name: float(str(found[name][domain]["validation"])), default=None)
    lines = [
        f"| {domain} | valid | " + " | ".join(SHOWN) + f" | less {against or 'a baseline'} |",
        "|---" * (len(SHOWN) + 3) + "|",
    ]
    for name, domains in found.items():
        values = domains[domain]["people"]
        assert isinstance(values, dict)
        weights = resamples(len(values[SHOWN[0]]))
        cells = [f"{i.mean:.4f} ± {i.half:.4f}" for i in intervals(torch.stack([values[k] for k in SHOWN], 1), weights)]
        gap = ""
        if against and against != name:
            other = found[against][domain]["people"]
            assert isinstance(other, dict)
            apart = difference(values[SHOWN[0]], other[SHOWN[0]], weights)
            gap = f"{apart.mean:+.4f} ({apart.low:+.4f} to {apart.high:+.4f})"
        lines.append(f"| {name} | {domains[domain]['validation']} | " + " | ".join(cells) + f" | {gap} |")
    return "\n".join(lines)


def main() -> None:
    """Read the options, fit, judge, print."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("data", type=Path)
    options.add_argument("--twins", choices=("out", "in"), default="out")
    options.add_argument("--learners", default=LEARNERS)
    options.add_argument("--sampled", action="store_true")
    options.add_argument("--threads", type=int, default=2)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    corpus, groups = cut(chosen.data, chosen.twins == "out")
    found = {}
    for name in chosen.learners.split(","):
        found[name] = judged(name, corpus, groups, chosen.sampled)
        for domain, row in found[name].items():
            values = row["people"]
            assert isinstance(values, dict)
            shown = {key: value for key, value in row.items() if key != "people"}
            means = {metric: round(float(value.mean()), 4) for metric, value in values.items()}
            print(json.dumps({"learner": name, "domain": domain, "twins": chosen.twins, **shown, **means}), flush=True)
    for domain, group in groups["test"].items():
        print(f"\n{domain}: {len(group.support):,} test people, twins {chosen.twins}\n\n{table(found, domain)}")


if __name__ == "__main__":
    main()
