"""Predictions for rows that their model has not seen, in an order that keeps tests honest."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

from metarouter.datasets import LabelledQueries
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference.intervals import FloatArray
from metarouter.inference.labels._labels import ScaledLabels, Scaling, row_count, scaled_labels
from metarouter.routing import MetaRouter
from metarouter.shift import ShiftLearner
from metarouter.utils.plotting import new_axes
from metarouter.utils.random import seed_of, seeded
from metarouter.utils.style import BAR, OUTLINE, reference_line
from metarouter.utils.tables import Printed, thinned
from metarouter.utils.validation import TrainingData

if TYPE_CHECKING:
    import pandas as pd


Scheme = Literal["forward", "cross_fit"]

FIRST_TRAINING_FOLDS = 2


@dataclass(frozen=True)
class HeldOutPredictions(Printed):
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
    fold: NDArray[np.intp]
    scheme: str

    def of(self, effect: str) -> FloatArray:
        """Return the predictions of "shift" or "gain"."""
        return self.shift if effect == "shift" else self.gain

    def to_frame(self) -> pd.DataFrame:
        """Return one row per label that was held out."""
        import pandas as pd

        frame = pd.DataFrame({"shift": self.shift, "gain": self.gain, "fold": self.fold})
        return frame[self.fold >= 0]

    def plot(self, ax: Any = None) -> Any:
        """Draw the histogram of the predicted shifts, or of the gains where there are none.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        effect = "shift" if np.isfinite(self.shift).any() else "gain"
        values = self.of(effect)
        ax = new_axes(ax)
        ax.hist(values[np.isfinite(values)], color=BAR, edgecolor=OUTLINE, linewidth=0.4, bins=30)
        ax.axvline(0.0, **reference_line())
        ax.set_xlabel(f"predicted {effect} of labels that the model has not seen")
        ax.set_ylabel("labels")
        return ax

    def _title(self) -> str:
        return "Held-out predictions"

    def _facts(self) -> dict[str, str]:
        taken = self.fold[self.fold >= 0]
        return {
            "scheme": self.scheme,
            "labels": f"{taken.size} of {self.fold.size}",
            "folds": f"{np.unique(taken).size}",
        }

    def _notes(self) -> tuple[str, ...]:
        return ("In units of the preference labels.",)

    def _written(self, decimals: int = 4) -> pd.DataFrame:
        return thinned(super()._written(decimals))


