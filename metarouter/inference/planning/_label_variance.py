"""The variance of an estimate as a function of the numbers of labels.

Labels of either source have influence on an estimate by themselves, and so do the queries they
belong to:

    Var = gold / n_gold + preference / n_preference + query / n_queries.

Where every label has a query of its own, n_queries = n_gold + n_preference; where the gold labels
are placed among queries that all carry a preference label ("nested"), n_queries = n_preference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from metarouter.inference.intervals import Clusters, FloatArray, cluster_sums


@dataclass(frozen=True)
class Part:
    """What one label or query adds to the variance, times their number.

    Parameters
    ----------
    value, se : float
        Estimate from the pilot, and its standard error.
    n : int
        Labels or queries that it was estimated from.
    unlearned : float, default=0.0
        How much of the value is owed to predictions that learned from too few labels.
    """

    value: float
    se: float
    n: int
    unlearned: float = 0.0


NOTHING = Part(0.0, 0.0, 0)


def part_of(
    influence: FloatArray,
    clusters: Clusters,
    n: int,
    slope: FloatArray | None = None,
    unlearned: float = 0.0,
) -> Part:
    """Return the part of `n` labels from their influence values.

    Parameters
    ----------
    influence : ndarray of shape (n_rows,)
    clusters : ndarray of int or None
    n : int
    slope : ndarray of shape (n_rows,), optional
        Influence of a residual of one; the same everywhere by default.
    unlearned : float, default=0.0
        Share of the part that is owed to predictions that learned from too few labels.

    Examples
    --------
    >>> import numpy as np
    >>> label = np.array([1.0, -1.0, 3.0, -3.0])
    >>> round(float(part_of(label / 4, None, 4).value), 6)  # the variance of one label
    6.666667
    """
    summed = cluster_sums(influence, clusters)
    there = summed != 0
    squares = summed[there] ** 2
    m = max(2, squares.size)
    spread = float(np.std(squares, ddof=1)) if squares.size > 1 else np.nan
    if squares.size:
        # A small pilot rarely shows its tails: residuals are taken to have those of the normal at
        # least, E(e^4) = 3 E(e^2)^2.
        usual = np.ones(influence.size) if slope is None else slope**2
        usual = cluster_sums(np.where(influence != 0, usual, 0.0), clusters)[there]
        usual = usual * squares.mean() / usual.mean()
        spread = max(spread, float(np.sqrt(3 * (usual**2).mean() - usual.mean() ** 2)))
    value = n * m / (m - 1) * squares.sum()
    return Part(value, n * np.sqrt(m) * spread, n, unlearned * value)


@dataclass(frozen=True)
class LabelVariance:
    """The parts of a variance.

    Parameters
    ----------
    gold, preference, query : Part
    nested : bool
        Whether every query has a preference label.
    """

    gold: Part
    preference: Part
    query: Part
    nested: bool

    def at(self, n_gold: Any, n_preference: Any) -> Any:
        """Return the variance with these numbers of labels.

        Parameters
        ----------
        n_gold, n_preference : float or ndarray
        """
        return sum(part.value / n for part, n in self._parts(n_gold, n_preference))

    def learned_at(self, n_gold: Any, n_preference: Any) -> Any:
        """Return the variance if predictions of gold labels had nothing left to learn."""
        return self.at(n_gold, n_preference) - self.gold.unlearned / n_gold

    def error_at(self, n_gold: float, n_preference: float) -> float:
        """Return how far, in standard errors, the variance may come out from what is expected.

        The pilot knows each part with an error, and the planned labels will estimate it anew with
        one that is as much smaller as they are more.
        """
        parts = self._parts(n_gold, n_preference)
        return float(np.sqrt(sum((part.se / n) ** 2 * (1 + part.n / n) for part, n in parts)))

    def df_at(self, n_gold: Any, n_preference: Any) -> Any:
        """Return the degrees of freedom of its estimate from the planned labels (Welch)."""
        parts = self._parts(n_gold, n_preference)
        squares = sum((part.value / n) ** 2 / np.maximum(n - 1, 1) for part, n in parts)
        return self.at(n_gold, n_preference) ** 2 / squares

    def _parts(self, n_gold: Any, n_preference: Any) -> list[tuple[Part, Any]]:
        n_queries = n_preference if self.nested else n_gold + n_preference
        # Of nothing nothing is needed: no part divides by a number that may be 0.
        parts = [(self.gold, n_gold), (self.preference, n_preference), (self.query, n_queries)]
        return [(part, n) for part, n in parts if part.value > 0]


class Prices(NamedTuple):
    """What one label costs, in one unit of money."""

    gold: float
    preference: float


class Labels(NamedTuple):
    """Numbers of labels of either source."""

    gold: float
    preference: float

    def cost(self, prices: Prices) -> float:
        """Return what they cost."""
        return self.gold * prices.gold + self.preference * prices.preference


def labels_for(money: float, share: float, prices: Prices) -> Labels:
    """Spend a share of the money on gold labels and the rest on preference labels."""
    return Labels(share * money / prices.gold, (1 - share) * money / prices.preference)


def best_share(variance: LabelVariance, prices: Prices) -> float:
    """Return the share of the money that should be spent on gold labels.

    It does not depend on the amount, because a variance of twice the labels is half as large.

    Notes
    -----
    By Lagrange, labels of two kinds with variances a / n_gold + b / n_preference should be bought
    in the proportion n_gold / n_preference = sqrt(a c_preference / (b c_gold)), as in Neyman's
    allocation; with a the residual and b the explained variance of the gold label this is the
    cost-optimal policy of arXiv 2506.07949. With the third part for the queries there is no closed
    form, but the variance is convex in the share.

    Where gold labels lie among queries with preference labels there are at most as many of them,
    so that the share is at most c_gold / (c_gold + c_preference).

    Examples
    --------
    >>> from metarouter.inference.planning._label_variance import NOTHING, Part
    >>> parts = LabelVariance(Part(4.0, 0, 9), Part(1.0, 0, 9), NOTHING, nested=False)
    >>> round(best_share(parts, Prices(1.0, 0.01)), 4)  # sqrt(4) to sqrt(1 * 0.01)
    0.9524
    """
    most = prices.gold / (prices.gold + prices.preference) if variance.nested else 1.0
    a = variance.gold.value
    b = variance.preference.value + (variance.query.value if variance.nested else 0.0)
    if variance.nested or variance.query.value == 0:
        weight = np.sqrt([a * prices.gold, b * prices.preference])
        return float(min(most, weight[0] / weight.sum()))

    def spread(share: float) -> float:
        return float(variance.at(*labels_for(1.0, share, prices)))

    found = minimize_scalar(spread, bounds=(1e-6, most - 1e-9), method="bounded")
    return float(found.x)
