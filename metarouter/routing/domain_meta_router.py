"""Several domains in one router: pooled, as a feature, with shrunken shifts, or one router each."""

from __future__ import annotations

from typing import Any, ClassVar, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold
from sklearn.utils.validation import check_is_fitted

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.fitting import predict_mean
from metarouter.routing.meta_router import MetaRouter
from metarouter.utils.parameters import check_parameters, has_methods, one_of, whole
from metarouter.utils.random import seed_of, seeded
from metarouter.utils.validation import TrainingData, validate_features, validate_training

FloatArray = NDArray[np.float64]

__all__ = ["DomainMetaRouter", "domain_folds", "shrunken_means"]

_METHODS = ("pooled", "feature", "shrunken", "separate")


class DomainMetaRouter(RegressorMixin, BaseEstimator):
    """Let gold labels say how far domains differ, and model them accordingly (Meta-Router, A.1).

    Parameters
    ----------
    model : estimator, optional
        Learns the gain from both sources: a `MetaRouter`, the default, or an `AdaptiveMetaRouter`.
    domain : int or str, default=-1
        Column of X, or its name in a frame, that holds the number of each query's domain.
    method : {"auto", "pooled", "feature", "shrunken", "separate"}, default="auto"
        - ``"pooled"``: the domain is left out;
        - ``"feature"``: a column of 0 and 1 per domain beside the other features;
        - ``"shrunken"``: the pooled gain, shifted in each domain by the mean gold residual there,
          shrunk by how much domains differ (empirical Bayes);
        - ``"separate"``: a model per domain with at least `min_gold` gold labels;
        - ``"auto"``: of these the one with the least cross-validated squared error of gold labels,
          if it is below that of "pooled" by more than one standard error of the paired difference.
    min_gold : int, default=50
        Gold labels that a domain needs for a model of its own.
    cv : int, default=5
        Folds; rows with one value of `groups` share a fold.
    random_state : int, RandomState or None

    Attributes
    ----------
    method_ : str
        What was chosen.
    domains_ : ndarray of shape (n_domains,)
    errors_ : dict of str to float
        Cross-validated mean squared error of gold labels; only what was tried.
    offsets_ : ndarray of shape (n_domains,)
        What "shrunken" adds in each domain, in units of gold labels; 0 otherwise.
    model_ : estimator
        Of all domains.
    models_ : dict of float to estimator
        Of single domains; empty unless ``method_`` is "separate".

    Notes
    -----
    A query of a domain that was never seen gets the pooled prediction. A domain's mean residual m_d
    has sampling variance v_d; the variance t of true means is found by the method of moments
    (DerSimonian & Laird 1986), and the shift is ``t / (t + v_d) m_d``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import Ridge
    >>> rng = np.random.default_rng(0)
    >>> X = np.column_stack([rng.normal(size=400), rng.integers(0, 2, 400)])
    >>> y = X[:, 0] + 2 * X[:, 1] + 0.1 * rng.normal(size=400)
    >>> router = DomainMetaRouter(MetaRouter(regressor=Ridge()), random_state=0).fit(X, y)
    >>> router.method_
    'feature'
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "model": [has_methods("fit", "predict"), None],
        "domain": [int, str],
        "method": [one_of("auto", *_METHODS)],
        "min_gold": [whole(2)],
        "cv": [whole(2)],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        model: Any = None,
        domain: int | str = -1,
        method: str = "auto",
        min_gold: int = 50,
        cv: int = 5,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.model = model
        self.domain = domain
        self.method = method
        self.min_gold = min_gold
        self.cv = cv
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> DomainMetaRouter:
        """Learn the gain, and how far domains differ.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Features, one column of which is the number of the domain.
        y, is_gold, sample_weight, groups
            As for `MetaRouter.fit`.

        Raises
        ------
        DataError
            If the data are malformed, or there are fewer gold labels than folds.
        MetaRouterError
            If a parameter is out of its range.
        """
        check_parameters(self)
        data = validate_training(self, X, y, is_gold, sample_weight, groups)
        column = self._column(data.X.shape[1])
        seed = seed_of(self.random_state)
        table = _Table(data, np.delete(data.X, column, axis=1), data.X[:, column])
        self._given = is_gold is not None
        self.domains_ = np.unique(table.domain)
        tried = _METHODS if self.method == "auto" else (self.method,)
        self.errors_, residual = self._cross_validate(table, tried, seed)
        self.method_ = self.method if self.method != "auto" else self._chosen(table, residual)
        self.offsets_ = np.zeros(len(self.domains_))
        if self.method_ == "shrunken":
            self.offsets_ = self._offsets(table, residual["pooled"])
        self._fit_models(table, self.method_, seed)
        return self

    def predict(self, X: Any) -> FloatArray:
        """Return the expected gold gain, shape (n,)."""
        check_is_fitted(self, "method_")
        X = np.asarray(validate_features(self, X), dtype=np.float64)
        column = self._column(X.shape[1])
        features, domain = np.delete(X, column, axis=1), X[:, column]
        return self._predict(features, domain, self.method_, self.offsets_)

    # Inside ----------------------------------------------------------------------------------

    def _column(self, n_columns: int) -> int:
        if isinstance(self.domain, str):
            names = list(getattr(self, "feature_names_in_", ()))
            if self.domain not in names:
                raise DataError(
                    f"X has no column {self.domain!r}; give a frame with it, or the position of "
                    "the column of domains."
                )
            return names.index(self.domain)
        if n_columns < 2 or not -n_columns <= self.domain < n_columns:
            raise MetaRouterError(
                f"domain={self.domain} is no column beside features: X has {n_columns} columns."
            )
        return self.domain % n_columns

    def _cross_validate(
        self, table: _Table, tried: tuple[str, ...], seed: int
    ) -> tuple[dict[str, float], dict[str, FloatArray]]:
        """Gold residuals of every method out of fold, NaN for preference labels."""
        needed = {"pooled" if name == "shrunken" else name for name in tried}
        if self.method not in ("auto", "shrunken"):
            return {}, {}
        gold = table.data.is_gold
        if gold.sum() < 2 * self.cv:
            raise DataError(
                f"{int(gold.sum())} gold labels are too few to compare domains in cv={self.cv} "
                "folds; give more, or method='pooled'."
            )
        residual = {name: np.full(len(gold), np.nan) for name in needed}
        place = np.searchsorted(self.domains_, table.domain)
        fold = domain_folds(place, gold, table.data.groups, self.cv, seed)
        for number in range(self.cv):
            held = fold == number
            trial = clone(self)
            trial._given, trial.domains_ = self._given, self.domains_
            for name in needed:
                trial._fit_models(table.take(~held), name, seed)
                gain = trial._predict(
                    table.features[held], table.domain[held], name, np.zeros(len(self.domains_))
                )
                residual[name][held] = np.where(gold[held], table.data.y[held] - gain, np.nan)
        if "shrunken" in tried:
            shifted = residual["pooled"].copy()
            for number in range(self.cv):
                held = fold == number
                known = np.where(held, np.nan, residual["pooled"])
                place = np.searchsorted(self.domains_, table.domain[held])
                shifted[held] -= self._offsets(table, known)[place]
            residual["shrunken"] = shifted
        errors = {
            name: float(np.average(residual[name][gold] ** 2, weights=table.weight[gold]))
            for name in _METHODS
            if name in tried
        }
        return errors, residual

    def _chosen(self, table: _Table, residual: dict[str, FloatArray]) -> str:
        """Return the least error, unless it is within one standard error of "pooled"."""
        best = min(self.errors_, key=self.errors_.__getitem__)
        gold = table.data.is_gold
        lead = (table.weight * (residual["pooled"] ** 2 - residual[best] ** 2))[gold]
        mean = lead.mean()
        summed = np.bincount(table.unit[gold], weights=lead - mean)
        error = np.sqrt(np.sum(summed**2)) / len(lead)
        return best if mean > error else "pooled"

    def _offsets(self, table: _Table, residual: FloatArray) -> FloatArray:
        known = np.isfinite(residual)
        place = np.searchsorted(self.domains_, table.domain[known])
        return shrunken_means(
            residual[known], place, len(self.domains_), table.weight[known], table.unit[known]
        )

    def _fit_models(self, table: _Table, method: str, seed: int) -> None:
        base = MetaRouter() if self.model is None else self.model
        features = table.features
        if method == "feature":
            features = self._with_domain(features, table.domain)
        self.model_ = self._fit_one(base, features, table.data, seed)
        self.models_ = {}
        for name in self.domains_ if method == "separate" else ():
            inside = table.domain == name
            rows = table.data.take(inside)
            n_judged = int((~rows.is_gold).sum())
            if rows.is_gold.sum() >= self.min_gold and (n_judged or not self._given):
                self.models_[float(name)] = self._fit_one(base, features[inside], rows, seed)

    def _fit_one(self, base: Any, features: FloatArray, data: TrainingData, seed: int) -> Any:
        extra = {} if data.sample_weight is None else {"sample_weight": data.sample_weight}
        if data.groups is not None:
            extra["groups"] = data.groups
        source = data.is_gold if self._given else None
        return seeded(clone(base), seed).fit(features, data.y, is_gold=source, **extra)

    def _with_domain(self, features: FloatArray, domain: FloatArray) -> FloatArray:
        return np.column_stack([features, (domain[:, None] == self.domains_).astype(float)])

    def _predict(
        self, features: FloatArray, domain: FloatArray, method: str, offsets: FloatArray
    ) -> FloatArray:
        if method == "feature":
            features = self._with_domain(features, domain)
        gain = np.array(predict_mean(self.model_, features), dtype=np.float64)
        for name, model in self.models_.items():
            inside = domain == name
            if inside.any():
                gain[inside] = predict_mean(model, features[inside])
        for name, offset in zip(self.domains_, offsets, strict=True):
            gain[domain == name] += offset
        return gain


class _Table(NamedTuple):
    """Labels, the other features, and the column of domains."""

    data: TrainingData
    features: FloatArray
    domain: FloatArray

    def take(self, rows: NDArray[np.bool_]) -> _Table:
        return _Table(self.data.take(rows), self.features[rows], self.domain[rows])

    @property
    def weight(self) -> FloatArray:
        given = self.data.sample_weight
        return np.ones(len(self.domain)) if given is None else np.asarray(given, dtype=np.float64)

    @property
    def unit(self) -> NDArray[np.intp]:
        """Number of the group of every row."""
        given = self.data.groups
        if given is None:
            return np.arange(len(self.domain))
        return np.asarray(np.unique(given, return_inverse=True)[1], dtype=np.intp)


def domain_folds(
    domain: NDArray[np.intp],
    is_gold: NDArray[np.bool_],
    groups: NDArray[Any] | None,
    cv: int,
    seed: int,
) -> NDArray[np.intp]:
    """Return the fold of every row; each holds its share of every domain's gold labels."""
    n = len(domain) if groups is None else len(np.unique(groups))
    if n < cv:
        what = "rows" if groups is None else "values of groups"
        raise DataError(f"There are {n} {what} for cv={cv} folds; give more, or lower cv.")
    strata = 2 * domain + is_gold
    counts = np.bincount(strata)
    strata = np.where(counts[strata] < cv, is_gold, strata + 2)
    fold = np.empty(len(strata), dtype=np.intp)
    kind = StratifiedKFold if groups is None else StratifiedGroupKFold
    splits = kind(cv, shuffle=True, random_state=seed).split(strata, strata, groups)
    for number, (_, held) in enumerate(splits):
        fold[held] = number
    return fold


