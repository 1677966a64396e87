"""Test queries in the order in which a router sends them to the primary model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError
from metarouter.inference.intervals import Clusters, FloatArray, as_clusters, cluster_sums
from metarouter.inference.labels import DoublyRobustGains
from metarouter.utils.columns import (
    as_finite_column,
    as_groups,
    as_weight,
    check_same_length,
)

GoldGain = ArrayLike | DoublyRobustGains

_USUAL_KURTOSIS = 4.5


class RunningSums(NamedTuple):
    """What is spent and gained after every block, from nothing on, for several halves."""

    spent: FloatArray  # (b, n_blocks + 1)
    gained: FloatArray  # (b, n_blocks + 1)
    mass: FloatArray  # (b, 1) share of all queries that the half holds


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
    clusters : ndarray of int of shape (n,) or None
        Queries of one unit depend on each other; None where every query stands for itself.
    order : ndarray of int of shape (n,)
        Place of each of these queries among those that were given.
    is_gold : ndarray of bool of shape (n,) or None
        Which queries have a gold label, where the gains are doubly robust scores; else all have.
    """

    gain: FloatArray
    share: FloatArray
    ends: NDArray[np.intp]
    score: FloatArray
    cost: FloatArray | None
    clusters: Clusters
    order: NDArray[np.intp]
    is_gold: NDArray[np.bool_] | None

    @property
    def n(self) -> int:
        """Number of queries."""
        return self.gain.size

    @property
    def n_gold(self) -> int:
        """Number of gold labels."""
        return self.n if self.is_gold is None else int(self.is_gold.sum())

    @property
    def n_units(self) -> int:
        """Number of independent units."""
        return self.n if self.clusters is None else int(self.clusters.max()) + 1

    @property
    def n_gold_clusters(self) -> int:
        """Number of independent units with a gold label: those that errors are learned from."""
        if self.is_gold is None:
            return self.n_units
        return int((cluster_sums(self.is_gold.astype(np.float64), self.clusters) > 0).sum())

    @property
    def df(self) -> float:
        """Degrees of freedom of standard errors."""
        return float(self.n_gold_clusters - 1)

    @property
    def effective_clusters(self) -> float:
        """Number of equally heavy units that would leave as much uncertainty (Kish 1965)."""
        share = self.share if self.is_gold is None else self.share * self.is_gold
        return float(share.sum() ** 2 / np.sum(cluster_sums(share, self.clusters) ** 2))

    @property
    def clusters_for_errors(self) -> float:
        """Number of effective units, fewer where few gains carry the variance.

        The standard error of a mean is itself known from about three over the kurtosis of its
        terms. Gains that are rare and large have a large one: where 3% of the gains are so, thirty
        queries hold a single such one, and tell as little as three others would. Up to the kurtosis
        of 4.5, half as much again as the normal distribution's, nothing is taken off.
        """
        centred = self.gain - self.share @ self.gain
        summed = cluster_sums(self.share * centred, self.clusters)
        second, fourth = float((summed**2).sum()), float((summed**4).sum())
        if not second > 0:
            return self.effective_clusters
        kurtosis = fourth / second**2 * self.effective_clusters
        return self.effective_clusters / max(1.0, kurtosis / _USUAL_KURTOSIS)

    @property
    def spent(self) -> FloatArray:
        """What sending each query spends, as a share of all queries or of all extra cost."""
        if self.cost is None:
            return self.share
        return self.share * self.cost / float(self.share @ self.cost)

    @cached_property
    def sums(self) -> RunningSums:
        """What is spent and gained after every block of all queries."""
        return running_sums(self)


def running_sums(queries: ScoredQueries, kept: NDArray[np.bool_] | None = None) -> RunningSums:
    """Add up what is spent and gained, block by block, on all queries or on halves of them.

    Parameters
    ----------
    queries : ScoredQueries
    kept : ndarray of bool of shape (b, n), optional
        Which queries each half holds.
    """
    kept = np.ones((1, queries.n), dtype=bool) if kept is None else kept
    gained = _running(kept, queries.share * queries.gain, queries.ends)
    spent = _running(kept, queries.spent, queries.ends)
    mass = spent[:, -1:] if queries.cost is None else kept @ queries.share[:, None]
    return RunningSums(spent, gained, mass)


