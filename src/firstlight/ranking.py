"""From scores to ranked lists: without what the person already has, equal scores in random order."""

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

from firstlight.tasks import Support

CHUNK_SCORES = 2**25
CHUNK_TASKS = 512
BLOCK = 64
FEW = 4
"""Fewer blocks than so many times the list are not worth it."""


def chunk_size(n_items: int) -> int:
    """How many tasks to score at a time so that the scores stay below 128 MB."""
    return max(1, min(CHUNK_TASKS, CHUNK_SCORES // max(n_items, 1)))


def top(
    scores: Tensor,
    n: int,
    support: Support | None = None,
    eligible: Tensor | None = None,
    seed: int = 0,
    keys: Tensor | None = None,
) -> Tensor:
    """The ``n`` best items of each task, best first.

    scores: (T, N), finite, or -inf for what may not be shown. support: its items are left out. eligible: (N,) bool,
    the items that may be shown. keys: (T,) int64, a number that names each task; None: its row.
    Items of equal score are in a random order, another for every key: a constant score ranks like chance. The order
    depends on the seed, the key and the items only, not on who else is ranked.
    Returns (T, n) int64 positions, -1 where fewer than ``n`` are left.
    """
    keys = torch.arange(len(scores)) if keys is None else keys
    clear = None if support is None or eligible is not None else _clear(scores, n, support)
    if clear is not None:
        return _in_order(*clear, keys, seed)
    untouched = eligible is None and support is None
    allowed = scores if untouched else scores.clone(memory_format=torch.contiguous_format)
    if eligible is not None:
        allowed[:, ~eligible] = -torch.inf
    if support is not None:
        allowed.scatter_add_(1, support.items, torch.where(support.mask, -torch.inf, 0.0))
    values, items = largest(allowed, min(n + 1, scores.shape[1]))
    values, items = _best(allowed, values, items, n, keys, seed)
    lists = _in_order(values, items, keys, seed).masked_fill(values.isneginf(), -1)
    return pad(lists, (0, n - lists.shape[1]), value=-1)


def keys_of(names: Iterable[str]) -> Tensor:
    """(T,) int64: a number that names each of the people, the same on every machine."""
    digests = b"".join(blake2b(name.encode(), digest_size=8).digest() for name in names)
    return torch.from_numpy(np.frombuffer(digests, "<i8").astype(np.int64))


def _clear(scores: Tensor, n: int, support: Support) -> tuple[Tensor, Tensor] | None:
    """Values and positions (T, n) of the best that are not in the support, without a copy of all scores.

    None where the list is long beside the catalogue, or where equals at the edge of a list have to be drawn from.
    """
    wide = n + 1 + support.items.shape[1]
    if scores.shape[1] < FEW * BLOCK * wide:
        return None
    values, items = largest(scores, wide)
    seen = ((items[:, :, None] == support.items[:, None]) & support.mask[:, None]).any(2)
    values, order = values.masked_fill_(seen, -torch.inf).topk(n + 1)
    if bool((values[:, n - 1] == values[:, n]).any()):
        return None
    return values[:, :n], items.gather(1, order[:, :n])


def _in_order(values: Tensor, items: Tensor, keys: Tensor, seed: int) -> Tensor:
    """The items (T, n), best first; those of equal value in an order that is drawn."""
    if not bool((values[:, 1:] >= values[:, :-1]).any()):
        return items
    order = _chance(keys, items, seed).argsort(1)
    order = order.gather(1, values.gather(1, order).argsort(dim=1, descending=True, stable=True))
    return items.gather(1, order)


def largest(scores: Tensor, n: int) -> tuple[Tensor, Tensor]:
    """Values and positions (T, n) of the ``n`` largest of each row, as `torch.topk`, some eight times as fast.

    Scores are (T, N), N at least ``n``. The n largest lie in the n blocks whose largest are largest: only those are
    searched.
    """
    blocks = scores.shape[1] // BLOCK
    if blocks < FEW * n:
        values, items = scores.topk(n)
        return values, items
    end = blocks * BLOCK
    best = scores[:, :end].reshape(len(scores), blocks, BLOCK).amax(2).topk(n).indices
    inside = (best[:, :, None] * BLOCK + torch.arange(BLOCK)).flatten(1)
    places = torch.cat([inside, torch.arange(end, scores.shape[1]).expand(len(scores), -1)], 1)
    values, chosen = scores.gather(1, places).topk(n)
    return values, places.gather(1, chosen)


def _best(scores: Tensor, values: Tensor, items: Tensor, n: int, keys: Tensor, seed: int) -> tuple[Tensor, Tensor]:
    """Values and positions (T, min(n, N)) of the best. Which of several equals at the edge get in is drawn.

    values, items: the n + 1 best as `torch.topk` finds them.
    """
    if scores.shape[1] <= n:
        return values, items
    edge, beyond = values[:, n - 1 : n], values[:, n]
    values, items = values[:, :n], items[:, :n]
    tied = ((edge[:, 0] == beyond) & (beyond > -torch.inf)).nonzero()[:, 0]
    if not len(tied):
        return values, items
    owner, equal = (scores[tied] == edge[tied]).nonzero(as_tuple=True)
    draw, equal = _beside(owner, _chance(keys[tied][owner], equal[:, None], seed)[:, 0], equal, len(tied))
    above = torch.where(values[tied] > edge[tied], torch.iinfo(torch.int64).max, -1)
    order = torch.cat([above, draw], 1).topk(n).indices
    items[tied] = torch.cat([items[tied], equal], 1).gather(1, order)
    values[tied] = scores[tied].gather(1, items[tied])
    return values, items


def _beside(owner: Tensor, draw: Tensor, items: Tensor, rows: int) -> tuple[Tensor, Tensor]:
    """Draws and items (E,) of the rows ``owner`` (E,), ascending, row by row: (rows, W), padded with draws of -1."""
    count = torch.bincount(owner, minlength=rows)
    place = torch.arange(len(owner)) - (count.cumsum(0) - count)[owner]
    size = rows, int(count.max())
    draws, places = torch.full(size, -1), torch.zeros(size, dtype=torch.int64)
    draws[owner, place], places[owner, place] = draw, items
    return draws, places


def _chance(keys: Tensor, items: Tensor, seed: int) -> Tensor:
    """(T, n) int64 from 0 to 2⁶² - 1 for each key (T,) and item (n,) or (T, n): the mixer of splitmix64."""
    x = _mixed(_mixed(keys + seed * 0x632BE59BD9B4E019 % 2**61)[:, None] + items)
    return x & (2**62 - 1)


def _mixed(x: Tensor) -> Tensor:
    x = x * -0x61C8864680B583EB
    x = (x ^ (x >> 30)) * -0x40A7B892E31B1A47
    x = (x ^ (x >> 27)) * -0x6B2FB644ECCEEE15
    return x ^ (x >> 31)
