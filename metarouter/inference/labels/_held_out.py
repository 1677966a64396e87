"""Predictions for rows that their model has not seen, in an order that keeps tests honest.

Of labels by one model (`held_out_predictions`), and of queries by several routers
(`held_out_routers`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.utils import get_tags

from metarouter.datasets import LabelledQueries
from metarouter.datasets._labelled_queries import take_rows
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.fitting import FitLedger
from metarouter.inference._limits import scarce
from metarouter.inference._result import Result
from metarouter.inference.intervals import FloatArray
from metarouter.inference.labels._labels import Effect, LabelTable, Scaling, scaled_labels
from metarouter.routing import MetaRouter
from metarouter.shift import ShiftLearner
from metarouter.utils.arguments import validated
from metarouter.utils.groups import count_groups, group_codes
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.random import seed_of, seeded
from metarouter.utils.style import BAR, OUTLINE, reference_line
from metarouter.utils.validation import TrainingData

if TYPE_CHECKING:
    import pandas as pd


Rows = NDArray[np.intp]
Scheme = Literal["forward", "cross_fit"]

FIRST_TRAINING_FOLDS = 2
_FEWEST_GOLD = 20


@dataclass(frozen=True)
class HeldOutPredictions(Result):
    """Predictions of Delta and psi, one per label, from models that have not seen the label.

    Parameters
    ----------
    shift, gain : ndarray of shape (n_rows,)
        Delta-hat and psi-hat in units of the preference labels; NaN in rows that only trained, or
        where the model predicts no such thing.
    fold : ndarray of int of shape (n_rows,)
        Rows of one number were predicted by one model; -1 where nothing was predicted.
    scheme : {"forward", "cross_fit", "given"}
    """

    shift: FloatArray
    gain: FloatArray
    fold: Rows
    scheme: str

    _TITLE = "Held-out predictions"
    _COLUMNS = "shift, gain, fold"
    _IS_CURVE = True
    _NOTES = ("In units of the preference labels.",)

    def _facts(self) -> dict[str, str]:
        taken = self.fold[self.fold >= 0]
        labels, folds = f"{taken.size} of {self.fold.size}", str(np.unique(taken).size)
        return {"scheme": self.scheme, "labels": labels, "folds": folds}

    def of(self, effect: str) -> FloatArray:
        """Return the predictions of "shift" or "gain"."""
        return self.shift if effect == "shift" else self.gain

    def to_frame(self) -> pd.DataFrame:
        """Return one row per label that was held out."""
        return super().to_frame()[self.fold >= 0]

    def plot(self, ax: Any = None) -> Any:
        """Draw the histogram of the predicted shifts, or of the gains where there are none."""
        effect = "shift" if np.isfinite(self.shift).any() else "gain"
        values = self.of(effect)
        ax = new_axes(ax)
        ax.hist(values[np.isfinite(values)], color=BAR, edgecolor=OUTLINE, linewidth=0.4, bins=30)
        ax.axvline(0.0, **reference_line())
        scale = f"predicted {effect} of labels that the model has not seen"
        return label_axes(ax, scale, "labels")


def predict_folds(
    fold: Rows, scheme: Scheme, predict: Callable[[Rows, Rows], Mapping[Any, FloatArray]]
) -> tuple[dict[Any, FloatArray], Rows]:
    """Predict folds, numbered from 0, by models of others, as `held_out_predictions` says.

    `predict` goes from the rows that train, and those that are predicted, to columns of predictions
    by name. Where nothing was predicted the columns (n,) are NaN, and the fold that is returned -1.
    """
    first = FIRST_TRAINING_FOLDS if scheme == "forward" else 0
    columns: dict[Any, FloatArray] = {}
    for number in np.unique(fold[fold >= first]):
        train = np.flatnonzero(fold < number if scheme == "forward" else fold != number)
        test = np.flatnonzero(fold == number)
        for name, values in predict(train, test).items():
            columns.setdefault(name, np.full(fold.size, np.nan))[test] = values
    return columns, np.where(fold < first, -1, fold)


def fit_predict(recipe: Any, data: TrainingData, X: Any) -> dict[str, FloatArray]:
    """Fit a copy of a router or learner; predict "shift" and "gain" of queries X where it can."""
    train_X, y, is_gold, weight, groups = data
    fitted = clone(recipe).fit(train_X, y, is_gold=is_gold, sample_weight=weight, groups=groups)
    if isinstance(fitted, ShiftLearner):
        return {"shift": fitted.predict(X)}
    found = {"gain": fitted.predict(X)}
    if hasattr(fitted, "shift_"):
        found["shift"] = fitted.shift_.predict(X)
    return found


def ranks_within_folds(values: FloatArray, fold: Rows) -> FloatArray:
    """Return the place of every row within its fold, between 0 and 1; NaN where the fold is -1.

    Each fold has a model of its own, and the level of a model is the mean of the labels that it has
    seen: it is high where those that it has not seen are low. Sorting rows of several folds by
    predictions as they are would make every model look worse than it is. Within a fold only the
    differences between rows sort.
    """
    ranks = np.full(fold.size, np.nan)
    for number in np.unique(fold[fold >= 0]):
        rows = fold == number
        ranks[rows] = (rankdata(values[rows]) - 0.5) / rows.sum()
    return ranks


def stratified_folds(kind: NDArray[Any], groups: Any, n_folds: int, seed: int) -> Rows:
    """Give every row, of shape (n,), its fold: folds are alike in kind, groups kept together."""
    splitter: Any = StratifiedKFold if groups is None else StratifiedGroupKFold
    fold = np.empty(len(kind), dtype=np.intp)
    split = splitter(n_folds, shuffle=True, random_state=seed).split(kind, kind, groups)
    for number, (_, test) in enumerate(split):
        fold[test] = number
    return fold


@validated(random_state=["random_state"])
def held_out_predictions(
    data: Any,
    model: MetaRouter | ShiftLearner | None = None,
    *,
    scheme: Scheme = "forward",
    n_folds: int = 5,
    scaling: Scaling = "variance",
    random_state: Any = None,
) -> HeldOutPredictions:
    """Fit copies of a model on some folds and predict others.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    model : MetaRouter or ShiftLearner, optional
        A recipe; a fitted one is fitted anew. `MetaRouter()` by default.
    scheme : {"forward", "cross_fit"}, default="forward"
        - ``"forward"``: each fold from the third on is predicted by a model of all folds before
          it. What a fold says about its predictions is then unpredictable from what the earlier
          folds said, so that errors add up as if they were independent.
        - ``"cross_fit"``: each fold is predicted by a model of all others. Good for using the
          predictions, but tests of them reject too often: with five folds of a null effect 7 to
          11 times in 100 instead of 5 in our study.
    n_folds : int, default=5
        Stratified by source; groups are kept together.
    scaling : {"variance", "max", "wasserstein"}, float, GainScaler or None, default="variance"
        One factor for all folds.
    random_state : int, RandomState or None

    Raises
    ------
    DataError
        If the training folds hold too few labels for the model.
    MetaRouterError
        If a choice is unknown.

    References
    ----------
    Wager (2024), Sequential validation of treatment heterogeneity.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from metarouter import DRLearner
    >>> from metarouter.datasets import make_judged_queries
    >>> data = make_judged_queries(400, gold_share=0.5, random_state=0)
    >>> line = LinearRegression()
    >>> learner = DRLearner(line, "constant", line)
    >>> held_out = held_out_predictions(data, learner, random_state=0)
    >>> sorted(set(held_out.fold.tolist())), int((held_out.fold < 0).sum())
    ([-1, 2, 3, 4], 160)
    """
    least = FIRST_TRAINING_FOLDS + 1 if scheme == "forward" else 2
    if n_folds < least:
        raise MetaRouterError(
            f"n_folds={n_folds} is too few for {scheme!r}; choose {least} or more."
        )
    rows, seed = scaled_labels(data, scaling).training_data(), seed_of(random_state)
    recipe = seeded(MetaRouter() if model is None else model, seed)
    if isinstance(recipe, MetaRouter):
        recipe = clone(recipe).set_params(scaling=None)  # labels are on one scale already
    scarcest = int(min(rows.is_gold.sum(), (~rows.is_gold).sum()))
    if scarcest < n_folds:
        raise DataError(
            f"{n_folds} folds need as many labels of either source, but one has {scarcest}; add "
            "labels."
        )
    n_groups = n_folds if rows.groups is None else len(np.unique(rows.groups))
    if n_groups < n_folds:
        raise DataError(
            f"{n_folds} folds need as many groups, but there are {n_groups}; choose fewer folds, "
            "or add groups."
        )

    fold = stratified_folds(rows.is_gold, rows.groups, n_folds, seed)
    found, predicted = predict_folds(
        fold, scheme, lambda train, test: fit_predict(recipe, rows.take(train), rows.X[test])
    )
    nothing = np.full(fold.size, np.nan)
    return HeldOutPredictions(
        found.get("shift", nothing), found.get("gain", nothing), predicted, scheme
    )


def as_held_out(table: LabelTable, predictions: Any, effect: Effect) -> HeldOutPredictions:
    """Take held-out predictions, a recipe to make them, or an array from an independent sample.

    Raises
    ------
    DataError
        If there is not one finite prediction per label.
    MetaRouterError
        If the model predicts no such effect.
    """
    n = len(table.rows.y)
    if predictions is None or isinstance(predictions, MetaRouter | ShiftLearner):
        # The labels are scaled already: the factor is handed on as it is.
        predictions = held_out_predictions(
            table.rows, predictions, scaling=table.labels.factor, random_state=table.random_state
        )
    elif not isinstance(predictions, HeldOutPredictions):
        column = table.per_label("predictions", np.asarray(predictions, dtype=np.float64))
        given = {"shift": np.full(n, np.nan), "gain": np.full(n, np.nan), effect: column}
        predictions = HeldOutPredictions(fold=np.zeros(n, dtype=np.intp), scheme="given", **given)
    if len(predictions.fold) != n:
        raise DataError(
            f"there are {len(predictions.fold)} predictions but {n} labels; predict the rows of "
            "training_rows()."
        )
    held_out = predictions.of(effect)[predictions.fold >= 0]
    if not np.isfinite(held_out).all():
        raise MetaRouterError(
            f"these predictions hold no {effect} for {int((~np.isfinite(held_out)).sum())} of "
            f"{held_out.size} labels; give a model that predicts it."
        )
    return predictions


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
    fold: Rows
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
        As of `held_out_predictions`.
    encoders : sequence of transformers, default=()
        What turns queries into vectors, fitted anew for every fold.
    """
    X, encoders = queries.X, list(encoders)
    if encoders and not get_tags(encoders[0]).requires_fit:
        # An encoder that learns nothing gives the same vectors in every fold.
        X, encoders = clone(encoders[0]).fit(X).transform(X), []

    def predict(train: Rows, test: Rows) -> dict[tuple[str, str], FloatArray]:
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


def fold_of_each_query(queries: LabelledQueries, folds: int, seed: int) -> Rows:
    """Deal queries into folds, stratified by their labels; groups stay together."""
    groups = None if queries.groups is None else group_codes(queries.groups)
    kind = 2 * queries.has_gold.astype(int) + queries.has_preference
    return stratified_folds(kind, groups, folds, seed)
