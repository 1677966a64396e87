"""One nuisance at a time: fitted on a fold and predicted off it, or fitted once and out of bag."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.fitting import (
    fit_model,
    out_of_bag_mean,
    out_of_bag_probability,
    predict_mean,
    predict_probability,
)
from metarouter.utils.validation import TrainingData

FloatArray = NDArray[np.float64]
Rows = NDArray[Any]


def _weights(data: TrainingData, rows: Rows) -> FloatArray | None:
    return None if data.sample_weight is None else data.sample_weight[rows]


def _marginal_on_fold(learner: Any, data: TrainingData, train: Rows, test: Rows) -> FloatArray:
    model = fit_model(learner, data.X[train], data.y[train], _weights(data, train))
    return predict_mean(model, data.X[test])


def _propensity_on_fold(learner: Any, data: TrainingData, train: Rows, test: Rows) -> FloatArray:
    model = fit_model(learner, data.X[train], data.is_gold[train], _weights(data, train))
    return predict_probability(model, data.X[test])


def _source_on_fold(
    source: bool, learner: Any, data: TrainingData, train: Rows, test: Rows
) -> FloatArray:
    rows = train[data.is_gold[train] == source]
    return _marginal_on_fold(learner, data, rows, test)


def _pooled_on_fold(learner: Any, data: TrainingData, train: Rows, test: Rows) -> FloatArray:
    model = fit_model(
        learner, with_source(data.X, data.is_gold)[train], data.y[train], _weights(data, train)
    )
    arms = [with_source(data.X[test], np.full(len(test), arm)) for arm in (False, True)]
    return np.column_stack([predict_mean(model, arm) for arm in arms])


ON_FOLD: dict[str, Callable[..., FloatArray]] = {
    "marginal_outcome": _marginal_on_fold,
    "propensity": _propensity_on_fold,
    "gold_outcome": partial(_source_on_fold, True),
    "preference_outcome": partial(_source_on_fold, False),
    "pooled_outcome": _pooled_on_fold,
}


# One nuisance out of bag: one fit on all rows.


def _marginal_out_of_bag(learner: Any, data: TrainingData) -> FloatArray:
    return out_of_bag_mean(fit_model(learner, data.X, data.y, data.sample_weight), data.X)


def _propensity_out_of_bag(learner: Any, data: TrainingData) -> FloatArray:
    model = fit_model(learner, data.X, data.is_gold, data.sample_weight)
    return out_of_bag_probability(model, data.X)


def _source_out_of_bag(source: bool, learner: Any, data: TrainingData) -> FloatArray:
    rows = data.is_gold == source
    model = fit_model(learner, data.X[rows], data.y[rows], _weights(data, rows))
    prediction = np.empty(len(data.y))
    prediction[rows] = out_of_bag_mean(model, data.X[rows])
    prediction[~rows] = predict_mean(model, data.X[~rows])
    return prediction


def _pooled_out_of_bag(learner: Any, data: TrainingData) -> FloatArray:
    model = fit_model(learner, with_source(data.X, data.is_gold), data.y, data.sample_weight)
    arms = [with_source(data.X, np.full(len(data.y), arm)) for arm in (False, True)]
    return np.column_stack([out_of_bag_mean(model, arm) for arm in arms])


OUT_OF_BAG: dict[str, Callable[..., FloatArray]] = {
    "marginal_outcome": _marginal_out_of_bag,
    "propensity": _propensity_out_of_bag,
    "gold_outcome": partial(_source_out_of_bag, True),
    "preference_outcome": partial(_source_out_of_bag, False),
    "pooled_outcome": _pooled_out_of_bag,
}


def constant_propensity(data: TrainingData) -> FloatArray:
    """Return the gold share for every row: the propensity of a randomised design."""
    return np.full(len(data.y), np.average(data.is_gold, weights=data.sample_weight))


def with_source(X: NDArray[Any], is_gold: NDArray[np.bool_]) -> NDArray[Any]:
    """Append the source as a last feature."""
    return np.column_stack([X, is_gold.astype(X.dtype)])
