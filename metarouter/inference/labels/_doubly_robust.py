"""Doubly robust scores of the gold gain, which stand for gold labels where these are scarce."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

from metarouter.datasets import LabelledQueries, TrainingRows
from metarouter.datasets._labelled_queries import take_rows
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference._limits import (
    MINIMUM_SAMPLE_SIZES,
    MOST_SKEWNESS,
    Verdict,
    rows_needed,
    scarce,
)
from metarouter.inference._result import Finding, Judged
from metarouter.inference.intervals import (
    FloatArray,
    as_clusters,
    bounded_limits,
    cluster_sums,
    reach_of_scores,
    skewed_limits,
    skewness_of,
)
from metarouter.inference.labels._labels import as_rows, fitted_nuisances
from metarouter.nuisance import Nuisances
from metarouter.utils.arguments import validated
from metarouter.utils.columns import as_bounds, as_finite_column, check_same_length, check_within
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.style import BAR, OUTLINE, reference_line
from metarouter.utils.validation import TrainingData, validate_training

if TYPE_CHECKING:
    import pandas as pd

_LEAST = MINIMUM_SAMPLE_SIZES["gold_rows"]


@dataclass(frozen=True)
class DoublyRobustGains(Judged):
    """One score per query whose mean, over any set of queries, estimates that of the gold gain.

    It takes the place of ``gold_gain`` in every band and interval, with its weights and groups. The
    verdict is PASS where gold labels are enough, not all alike, and not decided by a rare few.

    Parameters
    ----------
    score : ndarray of shape (n_queries,)
        In gold units.
    prediction : ndarray of shape (n_queries,)
        mu_1(s), predicted out of sample.
    propensity : ndarray of shape (n_queries,)
        P(the query has a gold label).
    is_gold : ndarray of bool of shape (n_queries,)
        Which queries have a gold label, and so a correction.
    sample_weight : ndarray of shape (n_queries,) or None
        Weights of the queries; 0 for those that a propensity policy trimmed.
    groups : ndarray of shape (n_queries,) or None
        Queries that share a value may depend on each other.
    mean, mean_se, gold_mean, gold_mean_se : float
        Mean gain from all scores, and from the gold labels alone, weighted by 1 / p.
    df : float
        Degrees of freedom of both errors.
    skewness, gold_skewness : float
        Skewness of both means; above 0.4 a few rare and large scores decide.
    gain_bounds : pair of float or None
        Ends that no gain can leave: the interval of the mean gain is then exact.
    prediction_is, propensity_is : str
        Where both come from.
    """

    score: FloatArray
    prediction: FloatArray
    propensity: FloatArray
    is_gold: NDArray[np.bool_]
    sample_weight: FloatArray | None
    groups: NDArray[Any] | None
    mean: float
    mean_se: float
    gold_mean: float
    gold_mean_se: float
    df: float
    skewness: float
    gold_skewness: float
    gain_bounds: tuple[float, float] | None
    prediction_is: str
    propensity_is: str

    @property
    def n_gold(self) -> int:
        """Number of gold labels."""
        return int(self.is_gold.sum())

    _TITLE = "Doubly robust scores of the gold gain"
    _FACTS = {
        "queries": "{self.score.size}",
        "gold labels": "{self.n_gold}",
        "predictions": "{self.prediction_is}",
        "propensities": "{self.propensity_is}",
        "gain bounds": "{self._bounds}",
        "level": "{self.level:g}",
        "verdict": "{self.verdict}",
    }
    _NOTES = ("{self.reason}",)

    @property
    def _bounds(self) -> str:
        return "none" if self.gain_bounds is None else "{:g} to {:g}".format(*self.gain_bounds)

    def to_frame(self) -> pd.DataFrame:
        """Return the mean gain from all scores, and from the gold labels alone."""
        import pandas as pd

        value = np.array([self.mean, self.gold_mean])
        se = np.array([self.mean_se, self.gold_mean_se])
        skewness = np.array([self.skewness, self.gold_skewness])
        critical = float(stdtrit(self.df, 0.5 + self.level / 2))
        lower, upper = skewed_limits(value, se, critical, skewness)
        if self.gain_bounds is not None:
            lower[0], upper[0] = self._exact_limits(self.gain_bounds)
        return pd.DataFrame(
            {
                "mean gain from": ["doubly robust scores", "gold labels alone"],
                "value": value,
                "se": se,
                "ci_low": lower,
                "ci_high": upper,
            }
        )

    def _exact_limits(self, bounds: tuple[float, float]) -> tuple[float, float]:
        counted = np.array([self.score.sum()]), np.array([(self.score**2).sum()])
        reach = reach_of_scores(bounds, float(self.propensity.min()))
        width, n = bounds[1] - bounds[0], np.array([self.score.size])
        ends = bounded_limits(*counted, n, 1 - self.level, reach, width)
        lower, upper = np.clip(np.concatenate(ends), *bounds)
        return float(lower), float(upper)

    def plot(self, ax: Any = None) -> Any:
        """Draw the corrections of the gold labels: what the prediction missed, over p."""
        ax = new_axes(ax)
        correction = (self.score - self.prediction)[self.is_gold]
        ax.hist(correction, bins="auto", color=BAR, edgecolor=OUTLINE, linewidth=0.4)
        ax.axvline(0.0, **reference_line())
        scale = "correction by a gold label: (label - prediction) / p, in gold units"
        return label_axes(ax, scale, "gold labels")


@validated(random_state=["random_state"])
def doubly_robust_gains(
    data: LabelledQueries | TrainingRows,
    nuisances: Nuisances | None = None,
    *,
    gold_outcome: ArrayLike | None = None,
    propensity: ArrayLike | float | None = None,
    gain_bounds: tuple[float, float] | None = None,
    level: float = 0.95,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> DoublyRobustGains:
    """Score every query, with or without a gold label, so that means of scores estimate gold gains.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
        Test queries. Queries without a gold label, even those without any label, are scored too.
    nuisances : Nuisances, optional
        A recipe for mu_1 and p; the default forests otherwise. They are cross-fitted with one row
        per query: a query with both labels counts as gold.
    gold_outcome : array-like of shape (n_queries,), optional
        Predictions of the gold gain instead of mu_1, such as psi-hat of a `MetaRouter` that was
        trained on other queries; from a model that has not seen the query's own gold label.
    propensity : float or array-like of shape (n_queries,), optional
        P(the query gets a gold label), where it is known because somebody drew the queries.
    gain_bounds : pair of float, optional
        Ends that no gold gain can leave; known, not taken from the data. The interval of the mean
        gain is then exact (an empirical Bernstein bound), whatever tail has not been seen yet. It
        asks for `gold_outcome`, which is drawn into them, a `propensity` that is known, and
        queries of equal weight that stand for themselves.
    level : float, default=0.95
        Level of the intervals of the mean.
    random_state : int, RandomState or None
    n_jobs : int, optional

    Returns
    -------
    DoublyRobustGains
        To be given as ``gold_gain`` to bands and intervals. With too few gold labels its verdict,
        and theirs, is INCONCLUSIVE.

    Raises
    ------
    DataError
        If there is no gold label, or a propensity says that one could not be there.
    MetaRouterError
        If a prediction or a propensity is malformed.

    Notes
    -----
    With t = 1 where there is a gold label o,

        Gamma = mu_1(s) + t (o - mu_1(s)) / p(s).

    Only gold labels bring a correction. If p is known and mu_1 has not seen o, then
    ``E[Gamma | s] = mu_1(s) + E[o - mu_1(s) | s, t = 1] = psi(s)`` whatever mu_1 is: the scores are
    unbiased by design, and bad predictions only cost precision. If p is estimated, the bias is the
    product of the errors of p and mu_1. Where the odds of a gold label depend on something that is
    not in s, nothing here helps: see `sensitivity_analysis`.

    mu_1 learns from gold labels. Preference labels come in through ``gold_outcome=`` (psi-hat
    learned from both), or as one of the features where every query has one, which is the
    prediction-powered use of a judge. Priorities should come from a router that has not seen these
    gold labels either, else the curve is too good.

    References
    ----------
    Robins, Rotnitzky and Zhao (1994), Estimation of regression coefficients when some regressors
    are not always observed, JASA 89; Yadlowsky et al. (2025), section 2.2.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from metarouter.datasets import make_judged_queries
    >>> data = make_judged_queries(2000, gold_share=0.2, random_state=0)
    >>> recipe = Nuisances(outcome=LinearRegression())
    >>> gains = doubly_robust_gains(data, recipe, propensity=0.2, random_state=0)
    >>> gains.to_frame().round(2)
             mean gain from  value    se  ci_low  ci_high
    0  doubly robust scores   0.30  0.06    0.18     0.43
    1     gold labels alone   0.32  0.07    0.19     0.46
    """
    queries = _queries(data)
    is_gold, n = queries.is_gold, queries.y.size
    if not is_gold.any():
        raise DataError(f"none of {n} queries has a gold label: label some, drawn at random.")
    p: Any = None if propensity is None else _as_propensity(propensity, is_gold)
    prediction: Any = None
    if gold_outcome is not None:
        prediction = as_finite_column(gold_outcome, "gold_outcome")
        check_same_length("gold_outcome", prediction.size, "data", n)
    bounds = as_bounds("gain_bounds", gain_bounds)
    if bounds is not None:
        weights = np.ones(n) if queries.sample_weight is None else queries.sample_weight
        alike = queries.groups is None and np.ptp(weights) == 0
        if p is None or prediction is None or not alike:
            raise MetaRouterError(
                "gain_bounds needs gold_outcome, a known propensity, and queries of equal weight "
                "that stand for themselves: give these, or leave the bounds out."
            )
        mend = "give bounds that no query can leave."
        check_within("gain_bounds", bounds, queries.y[is_gold], mend)
        prediction = np.clip(prediction, *bounds)
    prediction_is = "mu_1, cross-fitted" if prediction is None else "given"
    propensity_is, inside = "known by design", np.ones(n, dtype=bool)
    if is_gold.all():
        prediction = np.zeros(n) if prediction is None else prediction
        p, propensity_is = np.ones(n), "known: all have gold"
    elif prediction is None or p is None:
        _check_pooled(data, nuisances)
        training = validate_training(Nuisances(), *queries)
        wanted = {"gold_outcome": prediction, "propensity": p}
        names = tuple(name for name, column in wanted.items() if column is None)
        fitted = fitted_nuisances(training, nuisances, names, random_state, n_jobs)
        prediction = fitted.gold_outcome_ if prediction is None else prediction
        if p is None:
            p, inside = fitted.propensity_, fitted.overlap_.in_overlap
            constant = isinstance(fitted.propensity, str)
            propensity_is = "gold share: a random draw" if constant else "estimated, cross-fitted"
    corrected = prediction + (queries.y - prediction) / p
    score = np.where(inside, np.where(is_gold, corrected, prediction), 0.0)
    weight = queries.sample_weight
    if not inside.all():
        weight = np.where(inside, 1.0 if weight is None else weight, 0.0)
    means, labels = _means(queries, score, p, np.ones(n) if weight is None else weight)
    return DoublyRobustGains(
        score=score,
        prediction=prediction,
        propensity=p,
        is_gold=is_gold & inside,
        sample_weight=weight,
        groups=queries.groups,
        gain_bounds=bounds,
        prediction_is=prediction_is,
        propensity_is=propensity_is,
        level=level,
        **means,
        **_judge(means, labels.size, bounds, propensity_is)._asdict(),
    )


def _queries(data: LabelledQueries | TrainingRows) -> TrainingData:
    """Return one row per query, features as they are; the label is gold where there is one."""
    if isinstance(data, LabelledQueries):
        label = np.where(data.has_gold, data.gold, data.preference)
        # Of a query without any label the features alone are read.
        return TrainingData(data.X, np.nan_to_num(label), data.has_gold, data.weight, data.groups)
    rows = as_rows(data)
    # The first row of a query is its gold row, if it has one: gold rows stand first.
    order = np.lexsort((~rows.is_gold, rows.query))
    first = order[np.unique(rows.query[order], return_index=True)[1]]
    weight, groups = rows.sample_weight, rows.groups
    return TrainingData(
        take_rows(rows.X, first),
        rows.y[first],
        rows.is_gold[first],
        None if weight is None else weight[first],
        None if groups is None else groups[first],
    )


def _check_pooled(data: LabelledQueries | TrainingRows, nuisances: Nuisances | None) -> None:
    if nuisances is None or not nuisances.pooled_outcome or not isinstance(data, LabelledQueries):
        return
    unlabelled = int((~(data.has_gold | data.has_preference)).sum())
    if unlabelled:
        raise MetaRouterError(
            f"pooled_outcome=True learns from preference labels too, but {unlabelled} queries have "
            "no label: leave those out, or fit the gold outcome by itself."
        )


def _means(
    queries: TrainingData, score: FloatArray, p: FloatArray, weight: FloatArray
) -> tuple[dict[str, Any], FloatArray]:
    """Return the mean of all scores, Hajek's of the gold labels, their errors, and these labels."""
    clusters, share = as_clusters(queries.groups), weight / weight.sum()
    of_gold = np.where(queries.is_gold, share / p, 0.0)
    of_gold = of_gold / of_gold.sum()
    n_units = int((cluster_sums(of_gold, clusters) > 0).sum())
    labels = queries.y[of_gold > 0]
    # Labels that are all alike do not tell how far their mean may be off.
    known = labels.size >= _LEAST.count and n_units > 1 and np.ptp(labels) > 0
    scale = np.sqrt(n_units / (n_units - 1)) if known else np.nan
    means: dict[str, Any] = {"df": float(n_units - 1)}
    for name, own, values in (("", share, score), ("gold_", of_gold, queries.y)):
        mean = float(own @ values)
        influence = cluster_sums(own * (values - mean), clusters)
        means[f"{name}mean"], means[f"{name}skewness"] = mean, skewness_of(influence)
        means[f"{name}mean_se"] = float(scale * np.linalg.norm(influence))
    return means, labels


