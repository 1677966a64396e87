"""Predictions for queries by routers that have not seen them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.utils import get_tags

from metarouter.datasets import LabelledQueries
from metarouter.datasets._labelled_queries import take_rows
from metarouter.fitting import FitLedger
from metarouter.inference._limits import scarce
from metarouter.inference.labels import (
    Scheme,
    fit_predict,
    predict_folds,
    ranks_within_folds,
    stratified_folds,
)
from metarouter.utils.groups import count_groups, group_codes
from metarouter.utils.validation import TrainingData

FloatArray = NDArray[np.float64]
_Rows = NDArray[np.intp]

_FEWEST_GOLD = 20


@dataclass(frozen=True)
class HeldOutRouters:
    """What several routers predict for queries that they have not seen.

    Parameters
    ----------
    gains : dict of str to ndarray of shape (n_queries,)
        psi-hat in the units of the gold labels; NaN where nothing was predicted.
    shifts : dict of str to ndarray of shape (n_queries,)
        Delta-hat of those routers that learn one, in units of the preference labels.
    fold : ndarray of int of shape (n_queries,)
        Queries of one number were predicted by one model; -1 where nothing was predicted.
    scheme : {"forward", "cross_fit"}
    """

    gains: dict[str, FloatArray]
    shifts: dict[str, FloatArray]
    fold: NDArray[np.intp]
    scheme: Scheme

    def ranks(self) -> dict[str, FloatArray]:
        """Return the place of every query within its fold, as `ranks_within_folds` does."""
        return {name: ranks_within_folds(gain, self.fold) for name, gain in self.gains.items()}


def too_few_to_cross_fit(queries: LabelledQueries, folds: int) -> str:
    """Say why the labels do not allow predictions out of fold; nothing where they do."""
    needed = max(_FEWEST_GOLD, 2 * folds)
    if queries.n_gold < needed:
        return f"{scarce(queries.n_gold, 'gold labels')}, {needed} are needed"
    for kind, labelled in (("gold", queries.has_gold), ("preference", queries.has_preference)):
        if queries.groups is not None and labelled.any():
            n_groups = count_groups(queries.groups[labelled])
            if n_groups < 2 * folds:
                return f"{n_groups} groups with {kind} labels are too few, {2 * folds} are needed"
    return ""


def held_out_routers(
    queries: LabelledQueries,
    routers: Mapping[str, Any],
    folds: int,
    seed: int,
    *,
    scheme: Scheme,
    encoders: Sequence[Any] = (),
) -> HeldOutRouters:
    """Predict queries by routers that were fitted on other folds.

    Parameters
    ----------
    queries : LabelledQueries
    routers : dict of str to MetaRouter or AdaptiveMetaRouter
        Unfitted.
    folds : int
        Stratified by which labels a query carries; groups stay together.
    seed : int
    scheme : {"forward", "cross_fit"}
        As of `metarouter.inference.held_out_predictions`: ``"forward"`` predicts each fold from
        the third on by routers of all folds before it, which keeps tests honest; ``"cross_fit"``
        predicts each fold by routers of all others.
    encoders : sequence of transformers, default=()
        What turns queries into vectors, fitted anew for every fold.
    """
    X, encoders = queries.X, list(encoders)
    if encoders and not get_tags(encoders[0]).requires_fit:
        # An encoder that learns nothing gives the same vectors in every fold.
        X, encoders = clone(encoders[0]).fit(X).transform(X), []

    def predict(train: _Rows, test: _Rows) -> dict[tuple[str, str], FloatArray]:
        train_X, test_X = take_rows(X, train), take_rows(X, test)
        for encoder in map(clone, encoders):
            train_X, test_X = encoder.fit_transform(train_X), encoder.transform(test_X)
        rows, found = queries.subset(train).training_rows(), {}
        # training_rows() counts queries within the training folds.
        train_X = take_rows(train_X, rows.query)
        data = TrainingData(train_X, rows.y, rows.is_gold, rows.sample_weight, rows.groups)
        with FitLedger(reuse=True):
            for name, router in routers.items():
                for kind, column in fit_predict(router, data, test_X).items():
                    found[kind, name] = column
        return found

    columns, fold = predict_folds(fold_of_each_query(queries, folds, seed), scheme, predict)
    gains = {name: column for (kind, name), column in columns.items() if kind == "gain"}
    shifts = {name: column for (kind, name), column in columns.items() if kind == "shift"}
    return HeldOutRouters(gains, shifts, fold, scheme)


def fold_of_each_query(queries: LabelledQueries, folds: int, seed: int) -> NDArray[np.intp]:
    """Deal queries into folds, stratified by their labels; groups stay together."""
    groups = None if queries.groups is None else group_codes(queries.groups)
    kind = 2 * queries.has_gold.astype(int) + queries.has_preference
    return stratified_folds(kind, groups, folds, seed)
