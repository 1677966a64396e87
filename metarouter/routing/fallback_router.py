"""A router that knows which queries it does not know, and sends them to the primary model."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted, has_fit_parameter

from metarouter.exceptions import DataError
from metarouter.routing.domain_meta_router import domain_folds
from metarouter.routing.threshold_router import ThresholdRouter
from metarouter.utils.parameters import check_parameters, has_methods, number, whole
from metarouter.utils.random import seed_of
from metarouter.utils.validation import (
    TrainingData,
    learn_features,
    validate_features,
    validate_training,
)

FloatArray = NDArray[np.float64]

__all__ = ["FallbackRouter"]


class FallbackRouter(BaseEstimator):
    """Send queries that are unlike the labelled ones to the primary model, and ask for labels.

    How unlike a query is, is its distance to its k-th nearest labelled query (Sun et al. 2022),
    ranked among the distances of labelled queries to each other: a conformal p value, which a query
    like the labelled ones falls below ``level`` with probability ``level``.

    Parameters
    ----------
    router : ThresholdRouter
        Fitted; it decides the other queries, and names the models.
    level : float, default=0.02
        Share of ordinary queries that are sent to the primary model for nothing.
    n_neighbors : int, default=10
        k.
    domain : int, optional
        Column of X that holds the number of each query's domain: it takes no part in distances,
        and a domain that is not admitted goes to the primary whole.
    min_labels : int, default=50
        Labelled queries, or gold-labelled ones where `fit` is given labels, that a domain needs
        to be admitted.
    confidence : float, default=0.95
        Only where `fit` is given labels: a domain is admitted when the lower limit of what
        routing gains there over always calling the primary is above 0.
    cv : int, default=10
        Folds in which the router is fitted anew for that.
    random_state : int, RandomState or None
        Of the folds.

    Attributes
    ----------
    distances_ : ndarray of shape (n,)
        Distances of the labelled queries to each other, in rising order.
    domains_ : ndarray
        Domains that were admitted; only where `domain` is given.
    evidence_ : dict of float to tuple of float
        What routing gains in each domain over always calling the primary, per query and net of
        cost, and the lower limit of that; only where `fit` is given labels.

    Notes
    -----
    A count of labels says how well a domain is known, not that routing pays there. With labels the
    router is fitted anew in folds; on each gold label out of fold it gains ``w cost - y`` where
    it calls the alternative and nothing where it calls the primary. The limit is the one-sided
    one of Student's t for the mean, with rows of one group as one observation.

    References
    ----------
    .. [1] Sun, Ming, Zhu & Li (2022), Out-of-distribution detection with deep nearest neighbors.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> X = np.random.default_rng(0).normal(size=(200, 2))
    >>> inner = ThresholdRouter(LinearRegression()).fit(X, -np.ones(200))
    >>> router = FallbackRouter(inner).fit(X)
    >>> router.predict([[0.0, 0.0], [9.0, 9.0]]).tolist()
    ['alternative', 'primary']
    >>> router.needs_label([[0.0, 0.0], [9.0, 9.0]]).tolist()
    [False, True]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "router": [has_methods("predict", "decision_function")],
        "level": [number(above=0, below=1)],
        "n_neighbors": [whole()],
        "domain": [int, None],
        "min_labels": [whole()],
        "confidence": [number(above=0, below=1)],
        "cv": [whole(2)],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        router: Any,
        level: float = 0.02,
        n_neighbors: int = 10,
        domain: int | None = None,
        min_labels: int = 50,
        confidence: float = 0.95,
        cv: int = 10,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.router = router
        self.level = level
        self.n_neighbors = n_neighbors
        self.domain = domain
        self.min_labels = min_labels
        self.confidence = confidence
        self.cv = cv
        self.random_state = random_state

    def fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        is_gold: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        **cost_inputs: Any,
    ) -> FallbackRouter:
        """Remember the labelled queries and, given their labels, admit domains by evidence.

        Parameters
        ----------
        X : array-like of shape (n, d)
            The queries that the router was fitted on, each once; with `y` its training rows.
        y : array-like of shape (n,), optional
            Labels of the rows. Without them a domain is admitted by its number of queries.
        is_gold, groups : array-like of shape (n,), optional
            As for `ThresholdRouter.fit`. Only gold rows are remembered.
        **cost_inputs
            As for `ThresholdRouter.predict`, one value per row.

        Raises
        ------
        DataError
            If there are no more queries than `n_neighbors`, or the data are malformed.
        MetaRouterError
            If a parameter is out of its range.
        """
        check_parameters(self)
        if not isinstance(self.router, ThresholdRouter):
            raise DataError(
                f"router is a {type(self.router).__name__}; give a fitted ThresholdRouter."
            )
        if y is None and is_gold is not None:
            raise DataError("is_gold is given, but no labels; give y too, or leave is_gold out.")
        new = clone(self)
        new.router = self.router  # a clone would forget what it learned
        if y is None:
            known = np.asarray(learn_features(new, X), dtype=np.float64)
        else:
            data = validate_training(new, X, y, is_gold, None, groups)
            known = data.X[data.is_gold]
        new._check_sizes(known)
        if self.domain is not None:
            names, counts = np.unique(known[:, self.domain], return_counts=True)
            admitted = counts >= self.min_labels
            if y is not None:
                new.evidence_ = new._weigh_evidence(data, is_gold is not None, cost_inputs)
                admitted &= np.array([new.evidence_[float(name)][1] > 0 for name in names])
            new.domains_ = names[admitted]
            known = np.delete(known, self.domain, axis=1)
        new._queries = known
        neighbours = NearestNeighbors(n_neighbors=self.n_neighbors + 1).fit(known)
        # The first neighbour of a training query is itself.
        new.distances_ = np.sort(neighbours.kneighbors(known)[0][:, -1])
        self.__dict__ = {**new.__dict__, **self.get_params(deep=False)}
        return self

    def _check_sizes(self, known: FloatArray) -> None:
        if len(known) <= self.n_neighbors:
            raise DataError(
                f"X has {len(known)} labelled queries, but {self.n_neighbors} neighbours are "
                "looked for; give more queries, or lower n_neighbors."
            )
        n_columns = known.shape[1]
        if self.domain is not None and (n_columns < 2 or not -n_columns <= self.domain < n_columns):
            raise DataError(
                f"domain={self.domain} is no column beside features: X has {n_columns} columns."
            )

    def _weigh_evidence(
        self, data: TrainingData, both_sources: bool, cost_inputs: dict[str, Any]
    ) -> dict[float, tuple[float, float]]:
        """Mean out-of-fold advantage of routing in each domain, and its lower limit."""
        if not np.isfinite(self.router.w):
            raise DataError(
                f"The router's w is {self.router.w}, under which no label can show that routing "
                "pays; leave y out, or give a finite w."
            )
        names, code = np.unique(data.X[:, self.domain], return_inverse=True)
        fold = domain_folds(code, data.is_gold, data.groups, self.cv, seed_of(self.random_state))
        inputs = {name: np.asarray(values) for name, values in cost_inputs.items()}
        advantage = np.zeros(len(fold))
        model = self.router.model
        with_groups = model is None or has_fit_parameter(model, "groups")
        for part in range(self.cv):
            held = fold == part
            rows = data.take(~held)
            trial = clone(self.router).fit(
                rows.X,
                rows.y,
                is_gold=rows.is_gold if both_sources else None,
                groups=rows.groups if with_groups else None,
            )
            given = {name: values[held] for name, values in inputs.items()}
            decided = trial.decision_function(data.X[held], **given)
            cost = trial.predict_gain(data.X[held]) - decided
            advantage[held] = np.where(decided > 0, 0.0, cost - data.y[held])
        cluster = np.arange(len(fold)) if data.groups is None else np.asarray(data.groups)
        gold = data.is_gold
        return {
            float(name): _lower_limit(
                advantage[gold & (code == place)], cluster[gold & (code == place)], self.confidence
            )
            for place, name in enumerate(names)
        }

    def p_value(self, X: Any) -> FloatArray:
        """Return the share of labelled queries that are as far from the others, shape (n,)."""
        check_is_fitted(self, "distances_")
        X = np.asarray(validate_features(self, X), dtype=np.float64)
        if self.domain is not None:
            X = np.delete(X, self.domain, axis=1)
        if not len(X):  # which scikit-learn's neighbours refuse
            return np.zeros(0)
        neighbours = NearestNeighbors(n_neighbors=self.n_neighbors).fit(self._queries)
        distance = neighbours.kneighbors(X)[0][:, -1]
        nearer = np.searchsorted(self.distances_, distance, side="left")
        n = len(self.distances_)
        return np.asarray((1 + n - nearer) / (n + 1), dtype=np.float64)

    def needs_label(self, X: Any) -> NDArray[np.bool_]:
        """Say which queries are unlike the labelled ones, or of a domain with few, shape (n,)."""
        unlike = self.p_value(X) <= self.level
        if self.domain is None:
            return unlike
        domain = np.asarray(validate_features(self, X), dtype=np.float64)[:, self.domain]
        return unlike | ~np.isin(domain, self.domains_)

    def predict(self, X: Any, **cost_inputs: Any) -> NDArray[Any]:
        """Name the model that should answer each query, shape (n,).

        Parameters
        ----------
        X : array-like of shape (n, d)
        **cost_inputs
            As for `ThresholdRouter.predict`.
        """
        unlike = self.needs_label(X)
        decided = self.router.predict(X, **cost_inputs)
        return np.where(unlike, self.router.models[1], decided)


def _lower_limit(
    values: FloatArray, cluster: NDArray[Any], confidence: float
) -> tuple[float, float]:
    """Mean, and its one-sided lower limit with values of one cluster as one observation."""
    from scipy.stats import t

    if not len(values):
        return np.nan, -np.inf
    mean = float(values.mean())
    code = np.unique(cluster, return_inverse=True)[1]
    summed = np.bincount(code, weights=values - mean)
    if len(summed) < 2:
        return mean, -np.inf
    error = np.sqrt(np.sum(summed**2) * len(summed) / (len(summed) - 1)) / len(values)
    return mean, mean - float(t.ppf(confidence, len(summed) - 1) * error)
