"""What a routing does at every trade-off w, with its errors, in one pass over the queries.

As w grows, a query that costs more with the primary model leaves it for good at w = psi-hat /
extra cost, and one that costs less joins it there. Between two of these turning points nothing
changes, so a sample knows finitely many routings, and a sequence over its turning points is a walk
over every w.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.inference.intervals import Clusters, FloatArray, cluster_sums
from metarouter.routing._tuning import turning_points


class RoutingPath(NamedTuple):
    """The trade-offs at which the routing of some queries changes.

    Parameters
    ----------
    w : ndarray of shape (m,)
        Increasing from 0; the routing at w[k] holds up to, and without, w[k + 1].
    sent : ndarray of bool of shape (n,)
        Whether each query goes to the primary model at w = 0.
    mover : ndarray of int of shape (k,)
        The queries that change sides, in the order in which they do.
    step : ndarray of int of shape (k,)
        Position in `w` from which on the query is on its new side.
    """

    w: FloatArray
    sent: NDArray[np.bool_]
    mover: NDArray[np.intp]
    step: NDArray[np.intp]

    def at(self, w: FloatArray) -> NDArray[np.intp]:
        """Return the position whose routing holds at each w, shape as `w`."""
        return np.searchsorted(self.w, w, side="right") - 1

    def sent_at(self, position: int) -> NDArray[np.bool_]:
        """Return which queries go to the primary model at w[position], shape (n,)."""
        sent = self.sent.copy()
        moved = self.mover[self.step <= position]
        sent[moved] = ~sent[moved]
        return sent


class Moments(NamedTuple):
    """A weighted mean, its variance and third cumulant along a path, shape (m,) each."""

    mean: FloatArray
    variance: FloatArray
    third: FloatArray


def routing_path(psi_hat: FloatArray, extra_cost: FloatArray) -> RoutingPath:
    """Find every w at which the routing of these queries changes.

    Examples
    --------
    >>> import numpy as np
    >>> path = routing_path(np.array([0.5, -0.2, 1.0]), np.ones(3))
    >>> path.w
    array([0. , 0.5, 1. ])
    >>> path.sent_at(1)
    array([False, False,  True])
    """
    sent = psi_hat > 0
    mover = np.flatnonzero((sent & (extra_cost > 0)) | (~sent & (extra_cost < 0)))
    turning = turning_points(psi_hat[mover], extra_cost[mover], ~sent[mover])
    values, step = np.unique(turning, return_inverse=True)
    step = step.reshape(-1) + 1
    order = np.argsort(step, kind="stable")
    return RoutingPath(np.append(0.0, values), sent, mover[order], step[order])


def running_mean(
    path: RoutingPath, base: FloatArray, move: FloatArray, share: FloatArray
) -> FloatArray:
    """Compute the mean of ``base + sent * move`` at every w of a path, shape (m,).

    Parameters
    ----------
    path : RoutingPath
    base, move : ndarray of shape (n,)
        Value of a query at the alternative, and what the primary adds to it.
    share : ndarray of shape (n,)
        Weights that sum to one; 0 for queries that do not count.
    """
    start = float(share @ (base + np.where(path.sent, move, 0.0)))
    return start + np.cumsum(_at_steps(path, share[path.mover] * _change(path, move)))


def running_moments(
    path: RoutingPath, base: FloatArray, move: FloatArray, share: FloatArray, clusters: Clusters
) -> Moments:
    """Compute the mean of ``base + sent * move`` at every w, its variance and third cumulant.

    Parameters
    ----------
    path, base, move, share
        As for `running_mean`.
    clusters : ndarray of int of shape (n,) or None
        Queries of one unit depend on each other.

    Notes
    -----
    With A_g = sum of share z over unit g and W_g its weight, the variance of the mean m is
    G / (G - 1) times sum (A_g - m W_g)^2, and its third cumulant sum (A_g - m W_g)^3. A query that
    changes sides moves one A_g by c, hence sum A_g^2 by 2 A_g c + c^2, and so for the cubes: the
    whole path costs one sort.
    """
    mean = running_mean(path, base, move, share)
    unit = np.arange(share.size) if clusters is None else clusters
    # Values are taken from the mean at w = 0, so that little is lost in the differences below.
    value = base + np.where(path.sent, move, 0.0) - mean[0]
    total, weight = cluster_sums(share * value, unit), cluster_sums(share, unit)
    moved = unit[path.mover]
    change = share[path.mover] * _change(path, move)
    before = total[moved] + _earlier_changes(change, moved)
    after = before + change

    def along(power: int, weights: int) -> FloatArray:
        """Sum of A_g^power W_g^weights at every w."""
        steps = (after**power - before**power) * weight[moved] ** weights
        return float(total**power @ weight**weights) + np.cumsum(_at_steps(path, steps))

    centre = mean - mean[0]
    spread = along(2, 0) - 2 * centre * along(1, 1) + centre**2 * float(weight @ weight)
    third = along(3, 0) - 3 * centre * along(2, 1) + 3 * centre**2 * along(1, 2)
    third -= centre**3 * float((weight**3).sum())
    n_units = int((weight > 0).sum())
    return Moments(mean, np.maximum(spread, 0.0) * n_units / max(1, n_units - 1), third)


def _change(path: RoutingPath, move: FloatArray) -> FloatArray:
    return np.where(path.sent[path.mover], -1.0, 1.0) * move[path.mover]


def _at_steps(path: RoutingPath, change: FloatArray) -> FloatArray:
    return np.bincount(path.step, weights=change, minlength=path.w.size).astype(np.float64)


def _earlier_changes(change: FloatArray, unit: NDArray[np.intp]) -> FloatArray:
    """Sum, for each change, those that came before it in its own unit."""
    order = np.argsort(unit, kind="stable")
    running = np.cumsum(change[order]) - change[order]
    first = np.flatnonzero(np.diff(unit[order], prepend=-1))
    start = np.repeat(running[first], np.diff(np.append(first, unit.size)))
    earlier = np.empty_like(change)
    earlier[order] = running - start
    return earlier
