"""A router that knows which queries it does not know, and sends them to the primary model."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.neighbors import NearestNeighbors
from sklearn.utils.validation import check_is_fitted

from metarouter.exceptions import DataError
from metarouter.routing.threshold_router import ThresholdRouter
from metarouter.utils.parameters import has_methods, number, whole
from metarouter.utils.validation import learn_features, validate_features

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
        and a domain with fewer than `min_labels` labelled queries goes to the primary whole.
    min_labels : int, default=50

    Attributes
    ----------
    distances_ : ndarray of shape (n,)
        Distances of the labelled queries to each other, in rising order.
    domains_ : ndarray
        Domains with enough labelled queries; only where `domain` is given.

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
    }

    def __init__(
        self,
        router: Any,
        level: float = 0.02,
        n_neighbors: int = 10,
        domain: int | None = None,
        min_labels: int = 50,
    ) -> None:
        self.router = router
        self.level = level
        self.n_neighbors = n_neighbors
        self.domain = domain
        self.min_labels = min_labels

    def fit(self, X: Any, y: Any = None) -> FallbackRouter:
        """Remember the labelled queries.

        Parameters
        ----------
        X : array-like of shape (n, d)
            The queries that the router was fitted on, each once.
        y : ignored

        Raises
        ------
        DataError
            If there are no more queries than `n_neighbors`.
        """
        if not isinstance(self.router, ThresholdRouter):
            raise DataError(
                f"router is a {type(self.router).__name__}; give a fitted ThresholdRouter."
            )
        X = np.asarray(learn_features(self, X), dtype=np.float64)
        if len(X) <= self.n_neighbors:
            raise DataError(
                f"X has {len(X)} queries, but {self.n_neighbors} neighbours are looked for; give "
                "more queries, or lower n_neighbors."
            )
        if self.domain is not None:
            if X.shape[1] < 2 or not -X.shape[1] <= self.domain < X.shape[1]:
                raise DataError(
                    f"domain={self.domain} is no column beside features: X has {X.shape[1]} "
                    "columns."
                )
            names, counts = np.unique(X[:, self.domain], return_counts=True)
            self.domains_ = names[counts >= self.min_labels]
            X = np.delete(X, self.domain, axis=1)
        self._queries = X
        neighbours = NearestNeighbors(n_neighbors=self.n_neighbors + 1).fit(X)
        # The first neighbour of a training query is itself.
        self.distances_ = np.sort(neighbours.kneighbors(X)[0][:, -1])
        return self

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
