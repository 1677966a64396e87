"""The mean shift E Delta, estimated in four ways, each with the influence of every row on it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError
from metarouter.inference.intervals import Clusters, FloatArray, as_clusters, cluster_sums
from metarouter.inference.labels._augmented import AugmentedNuisances
from metarouter.inference.labels._labels import ScaledLabels
from metarouter.nuisance import Nuisances


class ShiftEstimate(NamedTuple):
    """An estimate of E Delta.

    `influence`, `leverage`, `is_gold` and `clusters` have one entry per row (per query when
    paired). `values` is what was averaged, where there is such a thing.
    """

    value: float
    influence: FloatArray
    leverage: FloatArray
    is_gold: NDArray[np.bool_]
    clusters: Clusters
    values: FloatArray
    how: str


class OrthogonalScores(NamedTuple):
    """Doubly robust scores by row: of psi, of eta; rows in the overlap of both sources."""

    gold: FloatArray
    preference: FloatArray
    inside: NDArray[np.bool_]

    @property
    def shift(self) -> FloatArray:
        """Scores of Delta = psi - eta (Meta-Router, eq. S4)."""
        return self.gold - self.preference


def orthogonal_scores(
    labels: ScaledLabels, nuisances: Nuisances | AugmentedNuisances
) -> OrthogonalScores:
    """Return mu_1 + t (o - mu_1) / p and mu_0 + (1 - t) (o - mu_0) / (1 - p), shape (n,) each.

    Raises
    ------
    DataError
        If a propensity says that a label could not have come from its own source.
    """
    is_gold, p = labels.is_gold, nuisances.propensity_
    inside = nuisances.overlap_.in_overlap & (labels.share > 0)
    own = np.where(is_gold, p, 1 - p)
    impossible = inside & (own <= 0)
    if impossible.any():
        raise DataError(
            f"the propensity says that {int(impossible.sum())} of {len(p)} labels could not have "
            "come from their own source, which the doubly robust scores divide by; give the "
            "PropensityPolicy a clip above 0."
        )
    gold, preference = nuisances.gold_outcome_.copy(), nuisances.preference_outcome_.copy()
    rows = inside & is_gold
    gold[rows] += (labels.y - nuisances.gold_outcome_)[rows] / p[rows]
    rows = inside & ~is_gold
    preference[rows] += (labels.y - nuisances.preference_outcome_)[rows] / (1 - p[rows])
    return OrthogonalScores(gold, preference, inside)


def pairs_of(labels: ScaledLabels) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the positions of the gold and of the preference row of every query with both.

    Raises
    ------
    DataError
        If a query has several labels of one source.
    """
    positions = []
    for rows in (labels.is_gold, ~labels.is_gold):
        index = np.flatnonzero(rows)
        query, first, count = np.unique(
            labels.rows.query[index], return_index=True, return_counts=True
        )
        if count.size and count.max() > 1:
            raise DataError(
                f"{int((count > 1).sum())} queries have several labels of one source; average "
                "them first, or use an unpaired method."
            )
        positions.append((query, index[first]))
    _, gold, preference = np.intersect1d(
        positions[0][0], positions[1][0], assume_unique=True, return_indices=True
    )
    return positions[0][1][gold], positions[1][1][preference]


def paired_mean(labels: ScaledLabels) -> ShiftEstimate:
    """Mean of c r - y over the queries that carry both labels (Meta-Router, figure S2)."""
    gold, preference = pairs_of(labels)
    difference = labels.y[gold] - labels.y[preference]
    share = labels.share[gold] / labels.share[gold].sum()
    value = float(share @ difference)
    influence = np.zeros(len(labels.y))
    influence[gold] = share * (difference - value)
    influence += labels.factor_influence * float(share @ labels.gold_part[gold])
    leverage = np.zeros(len(labels.y))
    leverage[gold] = share
    # The two rows of a query are one observation, whatever else depends on what.
    query = np.unique(labels.rows.query, return_inverse=True)[1].reshape(-1)
    return ShiftEstimate(
        value,
        cluster_sums(influence, query),
        cluster_sums(leverage, query),
        np.ones(int(query.max()) + 1, dtype=bool),
        query_clusters(labels),
        difference,
        "mean of gold minus preference labels over queries with both",
    )


def query_clusters(labels: ScaledLabels) -> Clusters:
    """Return the units of the queries, None where every query stands for itself."""
    if labels.rows.groups is None:
        return None
    first = np.unique(labels.rows.query, return_index=True)[1]
    return as_clusters(np.asarray(labels.rows.groups)[first])


def doubly_robust_mean(
    labels: ScaledLabels, nuisances: Nuisances | AugmentedNuisances
) -> ShiftEstimate:
    """Augmented inverse-propensity estimate: the mean of the doubly robust scores."""
    scores = orthogonal_scores(labels, nuisances)
    share = labels.share_within(scores.inside)
    value = float(share @ scores.shift)
    slope = float(share @ scores.gold) / labels.factor
    return ShiftEstimate(
        value,
        share * (scores.shift - value) + labels.factor_influence * slope,
        share,
        labels.is_gold,
        labels.clusters,
        scores.shift[scores.inside],
        "mean of the doubly robust scores (AIPW)",
    )


def overlap_weighted_slope(labels: ScaledLabels, nuisances: Nuisances) -> ShiftEstimate:
    """Residual-on-residual slope: the mean shift weighted by p (1 - p) (Robinson 1988)."""
    share = labels.share_within(nuisances.overlap_.in_overlap)
    outcome_residual = labels.y - nuisances.marginal_outcome_
    source_residual = labels.is_gold - nuisances.propensity_
    spread = float(share @ source_residual**2)
    value = float(share @ (outcome_residual * source_residual)) / spread
    slope = float(share @ (labels.gold_part * source_residual)) / spread
    left = source_residual * (outcome_residual - value * source_residual) / spread
    return ShiftEstimate(
        value,
        share * left + labels.factor_influence * slope,
        share * source_residual**2 / spread,
        labels.is_gold,
        labels.clusters,
        np.empty(0),
        "residual on residual, weighted towards overlap",
    )


def difference_of_means(labels: ScaledLabels) -> ShiftEstimate:
    """Difference of the two means: right only where gold queries were drawn at random."""
    is_gold = labels.is_gold
    gold = np.where(is_gold, labels.share, 0.0) / labels.share[is_gold].sum()
    preference = np.where(is_gold, 0.0, labels.share) / labels.share[~is_gold].sum()
    of_gold, of_preference = float(gold @ labels.y), float(preference @ labels.y)
    influence = gold * (labels.y - of_gold) - preference * (labels.y - of_preference)
    return ShiftEstimate(
        of_gold - of_preference,
        influence + labels.factor_influence * of_gold / labels.factor,
        gold + preference,
        is_gold,
        labels.clusters,
        np.empty(0),
        "difference of the two means",
    )