def held_out_folds(
    fold: NDArray[np.intp], n_folds: int, scheme: Scheme
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield the rows that train and those that they predict, as `held_out_predictions` says.

    Parameters
    ----------
    fold : ndarray of int of shape (n,)
        From 0 to `n_folds` - 1.
    """
    first = FIRST_TRAINING_FOLDS if scheme == "forward" else 0
    for number in range(first, n_folds):
        train = fold < number if scheme == "forward" else fold != number
        yield np.flatnonzero(train), np.flatnonzero(fold == number)


def stratified_folds(kind: NDArray[Any], groups: Any, n_folds: int, seed: int) -> NDArray[np.intp]:
    """Give every row the number of its fold: folds are alike in kind, groups kept together.

    Parameters
    ----------
    kind : ndarray of shape (n,)
        What the folds are stratified by.
    groups : ndarray of shape (n,) or None
    """
    splitter: Any = StratifiedKFold if groups is None else StratifiedGroupKFold
    fold = np.empty(len(kind), dtype=np.intp)
    split = splitter(n_folds, shuffle=True, random_state=seed).split(kind, kind, groups)
    for number, (_, test) in enumerate(split):
        fold[test] = number
    return fold


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

    Returns
    -------
    HeldOutPredictions

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
    if scheme not in ("forward", "cross_fit"):
        raise MetaRouterError(f"scheme={scheme!r} is unknown; choose 'forward' or 'cross_fit'.")
    least = FIRST_TRAINING_FOLDS + 1 if scheme == "forward" else 2
    if n_folds < least:
        raise MetaRouterError(
            f"n_folds={n_folds} is too few for {scheme!r}; choose {least} or more."
        )
    recipe = MetaRouter() if model is None else model
    if not isinstance(recipe, MetaRouter | ShiftLearner):
        raise MetaRouterError(
            f"model is a {type(recipe).__name__}; give a MetaRouter or a learner of the shift, or "
            "your own predictions as an array."
        )
    labels = scaled_labels(data, scaling)
    rows, seed = labels.training_data(), seed_of(random_state)
    recipe = seeded(recipe, seed)
    if isinstance(recipe, MetaRouter):
        recipe = clone(recipe).set_params(scaling=None)  # labels are on one scale already
    fold = _fold_numbers(rows, n_folds, seed)
    shift, gain = np.full(len(rows.y), np.nan), np.full(len(rows.y), np.nan)
    for train, test in held_out_folds(fold, n_folds, scheme):
        fitted = _fit(recipe, rows.take(train))
        learner = fitted if isinstance(fitted, ShiftLearner) else getattr(fitted, "shift_", None)
        if learner is not None:
            shift[test] = learner.predict(rows.X[test])
        if isinstance(fitted, MetaRouter):
            gain[test] = fitted.predict(rows.X[test])
    first = FIRST_TRAINING_FOLDS if scheme == "forward" else 0
    return HeldOutPredictions(shift, gain, np.where(fold < first, -1, fold), scheme)


def as_held_out(
    predictions: Any, data: Any, labels: ScaledLabels, effect: str, random_state: Any
) -> HeldOutPredictions:
    """Take held-out predictions, a recipe to make them, or an array from an independent sample.

    Raises
    ------
    DataError
        If there is not one finite prediction per label.
    MetaRouterError
        If the model predicts no such effect.
    """
    if predictions is None or isinstance(predictions, MetaRouter | ShiftLearner):
        # The labels are scaled already: the factor is handed on as it is.
        predictions = held_out_predictions(
            labels.rows, predictions, scaling=labels.factor, random_state=random_state
        )
    if not isinstance(predictions, HeldOutPredictions):
        predictions = _given(predictions, data, labels, effect)
    if len(predictions.fold) != len(labels.y):
        raise DataError(
            f"there are {len(predictions.fold)} predictions but {len(labels.y)} labels; predict "
            "the rows of training_rows()."
        )
    taken = predictions.fold >= 0
    if not np.isfinite(predictions.of(effect)[taken]).all():
        raise MetaRouterError(
            f"these predictions hold no {effect} for "
            f"{int((~np.isfinite(predictions.of(effect)[taken])).sum())} of {int(taken.sum())} "
            "labels; give a model that predicts it."
        )
    return predictions


def _given(values: ArrayLike, data: Any, labels: ScaledLabels, effect: str) -> HeldOutPredictions:
    column = np.asarray(values, dtype=np.float64)
    n, unit = row_count(data)
    if column.shape != (n,):
        raise DataError(
            f"predictions have shape {column.shape}, but there are {n} {unit}; give one number per "
            f"{unit[:-1] if unit == 'labels' else 'query'}."
        )
    if isinstance(data, LabelledQueries):
        column = column[labels.rows.query]
    n_rows = len(labels.y)
    empty = np.full(n_rows, np.nan)
    shift, gain = (column, empty) if effect == "shift" else (empty, column)
    return HeldOutPredictions(shift, gain, np.zeros(n_rows, dtype=np.intp), "given")


def _fold_numbers(rows: TrainingData, n_folds: int, seed: int) -> NDArray[np.intp]:
    scarcest = int(min(rows.is_gold.sum(), (~rows.is_gold).sum()))
    if scarcest < n_folds:
        raise DataError(
            f"{n_folds} folds need as many labels of either source, but one has {scarcest}; add "
            "labels."
        )
    return stratified_folds(rows.is_gold, rows.groups, n_folds, seed)


def _fit(recipe: Any, rows: TrainingData) -> Any:
    return clone(recipe).fit(
        rows.X, rows.y, rows.is_gold, sample_weight=rows.sample_weight, groups=rows.groups
    )
