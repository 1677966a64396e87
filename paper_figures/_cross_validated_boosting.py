"""Gradient boosting whose parameters come from a small random search with cross-validation.

The recipe is that of Nie & Wager (2021): ten draws of the parameters, ten folds, at most 1000
trees, and the number of trees that minimises the mean loss over the folds, looking ten trees
ahead.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xgboost
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted, validate_data

Folds = Sequence[tuple[NDArray[Any], NDArray[Any]]]

MOST_TREES = 1000
PATIENCE = 10


def draw_parameters(rng: Generator) -> dict[str, Any]:
    """Draw the parameters of one booster, by the names of xgboost's scikit-learn interface."""
    return {
        "subsample": rng.choice([0.5, 0.75, 1.0]),
        "colsample_bytree": rng.choice([0.6, 0.8, 1.0]),
        "learning_rate": rng.choice([0.005, 0.01, 0.015, 0.025, 0.05, 0.08, 0.1, 0.2]),
        "max_depth": int(rng.integers(3, 21)),
        "gamma": rng.uniform(0.0, 0.2),
        "min_child_weight": int(rng.integers(1, 21)),
        "max_delta_step": int(rng.integers(1, 11)),
        "random_state": int(rng.integers(2**31)),
    }


def tune_booster(
    kind: type[xgboost.XGBRegressor] | type[xgboost.XGBClassifier],
    X: NDArray[Any],
    y: NDArray[Any],
    folds: Folds,
    rng: Generator,
    *,
    sample_weight: NDArray[np.float64] | None = None,
    base_score: float | None = 0.5,
    n_draws: int = 10,
) -> xgboost.XGBModel:
    """Return the unfitted booster with the smallest cross-validated loss.

    Parameters
    ----------
    kind : XGBRegressor or XGBClassifier
        Squared error or logistic loss.
    X : array of shape (n, d)
    y : array of shape (n,)
    folds : sequence of (train, test) positions
    rng : Generator
        Draws the parameters, and the seed of each booster.
    sample_weight : array of shape (n,), optional
    base_score : float or None, default=0.5
        What boosting starts from. 0.5 was xgboost's default when the published tables were made;
        None is its present default, which estimates the start from the labels.
    n_draws : int, default=10

    Notes
    -----
    Split points are searched exactly, as xgboost did by default on small data at the time. That
    is also faster than histograms for a few hundred rows.
    """
    rows = xgboost.DMatrix(X, label=y, weight=sample_weight)
    best_loss, best = np.inf, None
    for _ in range(n_draws):
        booster = kind(
            **draw_parameters(rng),
            n_estimators=MOST_TREES,
            tree_method="exact",
            base_score=base_score,
            n_jobs=1,
        )
        losses = _losses_by_tree(booster, rows, folds)
        if losses.min() < best_loss:
            best_loss = losses.min()
            best = booster.set_params(n_estimators=int(losses.argmin()) + 1)
    return best


class CrossValidatedBooster(RegressorMixin, BaseEstimator):
    """A regressor that tunes its booster on the rows it is fitted on, then fits it on all.

    Parameters
    ----------
    n_draws : int, default=10
        Draws of the random search.
    n_folds : int, default=10
    base_score : float or None, default=0.5
        See :func:`tune_booster`.
    random_state : int, SeedSequence or Generator, optional
        Seed of the folds and of the search.

    Attributes
    ----------
    booster_ : XGBRegressor
        The tuned booster, fitted on all rows.

    Examples
    --------
    >>> import numpy as np
    >>> X = np.linspace(0, 1, 60)[:, None]
    >>> booster = CrossValidatedBooster(n_draws=1, n_folds=3, random_state=0)
    >>> bool(booster.fit(X, X[:, 0] > 0.5).score(X, X[:, 0] > 0.5) > 0.5)
    True
    """

    def __init__(
        self,
        n_draws: int = 10,
        n_folds: int = 10,
        base_score: float | None = 0.5,
        random_state: Any = None,
    ) -> None:
        self.n_draws = n_draws
        self.n_folds = n_folds
        self.base_score = base_score
        self.random_state = random_state

    def fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> CrossValidatedBooster:
        """Tune and fit; all arrays have one entry or row per label."""
        rows, labels = validate_data(self, X, y, y_numeric=True)
        weight = None if sample_weight is None else np.asarray(sample_weight, dtype=np.float64)
        rng = np.random.default_rng(self.random_state)
        booster = tune_booster(
            xgboost.XGBRegressor,
            rows,
            labels,
            shuffled_folds(len(labels), self.n_folds, rng),
            rng,
            sample_weight=weight,
            base_score=self.base_score,
            n_draws=self.n_draws,
        )
        self.booster_ = booster.fit(rows, labels, sample_weight=weight)
        return self

    def predict(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the fitted mean, shape (n,)."""
        check_is_fitted(self)
        rows = validate_data(self, X, reset=False)
        return np.asarray(self.booster_.predict(rows), dtype=np.float64)


def shuffled_folds(n_rows: int, n_folds: int, rng: Generator) -> Folds:
    """Return ``n_folds`` pairs of train and test positions."""
    splitter = KFold(n_folds, shuffle=True, random_state=int(rng.integers(2**31)))
    return list(splitter.split(np.empty(n_rows)))


def _losses_by_tree(
    booster: xgboost.XGBModel, rows: xgboost.DMatrix, folds: Folds
) -> NDArray[np.float64]:
    metric = "logloss" if isinstance(booster, xgboost.XGBClassifier) else "rmse"
    history = xgboost.cv(
        booster.get_xgb_params(),
        rows,
        num_boost_round=MOST_TREES,
        folds=folds,
        metrics=(metric,),
        early_stopping_rounds=PATIENCE,
        as_pandas=False,
    )
    return np.asarray(history[f"test-{metric}-mean"])
