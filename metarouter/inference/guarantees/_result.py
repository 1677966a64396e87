"""What a routing does on the queries that it was certified on, with two-sided intervals.

A threshold with its guarantee.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import Verdict
from metarouter.inference._result import Result, renamed
from metarouter.inference.guarantees._constraints import (
    ConstrainedMean,
    Constraint,
    constrained_mean,
    max_cost,
    max_share,
    min_gain,
)
from metarouter.inference.guarantees._testing import RoutingPath, Tested, obstacle_of
from metarouter.inference.intervals import (
    FloatArray,
    RatioErrors,
    cluster_sums,
    fieller,
    interval_of,
    share_interval,
)
from metarouter.routing._pipeline import with_w
from metarouter.utils.plotting import label_axes, new_axes
from metarouter.utils.style import OUTLINE, reference_line

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class ConstraintEstimate:
    """What a routing was seen to do of what a constraint limits.

    Parameters
    ----------
    constraint : Constraint
    is_demanded : bool
        Whether the constraint was asked for; else it only says what is measured.
    value, se, lower, upper : float
        Observed, with a two-sided interval that holds for one threshold; NaN where there are too
        few labels for one.
    p_value : float
        Of "the constraint is not met"; NaN where nothing is demanded, or only in expectation.
    method : str
        What the p value rests on; "" where nothing is demanded.
    n : int
        Queries, or gold labels, that it rests on.
    """

    constraint: Constraint
    is_demanded: bool
    value: float
    se: float
    lower: float
    upper: float
    p_value: float
    method: str
    n: int

    @property
    def name(self) -> str:
        """Name of the constraint, as in the signature of `certify_threshold`."""
        return self.constraint.name

    @property
    def description(self) -> str:
        """What is measured."""
        return self.constraint.description

    @property
    def limit(self) -> float:
        """The limit, NaN where nothing is demanded."""
        return self.constraint.limit if self.is_demanded else np.nan

    @property
    def at_least(self) -> bool:
        """Whether the limit is a lower one."""
        return self.constraint.at_least

    @property
    def limit_text(self) -> str:
        """The limit as text, "" if there is none."""
        return f"{self.constraint.sense} {self.limit:g}" if self.is_demanded else ""

    @property
    def by(self) -> str:
        """The method as text."""
        return _METHODS[self.method]

    words, demand = renamed("description"), renamed("limit_text")


def estimates_of(
    tests: Sequence[Tested], path: RoutingPath, position: int, level: float
) -> tuple[ConstraintEstimate, ...]:
    """Measure the routing at one position of a path: the constraints, then what else is known."""
    sent, queries = path.sent_at(position), tests[0].constrained.queries
    demanded = [
        replace(
            observed(test.constrained, sent, level),
            is_demanded=True,
            p_value=np.nan if test.method == "conformal" else float(test.p_value[position]),
            method=test.method,
        )
        for test in tests
    ]
    others: list[Constraint] = [max_share(0.0)]
    if (queries.costs != (0.0, 1.0)).any():  # else the mean cost is the share
        others.append(max_cost(0.0))
    if queries.gain is not None:
        others.append(min_gain(0.0))
    names = {estimate.name for estimate in demanded}
    more = [constrained_mean(other, queries) for other in others if other.name not in names]
    return (*demanded, *(observed(constrained, sent, level) for constrained in more))


def observed(
    constrained: ConstrainedMean, sent: NDArray[np.bool_], level: float
) -> ConstraintEstimate:
    """Measure what a constraint limits.

    With fewer labels than an interval needs to hold its level, value and interval are NaN.
    """
    constraint, share, below = constrained.constraint, constrained.share, constrained.denominator
    clusters, n_units = constrained.queries.clusters, constrained.n_units
    value = constrained.base + np.where(sent, constrained.move, 0.0)
    numerator, denominator = float(share @ value), float(share @ below)
    influence = share[:, None] * np.column_stack([value - numerator, below - denominator])
    summed = cluster_sums(influence, clusters)
    variances = summed.T @ summed * n_units / max(1, n_units - 1)
    df = max(1.0, n_units - 1.0)
    ratio = se = np.nan
    if denominator and (constraint.is_count or obstacle_of(constrained) is None):
        ratio = numerator / denominator
    if denominator and n_units > 1:
        slope = np.array([1.0, -ratio]) / denominator
        se = float(np.sqrt(slope @ variances @ slope))
    if constraint.is_count:
        _, lower, upper = share_interval(value > 0.5, share, clusters, level)
    elif np.ptp(below[share > 0]) == 0:
        lower, upper = interval_of(ratio, se, df, level)
    else:
        errors = RatioErrors(variances[:1, 0], float(variances[1, 1]), variances[:1, 1])
        critical = stdtrit(df, 0.5 + level / 2)
        ends = fieller(np.array([ratio * denominator]), denominator, errors, critical)
        lower, upper = ends[0][0], ends[1][0]
    return ConstraintEstimate(
        constraint, False, ratio, se, float(lower), float(upper), np.nan, "", constrained.n
    )


_COLORS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_METHODS = {
    "hoeffding_bentkus": "Hoeffding-Bentkus",
    "binomial": "exact binomial",
    "clt": "normal approximation",
    "conformal": "conformal risk control",
    "": "",
}


@dataclass(frozen=True)
class GuaranteePath:
    """Every constraint at every trade-off that was looked at.

    Parameters
    ----------
    w, usage_ratio : ndarray of shape (m,)
        The trade-off, and the share of queries that it sends to the primary model.
    distance : dict of str to ndarray of shape (m,)
        For every constraint, how far the observed value lies on its good side of the limit, in
        standard errors.
    p_value : dict of str to ndarray of shape (m,)
        Of "the constraint is not met".
    certified : ndarray of bool of shape (m,)
    """

    w: FloatArray
    usage_ratio: FloatArray
    distance: dict[str, FloatArray]
    p_value: dict[str, FloatArray]
    certified: Any

    def to_frame(self) -> pd.DataFrame:
        """Return one row per trade-off."""
        import pandas as pd

        columns: dict[str, Any] = {"w": self.w, "usage_ratio": self.usage_ratio}
        for name, p_value in self.p_value.items():
            columns[f"p_value_{name}"] = p_value
        return pd.DataFrame(columns | {"certified": self.certified})


@dataclass(frozen=True)
class CertifiedThreshold(Result):
    """The trade-off w that keeps every constraint with a stated probability, if there is one.

    Parameters
    ----------
    w : float
        The chosen trade-off; NaN if none is certified.
    certified_low, certified_high : float
        Smallest and largest certified w. All certified w keep all constraints at once.
    estimates : tuple of ConstraintEstimate
        The constraints first, then what else is known of the routing. Where nothing is certified
        they describe the w at which the constraints come closest to being met.
    delta : float
        The guarantee may be broken with this probability, over draws of the queries at hand.
    guarantee : {"finite samples", "large samples", "in expectation only"}
    search : {"ends", "split"}
    n, n_gold, n_units : int
        Queries, gold labels, independent units that the guarantee rests on.
    level : float
        Of the two-sided intervals.
    verdict : Verdict
        PASS if a threshold is certified, CAUTION if only in expectation, else INCONCLUSIVE.
    needed_gold, needed_queries : int or None
        Gold labels and queries that would certify one, if what is observed is right.
    reason : str
    path : GuaranteePath
    """

    w: float
    certified_low: float
    certified_high: float
    estimates: tuple[ConstraintEstimate, ...]
    delta: float
    guarantee: str
    search: str
    n: int
    n_gold: int
    n_units: int
    level: float
    verdict: Verdict
    needed_gold: int | None
    needed_queries: int | None
    reason: str
    path: GuaranteePath = field(repr=False)

    @property
    def is_certified(self) -> bool:
        """Whether there is a threshold that keeps the constraints."""
        return not np.isnan(self.w)

    def apply(self, router: Any) -> Any:
        """Give a copy of `router` that uses the certified w.

        Parameters
        ----------
        router : ThresholdRouter or Pipeline
            It is not changed; its fitted parts are shared with the copy.

        Returns
        -------
        ThresholdRouter or Pipeline

        Raises
        ------
        MetaRouterError
            If no threshold is certified.
        """
        if not self.is_certified:
            raise MetaRouterError(f"No threshold is certified, so none is set. {self.reason}")
        return with_w(router, self.w)

    def estimate(self, name: str) -> ConstraintEstimate:
        """Return the estimate of one name, as ``max_share`` or ``min_gain``."""
        return next(estimate for estimate in self.estimates if estimate.name == name)

    promise, promises = renamed("estimate"), renamed("estimates")

    _TITLE = "Threshold with a guarantee"
    _ROWS = "estimates"
    _COLUMNS = (
        "quantity=description, demand=limit_text, observed=value, ci_low=lower, ci_high=upper, "
        "p_value, by, n"
    )

    def plot(self, ax: Any = None) -> Any:
        """Draw how far every constraint is from its limit, at every usage ratio."""
        ax = new_axes(ax, height=4.2)
        usage, certified = self.path.usage_ratio, self.path.certified
        if certified.any():
            low, high = usage[certified].min(), usage[certified].max()
            ax.axvspan(low, high, color="#7F7F7F", alpha=0.2, linewidth=0, label="certified")
        if self.is_certified:
            chosen = usage[int(np.argmin(np.abs(self.path.w - self.w)))]
            ax.axvline(chosen, color=OUTLINE, linewidth=1.2, label=f"chosen, w = {self.w:.3g}")
        label = {one.name: f"{one.description} {one.limit_text}" for one in self.estimates}
        for (name, distance), color in zip(self.path.distance.items(), _COLORS, strict=False):
            ax.plot(usage, distance, color=color, linewidth=1.5, label=label[name])
        ax.axhline(0.0, **reference_line(), label="limit")
        drawn = np.concatenate(list(self.path.distance.values()))
        shown = np.clip(drawn[np.isfinite(drawn)], -12.0, 12.0)  # close to the limits
        ax.set_ylim(shown.min(initial=0.0) - 0.5, shown.max(initial=0.0) + 0.5)
        x = "share of queries sent to the primary model"
        return label_axes(ax, x, "distance to the limit, in standard errors", legend="above")

    def _facts(self) -> dict[str, str]:
        on_average = self.guarantee == "in expectation only"
        in_groups = f" in {self.n_units} independent groups" if self.n_units != self.n else ""
        return {
            "queries": f"{self.n}{in_groups}",
            "gold labels": f"{self.n_gold}",
            "w": f"{self.w:.6g}",
            "certified w": f"{self.certified_low:.6g} to {self.certified_high:.6g}",
            "guarantee": self.guarantee,
            "broken with probability": "not limited" if on_average else f"at most {self.delta:g}",
            "level of the intervals": f"{self.level:g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        grouped = " Labels are counted in groups like those at hand." * (self.n_units != self.n)
        return (
            self.reason + grouped,
            "ci: of the chosen threshold by itself. The guarantee is about new queries of the same "
            "source, with the gain model held fixed, which must not have seen these labels.",
        )
