"""The mean shift E Delta, estimated in four ways, each with the influence of every row on it.

The doubly robust mean takes nuisances without the shrinkage of the learners that fitted them.
Forests, and whatever else is regularised, predict too little: regressed on truth their predictions
have slopes of about three quarters. An augmented inverse-propensity mean has as its bias the
product of the errors of the outcome and of the propensity, and where both are shrunk along the
same features the errors have one sign everywhere. With default forests a true null was then
rejected in .10 to .19 of samples of 300 instead of .05. Both are therefore augmented, out of fold
(.045 to .053 of samples of 300; at 100 labels .06 to .08, see ``docs/inference_tests.md``):

    mu  ->  mu + b (1, mu, X),   least squares of y - mu on (1, mu, X) among the labels of a source;
    p   ->  the logistic regression, with a ridge penalty, of the source on (logit p, X).

To mend one of the two alone can make the bias larger: it is their product that counts.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from metarouter.exceptions import DataError
from metarouter.inference.intervals import (
    Clusters,
    FloatArray,
    LinearFit,
    as_clusters,
    cluster_sums,
    require_full_rank,
    weighted_least_squares,
)
from metarouter.inference.labels._labels import Effect, ScaledLabels
from metarouter.nuisance import Nuisances
from metarouter.utils.groups import group_codes

_FOLDS = 5
_ROWS_PER_COLUMN = 10
_MOST_COLUMNS = 10
_LEAST_PROPENSITY = 0.01


class AugmentedNuisances(NamedTuple):
    """What the doubly robust scores need, shape (n,) each; names as of `Nuisances`."""

    propensity_: FloatArray
    gold_outcome_: FloatArray
    preference_outcome_: FloatArray
    overlap_: Any


def augmented(labels: ScaledLabels, fitted: Nuisances, seed: int = 0) -> AugmentedNuisances:
    """Take the shrinkage out of fitted nuisances.

    Parameters
    ----------
    labels : ScaledLabels
    fitted : Nuisances
        With a propensity and the outcomes of both sources. A constant propensity, as of a
        randomised design, is kept.
    seed : int, default=0
        Of the folds, which keep queries (groups) together.

    Notes
    -----
    Where X has more columns than a tenth of the scarcer source's labels, or more than ten, its
    leading principal components take their place.
    """
    is_gold, inside = labels.is_gold, fitted.overlap_.in_overlap & (labels.share > 0)
    columns = _columns(np.asarray(labels.rows.X, dtype=np.float64), is_gold)
    fold = _folds(labels, seed)
    outcomes = [
        _augmented_outcome(labels, outcome, rows & inside, columns, fold)
        for outcome, rows in (
            (fitted.gold_outcome_, is_gold),
            (fitted.preference_outcome_, ~is_gold),
        )
    ]
    p = np.asarray(fitted.propensity_, dtype=np.float64)
    if np.ptp(p) > 1e-12:
        p = _augmented_propensity(p, is_gold, np.where(inside, labels.share, 0.0), columns, fold)
    return AugmentedNuisances(p, outcomes[0], outcomes[1], fitted.overlap_)


def _columns(X: FloatArray, is_gold: NDArray[np.bool_]) -> FloatArray:
    spread = X.std(axis=0)
    X = (X - X.mean(axis=0))[:, spread > 0] / spread[spread > 0]
    scarcer = int(min(is_gold.sum(), (~is_gold).sum()))
    most = min(_MOST_COLUMNS, max(1, scarcer // _ROWS_PER_COLUMN))
    if X.shape[1] <= most:
        return X
    left, size, _ = np.linalg.svd(X, full_matrices=False)
    return np.asarray(left[:, :most] * size[:most] / size[0] * np.sqrt(len(X)))


def _folds(labels: ScaledLabels, seed: int) -> NDArray[np.intp]:
    rows = labels.rows
    unit = group_codes(rows.query if rows.groups is None else rows.groups)
    n_units = int(unit.max()) + 1
    return np.asarray(np.random.default_rng(seed).permutation(n_units)[unit] % _FOLDS)


def _augmented_outcome(
    labels: ScaledLabels,
    outcome: FloatArray,
    rows: NDArray[np.bool_],
    columns: FloatArray,
    fold: NDArray[np.intp],
) -> FloatArray:
    centred = outcome - outcome[rows].mean()
    design = np.column_stack([np.ones(len(outcome)), centred, columns])
    root, residual = np.sqrt(labels.share), labels.y - outcome
    added = np.zeros(len(outcome))
    for number in range(_FOLDS):
        train, test = rows & (fold != number), fold == number
        weighted = root[train, None] * design[train]
        slope = np.linalg.lstsq(weighted, root[train] * residual[train], rcond=1e-8)[0]
        added[test] = design[test] @ slope
    return outcome + added


def _augmented_propensity(
    p: FloatArray,
    is_gold: NDArray[np.bool_],
    share: FloatArray,
    columns: FloatArray,
    fold: NDArray[np.intp],
) -> FloatArray:
    from sklearn.linear_model import LogisticRegression

    odds = logit(np.clip(p, _LEAST_PROPENSITY, 1 - _LEAST_PROPENSITY))
    design = np.column_stack([odds - odds.mean(), columns])
    weight = share * share.size
    found = p.copy()
    for number in range(_FOLDS):
        train, test = (fold != number) & (share > 0), fold == number
        if is_gold[train].all() or not is_gold[train].any() or not test.any():
            continue
        model = LogisticRegression(max_iter=1000).fit(
            design[train], is_gold[train], sample_weight=weight[train]
        )
        found[test] = model.predict_proba(design[test])[:, 1]
    return np.clip(found, _LEAST_PROPENSITY, 1 - _LEAST_PROPENSITY)


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


def regressed_scores(
    labels: ScaledLabels,
    scores: OrthogonalScores,
    effect: Effect,
    design: FloatArray,
    share: FloatArray,
    covariance: str,
    names: list[str],
    *,
    centred: bool = False,
) -> LinearFit:
    """Regress the scores of an effect on a design, the factor's own error included.

    Parameters
    ----------
    labels : ScaledLabels
    scores : OrthogonalScores
    effect : {"shift", "gain"}
    design : ndarray of shape (n, k)
    share : ndarray of shape (n,)
        Weights that sum to one.
    covariance : {"HC3", "cluster"}
    names : list of str
        Of the columns, for errors.
    centred : bool, default=False
        Whether the columns after the first, which is constant, were centred at their estimated
        means: the first coefficient is then the mean of the scores, whose variance holds that of
        the features; the regression's residuals do not.
    """
    outcome = scores.shift if effect == "shift" else scores.gold
    require_full_rank(design, share, names)
    weighted = share[:, None] * design
    slopes = np.linalg.solve(weighted.T @ design, weighted.T @ np.c_[scores.gold, outcome])
    influence = np.outer(labels.factor_influence, slopes[:, 0] / labels.factor)
    if centred:
        influence[:, 0] += share * (design[:, 1:] @ slopes[1:, 1])
    return weighted_least_squares(
        design,
        outcome,
        share,
        labels.is_gold,
        labels.clusters,
        covariance,
        names=names,
        further_influence=influence,
    )


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
