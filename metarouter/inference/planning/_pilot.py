"""What a pilot says about the variance of an estimate, as a function of the numbers of labels.

Labels of either source have influence on an estimate by themselves, and so do the queries they
belong to:

    Var = gold / n_gold + preference / n_preference + query / n_queries.

Where every label has a query of its own, n_queries = n_gold + n_preference; where the gold labels
are placed among queries that all carry a preference label ("nested"), n_queries = n_preference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import minimize_scalar
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict

from metarouter.base_learners import default_regressor
from metarouter.datasets import LabelledQueries
from metarouter.datasets._labelled_queries import take_rows
from metarouter.evaluation._efficiency_gain import area_influence, rank_gains
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.fitting import fit_model, predict_mean
from metarouter.inference.intervals import Clusters, FloatArray, as_clusters, cluster_sums
from metarouter.inference.labels import (
    DoublyRobustGains,
    LabelOptions,
    LabelTable,
    doubly_robust_gains,
    orthogonal_scores,
    paired_mean,
)
from metarouter.nuisance import Nuisances
from metarouter.utils.columns import as_finite_column, check_same_length
from metarouter.utils.random import seed_of, seeded

Quantity = Literal["mean_shift", "mean_gain", "area"]
Design = Literal["auto", "separate", "nested"]

_MOST_UNLEARNED = 0.9


@dataclass(frozen=True)
class Part:
    """What one label or query adds to the variance, times their number.

    Parameters
    ----------
    value, se : float
        Estimate from the pilot, and its standard error.
    n : int
        Labels or queries that it was estimated from.
    unlearned : float, default=0.0
        How much of the value is owed to predictions that learned from too few labels.
    """

    value: float
    se: float
    n: int
    unlearned: float = 0.0


NOTHING = Part(0.0, 0.0, 0)


def part_of(
    influence: FloatArray,
    clusters: Clusters,
    n: int,
    slope: FloatArray | None = None,
    unlearned: float = 0.0,
) -> Part:
    """Return the part of `n` labels from their influence values.

    Parameters
    ----------
    influence : ndarray of shape (n_rows,)
    clusters : ndarray of int or None
    n : int
    slope : ndarray of shape (n_rows,), optional
        Influence of a residual of one; the same everywhere by default.
    unlearned : float, default=0.0
        Share of the part that is owed to predictions that learned from too few labels.

    Examples
    --------
    >>> import numpy as np
    >>> label = np.array([1.0, -1.0, 3.0, -3.0])
    >>> round(float(part_of(label / 4, None, 4).value), 6)  # the variance of one label
    6.666667
    """
    summed = cluster_sums(influence, clusters)
    there = summed != 0
    squares = summed[there] ** 2
    m = max(2, squares.size)
    spread = float(np.std(squares, ddof=1)) if squares.size > 1 else np.nan
    if squares.size:
        # A small pilot rarely shows its tails: residuals are taken to have those of the normal at
        # least, E(e^4) = 3 E(e^2)^2.
        usual = np.ones(influence.size) if slope is None else slope**2
        usual = cluster_sums(np.where(influence != 0, usual, 0.0), clusters)[there]
        usual = usual * squares.mean() / usual.mean()
        spread = max(spread, float(np.sqrt(3 * (usual**2).mean() - usual.mean() ** 2)))
    value = n * m / (m - 1) * squares.sum()
    return Part(value, n * np.sqrt(m) * spread, n, unlearned * value)


@dataclass(frozen=True)
class LabelVariance:
    """The parts of a variance.

    Parameters
    ----------
    gold, preference, query : Part
    nested : bool
        Whether every query has a preference label.
    """

    gold: Part
    preference: Part
    query: Part
    nested: bool

    def at(self, n_gold: Any, n_preference: Any) -> Any:
        """Return the variance with these numbers of labels.

        Parameters
        ----------
        n_gold, n_preference : float or ndarray
        """
        return sum(part.value / n for part, n in self._parts(n_gold, n_preference))

    def learned_at(self, n_gold: Any, n_preference: Any) -> Any:
        """Return the variance if predictions of gold labels had nothing left to learn."""
        return self.at(n_gold, n_preference) - self.gold.unlearned / n_gold

    def error_at(self, n_gold: float, n_preference: float) -> float:
        """Return how far, in standard errors, the variance may come out from what is expected.

        The pilot knows each part with an error, and the planned labels will estimate it anew with
        one that is as much smaller as they are more.
        """
        parts = self._parts(n_gold, n_preference)
        return float(np.sqrt(sum((part.se / n) ** 2 * (1 + part.n / n) for part, n in parts)))

    def df_at(self, n_gold: Any, n_preference: Any) -> Any:
        """Return the degrees of freedom of its estimate from the planned labels (Welch)."""
        parts = self._parts(n_gold, n_preference)
        squares = sum((part.value / n) ** 2 / np.maximum(n - 1, 1) for part, n in parts)
        return self.at(n_gold, n_preference) ** 2 / squares

    def _parts(self, n_gold: Any, n_preference: Any) -> list[tuple[Part, Any]]:
        n_queries = n_preference if self.nested else n_gold + n_preference
        # Of nothing nothing is needed: no part divides by a number that may be 0.
        parts = [(self.gold, n_gold), (self.preference, n_preference), (self.query, n_queries)]
        return [(part, n) for part, n in parts if part.value > 0]


class Prices(NamedTuple):
    """What one label costs, in one unit of money."""

    gold: float
    preference: float


class Labels(NamedTuple):
    """Numbers of labels of either source."""

    gold: float
    preference: float

    def cost(self, prices: Prices) -> float:
        """Return what they cost."""
        return self.gold * prices.gold + self.preference * prices.preference


def labels_for(money: float, share: float, prices: Prices) -> Labels:
    """Spend a share of the money on gold labels and the rest on preference labels."""
    return Labels(share * money / prices.gold, (1 - share) * money / prices.preference)


def best_share(variance: LabelVariance, prices: Prices) -> float:
    """Return the share of the money that should be spent on gold labels.

    It does not depend on the amount, because a variance of twice the labels is half as large.

    Notes
    -----
    By Lagrange, labels of two kinds with variances a / n_gold + b / n_preference should be bought
    in the proportion n_gold / n_preference = sqrt(a c_preference / (b c_gold)), as in Neyman's
    allocation; with a the residual and b the explained variance of the gold label this is the
    cost-optimal policy of arXiv 2506.07949. With the third part for the queries there is no closed
    form, but the variance is convex in the share.

    Where gold labels lie among queries with preference labels there are at most as many of them,
    so that the share is at most c_gold / (c_gold + c_preference).

    Examples
    --------
    >>> from metarouter.inference.planning._pilot import NOTHING, Part
    >>> parts = LabelVariance(Part(4.0, 0, 9), Part(1.0, 0, 9), NOTHING, nested=False)
    >>> round(best_share(parts, Prices(1.0, 0.01)), 4)  # sqrt(4) to sqrt(1 * 0.01)
    0.9524
    """
    most = prices.gold / (prices.gold + prices.preference) if variance.nested else 1.0
    a = variance.gold.value
    b = variance.preference.value + (variance.query.value if variance.nested else 0.0)
    if variance.nested or variance.query.value == 0:
        weight = np.sqrt([a * prices.gold, b * prices.preference])
        return float(min(most, weight[0] / weight.sum()))

    def spread(share: float) -> float:
        return float(variance.at(*labels_for(1.0, share, prices)))

    found = minimize_scalar(spread, bounds=(1e-6, most - 1e-9), method="bounded")
    return float(found.x)


class Pilot(NamedTuple):
    """An estimate from the pilot, and the parts of its variance.

    `unit` is in words what the estimate is measured in.
    """

    pilot_value: float
    variance: LabelVariance
    unit: str


def shift_pilot(table: LabelTable, nested: bool) -> Pilot:
    """Mean shift: by pairs where labels are nested, else by doubly robust scores.

    Labels have influence on the mean through their own residual and, where the factor between the
    two scales is estimated, through that. The shift of a query has its own, through the query.
    """
    labels = table.labels
    if nested:
        pairs = paired_mean(labels)
        n_pairs = pairs.values.size
        variance = LabelVariance(
            part_of(pairs.influence, pairs.clusters, n_pairs), NOTHING, NOTHING, nested=True
        )
        return Pilot(pairs.value, variance, "units of the preference labels")
    fitted = table.nuisances("propensity", "gold_outcome", "preference_outcome")
    scores = orthogonal_scores(labels, fitted)
    share = labels.share_within(scores.inside)
    value = float(share @ scores.shift)
    of_factor = labels.factor_influence * float(share @ scores.gold) / labels.factor
    missed = labels.y - fitted.gold_outcome_
    at_gold = (labels.y, missed, labels.is_gold, share, fitted.propensity_, labels.clusters)
    unlearned = _unlearned(table.options, labels.rows.X, *at_gold)
    gold = share * (scores.gold - fitted.gold_outcome_)
    preference = share * (fitted.preference_outcome_ - scores.preference)
    query = share * (fitted.gold_outcome_ - fitted.preference_outcome_)
    is_gold, clusters = labels.is_gold, labels.clusters
    of_gold = np.where(is_gold, gold + of_factor, 0.0)
    of_preference = np.where(is_gold, 0.0, preference + of_factor)
    variance = LabelVariance(
        part_of(of_gold, clusters, labels.n_gold, unlearned=unlearned),
        part_of(of_preference, clusters, labels.n_preference),
        part_of(query - share * query.sum(), clusters, is_gold.size),
        nested=False,
    )
    return Pilot(value, variance, "units of the preference labels")


def gain_pilot(
    data: LabelledQueries | DoublyRobustGains,
    nested: bool,
    psi_hat: ArrayLike | None,
    propensity: Any,
    options: LabelOptions,
) -> Pilot:
    """Mean gain, or with psi-hat the area of the efficiency gain, by doubly robust scores.

    With u the slope of the influence in a label (1 for the mean, F(psi) - 1/2 for the area) and m
    the prediction of the label, gold labels bring E[u^2 (o - m)^2], and queries the rest of the
    variance of the influence.
    """
    scored = _scored(data, nested, propensity, options)
    weight = np.ones(scored.score.size)
    if scored.sample_weight is not None:
        weight = np.asarray(scored.sample_weight, dtype=np.float64)
    share = weight / weight.sum()
    clusters = as_clusters(scored.groups)
    mean = float(share @ scored.score)
    if psi_hat is None:
        value, slope, influence = mean, np.ones(share.size), scored.score - mean
    else:
        prediction = as_finite_column(psi_hat, "psi_hat")
        check_same_length("psi_hat", prediction.size, "the pilot", share.size)
        ranked = rank_gains(scored.score - mean, prediction, share)
        value, influence = area_influence(scored.score - mean, ranked, share)
        slope = ranked.distribution - 0.5
    gold, n_gold = scored.is_gold & (share > 0), scored.n_gold
    residual = np.where(gold, slope * (scored.score - scored.prediction), 0.0)
    unlearned = 0.0
    if isinstance(data, LabelledQueries):
        X = _with_preference(data) if nested else data.X
        missed = data.gold - scored.prediction
        at_gold = (missed, scored.is_gold, share * slope, scored.propensity, clusters)
        unlearned = _unlearned(options, X, data.gold, *at_gold)
    gold_part = part_of(
        share * residual, clusters, n_gold, share * slope / scored.propensity, unlearned
    )
    # What the influence would be, had the gold label itself been put in for its score.
    own = (influence - (1 - scored.propensity) * residual)[gold]
    variance = LabelVariance(
        gold_part, NOTHING, _rest(own, (share / scored.propensity)[gold], gold_part), nested
    )
    return Pilot(value, variance, "gold units")


def _unlearned(
    options: LabelOptions,
    X: Any,
    y: FloatArray,
    residual: FloatArray,
    is_gold: NDArray[np.bool_],
    slope: FloatArray,
    propensity: FloatArray,
    clusters: Clusters,
) -> float:
    """Return the share of the gold labels' part that is owed to there being few of them."""
    gold = is_gold & (slope != 0)
    p = np.clip(propensity, 1e-6, 1 - 1e-6)
    # Both are means over all queries of slope^2 / p, from queries with and without a gold label.
    residual_square = np.average(residual[gold] ** 2, weights=(slope / p)[gold] ** 2)
    weight = slope**2 / (p * (1 - p))
    seed = seed_of(options.get("random_state"))
    owed = unlearned_square(options.get("nuisances"), X, y, gold, weight, clusters, seed)
    return min(_MOST_UNLEARNED, owed / residual_square) if residual_square > 0 else 0.0


