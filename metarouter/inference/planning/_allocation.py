"""The numbers of labels that make the most of an amount of money."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar

from metarouter.inference.planning._label_variance import LabelVariance


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
