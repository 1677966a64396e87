"""Efficiency gain of a router over random routing, its area, and the area's influence function.

Source: Meta-Router, section 4.1. With gold gains r_1..r_n and weights p_i that sum to one (1/n each
unless said otherwise), queries are sent to the primary model in the order of falling psi-hat:

    TE(u) = sum of r over the share u of queries with the highest psi-hat,
    EG(u) = (TE(u) - u TE(1)) / n.

Queries that share a psi-hat are sent in random order: the expected TE is linear inside their block.
Query i of a block that covers the usages (a, b) then adds p_i r_i (1 - (a + b) / 2) to the area
below TE / n, and 1 - (a + b) / 2 is the mid-distribution function
F(x) = P(psi < x) + P(psi = x) / 2 of psi-hat at i. Since F has mean 1/2, the area under EG is a
covariance:

    integral of EG(u) du = E[r F(psi)] - E[r] / 2 = Cov(r, F(psi)).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.utils.arguments import validated
from metarouter.utils.columns import (
    FloatArray,
    as_finite_column,
    as_routed,
    as_weight,
    check_same_length,
)

__all__ = ["efficiency_gain", "total_efficiency", "usage_ratio"]


@validated()
def usage_ratio(routed_to_primary: ArrayLike, *, sample_weight: ArrayLike | None = None) -> float:
    """Share of queries sent to the primary model (PMUR).

    Parameters
    ----------
    routed_to_primary : array-like of bool of shape (n,)
        Whether each query goes to the primary model.
    sample_weight : array-like of shape (n,), optional
        Weights of the queries.

    Returns
    -------
    float
        Between 0 and 1.

    Raises
    ------
    DataError
        If a decision is missing or neither yes nor no.

    Examples
    --------
    >>> usage_ratio([True, False, False, True])
    0.5
    """
    routed = as_routed(routed_to_primary)
    return float(np.average(routed, weights=as_weight(sample_weight, routed.size)))


@validated()
def total_efficiency(
    gold_gain: ArrayLike, routed_to_primary: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Sum of the gold gains over the queries sent to the primary model (TE).

    Parameters
    ----------
    gold_gain : array-like of shape (n,)
        Gold labels of the queries.
    routed_to_primary : array-like of bool of shape (n,)
        Whether each query goes to the primary model.
    sample_weight : array-like of shape (n,), optional
        Weights of the queries.

    Returns
    -------
    float
        In gold units times queries.

    Raises
    ------
    DataError
        If the inputs differ in length or hold missing or infinite values.

    Examples
    --------
    >>> total_efficiency([0.5, -1.0, 2.0], [True, False, True])
    2.5
    """
    gain, routed, weight = _decisions(gold_gain, routed_to_primary, sample_weight)
    return float(np.sum(weight * gain, where=routed))


