"""Average improvement in quality (AIQ): the mean height of a hull over a range of costs.

Source: Hu et al. (2024), RouterBench, arXiv:2403.12031, section 3.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.evaluation._hull import area_below, on_hull
from metarouter.utils.columns import FloatArray

__all__ = ["AverageImprovement", "average_improvement"]


class AverageImprovement(NamedTuple):
    """The mean height of the hull, and its derivatives by the cost and quality of every point."""

    value: float
    by_cost: FloatArray
    by_quality: FloatArray


def average_improvement(
    cost: FloatArray,
    quality: FloatArray,
    hull: NDArray[np.intp],
    cost_range: tuple[float, float],
    *,
    own_range: bool,
) -> AverageImprovement:
    """Average the height of the hull over a range of costs.

    Parameters
    ----------
    cost, quality : ndarray of shape (m,)
    hull : ndarray of int
        Which points are its vertices, by rising cost.
    cost_range : (float, float)
    own_range : bool
        The range is that of the points themselves, and moves with them.
    """
    low, high = cost_range
    by_cost, by_quality = np.zeros(cost.size), np.zeros(cost.size)
    if high == low:
        best = hull[-1:]
        by_quality[best] = 1.0
        return AverageImprovement(float(quality[best].sum()), by_cost, by_quality)
    area = area_below(cost[hull], quality[hull], low, high)
    value = area.value / (high - low)
    by_cost[hull], by_quality[hull] = area.by_cost / (high - low), area.by_quality / (high - low)
    if own_range:
        first, last = on_hull(np.array([low, high]), cost[hull], quality[hull])
        by_cost[np.argmin(cost)] += (value - first) / (high - low)
        by_cost[np.argmax(cost)] += (last - value) / (high - low)
    return AverageImprovement(value, by_cost, by_quality)
