"""The non-decreasing convex hull of points (cost, quality), the area below it, and its gradient.

Source: Hu et al. (2024), RouterBench, arXiv:2403.12031, section 3. Tossing a coin between two
routers gives every point on the segment between them, and whoever has money left may still take
the cheaper router: what a set of points can reach is the smallest concave, non-decreasing curve
above them. The router that answers nothing, at no cost and with quality 0, is always one of the
points: the curve runs from there to its first vertex, and is flat beyond its last.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from metarouter.utils.columns import FloatArray

__all__ = ["HullArea", "area_below", "hull_vertices", "on_hull"]


def hull_vertices(cost: FloatArray, quality: FloatArray) -> NDArray[np.intp]:
    """Return which points are the vertices of the hull, by rising cost.

    Parameters
    ----------
    cost, quality : ndarray of shape (m,)

    Returns
    -------
    ndarray of int
        By rising cost; the last is the cheapest of the best. The router that answers nothing is a
        vertex too, and not listed: there is no other where no point has a quality above 0. Sorting
        takes O(m log m), the sweep O(m) (Andrew's monotone chain).

    Examples
    --------
    >>> hull_vertices(np.array([3.0, 1.0, 2.0, 4.0]), np.array([0.9, 0.5, 0.6, 0.8]))
    array([1, 0])
    """
    nothing = cost.size
    cost, quality = np.append(cost, 0.0), np.append(quality, 0.0)
    vertices: list[int] = []
    for point in np.lexsort((-quality, cost)):
        if vertices and quality[point] <= quality[vertices[-1]]:
            continue
        while len(vertices) > 1 and not _turns_down(
            vertices[-2], vertices[-1], point, cost, quality
        ):
            vertices.pop()
        vertices.append(int(point))
    return np.array([point for point in vertices if point != nothing], dtype=np.intp)


def _turns_down(a: int, b: int, c: int, cost: FloatArray, quality: FloatArray) -> bool:
    """Tell whether the path a, b, c bends to the right at b."""
    first = (cost[b] - cost[a]) * (quality[c] - quality[a])
    second = (quality[b] - quality[a]) * (cost[c] - cost[a])
    return bool(first < second)


def on_hull(cost: FloatArray, hull_cost: FloatArray, hull_quality: FloatArray) -> FloatArray:
    """Quality of the hull at any cost from 0 up.

    Parameters
    ----------
    cost : ndarray
        Where to read the hull.
    hull_cost, hull_quality : ndarray of shape (n_vertices,)
        Vertices by rising cost.
    """
    knots, values = _with_nothing(hull_cost, hull_quality)
    return np.asarray(np.interp(cost, knots, values))


@dataclass(frozen=True)
class HullArea:
    """Area below the hull over a range of costs, and how it moves with the vertices."""

    value: float
    by_cost: FloatArray  # (n_vertices,) derivative by the cost of each vertex
    by_quality: FloatArray  # (n_vertices,) and by its quality


def area_below(
    hull_cost: FloatArray, hull_quality: FloatArray, low: float, high: float
) -> HullArea:
    """Integrate the hull from `low` to `high`, in closed form.

    Notes
    -----
    On each segment the hull is ``q_k h_k(c) + q_{k+1} h_{k+1}(c)`` with hat functions h. Raising
    vertex k by one raises the hull by h_k; moving it right by one lowers the hull by the slope of
    the segment times h_k. The area and both derivatives are sums of integrals of hats.
    """
    knots, values = _with_nothing(hull_cost, hull_quality)
    a, b = knots[:-1], knots[1:]
    left, right = np.clip(a, low, high), np.clip(b, low, high)
    rising = ((right - a) ** 2 - (left - a) ** 2) / (2 * (b - a))
    falling = (right - left) - rising
    flat = max(0.0, high - max(low, knots[-1]))
    slope = np.diff(values) / (b - a)

    by_quality, by_cost = np.zeros(knots.size), np.zeros(knots.size)
    by_quality[:-1] += falling
    by_quality[1:] += rising
    by_quality[-1] += flat
    by_cost[:-1] -= slope * falling
    by_cost[1:] -= slope * rising
    own = slice(knots.size - hull_cost.size, None)
    return HullArea(float(values @ by_quality), by_cost[own], by_quality[own])


def _with_nothing(cost: FloatArray, quality: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Put the router that answers nothing, at no cost, before the first vertex."""
    if cost.size and cost[0] <= 0:
        return cost, quality
    return np.concatenate([[0.0], cost]), np.concatenate([[0.0], quality])
