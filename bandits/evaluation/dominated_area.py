"""How good a whole dial of trade-offs is, in one number."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bandits._validation import check_outcome
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import check_parameter, renamed_parameters

__all__ = ["dominated_area"]


@renamed_parameters(dearest="largest_cost")
@validated()
def dominated_area(cost: ArrayLike, score: ArrayLike, largest_cost: float) -> float:
    """Return the mean, over all costs up to the largest, of the best score to be had for less.

    That is the hypervolume of the points with respect to (largest cost, score 0), as a share of
    the rectangle up to a score of 1; a cost below all points buys a score of 0.

    Parameters
    ----------
    cost, score : array of shape (n,)
        Points that can be had, in any order; costs are at least 0, scores lie in [0, 1].
    largest_cost : float
        The largest that counts, in the unit of `cost`; above 0.

    Raises
    ------
    DataError
        If the points are not so, or there is none.

    Examples
    --------
    >>> dominated_area(np.array([1.0, 2.0]), np.array([0.5, 1.0]), 4.0)
    0.625
    """
    check_parameter("largest_cost", largest_cost, lambda value: value > 0, "a cost above 0")
    cost, score = (
        check_outcome(name, values, np.size(cost))
        for name, values in (("cost", cost), ("score", score))
    )
    off = (score < 0) | (score > 1)
    if off.any() or not len(score):
        raise DataError(
            f"score is off [0, 1] in {int(off.sum())} of {len(score)} points; give at least one "
            "point, and scores on that scale."
        )
    order = np.argsort(cost, kind="stable")
    edges = np.minimum(np.append(cost[order], largest_cost), largest_cost)
    best = np.maximum.accumulate(score[order])
    return float((best * np.diff(edges)).sum() / largest_cost)
