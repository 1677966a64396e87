"""How strong observed features are as confounders: a yardstick for unobserved ones.

Bounds on the bias from an omitted variable, as pure functions on arrays.

Source: Chernozhukov, Cinelli, Newey, Sharma & Syrgkanis (2022), Long story short: omitted variable
bias in causal machine learning. With the outcome regression g, the Riesz representer alpha and

    sigma^2 = E (o - g)^2,   nu^2 = E alpha^2,   C^2 = c_y c_d / (1 - c_d),

a variable that would explain the share c_y of the residual variance of the labels, and whose
omission leaves the share 1 - c_d of the representer's variance, biases the estimate by at most
rho sigma nu C.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from metarouter.exceptions import MetaRouterError
from metarouter.inference.intervals import (
    Clusters,
    FloatArray,
    Measured,
    interval_of,
    log_interval,
    variance_of_mean,
)
from metarouter.inference.labels import (
    ScaledLabels,
    column_names,
    doubly_robust_mean,
    orthogonal_scores,
    overlap_weighted_slope,
)
from metarouter.nuisance import Nuisances
from metarouter.utils.random import seed_of, seeded

_AUTOMATIC = 3


def benchmark_columns(data: Any, labels: ScaledLabels, benchmark: Any) -> dict[str, list[int]]:
    """Return the columns that each benchmark leaves out.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    labels : ScaledLabels
    benchmark : "auto", None, list of names or positions, or dict of str to such lists
        "auto" takes the three columns that are most related both to the source and to the labels
        of one source; a dict leaves out several columns at once, for example the length and the
        language of a query.

    Raises
    ------
    MetaRouterError
        If a column is unknown.
    """
    names = column_names(data)
    if benchmark is None:
        return {}
    if isinstance(benchmark, str) and benchmark == "auto":
        return {names[k]: [k] for k in _strongest(np.asarray(labels.rows.X, dtype=float), labels)}
    if isinstance(benchmark, Mapping):
        return {
            str(name): [_position(item, names) for item in items]
            for name, items in benchmark.items()
        }
    chosen = [benchmark] if isinstance(benchmark, str) else list(benchmark)
    return {names[_position(item, names)]: [_position(item, names)] for item in chosen}


def nuisances_without(
    labels: ScaledLabels, fitted: Nuisances, columns: list[int], needed: tuple[str, ...], seed: Any
) -> Nuisances:
    """Cross-fit the same recipe on the same folds, without some columns."""
    X = np.asarray(labels.rows.X, dtype=float)
    left = np.delete(X, columns, axis=1)
    if left.shape[1] == 0:
        left = np.zeros((len(X), 1))
    recipe = Nuisances(**fitted.get_params(deep=False))
    if fitted.folds_:
        recipe.set_params(cv=fitted.folds_)
    data = labels._replace(rows=replace(labels.rows, X=left)).training_data()
    return seeded(recipe, seed_of(seed)).fit_validated(data, needed)


def _position(item: Any, names: list[str]) -> int:
    if isinstance(item, str) and item in names:
        return names.index(item)
    if isinstance(item, int | np.integer) and 0 <= item < len(names):
        return int(item)
    raise MetaRouterError(
        f"benchmark names {item!r}, but X has {len(names)} columns ({', '.join(names[:5])}"
        f"{', ...' if len(names) > 5 else ''}); choose among them."
    )


def _strongest(X: FloatArray, labels: ScaledLabels) -> list[int]:
    is_gold = labels.is_gold
    centred = np.where(is_gold, labels.y[is_gold].mean(), labels.y[~is_gold].mean())
    product = np.abs(_correlations(X, is_gold.astype(float)) * _correlations(X, labels.y - centred))
    return [int(k) for k in np.argsort(-product, kind="stable")[:_AUTOMATIC]]


def _correlations(X: FloatArray, y: FloatArray) -> FloatArray:
    Z = X - X.mean(axis=0)
    norms = np.sqrt((Z**2).sum(axis=0)) * np.sqrt(((y - y.mean()) ** 2).sum())
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.nan_to_num(Z.T @ (y - y.mean()) / norms)


_LARGEST = 1 - 1e-9


class SensitivityElements(NamedTuple):
    """theta, sigma^2 and nu^2, each with the influence of every row on it."""

    theta: float
    sigma2: float
    nu2: float
    theta_influence: FloatArray
    sigma2_influence: FloatArray
    nu2_influence: FloatArray
    share: FloatArray
    is_gold: NDArray[np.bool_]
    clusters: Clusters


class BiasBound(NamedTuple):
    """Bounds on the estimate under a confounding strength, with an interval around both."""

    lower: float
    upper: float
    lower_se: float
    upper_se: float
    interval_lower: float
    interval_upper: float


class Gain(NamedTuple):
    """What an observed feature does when it is left out: c_y, c_d, how adversely, by how much."""

    outcome: Measured
    source: Measured
    rho: float
    change: float


def nonparametric_elements(labels: ScaledLabels, nuisances: Nuisances) -> SensitivityElements:
    """Elements of the doubly robust mean: alpha = t / p - (1 - t) / (1 - p)."""
    estimate = doubly_robust_mean(labels, nuisances)
    inside = orthogonal_scores(labels, nuisances).inside
    is_gold = labels.is_gold
    p = np.where(inside, nuisances.propensity_, 0.5)
    own: FloatArray = np.asarray(
        np.where(is_gold, nuisances.gold_outcome_, nuisances.preference_outcome_)
    )
    squared = (labels.y - own) ** 2
    # nu^2 = 2 E m(alpha) - E alpha^2 is insensitive to errors of p, as theta is.
    riesz2 = 2 / (p * (1 - p)) - np.where(is_gold, 1 / p, 1 / (1 - p)) ** 2
    share = estimate.leverage
    sigma2, nu2 = float(share @ squared), float(share @ riesz2)
    return SensitivityElements(
        estimate.value,
        sigma2,
        nu2,
        estimate.influence,
        share * (squared - sigma2) + labels.factor_influence * _residual_slope(labels, own, share),
        share * (riesz2 - nu2),
        share,
        is_gold,
        labels.clusters,
    )


def linear_elements(labels: ScaledLabels, nuisances: Nuisances) -> SensitivityElements:
    """Elements of the partially linear model: alpha = (t - p) / E (t - p)^2."""
    estimate = overlap_weighted_slope(labels, nuisances)
    share = labels.share_within(nuisances.overlap_.in_overlap)
    source_residual = labels.is_gold - nuisances.propensity_
    own = nuisances.marginal_outcome_ + estimate.value * source_residual
    squared, spread = (labels.y - own) ** 2, source_residual**2
    sigma2, nu2 = float(share @ squared), 1 / float(share @ spread)
    return SensitivityElements(
        estimate.value,
        sigma2,
        nu2,
        estimate.influence,
        share * (squared - sigma2) + labels.factor_influence * _residual_slope(labels, own, share),
        share * (nu2 - spread * nu2**2),
        share,
        labels.is_gold,
        labels.clusters,
    )


def confounding_strength(outcome: float, source: float, rho: float = 1.0) -> float:
    """Return |rho| C = |rho| sqrt(c_y c_d / (1 - c_d))."""
    return abs(rho) * float(np.sqrt(outcome * source / (1 - source)))


def bias_bound(elements: SensitivityElements, strength: float, level: float) -> BiasBound:
    """Bounds theta -/+ strength sigma nu, and the interval around them.

    Parameters
    ----------
    elements : SensitivityElements
    strength : float
        As `confounding_strength` gives it.
    level : float
        Of the two-sided interval, which for a strength above 0 covers more often than that: the
        truth lies beyond one end only.
    """
    largest = float(np.sqrt(elements.sigma2 * elements.nu2))
    influence = elements.sigma2 * elements.nu2_influence + elements.nu2 * elements.sigma2_influence
    influence = influence / (2 * largest)
    ends, errors, reaches = [], [], []
    for sign in (-1.0, 1.0):
        end = elements.theta + sign * strength * largest
        spread = variance_of_mean(
            elements.theta_influence + sign * strength * influence,
            elements.share,
            elements.is_gold,
            elements.clusters,
            "HC3" if elements.clusters is None else "cluster",
        )
        se = float(np.sqrt(spread.variance))
        ends.append(end)
        errors.append(se)
        reaches.append(interval_of(end, se, spread.df, level)[0 if sign < 0 else 1])
    return BiasBound(ends[0], ends[1], errors[0], errors[1], float(reaches[0]), float(reaches[1]))


def robustness_value(
    elements: SensitivityElements, null: float, level: float | None = None
) -> float:
    """Smallest c = c_y = c_d at which the bounds, or their interval, reach the null.

    Parameters
    ----------
    elements : SensitivityElements
    null : float
    level : float, optional
        None asks for the bounds themselves, without sampling error; then c solves
        c^2 / (1 - c) = ((theta - null) / (sigma nu))^2.
    """
    if level is None:
        squared = (elements.theta - null) ** 2 / (elements.sigma2 * elements.nu2)
        return float((np.sqrt(squared**2 + 4 * squared) - squared) / 2)
    side = 1.0 if elements.theta > null else -1.0

    def distance(c: float) -> float:
        bound = bias_bound(elements, confounding_strength(c, c), level)
        reach = bound.interval_lower if side > 0 else bound.interval_upper
        return side * (reach - null)

    return _first_root(distance)


def gain_of(full: SensitivityElements, without: SensitivityElements, level: float) -> Gain:
    """Strength of an observed feature, from the elements with and without it.

    The gains in explained variance are those of DoubleML's benchmarking,
    c_y = (R2 with - R2 without) / (1 - R2 with) = sigma^2 without / sigma^2 with - 1 and
    c_d = nu^2 with / nu^2 without - 1, kept in [0, 1).
    """
    change = without.theta - full.theta
    spread = (without.sigma2 - full.sigma2) * (full.nu2 - without.nu2)
    adverse = (
        min(1.0, abs(change) / np.sqrt(spread))
        if without.sigma2 > full.sigma2 and full.nu2 > without.nu2
        else 1.0
    )
    return Gain(
        _excess("sigma2", without, full, level),
        _excess("nu2", full, without, level),
        float(np.sign(change) * adverse),
        float(change),
    )


def _excess(
    name: str, larger: SensitivityElements, smaller: SensitivityElements, level: float
) -> Measured:
    """Return the ratio of two elements of one sample, minus 1, within [0, 1)."""
    above, below = getattr(larger, name), getattr(smaller, name)
    influence = (
        getattr(larger, f"{name}_influence") / above - getattr(smaller, f"{name}_influence") / below
    )
    found = Measured(above / below - 1, np.nan, np.nan)
    if influence.any():
        ratio = log_interval(
            above / below, influence, larger.share, larger.is_gold, larger.clusters, level
        )
        found = ratio.mapped(-1.0, 1.0)
    return Measured(*(float(np.clip(number, 0, _LARGEST)) for number in found))


def _first_root(distance: Callable[[float], float]) -> float:
    if distance(0.0) <= 0:
        return 0.0
    if distance(_LARGEST) > 0:
        return 1.0
    return float(brentq(distance, 0.0, _LARGEST, xtol=1e-10))


def _residual_slope(labels: ScaledLabels, own: FloatArray, share: FloatArray) -> float:
    """Return d sigma^2 / d factor; the fitted values' part is orthogonal to the residuals."""
    return float(share @ (2 * (labels.y - own) * labels.gold_part))