@validated()
def efficiency_gain(
    gold_gain: ArrayLike, routed_to_primary: ArrayLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Gain per query of given decisions over random routing at the same usage (EG).

    Parameters
    ----------
    gold_gain : array-like of shape (n,)
        Gold labels of the queries.
    routed_to_primary : array-like of bool of shape (n,)
        Whether each query goes to the primary model, for example ``psi_hat > w``.
    sample_weight : array-like of shape (n,), optional
        Weights of the queries.

    Returns
    -------
    float
        ``(TE - usage * TE of sending all) / n``, in gold units.

    Raises
    ------
    DataError
        If the inputs differ in length or hold missing or infinite values.

    Examples
    --------
    >>> efficiency_gain([1.0, -1.0, 1.0, -1.0], [True, False, True, False])
    0.5
    """
    gain, routed, weight = _decisions(gold_gain, routed_to_primary, sample_weight)
    share = weight / weight.sum()
    return float(np.sum(share * (gain - share @ gain), where=routed))


def _decisions(
    gold_gain: ArrayLike, routed_to_primary: ArrayLike, sample_weight: ArrayLike | None
) -> tuple[FloatArray, NDArray[np.bool_], FloatArray]:
    gain = as_finite_column(gold_gain, "gold_gain")
    routed = as_routed(routed_to_primary)
    check_same_length("routed_to_primary", routed.size, "gold_gain", gain.size)
    return gain, routed, as_weight(sample_weight, gain.size)


@dataclass(frozen=True)
class RankedGains:
    """Centred gains summed over the blocks of queries that share a psi-hat, highest block first."""

    block: NDArray[np.intp]  # (n,) block of each query
    usage: FloatArray  # (n_blocks + 1,) usage before the first and after each block
    efficiency_gain: FloatArray  # (n_blocks + 1,) EG at these usages
    distribution: FloatArray  # (n,) mid-distribution function of psi-hat at each query


def rank_gains(centred_gain: FloatArray, psi_hat: FloatArray, share: FloatArray) -> RankedGains:
    """Sort queries into blocks of equal psi-hat and add up what each block brings.

    Parameters
    ----------
    centred_gain : ndarray of shape (n,)
        Gold gain minus its weighted mean.
    psi_hat : ndarray of shape (n,)
    share : ndarray of shape (n,)
        Weights that sum to one.
    """
    # Centred gains make EG a plain running sum, without the cancellation of TE(u) - u TE(1).
    block = np.unique(-psi_hat, return_inverse=True)[1].reshape(-1)
    usage = np.concatenate([[0.0], np.cumsum(np.bincount(block, weights=share))])
    gain = np.concatenate([[0.0], np.cumsum(np.bincount(block, weights=share * centred_gain))])
    usage[-1], gain[-1] = 1.0, 0.0
    distribution = 1.0 - (usage[:-1] + usage[1:])[block] / 2
    return RankedGains(block, usage, gain, distribution)


def area_influence(
    centred_gain: FloatArray, ranked: RankedGains, share: FloatArray
) -> tuple[float, FloatArray]:
    """Area under the efficiency gain, and its influence function at every query.

    Parameters
    ----------
    centred_gain : ndarray of shape (n,)
        Gold gain minus its weighted mean.
    ranked : RankedGains
    share : ndarray of shape (n,)
        Weights that sum to one.

    Returns
    -------
    area : float
        Cov(r, F(psi)), in gold units.
    influence : ndarray of shape (n,)
        ``(r_i - mean r)(F(psi_i) - 1/2) + G(psi_i) - 2 area``, with
        ``G(x) = E[(r - mean r)(1{psi > x} + 1{psi = x} / 2)]``. Its weighted mean is zero.

    Notes
    -----
    The area is E[r k(psi, psi')] - E[r] / 2 over two independent queries, with the kernel
    k(x, x') = 1{x' < x} + 1{x' = x} / 2. Moving mass towards query i acts through r and psi,
    which gives r_i F(psi_i), through psi', which gives E[r k(psi, psi_i)], and through the
    mean, -r_i / 2; centring r turns the sum into the expression above. G(psi_i) is EG half way
    through the block of query i: query i is itself an ingredient of the ranking.
    """
    area = float(share @ (centred_gain * ranked.distribution))
    half_way = (ranked.efficiency_gain[:-1] + ranked.efficiency_gain[1:]) / 2
    influence = centred_gain * (ranked.distribution - 0.5) + half_way[ranked.block] - 2.0 * area
    return area, influence


def influence_error(
    influence: FloatArray, share: FloatArray, groups: NDArray[np.intp] | None
) -> float:
    """Compute the standard error of an estimate from its influence function.

    Parameters
    ----------
    influence : ndarray of shape (n,)
    share : ndarray of shape (n,)
        Weights that sum to one. Rows of weight 0 are no queries: they are not counted.
    groups : ndarray of int of shape (n,) or None
        Queries of one group may depend on each other: their influences are added up first.
    """
    pulled: FloatArray = (share * influence)[share > 0]
    if groups is not None:
        numbers = np.unique(groups[share > 0], return_inverse=True)[1].reshape(-1)
        pulled = np.bincount(numbers, weights=pulled).astype(np.float64)
    n_units = pulled.size
    if n_units < 2:
        return math.nan
    return math.sqrt(n_units / (n_units - 1) * float(pulled @ pulled))