def shrunken_means(
    values: FloatArray,
    place: NDArray[np.intp],
    n_places: int,
    weight: FloatArray,
    unit: NDArray[np.intp],
) -> FloatArray:
    """Means of values by place, shrunk towards 0 by how much the places differ; 0 without values.

    Parameters
    ----------
    values : ndarray of shape (n,)
    place : ndarray of int of shape (n,)
    n_places : int
    weight : ndarray of shape (n,)
    unit : ndarray of int of shape (n,)
        Values of one unit depend on each other.

    Examples
    --------
    >>> values = np.array([1.0, 1.2, 0.8, 1.0, -1.0, -1.1, -0.9, -1.0])
    >>> shrunken_means(values, np.repeat([0, 1], 4), 2, np.ones(8), np.arange(8)).round(2)
    array([ 1., -1.])
    >>> alike = shrunken_means(values, np.tile([0, 1], 4), 2, np.ones(8), np.arange(8))
    >>> float(np.abs(alike).max()) < 0.01
    True
    """
    total = np.bincount(place, weights=weight, minlength=n_places)
    there = total > 0
    summed_values = np.bincount(place, weights=weight * values, minlength=n_places)
    mean: FloatArray = np.divide(summed_values, total, out=np.zeros(n_places), where=there)
    # One variance for all: a domain of four labels cannot tell its own.
    centred = weight * (values - mean[place])
    _, pair = np.unique(np.column_stack([place, unit]), axis=0, return_inverse=True)
    summed = np.bincount(pair.ravel(), weights=centred)
    free = max(len(summed) - int(there.sum()), 1)
    noise = float(np.sum(summed**2) / free) * len(summed) / float(np.sum(weight) ** 2)
    sampling = np.full(n_places, np.inf)
    sampling[there] = noise * float(np.sum(weight)) / total[there]
    if not noise > 0:
        return mean
    precision = np.where(there, 1 / sampling, 0.0)
    excess = float(np.sum(precision * mean**2)) - int(there.sum())
    between = max(excess / float(precision.sum()), 0.0)
    return np.where(there, between / (between + np.where(there, sampling, 1.0)) * mean, 0.0)