_SPLITS = 5
_TRAINED_ON = 0.8  # of the gold labels, by out-of-fold predictions in five folds


def unlearned_square(
    recipe: Nuisances | None,
    X: Any,
    y: FloatArray,
    is_gold: NDArray[np.bool_],
    weight: FloatArray,
    clusters: Clusters,
    seed: int,
) -> float:
    """Return the mean square by which predictions of gold labels are off for want of labels.

    It is part of the mean squared residual, and would be gone with ever more gold labels. It is 0
    where that cannot be told: no query without a gold label, or one outcome model for both sources.

    Parameters
    ----------
    recipe : Nuisances or None
    X : array-like of shape (n, d)
    y : ndarray of shape (n,)
        Read where `is_gold`.
    is_gold : ndarray of bool, shape (n,)
    weight : ndarray of shape (n,)
        In the mean over rows whose units have no gold label.
    clusters : ndarray of int or None
        Rows that belong together are never in two halves.
    seed : int

    Notes
    -----
    Models of two halves of the labels, which know nothing of each other, differ on a query that
    neither has seen by twice the variance of one, on average. Variances fall as one over the
    number of labels. What a model is off on all samples alike (its bias) is not seen.
    """
    codes = np.arange(y.size) if clusters is None else clusters
    elsewhere = np.flatnonzero(~np.isin(codes, codes[is_gold]) & (weight > 0))
    if (recipe is not None and recipe.pooled_outcome) or not elsewhere.size:
        return 0.0
    given = None if recipe is None else recipe.outcome
    model = seeded(default_regressor() if given is None else clone(given), seed)
    rng = np.random.default_rng(seed)
    labelled = np.unique(codes[is_gold])
    squares = np.zeros(elsewhere.size)
    for _ in range(_SPLITS):
        first = np.isin(codes, rng.permutation(labelled)[: labelled.size // 2])
        one, other = (
            predict_mean(
                fit_model(model, take_rows(X, np.flatnonzero(half)), y[half]),
                take_rows(X, elsewhere),
            )
            for half in (is_gold & first, is_gold & ~first)
        )
        squares += (one - other) ** 2 / 2 / _SPLITS
    return float(np.average(squares, weights=weight[elsewhere])) * 0.5 / _TRAINED_ON


def _rest(influence: FloatArray, weight: FloatArray, gold: Part) -> Part:
    """Return the variance of the influence less what the gold labels bring by themselves."""
    weight = weight / weight.sum()
    squares = (influence - weight @ influence) ** 2
    total = float(weight @ squares)
    error = float(np.sqrt(np.sum((weight * (squares - total)) ** 2)))
    return Part(max(0.0, total - gold.value), error, influence.size)


def _scored(
    data: LabelledQueries | DoublyRobustGains, nested: bool, propensity: Any, options: LabelOptions
) -> DoublyRobustGains:
    if isinstance(data, DoublyRobustGains):
        return data
    if not isinstance(data, LabelledQueries):
        raise MetaRouterError(
            f"the pilot is a {type(data).__name__}; give LabelledQueries, or for a gain "
            "DoublyRobustGains."
        )
    X = _with_preference(data) if nested else data.X
    recipe = options.get("nuisances") or Nuisances(n_jobs=options.get("n_jobs"))
    random_state = options.get("random_state")
    everywhere = bool(data.has_gold.all())
    given = _cross_predicted(X, data, recipe, seed_of(random_state)) if everywhere else None
    queries = LabelledQueries(
        X=X, gold=data.gold, preference=data.preference, groups=data.groups, weight=data.weight
    )
    return doubly_robust_gains(
        queries,
        recipe,
        gold_outcome=given,
        propensity=propensity,
        random_state=random_state,
    )


def _cross_predicted(X: Any, data: LabelledQueries, recipe: Nuisances, seed: int) -> FloatArray:
    model = default_regressor() if recipe.outcome is None else clone(recipe.outcome)
    folds = KFold(5, shuffle=True, random_state=seed) if data.groups is None else GroupKFold(5)
    fitted = cross_val_predict(seeded(model, seed), X, data.gold, groups=data.groups, cv=folds)
    return np.asarray(fitted, dtype=np.float64)


def _with_preference(data: LabelledQueries) -> Any:
    """Return the features with the preference label as one more."""
    missing = int((~data.has_preference).sum())
    if missing:
        raise DataError(
            f"design='nested' means that every query has a preference label, but {missing} of "
            f"{data.n_queries} have none: leave those out, or plan design='separate'."
        )
    if hasattr(data.X, "assign"):
        return data.X.assign(**{"preference label": data.preference})
    return np.column_stack([np.asarray(data.X, dtype=np.float64), data.preference])


def is_nested(data: Any, design: Design) -> bool:
    """Say which design is planned; by itself it is that of the pilot.

    Raises
    ------
    MetaRouterError
        If the design is unknown.
    """
    if design not in ("auto", "separate", "nested"):
        raise MetaRouterError(
            f"design={design!r} is unknown; choose 'auto', 'separate' or 'nested'."
        )
    if design != "auto":
        return design == "nested"
    if isinstance(data, LabelledQueries):
        both: NDArray[np.bool_] = data.has_gold & data.has_preference
        return bool(2 * both.sum() >= data.has_gold.sum())
    return isinstance(data, DoublyRobustGains)
