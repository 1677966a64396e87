"""Can the data bear it? Sensitivity to an unmeasured difference between the two sources."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import LIMITS, Verdict, rows_needed
from metarouter.inference._verdict import about
from metarouter.inference.diagnostics._benchmarks import benchmark_columns, nuisances_without
from metarouter.inference.diagnostics._omitted_variable import (
    BiasBound,
    SensitivityElements,
    bias_bound,
    confounding_strength,
    gain_of,
    linear_elements,
    nonparametric_elements,
    robustness_value,
)
from metarouter.inference.diagnostics._sensitivity_result import Scenario, SensitivityAnalysis
from metarouter.inference.intervals import FloatArray, Measured
from metarouter.inference.labels import (
    Counts,
    Lack,
    ScaledLabels,
    as_rows,
    count_labels,
    fitted_nuisances,
    lack_of_either,
    scaled_labels,
)
from metarouter.nuisance import Nuisances
from metarouter.utils.columns import as_level

__all__ = ["Scenario", "SensitivityAnalysis", "sensitivity_analysis"]


_NEEDED = {
    "aipw": ("propensity", "gold_outcome", "preference_outcome"),
    "overlap": ("marginal_outcome", "propensity"),
}


_ELEMENTS = {"aipw": nonparametric_elements, "overlap": linear_elements}


_GRID = 61
_COUNTS_FOR_NOTHING = 100  # a feature a hundred times weaker is no yardstick


def sensitivity_analysis(
    data: Any,
    *,
    method: Literal["aipw", "overlap"] = "aipw",
    outcome_strength: float = 0.03,
    source_strength: float = 0.03,
    rho: float = 1.0,
    null: float = 0.0,
    benchmark: Any = "auto",
    nuisances: Nuisances | None = None,
    scaling: Any = "variance",
    level: float = 0.95,
    random_state: Any = None,
    n_jobs: int | None = None,
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
        Observed features that are left out in turn, at the price of cross-fitting anew; "auto"
        takes the three that look strongest.
    nuisances : Nuisances, optional
    scaling : {"variance", "max", "wasserstein"}, float, GainScaler or None, default="variance"
    level : float, default=0.95
    random_state : int, RandomState or None
    n_jobs : int, optional

    Returns
    -------
    SensitivityAnalysis
        With too few labels the numbers are NaN and the verdict is INCONCLUSIVE.

    Raises
    ------
    DataError
        If only one source is there.
    MetaRouterError
        If a strength is outside its range or a column unknown.

    Notes
    -----
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
    >>> data = make_judged_queries(1500, gold_share=0.3, bias=1.0, random_state=0)
    >>> recipe = Nuisances(outcome=LinearRegression(), propensity=LogisticRegression())
    >>> analysis = sensitivity_analysis(data, nuisances=recipe, random_state=0)
    >>> bool(0.1 < analysis.robustness_interval < analysis.robustness)
    True
    """
    level = as_level(level)
    _check(method, outcome_strength, source_strength, rho)
    rows = as_rows(data)
    counts = count_labels(rows)
    known: dict[str, Any] = {"null": null, "level": level, "method": method}
    known |= {"n_gold": counts.gold, "n_preference": counts.preference}
    lack = lack_of_either(counts)
    if lack is not None:
        return _too_few(known, lack)
    labels = scaled_labels(rows, scaling)
    fitted = fitted_nuisances(labels, nuisances, _NEEDED[method], random_state, n_jobs)
    elements = _ELEMENTS[method](labels, fitted)
    asked = Scenario(
        "as assumed",
        _assumed(outcome_strength),
        _assumed(source_strength),
        rho,
        float("nan"),
        bias_bound(elements, confounding_strength(outcome_strength, source_strength, rho), level),
    )
    observed = [
        _without(name, columns, labels, fitted, elements, method, level, random_state)
        for name, columns in benchmark_columns(data, labels, benchmark).items()
    ]
    observed += _strongest(elements, observed, level)
    plain = bias_bound(elements, 0.0, level)
    value = robustness_value(elements, null)
    of_interval = robustness_value(elements, null, level)
    verdict, needed, reason = _judge(elements, plain, of_interval, observed, counts, known)
    return SensitivityAnalysis(
        value=elements.theta,
        lower=plain.interval_lower,
        upper=plain.interval_upper,
        robustness=value,
        robustness_interval=of_interval,
        scenarios=(asked, *observed),
        verdict=verdict,
        needed=needed,
        reason=reason,
        curve=_curve(elements, value, observed, level),
        **known,
    )