def _judge(
    means: dict[str, Any], n: int, bounds: tuple[float, float] | None, propensity_is: str
) -> Finding:
    skewness = means["skewness"]
    known = "unbiased by design" if "known" in propensity_is else "as good as p or mu_1"
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.divide(means["gold_mean_se"], means["mean_se"]) ** 2
    worth = f"The scores are {known}"
    if np.isfinite(ratio):
        worth += f"; for the mean they are worth {ratio:.2f} times the gold labels that are there"
    if bounds is not None:
        exact = "The interval of the mean gain is exact at any number of labels."
        return Finding(Verdict.PASS, None, f"{worth}. {exact}")
    if _LEAST.missing(n):
        few = f"{scarce(n, _LEAST.what)} for an interval; {_LEAST.count} would do."
        return Finding(Verdict.INCONCLUSIVE, _LEAST.count, few)
    if abs(skewness) > MOST_SKEWNESS:
        reason = (
            f"A few rare and large scores decide (skewness of the mean {skewness:.2f}): what has "
            "not been seen yet may turn it; give gain_bounds, or more labels."
        )
        needed = rows_needed(n, abs(skewness), MOST_SKEWNESS)
        return Finding(Verdict.INCONCLUSIVE, needed, reason)
    if np.isnan(means["mean_se"]):
        alike = f"The {n} gold labels are all alike, which leaves no interval."
        return Finding(Verdict.INCONCLUSIVE, None, alike)
    unseen = (
        f"Of a kind of label rarer than 1 in {max(1, n // 3)} none may have come yet (rule of "
        "three): where such labels may be large, give gain_bounds."
    )
    return Finding(Verdict.PASS, None, f"{worth}. {unseen}")


def _as_propensity(propensity: ArrayLike | float, is_gold: NDArray[np.bool_]) -> FloatArray:
    n = is_gold.size
    each = np.full(n, propensity) if np.ndim(propensity) == 0 else propensity
    p = as_finite_column(each, "propensity")
    check_same_length("propensity", p.size, "data", n)
    outside, never = int(((p < 0) | (p > 1)).sum()), int((p == 0).sum())
    if outside:
        raise DataError(
            f"propensity lies outside [0, 1] for {outside} of {n} queries: give probabilities."
        )
    if never:
        raise DataError(
            f"propensity is 0 for {never} of {n} queries ({int((is_gold & (p == 0)).sum())} of "
            "which have a gold label all the same): leave out queries that could not be labelled."
        )
    return p
