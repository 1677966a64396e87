"""Which queries to label next, with known inclusion probabilities."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.special import ndtr
from sklearn.base import BaseEstimator
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import RidgeCV

from metarouter.datasets import LabelledQueries
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.fitting import predict_mean
from metarouter.inference.intervals import FloatArray
from metarouter.utils.arguments import validated
from metarouter.utils.features import as_floats
from metarouter.utils.parameters import REGRESSOR, number, whole
from metarouter.utils.validation import learn_features

if TYPE_CHECKING:
    import pandas as pd

Strategy = Literal["uncertainty", "threshold", "variance", "design", "random"]

# Of a label: the variance that features do not explain over what they do, if R^2 is 1/4.
_NOISE_RATIO = 3.0


@dataclass(frozen=True)
class LabelSuggestion:
    """Queries to label next.

    Parameters
    ----------
    rows : ndarray of int of shape (n,)
        Positions of the chosen queries, in the order in which they lie.
    inclusion_probability : ndarray of shape (n_queries,)
        Probability with which each query was chosen; 1 where it has a gold label already.
    strategy : str

    Notes
    -----
    Given the gold labels that there were, every other query was chosen with its probability, so
    that weights 1 / probability make every mean over gold labels one over all queries.
    """

    rows: NDArray[np.intp]
    inclusion_probability: FloatArray
    strategy: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per chosen query: ``row, inclusion_probability, weight``."""
        import pandas as pd

        chosen = self.inclusion_probability[self.rows]
        return pd.DataFrame(
            {"row": self.rows, "inclusion_probability": chosen, "weight": 1 / chosen}
        )

    def with_labels(self, queries: LabelledQueries, gold: ArrayLike) -> LabelledQueries:
        """Return the queries with the new gold labels, and the weights that go with them.

        Parameters
        ----------
        queries : LabelledQueries
            Those that the suggestion was made for.
        gold : array-like of shape (n,)
            Labels of the chosen queries, in the order of ``rows``; NaN where none could be had.

        Raises
        ------
        DataError
            If there is not one label per chosen query.
        """
        if queries.n_queries != len(self.inclusion_probability):
            raise DataError(
                f"The suggestion was made for {len(self.inclusion_probability)} queries, but there "
                f"are {queries.n_queries}: give those that it was made for."
            )
        labels = as_floats("gold", gold, "gold holds no numbers; give one per chosen query.")
        if np.isinf(labels).any():
            raise DataError("gold is infinite in places: give finite labels, NaN for none.")
        if labels.shape != self.rows.shape:
            raise DataError(
                f"gold has shape {labels.shape}, but {len(self.rows)} queries were chosen: give "
                "one label per chosen query, in their order."
            )
        all_gold = queries.gold.copy()
        all_gold[self.rows] = labels
        own = np.ones(queries.n_queries) if queries.weight is None else queries.weight
        weight = own * sampling_weights(self, np.isfinite(all_gold))
        return replace(queries, gold=all_gold, weight=weight)


@validated()
def sampling_weights(suggestion: LabelSuggestion, has_gold: ArrayLike) -> FloatArray:
    """Return 1 / inclusion probability where there is a gold label, and 1 elsewhere."""
    labelled = np.asarray(has_gold, dtype=bool)
    return np.where(labelled, 1 / suggestion.inclusion_probability, 1.0)