def _check(method: str, outcome: float, source: float, rho: float) -> None:
    if method not in _NEEDED:
        raise MetaRouterError(f"method={method!r} is unknown; choose 'aipw' or 'overlap'.")
    for name, value in (("outcome_strength", outcome), ("source_strength", source)):
        if not 0 <= value < 1:
            raise MetaRouterError(f"{name}={value!r} is no share; give a number in [0, 1).")
    if not -1 <= rho <= 1:
        raise MetaRouterError(f"rho={rho!r} is no correlation; give a number in [-1, 1].")


def _without(
    name: str,
    columns: list[int],
    labels: ScaledLabels,
    fitted: Nuisances,
    elements: SensitivityElements,
    method: str,
    level: float,
    seed: Any,
) -> Scenario:
    without = nuisances_without(labels, fitted, columns, _NEEDED[method], seed)
    gain = gain_of(elements, _ELEMENTS[method](labels, without), level)
    strength = confounding_strength(gain.outcome.value, gain.source.value)
    bound = bias_bound(elements, strength, level)
    return Scenario(f"like {name}", gain.outcome, gain.source, gain.rho, gain.change, bound)


def _assumed(strength: float) -> Measured:
    return Measured(strength, strength, strength)


def _strongest(
    elements: SensitivityElements, observed: list[Scenario], level: float
) -> list[Scenario]:
    """Combine the strongest gain for the labels with the strongest gain for the source.

    A feature that matters for one of the two only would bias nothing, but what is unmeasured need
    not be so kind.
    """
    if len(observed) < 2:
        return []
    outcome = max((scenario.outcome for scenario in observed), key=lambda gain: gain.value)
    source = max((scenario.source for scenario in observed), key=lambda gain: gain.value)
    bound = bias_bound(elements, confounding_strength(outcome.value, source.value), level)
    return [Scenario("strongest of these", outcome, source, 1.0, float("nan"), bound)]


def _curve(
    elements: SensitivityElements, value: float, observed: list[Scenario], level: float
) -> FloatArray:
    last = min(0.99, 1.4 * max([value, 0.02, *(scenario.common for scenario in observed)]))
    rows = []
    for c in np.linspace(0.0, last, _GRID):
        bound = bias_bound(elements, confounding_strength(c, c), level)
        rows.append([c, bound.interval_lower, bound.lower, bound.upper, bound.interval_upper])
    return np.array(rows)


def _judge(
    elements: SensitivityElements,
    plain: BiasBound,
    of_interval: float,
    observed: list[Scenario],
    counts: Counts,
    known: dict[str, Any],
) -> tuple[Verdict, int | None, str]:
    if counts.gold == counts.preference == counts.paired:
        return (
            Verdict.PASS,
            None,
            "Every query carries both labels: nothing can differ between them.",
        )
    if of_interval == 0:
        margin = (plain.interval_upper - plain.interval_lower) / 2
        needed = rows_needed(counts.gold, margin, abs(elements.theta - known["null"]))
        return (
            Verdict.INCONCLUSIVE,
            needed,
            "The mean shift is not significant even without an unmeasured difference"
            + (
                "."
                if needed is None
                else f"; {about(needed, counts.gold)} gold labels would make it so, "
                f"{counts.gold} are there."
            ),
        )
    if not observed:
        return (
            Verdict.CAUTION,
            None,
            "No observed feature was left out, so there is no yardstick for the robustness value.",
        )
    strongest = max(observed, key=lambda scenario: scenario.common)
    if strongest.common * _COUNTS_FOR_NOTHING < of_interval:
        return (
            Verdict.CAUTION,
            None,
            "None of the features that were left out counts for anything, so there is no yardstick "
            "for the robustness value.",
        )
    ratio = of_interval / strongest.common
    return (
        LIMITS["robustness"].judge(ratio, ratio),
        None,
        f"To explain the shift away a difference would have to be {ratio:.1f} times as strong as "
        "the strongest features that were left out.",
    )


def _too_few(known: dict[str, Any], lack: Lack) -> SensitivityAnalysis:
    numbers = ("value", "lower", "upper", "robustness", "robustness_interval")
    unknown: dict[str, Any] = dict.fromkeys(numbers, float("nan"))
    return SensitivityAnalysis(
        **unknown,
        scenarios=(),
        verdict=Verdict.INCONCLUSIVE,
        needed=lack.needed,
        reason=lack.reason,
        curve=np.empty((0, 5)),
        **known,
    )