def _running(kept: NDArray[np.bool_], values: FloatArray, ends: NDArray[np.intp]) -> FloatArray:
    total = np.empty((len(kept), values.size + 1))
    total[:, 0] = 0.0
    np.multiply(kept, values, out=total[:, 1:])
    np.cumsum(total, axis=1, out=total)
    return total if ends.size == values.size else total[:, np.concatenate([[0], ends])]


class Gains(NamedTuple):
    """Gold gains with their weights and groups, as given or as their scores carry them."""

    gain: FloatArray
    weight: FloatArray
    groups: NDArray[np.intp] | None
    is_gold: NDArray[np.bool_] | None

    def taken(self, rows: NDArray[Any]) -> Gains:
        """Keep some queries, in the order asked for."""
        return Gains(
            self.gain[rows],
            self.weight[rows],
            None if self.groups is None else self.groups[rows],
            None if self.is_gold is None else self.is_gold[rows],
        )


def as_gains(gold_gain: GoldGain, options: Mapping[str, Any]) -> Gains:
    """Validate gold gains; doubly robust scores bring their own weights and groups.

    Parameters
    ----------
    gold_gain : array-like of shape (n,) or DoublyRobustGains
    options : BandOptions
        Of which ``sample_weight`` and ``groups`` are looked at.

    Raises
    ------
    DataError
        If the inputs differ in length, are empty, or hold missing or infinite values.
    """
    sample_weight, groups = options.get("sample_weight"), options.get("groups")
    if isinstance(gold_gain, DoublyRobustGains):
        sample_weight = gold_gain.sample_weight if sample_weight is None else sample_weight
        groups = gold_gain.groups if groups is None else groups
        is_gold, gold_gain = gold_gain.is_gold, gold_gain.score
    else:
        is_gold = None
    gain = as_finite_column(gold_gain, "gold_gain")
    return Gains(gain, as_weight(sample_weight, gain.size), as_groups(groups, gain.size), is_gold)


def scored_queries(
    gold_gain: GoldGain,
    score: ArrayLike,
    options: Mapping[str, Any],
    cost: ArrayLike | None = None,
) -> ScoredQueries:
    """Validate and sort.

    Raises
    ------
    DataError
        If the inputs differ in length, are empty, or hold missing or infinite values; if costs are
        negative or all zero.
    """
    gains = as_gains(gold_gain, options)
    scores = as_finite_column(score, "psi_hat")
    check_same_length("psi_hat", scores.size, "gold_gain", gains.gain.size)
    return sorted_gains(gains, scores, None if cost is None else _as_cost(cost, gains.weight))


def sorted_gains(gains: Gains, score: FloatArray, cost: FloatArray | None = None) -> ScoredQueries:
    """Sort validated gains by falling score, and leave out queries that weigh nothing."""
    weight = gains.weight
    # Within ties the order is that of the weights: the order of the rows never matters.
    order = np.lexsort((weight, -score))
    order = order[weight[order] > 0]
    last = np.append(np.diff(score[order]) != 0, True)
    ends = np.flatnonzero(last) + 1
    sorted_ones = gains.taken(order)
    return ScoredQueries(
        gain=sorted_ones.gain,
        share=sorted_ones.weight / weight.sum(),
        ends=ends,
        score=score[order][ends - 1],
        cost=None if cost is None else cost[order],
        clusters=None if sorted_ones.groups is None else as_clusters(sorted_ones.groups),
        order=order,
        is_gold=sorted_ones.is_gold,
    )


def _as_cost(cost: ArrayLike, weight: FloatArray) -> FloatArray:
    costs, n = as_finite_column(cost, "cost"), weight.size
    check_same_length("cost", costs.size, "gold_gain", n)
    if (costs < 0).any():
        raise DataError(
            f"cost is negative for {int((costs < 0).sum())} of {n} queries: give what the primary "
            "model costs beyond the alternative, from zero up."
        )
    if not costs[weight > 0].any():
        raise DataError(
            f"cost is zero for all {n} queries: give costs above zero for some, or leave cost out."
        )
    return costs
