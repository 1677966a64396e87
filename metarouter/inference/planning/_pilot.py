"""What a pilot says about the variance of an estimate, as a function of the numbers of labels.

Labels of either source have influence on an estimate by themselves, and so do the queries they
belong to:

    Var = gold / n_gold + preference / n_preference + query / n_queries.

Where every label has a query of its own, n_queries = n_gold + n_preference; where the gold labels
are placed among queries that all carry a preference label ("nested"), n_queries = n_preference.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
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
from metarouter.utils.columns import as_finite_column, as_weight, check_same_length
from metarouter.utils.random import seed_of, seeded

_MOST_UNLEARNED = 0.9
_SPLITS = 5
_TRAINED_ON = 0.8  # of the gold labels, by out-of-fold predictions in five folds


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

    def __str__(self) -> str:
        return f"{self.value:.4f} (s.e. {self.se:.4f})" if self.n else ""


NOTHING = Part(0.0, 0.0, 0)


def part_of(
    influence: FloatArray,
    clusters: Clusters,
    n: int,
    slope: FloatArray | float = 1.0,
    unlearned: float = 0.0,
) -> Part:
    """Return the part of `n` labels from influence values of shape (n_rows,).

    `slope`, a number or one per row, is the influence of a residual of one, and `unlearned` the
    share of the part that is owed to predictions that learned from too few labels.

    Examples
    --------
    >>> import numpy as np
    >>> label = np.array([1.0, -1.0, 3.0, -3.0])
    >>> round(float(part_of(label / 4, None, 4).value), 6)  # the variance of one label
    6.666667
    """
    summed = cluster_sums(influence, clusters)
    squares = summed[summed != 0] ** 2
    m = max(2, squares.size)
    value, spread = n * m / (m - 1) * squares.sum(), np.nan
    if squares.size > 1:
        # A small pilot rarely shows its tails: residuals are taken to have those of the normal at
        # least, E(e^4) = 3 E(e^2)^2.
        usual = cluster_sums(np.where(influence != 0, slope**2, 0.0), clusters)[summed != 0]
        usual = usual * squares.mean() / usual.mean()
        normal = np.sqrt(3 * (usual**2).mean() - usual.mean() ** 2)
        spread = max(np.std(squares, ddof=1), normal)
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
        """Return the variance with these numbers of labels, floats or arrays."""
        return sum(part.value / n for part, n in self.parts(n_gold, n_preference))

    def parts(self, n_gold: Any, n_preference: Any) -> list[tuple[Part, Any]]:
        """Return the parts, each with the number that it is divided by."""
        n_queries = n_preference if self.nested else n_gold + n_preference
        # Of nothing nothing is needed: no part divides by a number that may be 0.
        parts = [(self.gold, n_gold), (self.preference, n_preference), (self.query, n_queries)]
        return [(part, n) for part, n in parts if part.value > 0]


def shift_pilot(table: LabelTable, nested: bool) -> tuple[float, LabelVariance]:
    """Mean shift: by pairs where labels are nested, else by doubly robust scores.

    Labels have influence on the mean through their own residual and, where the factor between the
    two scales is estimated, through that. The shift of a query has its own, through the query.
    """
    labels = table.labels
    if nested:
        pairs = paired_mean(labels)
        part = part_of(pairs.influence, pairs.clusters, pairs.values.size)
        return pairs.value, LabelVariance(part, NOTHING, NOTHING, nested=True)
    fitted = table.nuisances("propensity", "gold_outcome", "preference_outcome")
    of_gold, of_preference = fitted.gold_outcome_, fitted.preference_outcome_
    p, missed = fitted.propensity_, labels.y - of_gold
    scores = orthogonal_scores(labels, fitted)
    is_gold, clusters = labels.is_gold, labels.clusters
    share = labels.share_within(scores.inside)
    of_factor = labels.factor_influence * float(share @ scores.gold) / labels.factor
    gold = np.where(is_gold, share * (scores.gold - of_gold) + of_factor, 0.0)
    preference = np.where(is_gold, 0.0, share * (of_preference - scores.preference) + of_factor)
    query = share * (of_gold - of_preference)
    unlearned = _unlearned(
        table.options, labels.rows.X, labels.y, missed, is_gold, share, p, clusters
    )
    variance = LabelVariance(
        part_of(gold, clusters, labels.n_gold, unlearned=unlearned),
        part_of(preference, clusters, labels.n_preference),
        part_of(query - share * query.sum(), clusters, is_gold.size),
        nested=False,
    )
    return float(share @ scores.shift), variance


def gain_pilot(
    data: LabelledQueries | DoublyRobustGains,
    nested: bool,
    psi_hat: ArrayLike | None,
    propensity: Any,
    options: LabelOptions,
) -> tuple[float, LabelVariance]:
    """Mean gain, or with psi-hat the area of the efficiency gain, by doubly robust scores.

    With u the slope of the influence in a label (1 for the mean, F(psi) - 1/2 for the area) and m
    the prediction of the label, gold labels bring E[u^2 (o - m)^2], and queries the rest of the
    variance of the influence.
    """
    if nested and isinstance(data, LabelledQueries):
        data = _with_preference(data)
    scored = _scored(data, propensity, options)
    p, weight = scored.propensity, as_weight(scored.sample_weight, scored.score.size)
    share = weight / weight.sum()
    clusters = as_clusters(scored.groups)
    value = float(share @ scored.score)
    slope, influence = np.ones(share.size), scored.score - value
    if psi_hat is not None:
        prediction = as_finite_column(psi_hat, "psi_hat")
        check_same_length("psi_hat", prediction.size, "the pilot", share.size)
        ranked = rank_gains(influence, prediction, share)
        value, influence = area_influence(influence, ranked, share)
        slope = ranked.distribution - 0.5
    gold = scored.is_gold & (share > 0)
    residual = np.where(gold, slope * (scored.score - scored.prediction), 0.0)
    by_label, unlearned = share * slope, 0.0
    if isinstance(data, LabelledQueries):
        missed = data.gold - scored.prediction
        unlearned = _unlearned(
            options, data.X, data.gold, missed, scored.is_gold, by_label, p, clusters
        )
    gold_part = part_of(share * residual, clusters, scored.n_gold, by_label / p, unlearned)
    # What the influence would be, had the gold label itself been put in for its score. The queries
    # bring what the gold labels do not bring by themselves.
    own, weight = (influence - (1 - p) * residual)[gold], (share / p)[gold]
    weight = weight / weight.sum()
    squares = (own - weight @ own) ** 2
    total = float(weight @ squares)
    error = float(np.sqrt(np.sum((weight * (squares - total)) ** 2)))
    rest = Part(max(0.0, total - gold_part.value), error, own.size)
    return value, LabelVariance(gold_part, NOTHING, rest, nested)


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
    The mean is weighted, over rows whose clusters have no gold label.

    Notes
    -----
    Models of two halves of the labels, which know nothing of each other, differ on a query that
    neither has seen by twice the variance of one, on average. Variances fall as one over the
    number of labels. What a model is off on all samples alike (its bias) is not seen.
    """
    cluster = np.arange(y.size) if clusters is None else clusters
    elsewhere = np.flatnonzero(~np.isin(cluster, cluster[is_gold]) & (weight > 0))
    if (recipe is not None and recipe.pooled_outcome) or not elsewhere.size:
        return 0.0
    model, rng = seeded(_outcome_model(recipe), seed), np.random.default_rng(seed)
    labelled, unseen = np.unique(cluster[is_gold]), take_rows(X, elsewhere)
    squares = np.zeros(elsewhere.size)
    for _ in range(_SPLITS):
        first = np.isin(cluster, rng.permutation(labelled)[: labelled.size // 2])
        one, other = (
            predict_mean(fit_model(model, take_rows(X, np.flatnonzero(half)), y[half]), unseen)
            for half in (is_gold & first, is_gold & ~first)
        )
        squares += (one - other) ** 2 / 2 / _SPLITS
    return float(np.average(squares, weights=weight[elsewhere])) * 0.5 / _TRAINED_ON


def _scored(
    data: LabelledQueries | DoublyRobustGains, propensity: Any, options: LabelOptions
) -> DoublyRobustGains:
    if isinstance(data, DoublyRobustGains):
        return data
    if not isinstance(data, LabelledQueries):
        raise MetaRouterError(
            f"the pilot is a {type(data).__name__}; give LabelledQueries, or for a gain "
            "DoublyRobustGains."
        )
    recipe = options.get("nuisances") or Nuisances(n_jobs=options.get("n_jobs"))
    random_state, predicted = options.get("random_state"), None
    if data.has_gold.all():
        seed = seed_of(random_state)
        folds = KFold(5, shuffle=True, random_state=seed) if data.groups is None else GroupKFold(5)
        model = seeded(_outcome_model(recipe), seed)
        predicted = cross_val_predict(model, data.X, data.gold, groups=data.groups, cv=folds)
    return doubly_robust_gains(
        data, recipe, gold_outcome=predicted, propensity=propensity, random_state=random_state
    )


def _outcome_model(recipe: Nuisances | None) -> Any:
    given = None if recipe is None else recipe.outcome
    return default_regressor() if given is None else given


def _with_preference(data: LabelledQueries) -> LabelledQueries:
    """Return the queries with the preference label as one more feature."""
    missing = int((~data.has_preference).sum())
    if missing:
        raise DataError(
            f"design='nested' means that every query has a preference label, but {missing} of "
            f"{data.n_queries} have none: leave those out, or plan design='separate'."
        )
    if hasattr(data.X, "assign"):
        X = data.X.assign(**{"preference label": data.preference})
    else:
        X = np.column_stack([np.asarray(data.X, dtype=np.float64), data.preference])
    return replace(data, X=X, feature_names=None)


def is_nested(data: Any, design: str) -> bool:
    """Say which design is planned; by itself it is that of the pilot."""
    if design != "auto":
        return design == "nested"
    if isinstance(data, LabelledQueries):
        return 2 * data.n_paired >= data.n_gold
    return isinstance(data, DoublyRobustGains)