@validated(
    model=[REGRESSOR, None],
    n=[whole()],
    floor=[number(above=0, at_most=1)],
    random_state=[whole(0), np.random.Generator, None],
)
def suggest_labels(
    queries: LabelledQueries,
    model: Any,
    n: int = 50,
    *,
    strategy: Strategy = "random",
    threshold: float | ArrayLike = 0.0,
    floor: float = 0.25,
    random_state: int | np.random.Generator | None = None,
) -> LabelSuggestion:
    """Choose queries for gold labels by chance, the more useful ones with more of it.

    Parameters
    ----------
    queries : LabelledQueries
        The pool; queries with a gold label are not chosen again.
    model : estimator
        Fitted; predicts the gain. For "uncertainty" and "threshold" it must give standard
        deviations (``predict(X, return_std=True)``) or be a forest, or a `MetaRouter` of one;
        "design" and "random" need none (None).
    n : int, default=50
        Queries to choose.
    strategy : {"threshold", "uncertainty", "variance", "design", "random"}, default="random"
        What the probabilities are proportional to. None is better than "random" on every table
        (``docs/labelling.md``).

        - ``"threshold"``: how likely a label is to turn the decision: the expected loss of deciding
          by the predicted gain, s phi(z) - |m| Phi(-z) with m the gain less the threshold, s its
          standard deviation and z = |m| / s;
        - ``"uncertainty"``: the standard deviation of the gain;
        - ``"variance"``: the root of the expected squared residual of a gold label, which is the
          best for a mean (Neyman allocation; Zrnic & Candès 2024);
        - ``"design"``: not by chance but for the share `floor`: one by one the query whose gain a
          linear model of the features knows least, given all labels before it (D-optimal);
        - ``"random"``: nothing.
    threshold : float or array-like of shape (n_queries,), default=0.0
        The gain above which the primary answers: w times the extra cost.
    floor : float, default=0.25
        Share of the draw that is uniform, so that no weight exceeds (pool / n) / floor; at least
        one query.
    random_state : int, Generator or None

    Returns
    -------
    LabelSuggestion

    Raises
    ------
    DataError
        If there are not `n` queries without a gold label, or too few gold residuals for
        "variance".
    MetaRouterError
        If a parameter is out of range, or the model gives no standard deviations.

    Notes
    -----
    Queries are drawn by systematic sampling along the order of their nearest cluster and first
    principal component, which gives each exactly its probability and spreads the batch over kinds
    of queries. What "design" chooses without chance has probability 1, and the others are a sample
    of the rest: its weights are right too, but many are large. Weights grow where the probability
    is small: fit and tests take them from ``with_labels`` by themselves.

    Examples
    --------
    >>> from metarouter import MetaRouter
    >>> from metarouter.datasets import make_judged_queries
    >>> queries = make_judged_queries(400, gold_share=0.1, pairing=1, random_state=0)
    >>> rows = queries.training_rows()
    >>> model = MetaRouter(random_state=0).fit(rows.X, rows.y, rows.is_gold, groups=rows.groups)
    >>> suggestion = suggest_labels(queries, model, 20, random_state=0)
    >>> len(suggestion.rows), bool(queries.has_gold[suggestion.rows].any())
    (20, False)
    """
    rng = np.random.default_rng(random_state)
    X = np.asarray(learn_features(BaseEstimator(), queries.X), dtype=np.float64)
    limit = np.asarray(threshold, dtype=np.float64)
    if limit.shape not in ((), (queries.n_queries,)) or not np.isfinite(limit).all():
        raise DataError(
            f"threshold has shape {limit.shape}, or is not finite; give one number, or one for "
            f"each of {queries.n_queries} queries."
        )
    if model is None and strategy not in ("random", "design"):
        raise MetaRouterError(
            f"strategy={strategy!r} needs a fitted model of the gain; give one, or use "
            "strategy='design' or 'random'."
        )
    free = np.flatnonzero(~queries.has_gold)
    if len(free) < n:
        raise DataError(
            f"{len(free)} of {queries.n_queries} queries have no gold label, but {n} are to be "
            "chosen: lower n, or add queries."
        )
    certain = np.zeros(0, dtype=np.intp)
    if strategy == "design":
        certain = least_known(X, np.flatnonzero(queries.has_gold), n - max(1, round(floor * n)))
        free = np.setdiff1d(free, certain)
    use = _usefulness(strategy, queries, model, limit)[free]
    size = (1 - floor) * use / use.mean() + floor if use.mean() > 0 else np.ones(len(free))
    probability = inclusion_probabilities(size, n - len(certain))
    chosen = systematic_sample(probability, _diverse_order(X[free], rng), rng)
    every = np.ones(queries.n_queries)
    every[free] = probability
    return LabelSuggestion(np.sort(np.concatenate([certain, free[chosen]])), every, strategy)


def least_known(X: FloatArray, labelled: NDArray[np.intp], n: int) -> NDArray[np.intp]:
    """Choose n rows one by one, each where a linear gain is least known given those before.

    Features, shape (n_queries, d), count by their scale: standardise those in units of their own.
    `labelled` are the rows with a label already; the others are in the order of choice.

    Notes
    -----
    The slopes have one prior variance, under which features explain a quarter of a label's
    variance, and the intercept is unknown. Greedy choice by posterior variance maximises the
    determinant of the information step by step (Wynn 1970; Seeger 2004).

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [0.1, 0.0], [3.0, 0.0], [0.0, 2.0]])
    >>> least_known(X, np.array([0]), 2).tolist()
    [2, 3]
    """
    centred = X - X.mean(axis=0)
    scale = np.sqrt((centred**2).sum(axis=1).mean())
    unknown_level = 10.0
    Z = np.column_stack([np.full(len(X), unknown_level), centred / max(scale, 1e-300)])
    of_labels = Z[labelled].T @ Z[labelled]
    covariance = np.linalg.inv(np.eye(Z.shape[1]) + of_labels / _NOISE_RATIO)
    variance = np.einsum("ij,ij->i", Z @ covariance, Z)
    variance[labelled] = -np.inf
    chosen = np.empty(n, dtype=np.intp)
    for step in range(n):
        row = chosen[step] = variance.argmax()
        direction = covariance @ Z[row]
        surprise = _NOISE_RATIO + Z[row] @ direction
        variance -= (Z @ direction) ** 2 / surprise
        variance[row] = -np.inf
        covariance -= np.outer(direction, direction) / surprise
    return chosen


