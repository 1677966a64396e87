"""Nuisances without the shrinkage of the learners that fitted them.

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

from metarouter.inference.intervals import FloatArray
from metarouter.inference.labels._labels import ScaledLabels
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
