"""The mean shift E Delta, estimated in four ways, each with the influence of every row on it."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit
from sklearn.linear_model import LogisticRegression

from metarouter.exceptions import DataError
from metarouter.inference.intervals import (
    Clusters,
    FloatArray,
    MeanVariance,
    as_clusters,
    cluster_sums,
    variance_of_mean,
)
from metarouter.inference.labels._held_out import predict_folds
from metarouter.inference.labels._labels import Effect, ScaledLabels
from metarouter.nuisance import Nuisances
from metarouter.utils.groups import group_codes

_FOLDS = 5
_ROWS_PER_COLUMN = 10
_MOST_COLUMNS = 10
_LEAST_PROPENSITY = 0.01


def augmented(labels: ScaledLabels, fitted: Nuisances) -> Nuisances:
    """Return a copy of fitted nuisances whose shrinkage is taken out.

    Forests, and whatever else is regularised, predict too little: regressed on truth their
    predictions have slopes of about three quarters. An augmented inverse-propensity mean has as its
    bias the product of the errors of the outcome and of the propensity, and where both are shrunk
    along the same features the errors have one sign everywhere. Out of fold therefore

        mu  ->  mu + b (1, mu, X),  least squares of y - mu on (1, mu, X), labels of one source;
        p   ->  the logistic regression, with a ridge penalty, of the source on (logit p, X).

    To mend one of the two alone can make the bias larger: it is their product that counts. A
    constant propensity, as of a randomised design, is kept. Where X has more columns than a tenth
    of the scarcer source's labels, or more than ten, its leading principal components take their
    place. Folds keep queries (groups) together.

    Parameters
    ----------
    labels : ScaledLabels
    fitted : Nuisances
        With a propensity and the outcomes of both sources.
    """
    is_gold, rows = labels.is_gold, labels.rows
    share = np.where(fitted.overlap_.in_overlap, labels.share, 0.0)
    columns = _columns(np.asarray(rows.X, dtype=np.float64), is_gold)
    p = np.asarray(fitted.propensity_, dtype=np.float64)
    is_constant = np.ptp(p) <= 1e-12
    clipped = p if is_constant else np.clip(p, _LEAST_PROPENSITY, 1 - _LEAST_PROPENSITY)

    def refit(train: NDArray[np.intp], test: NDArray[np.intp]) -> dict[str, FloatArray]:
        train = train[share[train] > 0]
        found = {"propensity_": clipped[test]}
        for name, source in (("gold_outcome_", is_gold), ("preference_outcome_", ~is_gold)):
            outcome, own = getattr(fitted, name), train[source[train]]
            centred = outcome - outcome[source & (share > 0)].mean()
            design = np.column_stack([np.ones(len(p)), centred, columns])
            root, residual = np.sqrt(share[own]), (labels.y - outcome)[own]
            slope = np.linalg.lstsq(root[:, None] * design[own], root * residual, rcond=1e-8)[0]
            found[name] = outcome[test] + design[test] @ slope
        if not is_constant and np.unique(is_gold[train]).size > 1:
            odds = logit(clipped)
            design = np.column_stack([odds - odds.mean(), columns])
            model = LogisticRegression(max_iter=1000)
            model.fit(design[train], is_gold[train], len(p) * share[train])
            refitted = model.predict_proba(design[test])[:, 1]
            found["propensity_"] = np.clip(refitted, _LEAST_PROPENSITY, 1 - _LEAST_PROPENSITY)
        return found

    cluster = group_codes(rows.query if rows.groups is None else rows.groups)
    fold = np.random.default_rng(0).permutation(int(cluster.max()) + 1)[cluster] % _FOLDS
    mended = copy(fitted)
    for name, column in predict_folds(fold, "cross_fit", refit)[0].items():
        setattr(mended, name, column)
    return mended


def _columns(X: FloatArray, is_gold: NDArray[np.bool_]) -> FloatArray:
    spread = X.std(axis=0)
    X = (X - X.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    scarcer = int(min(is_gold.sum(), (~is_gold).sum()))
    most = min(_MOST_COLUMNS, max(1, scarcer // _ROWS_PER_COLUMN))
    if X.shape[1] <= most:
        return X
    left, size, _ = np.linalg.svd(X, full_matrices=False)
    return np.asarray(left[:, :most] * size[:most] / size[0] * np.sqrt(len(X)))


class ShiftEstimate(NamedTuple):
    """An estimate of E Delta.

    `influence`, `leverage`, `is_gold` and `clusters` have one entry per row (per query when
    paired). `values` is what was averaged, where there is such a thing; `how` says it in words.
    """

    value: float
    influence: FloatArray
    leverage: FloatArray
    is_gold: NDArray[np.bool_]
    clusters: Clusters
    values: FloatArray
    how: str

    def variance(self, covariance: str) -> MeanVariance:
        """Return the variance of the estimate, as `variance_of_mean` does."""
        rows = self.influence, self.leverage, self.is_gold, self.clusters
        return variance_of_mean(*rows, covariance)


class OrthogonalScores(NamedTuple):
    """Doubly robust scores by row: of psi, of eta; rows in the overlap of both sources."""

    gold: FloatArray
    preference: FloatArray
    inside: NDArray[np.bool_]

    @property
    def shift(self) -> FloatArray:
        """Scores of Delta = psi - eta (Meta-Router, eq. S4)."""
        return self.gold - self.preference

    def of(self, effect: Effect) -> FloatArray:
        """Return the scores of the shift, or of the gain psi."""
        return self.shift if effect == "shift" else self.gold


def orthogonal_scores(labels: ScaledLabels, nuisances: Nuisances) -> OrthogonalScores:
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


def estimate_shift(
    labels: ScaledLabels, method: str, nuisances: Callable[..., Nuisances]
) -> ShiftEstimate:
    """Estimate E Delta by a method of `mean_shift_test`; `nuisances` gives those that are named."""
    if method == "paired":
        return paired_mean(labels)
    if method == "aipw":
        fitted = nuisances("propensity", "gold_outcome", "preference_outcome")
        return doubly_robust_mean(labels, augmented(labels, fitted))
    if method == "overlap":
        return overlap_weighted_slope(labels, nuisances("marginal_outcome", "propensity"))
    return difference_of_means(labels)


def paired_mean(labels: ScaledLabels) -> ShiftEstimate:
    """Mean of c r - y over the queries that carry both labels (Meta-Router, figure S2).

    Raises
    ------
    DataError
        If a query has several labels of one source.
    """
    gold, preference = np.flatnonzero(labels.is_gold), np.flatnonzero(~labels.is_gold)
    query = labels.rows.query
    for rows in (gold, preference):
        several = int((np.unique(query[rows], return_counts=True)[1] > 1).sum())
        if several:
            raise DataError(
                f"{several} queries have several labels of one source; average them first, or use "
                "an unpaired method."
            )
    pairs = np.intersect1d(query[gold], query[preference], return_indices=True)
    gold, preference = gold[pairs[1]], preference[pairs[2]]
    difference = labels.y[gold] - labels.y[preference]
    share = labels.share[gold] / labels.share[gold].sum()
    value = float(share @ difference)
    influence = labels.factor_influence * float(share @ labels.gold_part[gold])
    influence[gold] += share * (difference - value)
    leverage = np.zeros(len(labels.y))
    leverage[gold] = share
    # The two rows of a query are one observation, whatever else depends on what.
    _, first, pair = np.unique(query, return_index=True, return_inverse=True)
    groups = labels.rows.groups
    return ShiftEstimate(
        value,
        cluster_sums(influence, pair),
        cluster_sums(leverage, pair),
        np.ones(first.size, dtype=bool),
        None if groups is None else as_clusters(np.asarray(groups)[first]),
        difference,
        "mean of gold minus preference labels over queries with both",
    )


def doubly_robust_mean(labels: ScaledLabels, nuisances: Nuisances) -> ShiftEstimate:
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
