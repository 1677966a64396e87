"""Learn on some of the queries in which order to try the trade-offs on the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError
from metarouter.inference.guarantees._path import routing_path
from metarouter.inference.guarantees._queries import CertifyingQueries
from metarouter.inference.guarantees._tested import Tested, worst_distance
from metarouter.inference.intervals import FloatArray

__all__ = ["learned_order", "split"]

_LEARNED_ON = 1 / 3
_MOST_LEARNED = 100


def split(queries: CertifyingQueries, seed: int) -> tuple[CertifyingQueries, CertifyingQueries]:
    """Part the queries in two, whole units and gold labels alike; the first is the smaller."""
    unit = np.arange(queries.share.size) if queries.units is None else queries.units
    has_gold = np.zeros(int(unit.max()) + 1, dtype=bool)
    if queries.gain is not None:
        has_gold[unit[queries.gain.is_gold]] = True
    rng = np.random.default_rng(seed)
    first = np.zeros(has_gold.size, dtype=bool)
    for kind in (has_gold, ~has_gold):
        shuffled = rng.permutation(np.flatnonzero(kind))
        first[shuffled[: round(_LEARNED_ON * shuffled.size)]] = True
    if not first.any():
        raise DataError(f"{has_gold.size} independent queries are too few to split; give more.")
    rows = first[unit]
    return queries.taken(np.flatnonzero(rows)), queries.taken(np.flatnonzero(~rows))


def learned_order(
    learned: CertifyingQueries, tests: list[Tested], points: FloatArray | None
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Order trade-offs from the most to the least promising."""
    path = routing_path(learned.psi_hat, learned.costs[:, 1] - learned.costs[:, 0])
    if points is None:
        even = np.linspace(0, path.w.size - 1, _MOST_LEARNED)
        points = path.w[np.unique(even.round().astype(int))]
    at = path.at(points)
    return points, np.argsort(worst_distance(tests)[at], kind="stable")
