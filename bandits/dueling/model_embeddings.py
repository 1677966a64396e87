"""Embeddings of models as mixtures of category embeddings (CCFT)."""

from __future__ import annotations

from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from metarouter.exceptions import DataError
from metarouter.utils.features import as_floats
from metarouter.utils.parameters import check_parameters, number, one_of, whole

__all__ = [
    "ModelEmbeddings",
    "Weighting",
    "category_weights",
    "excel_mask",
    "mixed_embeddings",
    "top_scores",
]

Array = NDArray[np.float64]
Weighting = Literal["perf", "perf_cost", "excel_perf_cost", "excel_mask"]
WEIGHTINGS: tuple[Weighting, ...] = ("perf", "perf_cost", "excel_perf_cost", "excel_mask")


def excel_mask(scores: Array, tau: int) -> NDArray[np.bool_]:
    """Mark the categories in which a model is among the best tau: s_km >= s_(tau)m.

    Parameters
    ----------
    scores : ndarray of shape (n_models, n_categories)
    tau : int
        s_(tau)m is the tau-th largest score of category m over the models; ties count in.

    Examples
    --------
    >>> excel_mask(np.array([[0.9, 0.1], [0.5, 0.4], [0.1, 0.3]]), tau=1).tolist()
    [[True, False], [False, True], [False, False]]
    """
    n_models = len(scores)
    bar = np.sort(scores, axis=0)[n_models - min(tau, n_models)]
    return np.asarray(scores >= bar)


def top_scores(scores: Array, tau: int) -> Array:
    """Return top_tau(s_k)_m = s_km 1[s_km >= s_(tau)m].

    Examples
    --------
    >>> top_scores(np.array([[0.9, 0.1], [0.5, 0.4]]), tau=1).tolist()
    [[0.9, 0.0], [0.0, 0.4]]
    """
    return np.where(excel_mask(scores, tau), scores, 0.0)


def category_weights(
    scores: Array,
    weighting: Weighting,
    *,
    tau: int = 3,
    temperature: float = 1.0,
    hard: bool = False,
) -> Array:
    """Return what every category counts in the embedding of each model; rows sum to 1.

    ===================  =====================================
    `perf`, `perf_cost`  softmax(s_k / temperature)
    `excel_perf_cost`    softmax(top_tau(s_k) / temperature)
    `excel_mask`         softmax(1[s_km >= s_(tau)m] / temperature)
    ===================  =====================================

    The softmax of a score that was set to zero is not zero: at temperature 1, with scores in
    [0, 1], the categories in which a model does not excel are only damped. With ``hard=True`` they
    get no weight at all, and a model that excels nowhere counts all categories alike.

    Parameters
    ----------
    scores : ndarray of shape (n_models, n_categories)
        s_km: performance, or performance minus lambda times cost.
    weighting : {"perf", "perf_cost", "excel_perf_cost", "excel_mask"}
    tau : int
    temperature : float
    hard : bool

    Examples
    --------
    >>> scores = np.array([[1.0, 0.0], [0.0, 1.0]])
    >>> category_weights(scores, "excel_mask", tau=1).round(3).tolist()
    [[0.731, 0.269], [0.269, 0.731]]
    >>> category_weights(scores, "excel_mask", tau=1, hard=True).tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """
    if weighting in ("perf", "perf_cost"):
        return np.asarray(softmax(scores / temperature, axis=1))
    excels = excel_mask(scores, tau)
    logits = top_scores(scores, tau) if weighting == "excel_perf_cost" else excels.astype(float)
    logits = logits / temperature
    if hard:
        nowhere = ~excels.any(axis=1)
        excels[nowhere], logits[nowhere] = True, 0.0
        logits = np.where(excels, logits, -np.inf)
    return np.asarray(softmax(logits, axis=1))


def mixed_embeddings(weights: Array, categories: Array) -> Array:
    """Return a_k = sum_m w_km xi_m, shape (n_models, d)."""
    return np.asarray(weights @ categories)


