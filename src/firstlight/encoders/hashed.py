"""Texts as dense vectors without a model of language: n-grams of characters and words, TF-IDF, then an SVD.

Latent semantic analysis (Deerwester et al. 1990), learned from the catalogue itself. The directions it finds are evened
out (Caron 2001): as they come, a few that all texts share would outweigh those that tell texts apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import polars as pl
import torch
from torch import Tensor

from firstlight.encoders.ngrams import BITS, ngrams
from firstlight.encoders.vectors import Report, quiet

DIMENSIONS, MOST_FEATURES, LEAST_TEXTS, MOST_SHARE = 256, 16_384, 2, 0.5
EVENED = 0.75
"""0 keeps what the texts' directions weigh, 1 lets all of them weigh the same."""
LEAST_VALUE = 1e-3
"""A direction of less than so much of the first one's weight is rounding, no direction."""
MOST_LEARNED, CHUNK = 20_000, 2_000

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class HashedText:
    """A map from ``F`` features to ``D`` dimensions, learned from many texts.

    projection: feature (Int32, ascending), vector (Array(Float16, D)): the feature's part in each right singular
    vector over its singular value to the power ``EVENED``, times its inverse document frequency.
    """

    projection: pl.DataFrame

    @property
    def size(self) -> int:
        """D."""
        return int(self.projection["vector"].to_numpy().shape[1])

    def encode(self, texts: pl.Series, report: Report = quiet) -> Tensor:
        """(n, D) float32: a row of length 1 for each text, zeros where it has no feature that was learned."""
        features, vectors = (self.projection[name].to_numpy() for name in ("feature", "vector"))
        dense = torch.tensor(vectors).float()
        rows = [_weights([part], features) @ dense for part in _chunks(texts)]
        report(f"{len(texts):,} texts", 1.0)
        return torch.nn.functional.normalize(torch.cat(rows))

    def state(self) -> tuple[dict[str, Any], dict[str, pl.DataFrame]]:
        """As ``TextVectors.state``; ``HashedText.of`` reads it back."""
        return {"encoder": "hashed"}, {"projection": self.projection}

    @classmethod
    def of(cls, document: Mapping[str, Any], tables: Mapping[str, pl.DataFrame]) -> Self:
        """What ``state`` has written. Raises KeyError where the table is missing."""
        return cls(tables["projection"].select("feature", "vector"))


def fit_hashed(texts: pl.Series, dimensions: int = DIMENSIONS, seed: int = 0) -> HashedText | None:
    """Learn the map from distinct texts; None where no feature is in two of them and in at most half of all.

    Of more than ``MOST_LEARNED`` texts so many are drawn. D is ``dimensions``, or less where there is less to tell
    apart. seed: for the draw and for the start of the SVD.
    """
    drawn = list(_chunks(texts.sample(min(len(texts), MOST_LEARNED), seed=seed)))
    n = sum(map(len, drawn))
    seen = torch.zeros(2**BITS, dtype=torch.int64)
    for part in drawn:
        seen += torch.bincount(torch.from_numpy(ngrams(part)[1]), minlength=2**BITS)
    shared = ((seen >= LEAST_TEXTS) & (seen <= MOST_SHARE * n)).nonzero()[:, 0]
    if not len(shared):
        return None
    features = shared[seen[shared].argsort(descending=True, stable=True)[:MOST_FEATURES]].sort().values
    idf = ((1 + n) / (1 + seen[features])).log() + 1
    directions, values = _singular(_unit_rows(_weights(drawn, features.numpy()), idf), dimensions, seed)
    vectors = idf[:, None] * directions / values**EVENED
    frame = {"feature": features.numpy().astype(np.int32), "vector": vectors.numpy().astype(np.float16)}
    return HashedText(pl.DataFrame(frame))


def _singular(matrix: Tensor, rank: int, seed: int, passes: int = 2, spare: int = 16) -> tuple[Tensor, Tensor]:
    """(F, D) right singular vectors of a sparse matrix and (D,) their values; those of no value are left out.

    By subspace iteration (Halko, Martinsson and Tropp 2011).
    """
    transposed = matrix.t().to_sparse_csr()
    width = min(rank + spare, *matrix.shape)
    start = torch.randn(matrix.shape[1], width, generator=torch.Generator().manual_seed(seed))
    basis = torch.linalg.qr(matrix @ start).Q
    for _ in range(passes):
        basis = torch.linalg.qr(matrix @ torch.linalg.qr(transposed @ basis).Q).Q
    vectors, values, _ = torch.linalg.svd(transposed @ basis, full_matrices=False)
    told = int((values[:rank] > LEAST_VALUE * values[0]).sum())
    return vectors[:, :told], values[:told]


def _unit_rows(weights: Tensor, idf: Tensor) -> Tensor:
    """Weights times ``idf``, rows scaled to length 1. weights: sparse CSR."""
    pointers, columns = weights.crow_indices(), weights.col_indices()
    rows = torch.repeat_interleave(torch.arange(weights.shape[0]), pointers.diff())
    values = weights.values() * idf[columns]
    length = torch.zeros(weights.shape[0]).index_add_(0, rows, values.square()).sqrt()
    return torch.sparse_csr_tensor(pointers, columns, values / length[rows], weights.shape, check_invariants=False)


def _weights(parts: list[pl.Series], features: Integers) -> Tensor:
    """(n, F) sparse CSR: 1 + ln of how often each text has each of ``features``, which ascend."""
    found = [_known(part, features) for part in parts]
    lengths, columns, counts = (np.concatenate(each) for each in zip(*found, strict=True))
    pointers = torch.from_numpy(np.concatenate([[0], lengths.cumsum()]))
    weights = torch.from_numpy((1 + np.log(counts)).astype(np.float32))
    size = (len(lengths), len(features))
    return torch.sparse_csr_tensor(pointers, torch.from_numpy(columns), weights, size, check_invariants=False)


def _known(texts: pl.Series, features: Integers) -> tuple[Integers, Integers, Integers]:
    """How many of the ``features`` each text has; then for text after text which ones, and how often."""
    rows, found, counts = ngrams(texts)
    places = np.searchsorted(features, found).clip(max=len(features) - 1)
    known = features[places] == found
    return np.bincount(rows[known], minlength=len(texts)), places[known], counts[known]


def _chunks(texts: pl.Series) -> Iterator[pl.Series]:
    """At least one."""
    return (texts.slice(start, CHUNK) for start in range(0, max(len(texts), 1), CHUNK))
