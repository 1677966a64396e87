"""How many gold labels and queries would certify a threshold, if what is observed is right."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

from metarouter.inference._limits import MINIMA, rows_needed
from metarouter.inference.guarantees._p_values import hoeffding_bentkus
from metarouter.inference.guarantees._tested import Tested, worst_distance

__all__ = ["Needed", "most_promising", "needed_at"]

_MOST = 10_000_000


class Needed(NamedTuple):
    """Rows that would do; None where no number would, or where the demand is not made."""

    gold: int | None
    queries: int | None
    unmet: tuple[str, ...]  # demands that are not even met as observed, somewhere on the walk


def most_promising(tests: Sequence[Tested], search: str) -> int:
    """Return the position that a search comes closest to certifying.

    A walk from an end must pass all that lies before a position; what counts is the worst of it.
    """
    distance = []
    for test in tests:
        own = worst_distance([test])
        if search == "split":
            distance.append(own)
        elif test.demand.is_budget:
            distance.append(np.maximum.accumulate(own[::-1])[::-1])
        else:
            distance.append(np.maximum.accumulate(own))
    return int(np.argmin(np.max(distance, axis=0)))


def needed_at(tests: Sequence[Tested], position: int, delta: float, search: str) -> Needed:
    """Count the rows with which the walks would get to one position.

    Parameters
    ----------
    tests : sequence of Tested
    position : int
        Best `most_promising`; it was chosen by looking, so that the counts are on the low side.
    delta : float
        Level of each walk.
    search : {"ends", "split"}
    """
    hardest = {test.demand.name: _hardest(test, position, search) for test in tests}
    unmet = tuple(name for test in tests if test.mean[hardest[name := test.demand.name]] >= 0)
    counts = {
        budget: [
            _rows(test, hardest[test.demand.name], delta)
            for test in tests
            if test.demand.is_budget == budget
        ]
        for budget in (True, False)
    }
    return Needed(_most(counts[False]), _most(counts[True]), unmet)


def _hardest(test: Tested, position: int, search: str) -> int:
    """Return the place with the worst value on the walk to a position."""
    if search == "split":
        return position
    own = worst_distance([test])
    if test.demand.is_budget:
        return position + int(np.argmax(own[position:]))
    return int(np.argmax(own[: position + 1]))


def _most(counts: list[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return max(known) if counts and len(known) == len(counts) else None


def _rows(test: Tested, position: int, delta: float) -> int | None:
    demand, mean = test.demand, float(test.mean[position])
    if mean >= 0:
        return None
    if test.method == "clt":
        margin = float(stdtrit(test.df, 1 - delta) * test.se[position])
        wanted = rows_needed(demand.n, margin, -mean)
        return None if wanted is None else max(wanted, MINIMA["gold_rows"].count)
    assert demand.bounds is not None
    low, high = sorted(demand.sign * end for end in demand.bounds)
    scaled, limit = (mean - low) / (high - low), -low / (high - low)
    if test.method == "conformal":
        return max(demand.n, int(np.ceil((1 - limit) / (limit - scaled))))
    return _smallest(scaled, limit, delta, demand.n, binary=demand.is_count)


def _smallest(mean: float, limit: float, delta: float, n: int, *, binary: bool) -> int | None:
    few, many = n, n
    while hoeffding_bentkus(mean, many, limit, binary=binary) > delta:
        few, many = many, 2 * many
        if many > _MOST:
            return None
    while many - few > max(1, few // 100):
        middle = (few + many) // 2
        met = hoeffding_bentkus(mean, middle, limit, binary=binary) <= delta
        few, many = (few, middle) if met else (middle, many)
    return many
