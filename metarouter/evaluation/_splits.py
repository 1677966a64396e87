"""How a table of queries is cut into test and training queries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.utils.groups import group_codes

__all__ = ["Split", "draw_split"]


@dataclass(frozen=True)
class Split:
    """Positions of the test queries, and of the training queries in random order."""

    test: NDArray[np.intp]
    train: NDArray[np.intp]


def draw_split(
    rng: np.random.Generator, n_queries: int, n_test: int, groups: NDArray[Any] | None
) -> Split:
    """Draw test queries at random and put the others in random order.

    Parameters
    ----------
    rng : numpy Generator
    n_queries, n_test : int
    groups : ndarray of shape (n_queries,) or None
        Whole groups are drawn until at least ``n_test`` queries are in the test set.

    Returns
    -------
    Split
        The first n of ``train`` are a simple random sample of the training queries for every n,
        so gold sets of growing size are nested.
    """
    if groups is None:
        order = rng.permutation(n_queries)
        return Split(test=order[:n_test], train=order[n_test:])
    number = group_codes(groups)
    size = np.bincount(number)
    drawn = rng.permutation(size.size)
    n_drawn = 1 + int(np.searchsorted(np.cumsum(size[drawn]), n_test))
    in_test = np.isin(number, drawn[:n_drawn])
    return Split(test=np.flatnonzero(in_test), train=rng.permutation(np.flatnonzero(~in_test)))
