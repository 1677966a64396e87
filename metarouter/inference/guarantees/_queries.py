"""The queries that a threshold is certified on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError
from metarouter.inference.intervals import Clusters, FloatArray, as_clusters
from metarouter.inference.labels import DoublyRobustGains
from metarouter.utils.columns import (
    as_finite_column,
    as_groups,
    as_weight,
    check_same_length,
)

__all__ = ["CertifyingQueries", "Gain", "certifying_queries"]


@dataclass(frozen=True)
class Gain:
    """Gold gains, or doubly robust scores of them.

    Parameters
    ----------
    value : ndarray of shape (n,)
        0 where there is none.
    share : ndarray of shape (n,)
        Weights that sum to one; 0 where there is none.
    is_gold : ndarray of bool of shape (n,)
        Which queries have a gold label.
    is_score : bool
        Whether the values are scores, which no bound holds.
    """

    value: FloatArray
    share: FloatArray
    is_gold: NDArray[np.bool_]
    is_score: bool


@dataclass(frozen=True)
class CertifyingQueries:
    """Queries that the gain model has not seen, with what they cost and gain.

    Parameters
    ----------
    psi_hat : ndarray of shape (n,)
    costs : ndarray of shape (n, 2)
        Columns [alternative, primary].
    share : ndarray of shape (n,)
        Weights that sum to one.
    clusters : ndarray of int of shape (n,) or None
    independent : bool
        Whether queries weigh the same and stand for themselves, as finite-sample bounds demand.
    gain : Gain or None
    """

    psi_hat: FloatArray
    costs: FloatArray
    share: FloatArray
    clusters: Clusters
    independent: bool
    gain: Gain | None

    @property
    def n(self) -> int:
        """Number of queries that weigh something."""
        return int((self.share > 0).sum())

    @property
    def n_gold(self) -> int:
        """Number of gold labels that weigh something."""
        return 0 if self.gain is None else int((self.gain.is_gold & (self.gain.share > 0)).sum())

    def taken(self, rows: NDArray[Any]) -> CertifyingQueries:
        """Keep some queries.

        Raises
        ------
        DataError
            If none of them has a gain.
        """
        gain = self.gain
        if gain is not None:
            if not gain.share[rows].any():
                raise DataError(
                    f"none of {rows.size} queries of one part has a gold label: give more labels, "
                    "or search='ends', which does not split them."
                )
            kept = gain.share[rows]
            gain = Gain(gain.value[rows], kept / kept.sum(), gain.is_gold[rows], gain.is_score)
        share = self.share[rows]
        return CertifyingQueries(
            self.psi_hat[rows],
            self.costs[rows],
            share / share.sum(),
            None if self.clusters is None else as_clusters(self.clusters[rows]),
            self.independent,
            gain,
        )


def certifying_queries(
    psi_hat: ArrayLike,
    gold_gain: ArrayLike | DoublyRobustGains | None,
    costs: ArrayLike | None,
    sample_weight: ArrayLike | None,
    groups: ArrayLike | None,
) -> CertifyingQueries:
    """Validate what is given per query.

    Raises
    ------
    DataError
        If lengths differ, predictions are missing, or no query has a gold label.
    """
    scores = as_finite_column(psi_hat, "psi_hat")
    n = scores.size
    if isinstance(gold_gain, DoublyRobustGains):
        sample_weight = gold_gain.sample_weight if sample_weight is None else sample_weight
        groups = gold_gain.groups if groups is None else groups
    if sample_weight is not None:
        check_same_length("sample_weight", np.size(sample_weight), "psi_hat", n)
    if groups is not None:
        check_same_length("groups", np.size(groups), "psi_hat", n)
    weight = as_weight(sample_weight, n)
    if isinstance(gold_gain, DoublyRobustGains) and gold_gain.sample_weight is not None:
        # Queries out of support have no score, whatever weights are given.
        check_same_length("gold_gain", gold_gain.score.size, "psi_hat", n)
        weight = np.where(np.asarray(gold_gain.sample_weight) > 0, weight, 0.0)
    clusters = as_clusters(as_groups(groups, n))
    positive = weight[weight > 0]
    return CertifyingQueries(
        psi_hat=scores,
        costs=np.tile([0.0, 1.0], (n, 1)) if costs is None else _as_costs(costs, n),
        share=weight / weight.sum(),
        clusters=clusters,
        independent=clusters is None and bool(positive.min() == positive.max()),
        gain=None if gold_gain is None else _as_gain(gold_gain, weight),
    )


def _as_gain(gold_gain: ArrayLike | DoublyRobustGains, weight: FloatArray) -> Gain:
    if isinstance(gold_gain, DoublyRobustGains):
        check_same_length("gold_gain", gold_gain.score.size, "psi_hat", weight.size)
        return Gain(gold_gain.score, weight / weight.sum(), gold_gain.is_gold, True)
    try:
        label = np.asarray(gold_gain, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("gold_gain holds values that are not numbers: give gains or NaN.") from None
    if label.shape != weight.shape or np.isinf(label).any():
        raise DataError(
            f"gold_gain has shape {label.shape} and {int(np.isinf(label).sum())} infinite values, "
            f"but there are {weight.size} queries: give one finite gain per query, NaN where there "
            "is none."
        )
    is_gold = ~np.isnan(label)
    total = float(weight[is_gold].sum())
    if not total > 0:
        raise DataError(
            f"none of {weight.size} queries has a gold label that weighs something: label some, "
            "drawn at random."
        )
    return Gain(
        np.where(is_gold, label, 0.0), np.where(is_gold, weight, 0.0) / total, is_gold, False
    )


def _as_costs(costs: ArrayLike, n: int) -> FloatArray:
    try:
        table = np.asarray(costs, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("costs holds values that are not numbers: give one number each.") from None
    if table.shape != (n, 2) or not np.isfinite(table).all():
        raise DataError(
            f"costs has shape {table.shape} and {int((~np.isfinite(table)).sum())} values that are "
            f"not finite: give columns [alternative, primary] for {n} queries."
        )
    return table