def inclusion_probabilities(size: FloatArray, n: int) -> FloatArray:
    """Return min(1, c size) with the c at which they sum to n.

    Examples
    --------
    >>> inclusion_probabilities(np.array([8.0, 1.0, 1.0, 2.0]), 2)
    array([1.  , 0.25, 0.25, 0.5 ])
    """
    certain = np.zeros(len(size), dtype=bool)
    while True:
        rest = np.where(certain, 0.0, size)
        share = rest / max(rest.sum(), 1e-300)
        probability = np.where(certain, 1.0, share * (n - certain.sum()))
        above = ~certain & (probability >= 1)
        if not above.any():
            return probability
        certain |= above


def systematic_sample(
    probability: FloatArray, order: NDArray[np.intp], rng: np.random.Generator
) -> NDArray[np.intp]:
    """Draw round(sum of probabilities) positions, each with exactly its probability.

    One uniform start, then every whole step along the cumulated probabilities (Madow 1949).
    """
    ends = np.cumsum(probability[order])
    marks = rng.random() + np.arange(round(float(ends[-1])))
    positions = np.searchsorted(ends, np.minimum(marks, ends[-1] * (1 - 1e-12)), side="right")
    return order[positions]


def _usefulness(
    strategy: Strategy, queries: LabelledQueries, model: Any, threshold: FloatArray
) -> FloatArray:
    if strategy in ("random", "design"):
        return np.ones(queries.n_queries)
    if strategy == "variance":
        return _residual_spread(queries, model)
    mean, spread = _gain_and_spread(model, queries.X)
    if strategy == "uncertainty":
        return spread
    distance = np.abs(mean - threshold)
    z = distance / np.maximum(spread, 1e-12)
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(np.maximum(spread * density - distance * ndtr(-z), 0.0))


def _gain_and_spread(model: Any, X: Any) -> tuple[FloatArray, FloatArray]:
    """Gain and its standard deviation; that of a forest is the spread of its trees."""
    forest = getattr(model, "regressor_", model)
    if hasattr(forest, "estimators_") and hasattr(forest, "n_estimators"):
        rows = np.asarray(X, dtype=np.float32)
        trees = np.array([tree.predict(rows) for tree in forest.estimators_])
        factor = getattr(getattr(model, "scaler_", None), "factor_", 1.0)
        return predict_mean(model, X), trees.std(axis=0) / factor
    try:
        mean, spread = model.predict(X, return_std=True)
    except TypeError:
        raise MetaRouterError(
            f"{type(model).__name__} gives no standard deviations; use strategy='variance' or "
            "'random', or an AdaptiveMetaRouter or a forest."
        ) from None
    return np.asarray(mean, dtype=np.float64), np.asarray(spread, dtype=np.float64)


def _residual_spread(queries: LabelledQueries, model: Any) -> FloatArray:
    """Root of the squared gold residual that the features lead one to expect."""
    gold = queries.has_gold
    if gold.sum() < 10:
        raise DataError(
            f"strategy='variance' learns from gold labels where they are hard to predict, but there"
            f" are {int(gold.sum())}: begin with strategy='random'."
        )
    gain = predict_mean(model, queries.X)
    squares = (queries.gold[gold] - gain[gold]) ** 2
    X = np.column_stack([np.asarray(queries.X, dtype=np.float64), gain, np.abs(gain)])
    learner: Any = RidgeCV(np.logspace(-2, 4, 7))
    if gold.sum() >= 100:
        learner = ExtraTreesRegressor(50, min_samples_leaf=10, random_state=0)
    expected = learner.fit(X[gold], squares).predict(X)
    return np.sqrt(np.clip(expected, 0.1 * squares.mean(), None))


def _diverse_order(X: FloatArray, rng: np.random.Generator) -> NDArray[np.intp]:
    """Order queries so that neighbours are alike: by cluster, then by first principal component."""
    centred = X - X.mean(axis=0)
    along = centred @ np.linalg.eigh(centred.T @ centred)[1][:, -1]
    centres = centred[rng.permutation(len(X))[:12]]
    return np.lexsort((along, cdist(centred, centres, "sqeuclidean").argmin(axis=1)))
