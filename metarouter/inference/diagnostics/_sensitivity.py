"""What the sensitivity analysis returns.

Can the data bear it? Sensitivity to an unmeasured difference between the two sources.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import LIMITS, Verdict
from metarouter.inference._result import Judged
from metarouter.inference.diagnostics._omitted_variable import (
    BiasBound,
    SensitivityElements,
    benchmark_columns,
    bias_bound,
    confounding_strength,
    gain_of,
    linear_elements,
    nonparametric_elements,
    nuisances_without,
    robustness_value,
)
from metarouter.inference.intervals import FloatArray, Measured
from metarouter.inference.labels import (
    Counts,
    ScaledLabels,
    Scaling,
    as_rows,
    check_either_sample_size,
    count_labels,
    fitted_nuisances,
    scaled_labels,
)
from metarouter.nuisance import Nuisances
from metarouter.utils.columns import as_level
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import BAR, MEAN, reference_line

if TYPE_CHECKING:
    import pandas as pd


class Scenario(NamedTuple):
    """Bounds on the mean shift under one assumed confounder."""

    name: str
    outcome: Measured
    source: Measured
    rho: float
    change: float
    bound: BiasBound

    @property
    def common(self) -> float:
        """Strength c with c^2 / (1 - c) = c_y c_d / (1 - c_d): the scale of robustness values."""
        squared = confounding_strength(self.outcome.value, self.source.value) ** 2
        return float((np.sqrt(squared**2 + 4 * squared) - squared) / 2)


@dataclass(frozen=True)
class SensitivityAnalysis(Judged):
    """How strong an unmeasured difference between the sources must be to explain the shift away.

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
    null, level : float
    method : {"aipw", "overlap"}
    n_gold, n_preference : int
    verdict : Verdict
        On the claim that no plausible unmeasured difference explains the shift.
    needed : int or None
    reason : str
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
    level: float
    method: str
    n_gold: int
    n_preference: int
    verdict: Verdict
    needed: int | None
    reason: str
    curve: FloatArray = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per scenario, with bounds and the interval around them."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "unmeasured difference": scenario.name,
                    "c_y": scenario.outcome.value,
                    "c_y_low": scenario.outcome.lower,
                    "c_y_high": scenario.outcome.upper,
                    "c_d": scenario.source.value,
                    "c_d_low": scenario.source.lower,
                    "c_d_high": scenario.source.upper,
                    "strength": scenario.common,
                    "bound_low": scenario.bound.lower,
                    "bound_high": scenario.bound.upper,
                    "ci_low": scenario.bound.interval_lower,
                    "ci_high": scenario.bound.interval_upper,
                }
                for scenario in self.scenarios
            ]
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the bounds against the strength of the difference, with the observed features.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax)
        strength, low, lower, upper, high = self.curve.T
        ax.fill_between(strength, low, high, color=BAR, alpha=0.35, linewidth=0, label="interval")
        ax.fill_between(strength, lower, upper, color=BAR, alpha=0.8, linewidth=0, label="bounds")
        ax.axhline(self.null, **reference_line())
        ax.axhline(self.value, color="#1A1A1A", linewidth=1.2)
        words = f"robustness value {self.robustness_interval:.3f}"
        ax.axvline(self.robustness_interval, color=MEAN, linewidth=1.4, label=words)
        for number, scenario in enumerate(self.scenarios[1:]):
            if scenario.common <= strength[-1]:
                ax.plot(scenario.common, self.value, "D", color="#1A1A1A", markersize=4)
                ax.annotate(
                    scenario.name,
                    (scenario.common, self.value),
                    (4, 6 + 11 * number),
                    textcoords="offset points",
                    fontsize="small",
                )
        ax.set_xlim(0, strength[-1] if len(strength) else 1)
        ax.set_xlabel("strength of the unmeasured difference, c_y = c_d")
        ax.set_ylabel("mean shift")
        ax.legend(
            frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=3
        )
        return ax

    def _title(self) -> str:
        return "Sensitivity to an unmeasured difference between the sources"

    def _facts(self) -> dict[str, str]:
        return {
            "mean shift": f"{self.value:+.4f} ({self.lower:+.4f} to {self.upper:+.4f})",
            "method": self.method,
            "robustness value": f"{self.robustness:.4f}",
            "of the interval": f"{self.robustness_interval:.4f}",
            "null": f"{self.null:g}",
            "level": f"{self.level:g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            "c_y: share of the labels' residual variance that the difference explains; c_d: gain",
            "in the variance of the weights; strength: the common c_y = c_d of the same bias.",
            "'like x' is a difference as strong as feature x, which was left out for comparison.",
            "Intervals around bounds are conservative: the truth lies beyond one end only.",
            self.reason,
        )


_NEEDED = {
    "aipw": ("propensity", "gold_outcome", "preference_outcome"),
    "overlap": ("marginal_outcome", "propensity"),
}


_ELEMENTS = {"aipw": nonparametric_elements, "overlap": linear_elements}


_GRID = 61
_ROBUST_BY_ITSELF = 0.1
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
    scaling: Scaling = "variance",
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
    shortage = check_either_sample_size(counts)
    if shortage is not None:
        return SensitivityAnalysis.inconclusive(
            shortage, scenarios=(), curve=np.empty((0, 5)), **known
        )
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
        return (
            Verdict.INCONCLUSIVE,
            None,
            "The mean shift from labels of different queries is not significant even without an "
            "unmeasured difference; the test of the mean shift says how many labels would settle "
            "it.",
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
            Verdict.PASS if of_interval >= _ROBUST_BY_ITSELF else Verdict.CAUTION,
            None,
            "None of the features that were left out counts for anything. To explain the shift "
            f"away a difference would have to explain {of_interval:.1%} of what is left to explain "
            "of both the labels and the source.",
        )
    ratio = of_interval / strongest.common
    return (
        LIMITS["robustness"].judge(ratio, ratio),
        None,
        f"To explain the shift away a difference would have to be {ratio:.1f} times as strong as "
        "the strongest features that were left out.",
    )
