"""Every base-learner fit of the package passes through here, where it can be counted and shared.

Meta-learners are as fast as the base learners they fit: what costs time is how often they are
fitted, and on how many rows. A :class:`FitLedger` opened around any code of the package counts
fits, rows and seconds, and hands out a fit that was already made instead of repeating it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextvars import ContextVar, Token
from typing import Any, Protocol

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn import config_context
from sklearn.base import BaseEstimator, clone
from sklearn.ensemble._forest import ForestClassifier, ForestRegressor
from sklearn.model_selection._search import BaseSearchCV
from sklearn.pipeline import Pipeline
from sklearn.utils.parallel import Parallel, delayed
from sklearn.utils.validation import has_fit_parameter

from metarouter._out_of_bag import mean_out_of_bag
from metarouter.exceptions import DataError, MetaRouterError

FloatArray = NDArray[np.float64]


class Predictor(Protocol):
    """What a fitted base learner must offer."""

    def predict(self, X: Any) -> Any:
        """Predict one number per row."""


class FitLedger:
    """Count, time and, if asked, share the base-learner fits made inside a ``with`` block.

    Parameters
    ----------
    reuse : bool, default=False
        Keep every fitted base learner and return it when the same estimator (type and
        parameters, seed included) is asked to fit the same rows, labels and weights again. The
        pooled router and the marginal outcome of an R-learner, for example, are one and the same
        regression. Memory grows with the number of distinct fits until the block ends.

    Attributes
    ----------
    fits : int
        Base-learner fits really made.
    reused : int
        Fits that were asked for and already there.
    rows : int
        Rows summed over the fits made.
    seconds : float
        Wall seconds inside the base learners: their ``fit``, ``predict`` and out-of-bag
        prediction.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> with FitLedger(reuse=True) as ledger:
    ...     first = fit_model(LinearRegression(), [[0.0], [1.0]], [0.0, 2.0])
    ...     second = fit_model(LinearRegression(), [[0.0], [1.0]], [0.0, 2.0])
    >>> first is second, ledger.fits, ledger.reused
    (True, 1, 1)
    """

    def __init__(self, reuse: bool = False) -> None:
        self.reuse = reuse
        self.fits = 0
        self.reused = 0
        self.rows = 0
        self.seconds = 0.0
        self._known: dict[str, Any] = {}
        self._running = False
        self._token: Token[FitLedger | None] | None = None

    def __enter__(self) -> FitLedger:
        self._token = _ACTIVE.set(self)
        return self

    def __exit__(self, *error: object) -> None:
        if self._token is not None:
            _ACTIVE.reset(self._token)
        self._known.clear()

    def __repr__(self) -> str:
        return (
            f"FitLedger(fits={self.fits}, reused={self.reused}, rows={self.rows}, "
            f"seconds={self.seconds:.2f})"
        )

    def merge(self, other: FitLedger) -> None:
        """Add the counts of a ledger that was kept elsewhere, for example in a worker."""
        self.fits += other.fits
        self.reused += other.reused
        self.rows += other.rows
        self.seconds += other.seconds

    def _timed(self, work: Any, *arguments: Any) -> Any:
        if self._running:  # inside a base learner that is made of base learners of ours
            return work(*arguments)
        self._running, start = True, time.perf_counter()
        try:
            return work(*arguments)
        finally:
            self._running = False
            self.seconds += time.perf_counter() - start

    def _fit(self, estimator: Any, X: Any, y: Any, sample_weight: Any) -> Any:
        key = ""
        if self.reuse:
            key = joblib.hash((type(estimator), estimator.get_params(), X, y, sample_weight))
            if key in self._known:
                self.reused += 1
                return self._known[key]
        model = self._timed(_fit_clone, estimator, X, y, sample_weight)
        self.fits += 1
        self.rows += len(y)
        if self.reuse:
            self._known[key] = model
        return model


_ACTIVE: ContextVar[FitLedger | None] = ContextVar("active_fit_ledger", default=None)


def fit_model(
    estimator: BaseEstimator, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None
) -> Any:
    """Fit a clone of ``estimator``; the given one is left untouched.

    Parameters
    ----------
    estimator : estimator
        Any scikit-learn regressor or classifier, or a pipeline that ends in one.
    X : array-like of shape (n, d)
    y : array-like of shape (n,)
    sample_weight : array-like of shape (n,), optional

    Returns
    -------
    estimator
        The fitted clone. With an active ``FitLedger(reuse=True)`` it may be shared: use it to
        predict, never to fit again.

    Raises
    ------
    MetaRouterError
        If weights are needed and the estimator takes none.
    DataError
        If there are weights and all of them are 0.
    """
    ledger = _ACTIVE.get()
    if ledger is None:
        return _fit_clone(estimator, X, y, sample_weight)
    return ledger._fit(estimator, X, y, sample_weight)


def predict_mean(model: Predictor, X: Any) -> FloatArray:
    """Predict with a fitted regressor: floats of shape (n,).

    Raises
    ------
    MetaRouterError
        If the regressor predicts several numbers per row.
    """
    return _predict_timed(_mean, model, X)


def predict_probability(model: Any, X: Any) -> FloatArray:
    """Predict P(gold | X) with a fitted binary classifier: floats of shape (n,)."""
    return _predict_timed(_probability, model, X)


def out_of_bag_mean(forest: Any, X: Any) -> FloatArray:
    """Mean over the trees that did not see a row: floats of shape (n,), for the training rows.

    Parameters
    ----------
    forest : fitted forest with ``bootstrap=True``
    X : array of shape (n, d)
        The very rows, in order, that the forest was fitted on.

    Raises
    ------
    DataError
        If some row is in every tree's bag.
    """
    return _predict_timed(mean_out_of_bag, forest, X, "predict")


def out_of_bag_probability(forest: Any, X: Any) -> FloatArray:
    """Out-of-bag P(gold | X) of a classification forest: floats of shape (n,)."""
    return _predict_timed(mean_out_of_bag, forest, X, "predict_proba")


def is_bagged_forest(estimator: Any) -> bool:
    """Say whether an estimator can give out-of-bag predictions."""
    is_forest = isinstance(estimator, ForestRegressor | ForestClassifier)
    return is_forest and bool(estimator.bootstrap)


def run_jobs(jobs: Sequence[Callable[[], Any]], n_jobs: int | None) -> list[Any]:
    """Run independent jobs in one joblib pool and return their results in order.

    Fits made in the pool's workers are counted by the ledger that is active here.

    Parameters
    ----------
    jobs : sequence of callables without arguments
    n_jobs : int or None
        As in joblib; threads unless ``joblib.parallel_config`` says otherwise, since forests,
        boosting and linear algebra release the interpreter lock.
    """
    if joblib.effective_n_jobs(n_jobs) == 1:
        return [job() for job in jobs]
    # scikit-learn's Parallel, since its settings (set_config) are otherwise unknown to workers.
    pool = Parallel(n_jobs=n_jobs, prefer="threads")
    results, ledgers = zip(*pool(delayed(_with_ledger)(job) for job in jobs), strict=True)
    if (ledger := _ACTIVE.get()) is not None:
        for part in ledgers:
            ledger.merge(part)
    return list(results)


def weight_parameter(estimator: Any) -> str | None:
    """Return the name under which ``fit`` takes sample weights, or None if it takes none.

    A pipeline hands them to its last step, a search to the estimator that it tunes.
    """
    if isinstance(estimator, Pipeline):
        name, last = estimator.steps[-1]
        inner = weight_parameter(last)
        return None if inner is None else f"{name}__{inner}"
    if isinstance(estimator, BaseSearchCV):
        return weight_parameter(estimator.estimator)
    return "sample_weight" if has_fit_parameter(estimator, "sample_weight") else None


def _with_ledger(job: Callable[[], Any]) -> tuple[Any, FitLedger]:
    with FitLedger() as ledger:
        return job(), ledger


def _fit_clone(estimator: Any, X: Any, y: Any, sample_weight: Any) -> Any:
    model = clone(estimator)
    weights = {}
    if sample_weight is not None:
        parameter = weight_parameter(model)
        if parameter is None:
            raise MetaRouterError(
                f"{type(estimator).__name__} takes no sample_weight, which this fit needs; "
                "choose a base learner whose fit accepts sample_weight."
            )
        if not np.any(sample_weight):
            raise DataError(
                f"sample_weight is zero in all {len(y)} rows that {type(estimator).__name__} is "
                "fitted on; give some of them a positive weight, or leave them out."
            )
        weights[parameter] = sample_weight
    # Metadata was routed to the caller; a pipeline inside would refuse weights by name if it
    # believed that it had to route them on.
    with config_context(enable_metadata_routing=False):
        model.fit(X, y, **weights)
    return model


def _predict_timed(work: Any, model: Any, X: Any, *how: Any) -> FloatArray:
    if not len(X):  # which scikit-learn's predictors refuse
        return np.zeros(0)
    arguments, ledger = (model, X, *how), _ACTIVE.get()
    # Threads add up the trees of a forest in the order in which they finish, and a last bit that
    # differs can grow into another split of the next forest.
    with joblib.parallel_config(backend="sequential"):
        return work(*arguments) if ledger is None else ledger._timed(work, *arguments)


def _mean(model: Predictor, X: Any) -> FloatArray:
    mean = np.asarray(model.predict(X), dtype=np.float64)
    mean = mean[:, 0] if mean.ndim == 2 and mean.shape[1] == 1 else mean
    if mean.ndim != 1:
        raise MetaRouterError(
            f"{type(model).__name__} predicts numbers of shape {mean.shape[1:]} per row; fit it on "
            "one column of labels."
        )
    return mean


def _probability(model: Any, X: Any) -> FloatArray:
    classes = list(model.classes_)
    if True not in classes:
        return np.zeros(len(X))
    return np.asarray(model.predict_proba(X)[:, classes.index(True)], dtype=np.float64)
