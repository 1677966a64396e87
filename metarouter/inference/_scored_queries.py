"""Test queries in the order in which a router sends them to the primary model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.evaluation._validation import (
    as_finite_column,
    as_groups,
    as_weight,
    check_same_length,
)
from metarouter.exceptions import DataError
from metarouter.inference._pulls import FloatArray, Units, as_units, unit_sums

__all__ = ["ScoredQueries", "scored_queries"]


@dataclass(frozen=True)
class ScoredQueries:
    """Test queries of positive weight, sorted by falling score.

    Parameters
    ----------
    gain : ndarray of shape (n,)
        Gold gain, or the doubly robust score of it.
    share : ndarray of shape (n,)
        Weights that sum to one.
    ends : ndarray of int of shape (n_blocks,)
        Position after the last query of every block of equal scores.
    score : ndarray of shape (n_blocks,)
        The score of every block.
    cost : ndarray of shape (n,) or None
        Extra cost of the primary model.
    units : ndarray of int of shape (n,) or None
        Queries of one unit depend on each other; None where every query stands for itself.
    order : ndarray of int of shape (n,)
        Place of each of these queries among those that were given.
    """

    gain: FloatArray
    share: FloatArray
    ends: NDArray[np.intp]
    score: FloatArray
    cost: FloatArray | None
    units: Units
    order: NDArray[np.intp]

    @property
    def n(self) -> int:
        """Number of queries."""
        return self.gain.size

    @property
    def n_units(self) -> int:
        """Number of independent units."""
        return self.n if self.units is None else int(self.units.max()) + 1

    @property
    def effective_units(self) -> float:
        """Number of equally heavy units that would leave as much uncertainty (Kish 1965)."""
        return 1.0 / float(np.sum(unit_sums(self.share, self.units) ** 2))

    @property
    def spent(self) -> FloatArray:
        """What sending each query spends, as a share of all queries or of all extra cost."""
        if self.cost is None:
            return self.share
        return self.share * self.cost / float(self.share @ self.cost)


def scored_queries(
    gold_gain: ArrayLike,
    score: ArrayLike,
    *,
    sample_weight: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    cost: ArrayLike | None = None,
    name: str = "psi_hat",
) -> ScoredQueries:
    """Validate and sort.

    Raises
    ------
    DataError
        If the inputs differ in length, are empty, or hold missing or infinite values; if costs are
        negative or all zero.
    """
    gain = as_finite_column(gold_gain, "gold_gain")
    scores = as_finite_column(score, name)
    check_same_length(name, scores.size, "gold_gain", gain.size)
    weight = as_weight(sample_weight, gain.size)
    numbers = as_groups(groups, gain.size)
    costs = None if cost is None else _as_cost(cost, gain.size)
    # Within ties the order is that of the weights: the order of the rows never matters.
    order = np.lexsort((weight, -scores))
    order = order[weight[order] > 0]
    last = np.append(np.diff(scores[order]) != 0, True)
    ends = np.flatnonzero(last) + 1
    return ScoredQueries(
        gain=gain[order],
        share=weight[order] / weight.sum(),
        ends=ends,
        score=scores[order][ends - 1],
        cost=None if costs is None else _some(costs[order], gain.size),
        units=None if numbers is None else as_units(numbers[order]),
        order=order,
    )


def _as_cost(cost: ArrayLike, n: int) -> FloatArray:
    costs = as_finite_column(cost, "cost")
    check_same_length("cost", costs.size, "gold_gain", n)
    if (costs < 0).any():
        raise DataError(
            f"cost is negative for {int((costs < 0).sum())} of {n} queries: give what the primary "
            "model costs beyond the alternative, from zero up."
        )
    return costs


def _some(cost: FloatArray, n: int) -> FloatArray:
    if not cost.any():
        raise DataError(
            f"cost is zero for all {n} queries: give costs above zero for some, or leave cost out."
        )
    return cost
