"""What a pilot says about the variance of an estimate: its parts, by source."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict

from metarouter.base_learners import default_regressor
from metarouter.datasets import LabelledQueries
from metarouter.evaluation._efficiency_gain import area_influence, rank_gains
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference.intervals import Clusters, FloatArray, as_clusters
from metarouter.inference.labels import (
    DoublyRobustGains,
    Scaling,
    doubly_robust_gains,
    fitted_nuisances,
    orthogonal_scores,
    paired_mean,
    scaled_labels,
)
from metarouter.inference.planning._label_variance import NOTHING, LabelVariance, Part, part_of
from metarouter.inference.planning._learning_curve import unlearned_square
from metarouter.nuisance import Nuisances
from metarouter.utils.columns import as_finite_column, check_same_length
from metarouter.utils.random import seed_of, seeded

Quantity = Literal["mean_shift", "mean_gain", "area"]
Design = Literal["auto", "separate", "nested"]

_MOST_UNLEARNED = 0.9
_SHIFT_NUISANCES = ("propensity", "gold_outcome", "preference_outcome")


class Pilot(NamedTuple):
    """An estimate from the pilot, and the parts of its variance.

    `unit` is in words what the estimate is measured in.
    """

    value: float
    variance: LabelVariance
    unit: str


def shift_pilot(
    data: Any,
    nested: bool,
    nuisances: Nuisances | None,
    scaling: Scaling,
    random_state: Any,
    n_jobs: int | None,
) -> Pilot:
    """Mean shift: by pairs where labels are nested, else by doubly robust scores.

    Labels have influence on the mean through their own residual and, where the factor between the
    two scales is estimated, through that. The shift of a query has its own, through the query.
    """
    labels = scaled_labels(data, scaling)
    if nested:
        pairs = paired_mean(labels)
        n_pairs = pairs.values.size
        variance = LabelVariance(
            part_of(pairs.influence, pairs.clusters, n_pairs), NOTHING, NOTHING, nested=True
        )
        return Pilot(pairs.value, variance, "units of the preference labels")
    fitted = fitted_nuisances(labels, nuisances, _SHIFT_NUISANCES, random_state, n_jobs)
    scores = orthogonal_scores(labels, fitted)
    share = labels.share_within(scores.inside)
    value = float(share @ scores.shift)
    of_factor = labels.factor_influence * float(share @ scores.gold) / labels.factor
    residual = labels.y - fitted.gold_outcome_
    unlearned = _unlearned(
        nuisances, labels.rows.X, labels.y, residual, labels.is_gold, share, fitted.propensity_,
        labels.clusters, random_state,
    )  # fmt: skip
    gold = share * (scores.gold - fitted.gold_outcome_)
    preference = share * (fitted.preference_outcome_ - scores.preference)
    query = share * (fitted.gold_outcome_ - fitted.preference_outcome_)
    is_gold, clusters = labels.is_gold, labels.clusters
    variance = LabelVariance(
        part_of(
            np.where(is_gold, gold + of_factor, 0.0), clusters, labels.n_gold, unlearned=unlearned
        ),
        part_of(np.where(is_gold, 0.0, preference + of_factor), clusters, labels.n_preference),
        part_of(query - share * query.sum(), clusters, is_gold.size),
        nested=False,
    )
    return Pilot(value, variance, "units of the preference labels")


def gain_pilot(
    data: LabelledQueries | DoublyRobustGains,
    nested: bool,
    psi_hat: ArrayLike | None,
    nuisances: Nuisances | None,
    propensity: Any,
    random_state: Any,
    n_jobs: int | None,
) -> Pilot:
    """Mean gain, or with psi-hat the area of the efficiency gain, by doubly robust scores.

    With u the slope of the influence in a label (1 for the mean, F(psi) - 1/2 for the area) and m
    the prediction of the label, gold labels bring E[u^2 (o - m)^2], and queries the rest of the
    variance of the influence.
    """
    scored = _scored(data, nested, nuisances, propensity, random_state, n_jobs)
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
        unlearned = _unlearned(
            nuisances, X, data.gold, data.gold - scored.prediction, scored.is_gold, share * slope,
            scored.propensity, clusters, random_state,
        )  # fmt: skip
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
    nuisances: Nuisances | None,
    X: Any,
    y: FloatArray,
    residual: FloatArray,
    is_gold: NDArray[np.bool_],
    slope: FloatArray,
    propensity: FloatArray,
    clusters: Clusters,
    random_state: Any,
) -> float:
    """Return the share of the gold labels' part that is owed to there being few of them."""
    gold = is_gold & (slope != 0)
    p = np.clip(propensity, 1e-6, 1 - 1e-6)
    # Both are means over all queries of slope^2 / p, from queries with and without a gold label.
    residual_square = np.average(residual[gold] ** 2, weights=(slope / p)[gold] ** 2)
    weight = slope**2 / (p * (1 - p))
    owed = unlearned_square(nuisances, X, y, gold, weight, clusters, seed_of(random_state))
    return min(_MOST_UNLEARNED, owed / residual_square) if residual_square > 0 else 0.0


def _rest(influence: FloatArray, weight: FloatArray, gold: Part) -> Part:
    """Return the variance of the influence less what the gold labels bring by themselves."""
    weight = weight / weight.sum()
    squares = (influence - weight @ influence) ** 2
    total = float(weight @ squares)
    error = float(np.sqrt(np.sum((weight * (squares - total)) ** 2)))
    return Part(max(0.0, total - gold.value), error, influence.size)


def _scored(
    data: LabelledQueries | DoublyRobustGains,
    nested: bool,
    nuisances: Nuisances | None,
    propensity: Any,
    random_state: Any,
    n_jobs: int | None,
) -> DoublyRobustGains:
    if isinstance(data, DoublyRobustGains):
        return data
    if not isinstance(data, LabelledQueries):
        raise MetaRouterError(
            f"the pilot is a {type(data).__name__}; give LabelledQueries, or for a gain "
            "DoublyRobustGains."
        )
    X = _with_preference(data) if nested else data.X
    recipe = Nuisances(n_jobs=n_jobs) if nuisances is None else nuisances
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
