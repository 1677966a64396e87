"""Sensitivity of the mean shift to an unmeasured difference between the two sources."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, NamedTuple, Unpack

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from metarouter.inference._limits import DECISION_THRESHOLDS, Verdict
from metarouter.inference._result import Finding, Judged
from metarouter.inference.intervals import (
    Clusters,
    FloatArray,
    Measured,
    interval_of,
    log_interval,
    variance_of_mean,
)
from metarouter.inference.labels import (
    LabelOptions,
    LabelTable,
    ScaledLabels,
    ShiftEstimate,
    check_sample_size,
    column_names,
    column_position,
    doubly_robust_mean,
    fitted_nuisances,
    overlap_weighted_slope,
)
from metarouter.nuisance import Nuisances
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import ARRAY, number
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.style import BAR, MEAN, OUTLINE, reference_line

_LARGEST_STRENGTH = 1 - 1e-9
_N_BENCHMARKS = 3  # features that are left out in turn
_ROBUST_BY_ITSELF = 0.1
_YARDSTICK_RATIO = 100  # a feature that many times weaker is no yardstick


class SensitivityElements(NamedTuple):
    """theta, sigma^2 and nu^2, and the influence of every row on the three, shape (n, 3)."""

    theta: float
    sigma2: float
    nu2: float
    influence: FloatArray
    share: FloatArray
    is_gold: NDArray[np.bool_]
    clusters: Clusters

    @property
    def rows(self) -> tuple[FloatArray, NDArray[np.bool_], Clusters]:
        """Shares, sources and clusters of the rows, as variances take them."""
        return self.share, self.is_gold, self.clusters


def nonparametric_elements(labels: ScaledLabels, nuisances: Nuisances) -> SensitivityElements:
    """Elements of the doubly robust mean: alpha = t / p - (1 - t) / (1 - p)."""
    estimate = doubly_robust_mean(labels, nuisances)
    is_gold, share = labels.is_gold, estimate.leverage
    p = np.where(share > 0, nuisances.propensity_, 0.5)
    outcomes = nuisances.gold_outcome_, nuisances.preference_outcome_
    own: FloatArray = np.asarray(np.where(is_gold, *outcomes))
    # nu^2 = 2 E m(alpha) - E alpha^2 is insensitive to errors of p, as theta is.
    riesz2 = 2 / (p * (1 - p)) - np.where(is_gold, 1 / p, 1 / (1 - p)) ** 2
    nu2 = float(share @ riesz2)
    return _elements(labels, estimate, share, own, nu2, riesz2 - nu2)


def linear_elements(labels: ScaledLabels, nuisances: Nuisances) -> SensitivityElements:
    """Elements of the partially linear model: alpha = (t - p) / E (t - p)^2."""
    estimate = overlap_weighted_slope(labels, nuisances)
    share = labels.share_within(nuisances.overlap_.in_overlap)
    source_residual = labels.is_gold - nuisances.propensity_
    own = nuisances.marginal_outcome_ + estimate.value * source_residual
    nu2 = 1 / float(share @ source_residual**2)
    return _elements(labels, estimate, share, own, nu2, nu2 - source_residual**2 * nu2**2)


def _elements(
    labels: ScaledLabels,
    estimate: ShiftEstimate,
    share: FloatArray,
    own: FloatArray,
    nu2: float,
    nu2_deviation: FloatArray,
) -> SensitivityElements:
    """Add sigma^2, the mean squared residual of the fitted labels `own`."""
    residual = labels.y - own
    sigma2 = float(share @ residual**2)
    # d sigma^2 / d factor; the fitted values' part is orthogonal to the residuals.
    slope = float(share @ (2 * residual * labels.gold_part))
    of_sigma2 = share * (residual**2 - sigma2) + labels.factor_influence * slope
    influence = np.column_stack([estimate.influence, of_sigma2, share * nu2_deviation])
    return SensitivityElements(
        estimate.value, sigma2, nu2, influence, share, labels.is_gold, labels.clusters
    )


class BiasBound(NamedTuple):
    """Bounds on the estimate under a confounding strength, with an interval around both."""

    lower: float
    upper: float
    lower_se: float
    upper_se: float
    interval_lower: float
    interval_upper: float


def confounding_strength(outcome: float, source: float, rho: float = 1.0) -> float:
    """Return |rho| C = |rho| sqrt(c_y c_d / (1 - c_d))."""
    return abs(rho) * float(np.sqrt(outcome * source / (1 - source)))


def common_strength(squared: float) -> float:
    """Return the c = c_y = c_d with C^2 = c^2 / (1 - c) = `squared`."""
    return float((np.sqrt(squared**2 + 4 * squared) - squared) / 2)


def bias_bound(elements: SensitivityElements, strength: float, level: float) -> BiasBound:
    """Bounds theta -/+ strength sigma nu, and the interval around them.

    The two-sided interval covers more often than `level` for a strength above 0: the truth lies
    beyond one end only.
    """
    sigma2, nu2 = elements.sigma2, elements.nu2
    largest = float(np.sqrt(sigma2 * nu2))
    kind = "HC3" if elements.clusters is None else "cluster"
    ends = []
    for reach in (-strength, strength):
        gradient = np.array([1.0, reach * nu2 / (2 * largest), reach * sigma2 / (2 * largest)])
        spread = variance_of_mean(elements.influence @ gradient, *elements.rows, kind)
        value, se = elements.theta + reach * largest, float(np.sqrt(spread.variance))
        ends.append((value, se, *interval_of(value, se, spread.df, level)))
    (lower, lower_se, interval_lower, _), (upper, upper_se, _, interval_upper) = ends
    return BiasBound(lower, upper, lower_se, upper_se, interval_lower, interval_upper)


def robustness_value(elements: SensitivityElements, null: float) -> float:
    """Smallest c = c_y = c_d at which the bounds reach the null."""
    return common_strength((elements.theta - null) ** 2 / (elements.sigma2 * elements.nu2))


def robustness_of_interval(elements: SensitivityElements, null: float, level: float) -> float:
    """Smallest c = c_y = c_d at which the interval around the bounds reaches the null."""

    def distance(c: float) -> float:
        bound = bias_bound(elements, confounding_strength(c, c), level)
        above = elements.theta > null
        return bound.interval_lower - null if above else null - bound.interval_upper

    if distance(0.0) <= 0:
        return 0.0
    if distance(_LARGEST_STRENGTH) > 0:
        return 1.0
    return float(brentq(distance, 0.0, _LARGEST_STRENGTH, xtol=1e-10))


class Scenario(NamedTuple):
    """Bounds on the mean shift under one assumed difference, or one as strong as a feature.

    c_y and c_d, how adverse the difference is, by how much leaving the feature out moves theta.
    """

    name: str
    outcome: Measured
    source: Measured
    rho: float
    change: float
    bound: BiasBound

    @property
    def common(self) -> float:
        """Strength c_y = c_d of the same bias: the scale of robustness values."""
        return common_strength(confounding_strength(self.outcome.value, self.source.value) ** 2)


def scenario_like(
    name: str, full: SensitivityElements, without: SensitivityElements, level: float
) -> Scenario:
    """Bounds under a difference as strong as a feature, from the elements with and without it.

    The gains in explained variance are those of DoubleML's benchmarking,
    c_y = (R2 with - R2 without) / (1 - R2 with) = sigma^2 without / sigma^2 with - 1 and
    c_d = nu^2 with / nu^2 without - 1, kept in [0, 1).
    """
    outcome = _excess("sigma2", without, full, level)
    source = _excess("nu2", full, without, level)
    bound = bias_bound(full, confounding_strength(outcome.value, source.value), level)
    change, adverse = without.theta - full.theta, 1.0
    if without.sigma2 > full.sigma2 and full.nu2 > without.nu2:
        most = np.sqrt((without.sigma2 - full.sigma2) * (full.nu2 - without.nu2))
        adverse = min(1.0, abs(change) / most)
    return Scenario(f"like {name}", outcome, source, np.sign(change) * adverse, change, bound)


def _excess(
    name: Literal["sigma2", "nu2"],
    larger: SensitivityElements,
    smaller: SensitivityElements,
    level: float,
) -> Measured:
    """Return an element of the larger over that of the smaller, minus 1, within [0, 1)."""
    above, below = getattr(larger, name), getattr(smaller, name)
    column = SensitivityElements._fields.index(name)
    influence = larger.influence[:, column] / above - smaller.influence[:, column] / below
    found = Measured(above / below - 1, np.nan, np.nan)
    if influence.any():
        ratio = log_interval(above / below, influence, *larger.rows, level)
        found = ratio.mapped(-1.0, 1.0)
    return Measured(*np.clip(found, 0.0, _LARGEST_STRENGTH).tolist())


@dataclass(frozen=True)
class SensitivityAnalysis(Judged):
    """How strong an unmeasured difference between the sources must be to explain the shift away.

    The verdict is on the claim that no plausible unmeasured difference explains the shift.

    Parameters
    ----------
    value, lower, upper : float
        Mean shift without any unmeasured difference, and its interval.
    robustness : float
        Smallest common strength c_y = c_d at which the bounds reach the null.
    robustness_interval : float
        The same for the interval around the bounds: 0 if the shift is not significant.
    scenarios : tuple of Scenario
        The strength that was asked for, and every observed feature that was left out in turn.
    null : float
    method : {"aipw", "overlap"}
    n_gold, n_preference : int
    curve : ndarray of shape (n, 5)
        Common strength, interval and bounds along it, for the picture.
    """

    value: float
    lower: float
    upper: float
    robustness: float
    robustness_interval: float
    scenarios: tuple[Scenario, ...]
    null: float
    method: str
    n_gold: int
    n_preference: int
    curve: FloatArray = field(repr=False)

    _TITLE = "Sensitivity to an unmeasured difference between the sources"
    _ROWS = "scenarios"
    _COLUMNS = (
        "unmeasured difference=name, c_y=outcome.value, c_y_low=outcome.lower, "
        "c_y_high=outcome.upper, c_d=source.value, c_d_low=source.lower, c_d_high=source.upper, "
        "strength=common, bound_low=bound.lower, bound_high=bound.upper, "
        "ci_low=bound.interval_lower, ci_high=bound.interval_upper"
    )
    _FACTS = {
        "mean shift": "{self.value:+.4f} ({self.lower:+.4f} to {self.upper:+.4f})",
        "method": "{self.method}",
        "robustness value": "{self.robustness:.4f}",
        "of the interval": "{self.robustness_interval:.4f}",
        "null": "{self.null:g}",
    } | Judged._FACTS
    _NOTES = (
        "c_y: share of the labels' residual variance that the difference explains; c_d: gain",
        "in the variance of the weights; strength: the common c_y = c_d of the same bias.",
        "'like x' is a difference as strong as feature x, which was left out for comparison.",
        "Intervals around bounds are conservative: the truth lies beyond one end only.",
        "{self.reason}",
    )

    def plot(self, ax: Any = None) -> Any:
        """Draw the bounds against the strength of the difference, with the observed features."""
        ax = new_axes(ax)
        strength, low, lower, upper, high = self.curve.T
        ax.fill_between(strength, low, high, color=BAR, alpha=0.35, linewidth=0, label="interval")
        ax.fill_between(strength, lower, upper, color=BAR, alpha=0.8, linewidth=0, label="bounds")
        ax.axhline(self.null, **reference_line())
        ax.axhline(self.value, color=OUTLINE, linewidth=1.2)
        robustness = self.robustness_interval
        value = f"robustness value {'unknown' if np.isnan(robustness) else f'{robustness:.3f}'}"
        ax.axvline(robustness, color=MEAN, linewidth=1.4, label=value)
        for place, scenario in enumerate(self.scenarios[1:]):
            if scenario.common <= strength[-1]:
                ax.plot(scenario.common, self.value, "D", color=OUTLINE, markersize=4)
                ax.annotate(
                    scenario.name,
                    (scenario.common, self.value),
                    (4, 6 + 11 * place),
                    textcoords="offset points",
                    fontsize="small",
                )
        ax.set_xlim(0, strength[-1] if len(strength) else 1)
        strength_is = "strength of the unmeasured difference, c_y = c_d"
        return label_axes(ax, strength_is, "mean shift", legend="above", ncols=3)


_METHODS = {
    "aipw": (nonparametric_elements, ("propensity", "gold_outcome", "preference_outcome")),
    "overlap": (linear_elements, ("marginal_outcome", "propensity")),
}


@validated(
    outcome_strength=[number(at_least=0, below=1)],
    source_strength=[number(at_least=0, below=1)],
    rho=[number(at_least=-1, at_most=1)],
    benchmark=[str, ARRAY, Mapping, None],
    random_state=["random_state"],
)
def sensitivity_analysis(
    data: Any,
    *,
    method: Literal["aipw", "overlap"] = "aipw",
    outcome_strength: float = 0.03,
    source_strength: float = 0.03,
    rho: float = 1.0,
    null: float = 0.0,
    benchmark: Any = "auto",
    **options: Unpack[LabelOptions],
) -> SensitivityAnalysis:
    """Bound the mean shift under an unmeasured difference between gold and preference queries.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    method : {"aipw", "overlap"}, default="aipw"
        The doubly robust mean, or the residual-on-residual slope.
    outcome_strength, source_strength : float, default=0.03
        c_y and c_d, each in [0, 1), of the first scenario.
    rho : float, default=1.0
        How adverse the difference is, in [-1, 1]; 1 is the worst case.
    null : float, default=0.0
        The mean shift that a difference would have to explain.
    benchmark : "auto", None, list of names or positions, or dict of str to such lists
        Observed features that are left out in turn, at the price of cross-fitting anew: a yardstick
        for unobserved ones. "auto" takes the three that are most related both to the source and to
        the labels of one source; a dict leaves out several at once, for example the length and the
        language of a query.
    **options
        Of `LabelOptions`: nuisances, scaling, level, seed; errors stand there.

    Raises
    ------
    MetaRouterError
        If a strength is outside its range or a column unknown.

    Notes
    -----
    With the outcome regression g, the Riesz representer alpha and

        sigma^2 = E (o - g)^2,   nu^2 = E alpha^2,   C^2 = c_y c_d / (1 - c_d),

    a variable that would explain the share c_y of the residual variance of the labels, and whose
    omission leaves the share 1 - c_d of the representer's variance, biases the estimate by at most
    rho sigma nu C.

    Gold and preference labels may differ by something that is not among the features, for example
    when experts chose which queries they liked to label. Queries with both labels cannot: a paired
    mean needs none of this.

    References
    ----------
    Chernozhukov, Cinelli, Newey, Sharma & Syrgkanis (2022), Long story short: omitted variable
    bias in causal machine learning. Cinelli & Hazlett (2020) for robustness values.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression, LogisticRegression
    >>> from metarouter.datasets import make_judged_queries
    >>> from metarouter.nuisance import Nuisances
    >>> data = make_judged_queries(1500, gold_share=0.3, bias=1.0, random_state=0)
    >>> recipe = Nuisances(outcome=LinearRegression(), propensity=LogisticRegression())
    >>> analysis = sensitivity_analysis(data, nuisances=recipe, random_state=0)
    >>> bool(0.1 < analysis.robustness_interval < analysis.robustness)
    True
    """
    table = LabelTable(data, options)
    level, counts = table.level, table.counts
    known: dict[str, Any] = {"null": null, "level": level, "method": method}
    known |= {"n_gold": counts.gold, "n_preference": counts.preference}
    inconclusive = partial(SensitivityAnalysis.inconclusive, scenarios=(), curve=np.empty((0, 5)))
    shortage = check_sample_size(counts)
    if shortage is not None:
        return inconclusive(shortage, **known)
    labels, (elements_of, needed) = table.labels, _METHODS[method]
    fitted = table.nuisances(*needed)
    elements = elements_of(labels, fitted)
    if not elements.nu2 > 0:
        reason = (
            "Propensities are so near 0 or 1 that the variance of the weights, nu^2, is estimated "
            f"as {elements.nu2:.2g}, below zero: no bound follows. Calibrate or trim the "
            "propensities (PropensityPolicy)."
        )
        return inconclusive(Finding(Verdict.INCONCLUSIVE, None, reason), **known)
    outcome, source = (Measured(c, c, c) for c in (outcome_strength, source_strength))
    bound = bias_bound(elements, confounding_strength(outcome.value, source.value, rho), level)
    assumed = Scenario("as assumed", outcome, source, rho, np.nan, bound)
    observed = []
    for name, columns in _benchmark_columns(data, labels, benchmark).items():
        without = _fitted_without(columns, labels, fitted, needed, table.random_state)
        observed.append(scenario_like(name, elements, elements_of(labels, without), level))
    if len(observed) > 1:
        # What is unmeasured may matter for labels and source, where no single feature does.
        outcome = max((one.outcome for one in observed), key=lambda gain: gain.value)
        source = max((one.source for one in observed), key=lambda gain: gain.value)
        bound = bias_bound(elements, confounding_strength(outcome.value, source.value), level)
        observed.append(Scenario("strongest of these", outcome, source, 1.0, np.nan, bound))
    plain = bias_bound(elements, 0.0, level)
    robustness = robustness_value(elements, null)
    of_interval = robustness_of_interval(elements, null, level)
    return SensitivityAnalysis(
        value=elements.theta,
        lower=plain.interval_lower,
        upper=plain.interval_upper,
        robustness=robustness,
        robustness_interval=of_interval,
        scenarios=(assumed, *observed),
        curve=_curve(elements, robustness, observed, level),
        **known,
        **_judge(of_interval, observed, table.is_paired)._asdict(),
    )


def _benchmark_columns(data: Any, labels: ScaledLabels, benchmark: Any) -> dict[str, list[int]]:
    """Return the columns that each benchmark leaves out."""
    names = column_names(data)
    position = partial(column_position, names=names, argument="benchmark")
    if isinstance(benchmark, str):
        benchmark = _strongest_columns(labels) if benchmark == "auto" else [benchmark]
    if isinstance(benchmark, Mapping):
        return {str(name): list(map(position, items)) for name, items in benchmark.items()}
    return {names[k]: [k] for k in map(position, () if benchmark is None else benchmark)}


def _strongest_columns(labels: ScaledLabels) -> list[int]:
    X, is_gold = np.asarray(labels.rows.X, dtype=float), labels.is_gold
    centred = np.where(is_gold, labels.y[is_gold].mean(), labels.y[~is_gold].mean())
    with np.errstate(invalid="ignore", divide="ignore"):
        r = np.nan_to_num(np.corrcoef(np.column_stack([X, is_gold, labels.y - centred]).T))
    product = np.abs(r[-2, :-2] * r[-1, :-2])
    return [int(k) for k in np.argsort(-product, kind="stable")[:_N_BENCHMARKS]]


def _fitted_without(
    columns: list[int], labels: ScaledLabels, fitted: Nuisances, needed: tuple[str, ...], seed: Any
) -> Nuisances:
    """Cross-fit the same recipe on the same folds, without some columns."""
    X = np.delete(np.asarray(labels.rows.X, dtype=float), columns, axis=1)
    if X.shape[1] == 0:
        X = np.zeros((len(X), 1))
    recipe = Nuisances(**fitted.get_params(deep=False))
    if fitted.folds_:
        recipe.set_params(cv=fitted.folds_)
    left = labels._replace(rows=replace(labels.rows, X=X))
    return fitted_nuisances(left, recipe, needed, seed)


def _curve(
    elements: SensitivityElements, robustness: float, observed: list[Scenario], level: float
) -> FloatArray:
    last = min(0.99, 1.4 * max([robustness, 0.02, *(scenario.common for scenario in observed)]))
    rows = []
    for c in np.linspace(0.0, last, 61):
        bound = bias_bound(elements, confounding_strength(c, c), level)
        rows.append([c, bound.interval_lower, bound.lower, bound.upper, bound.interval_upper])
    return np.array(rows)


def _judge(of_interval: float, observed: list[Scenario], is_paired: bool) -> Finding:
    strongest = max((scenario.common for scenario in observed), default=np.nan)
    if is_paired:
        verdict = Verdict.PASS
        reason = "Every query carries both labels: nothing can differ between them."
    elif of_interval == 0:
        verdict = Verdict.INCONCLUSIVE
        reason = (
            "The mean shift from labels of different queries is not significant even without an "
            "unmeasured difference; the test of the mean shift says how many labels would settle "
            "it."
        )
    elif not observed:
        verdict = Verdict.CAUTION
        reason = (
            "No observed feature was left out, so there is no yardstick for the robustness value."
        )
    elif strongest * _YARDSTICK_RATIO < of_interval:
        verdict = Verdict.PASS if of_interval >= _ROBUST_BY_ITSELF else Verdict.CAUTION
        reason = (
            "None of the features that were left out counts for anything. To explain the shift "
            f"away a difference would have to explain {of_interval:.1%} of what is left to explain "
            "of both the labels and the source."
        )
    else:
        ratio = of_interval / strongest
        verdict = DECISION_THRESHOLDS["robustness"].judge(ratio, ratio)
        reason = (
            f"To explain the shift away a difference would have to be {ratio:.1f} times as strong "
            "as the strongest features that were left out."
        )
    return Finding(verdict, None, reason)