class ModelEmbeddings(BaseEstimator):
    """Embed models by what they are good at: a_k = xi softmax(s_k).

    xi are the embeddings of the categories of queries, s_km the score of model k in category m;
    the four weightings are those of CCFT (Chiang, Ishida & Sugiyama 2025) as summarised by third
    parties. The paper's values of tau, lambda and a temperature are not public: the defaults are
    ours. `excel_mask`'s formula was not to be had in full, and is our completion.

    Parameters
    ----------
    weighting : {"perf", "perf_cost", "excel_perf_cost", "excel_mask"}, default="excel_perf_cost"
    tau : int, default=3
        Models that excel in a category.
    cost_weight : float, default=0.0
        lambda in s_km = performance - lambda cost, of all weightings but `perf`.
    temperature : float, default=1.0
        The formulas as summarised have none.
    hard : bool, default=False
        Whether categories in which a model does not excel get no weight at all.

    Attributes
    ----------
    embeddings_ : ndarray of shape (n_models, d)
    weights_, scores_ : ndarray of shape (n_models, n_categories)

    Notes
    -----
    Weights that sum to 1 say where a model is better, not how good it is: of two models, one of
    which is better everywhere by the same amount, `perf` makes one embedding. Routers have to learn
    the difference of such models from other directions, and cannot where the embeddings are equal.

    Examples
    --------
    >>> model = ModelEmbeddings("perf", temperature=0.1).fit(np.eye(2), [[0.9, 0.1], [0.5, 0.5]])
    >>> model.embeddings_.round(2).tolist()
    [[1.0, 0.0], [0.5, 0.5]]
    >>> model.embed([0.1, 0.9]).round(2).tolist()
    [0.0, 1.0]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "weighting": [one_of(*WEIGHTINGS)],
        "tau": [whole()],
        "cost_weight": [number(at_least=0)],
        "temperature": [number(above=0)],
        "hard": ["boolean"],
    }

    def __init__(
        self,
        weighting: Weighting = "excel_perf_cost",
        *,
        tau: int = 3,
        cost_weight: float = 0.0,
        temperature: float = 1.0,
        hard: bool = False,
    ) -> None:
        self.weighting = weighting
        self.tau = tau
        self.cost_weight = cost_weight
        self.temperature = temperature
        self.hard = hard

    def fit(
        self, categories: ArrayLike, performance: ArrayLike, cost: ArrayLike | None = None
    ) -> Self:
        """Embed the models; on any error nothing changes.

        Parameters
        ----------
        categories : array of shape (n_categories, d)
            Embeddings of the categories, such as `CategoryEncoder.category_embeddings_`.
        performance : array of shape (n_models, n_categories)
            Mean quality of every model in every category; see `category_means`.
        cost : array of the same shape, optional
            Mean cost, wanted where `cost_weight` is not 0.

        Returns
        -------
        self

        Raises
        ------
        DataError
            If a parameter or a shape makes no sense, or costs are missing.
        """
        check_parameters(self)
        embedded = _matrix("categories", categories)
        scores = self._scores(_matrix("performance", performance), cost)
        if scores.shape[1] != len(embedded):
            raise DataError(
                f"performance has {scores.shape[1]} columns but there are {len(embedded)} "
                "categories; give one per category."
            )
        self._categories, self.scores_ = embedded, scores
        self.weights_ = self._weights(scores)
        self.embeddings_ = mixed_embeddings(self.weights_, embedded)
        return self

    def embed(self, performance: ArrayLike, cost: ArrayLike | None = None) -> Array:
        """Return the embedding of a newcomer, shape (d,), ranked among the models that were fitted.

        Parameters
        ----------
        performance, cost : array of shape (n_categories,)
        """
        check_is_fitted(self, "embeddings_")
        if np.shape(performance) != (len(self._categories),):
            raise DataError(
                f"performance has shape {np.shape(performance)}; give {len(self._categories)} "
                "numbers, one per category."
            )
        row = _matrix("performance", np.asarray(performance)[None])
        scores = self._scores(row, None if cost is None else np.asarray(cost)[None])
        weights = self._weights(np.vstack([self.scores_, scores]))[-1:]
        return np.asarray(mixed_embeddings(weights, self._categories)[0])

    def _weights(self, scores: Array) -> Array:
        return category_weights(
            scores, self.weighting, tau=self.tau, temperature=self.temperature, hard=self.hard
        )

    def _scores(self, performance: Array, cost: ArrayLike | None) -> Array:
        if self.weighting == "perf" or self.cost_weight == 0:
            return performance
        if cost is None:
            raise DataError(
                f"cost is missing, but {self.weighting} weighs it by {self.cost_weight:g}; give "
                "the mean cost of every model in every category, or set cost_weight to 0."
            )
        costs = _matrix("cost", cost)
        if costs.shape != performance.shape:
            raise DataError(
                f"cost has shape {costs.shape} but performance {performance.shape}; give both "
                "for the same models and categories."
            )
        return np.asarray(performance - self.cost_weight * costs)


def _matrix(name: str, values: Any) -> Array:
    matrix = np.array(
        as_floats(name, values, f"{name} holds text, or rows of unequal width; give numbers.")
    )
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise DataError(f"{name} has shape {matrix.shape}; give a table of two dimensions.")
    if not np.isfinite(matrix).all():
        row, column = np.argwhere(~np.isfinite(matrix))[0]
        raise DataError(
            f"{name} is NaN or infinite in row {row}, column {column}; give finite numbers."
        )
    return matrix
