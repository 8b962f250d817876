"""Exploration: some places of a list are drawn by chance, and it is known how probable each of them was.

Epsilon-greedy, place by place, as in Strehl, Langford, Li, Kakade, Learning from logged implicit exploration data,
NeurIPS 2010. With the propensities that are logged another policy can later be judged (IPS, doubly robust).
"""

from collections.abc import Sequence

import numpy as np

from firstlight.errors import SettingsError

POOL = 5
"""What is drawn comes from the best so many times ``n`` that are not yet in the list."""


def explored(
    order: Sequence[int], n: int, share: float, rng: np.random.Generator
) -> tuple[list[int], list[float], list[bool]]:
    """The ``n`` that are shown of ``order`` (best first), each one's propensity, and whether chance put it there.

    In every place stands the best that is not yet shown, or, with probability ``share``, any of the best ``POOL * n``
    not yet shown, each as likely. The propensity is the probability of what stands there, given the places before.
    Fewer than ``n`` are all shown. Raises SettingsError for a share outside 0 to 1.
    """
    if not 0 <= share <= 1:
        raise SettingsError(f"The share of explored places is {share}: give a number from 0 to 1.")
    if share == 0:
        chosen = list(order[:n])
        return chosen, [1.0] * len(chosen), [False] * len(chosen)
    left, chosen, propensities, by_chance = list(order), [], [], []
    for drawn, where in rng.random((min(n, len(left)), 2)).tolist():
        pool = min(POOL * n, len(left))
        place = int(where * pool) if drawn < share else 0
        chosen.append(left.pop(place))
        propensities.append((1 - share) * (place == 0) + share / pool)
        by_chance.append(place > 0)
    return chosen, propensities, by_chance
