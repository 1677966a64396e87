"""How many gold and preference labels: width, power and the cost-optimal split."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq
from scipy.special import nctdtr, ndtri, stdtrit

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import MINIMA, Verdict, scarce
from metarouter.inference._result import Finding
from metarouter.inference.labels import (
    Scaling,
    as_rows,
    check_either_sample_size,
    check_sample_size,
    count_labels,
)
from metarouter.inference.planning._label_variance import (
    NOTHING,
    Labels,
    LabelVariance,
    Prices,
    best_share,
    labels_for,
)
from metarouter.inference.planning._pilot import (
    Design,
    Pilot,
    Quantity,
    gain_pilot,
    is_nested,
    shift_pilot,
)
from metarouter.nuisance import Nuisances
from metarouter.routing._cost_model import is_real
from metarouter.utils.arguments import validated
from metarouter.utils.columns import as_level
from metarouter.utils.plotting import new_axes, show_numbers_on_log_axis
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd


def verdict_alone(ax: Any, verdict: Verdict) -> Any:
    """Write the verdict in the middle of empty axes, and return these."""
    ax.text(0.5, 0.5, str(verdict), ha="center", transform=ax.transAxes)
    return ax


_NAMES = {
    "mean_shift": "mean shift of the preference labels",
    "mean_gain": "mean gold gain",
    "area": "area of the efficiency gain",
}


@dataclass(frozen=True)
class PlanOption:
    """One way to spend the money.

    Parameters
    ----------
    name : str
    n_gold, n_preference : int
        Labels; in a nested design the gold labels lie among the queries with a preference label.
    cost : float
    half_width, lower, upper : float
        Expected half width of the interval, and an interval for what it will come out as.
    power : float
        Of the test for the difference, NaN where none was given.
    """

    name: str
    n_gold: int
    n_preference: int
    cost: float
    half_width: float
    lower: float
    upper: float
    power: float


def option_of(
    name: str,
    labels: Labels,
    variance: LabelVariance,
    prices: Prices,
    level: float,
    difference: float | None,
) -> PlanOption:
    """Work out what an estimate from these labels will be like."""
    spread = float(variance.at(*labels))
    df = float(variance.df_at(*labels))
    critical = float(stdtrit(df, 0.5 + level / 2))
    half_width = critical * spread**0.5
    # Variances are positive: their errors are taken on the logarithmic scale.
    factor = float(np.exp(ndtri(0.5 + level / 2) * variance.error_at(*labels) / spread / 2))
    return PlanOption(
        name=name,
        n_gold=int(labels.gold),
        n_preference=int(labels.preference),
        cost=labels.cost(prices),
        half_width=half_width,
        # More labels than the pilot had teach predictions more; how much is not known before.
        lower=critical * float(variance.learned_at(*labels)) ** 0.5 / factor,
        upper=half_width * factor,
        power=np.nan if difference is None else _power(difference / spread**0.5, df, critical),
    )


def _power(distance: float, df: float, critical: float) -> float:
    """Power of a two-sided t test whose null hypothesis is `distance` standard errors away."""
    missed = nctdtr(df, distance, critical) - nctdtr(df, distance, -critical)
    return float(1 - missed) if np.isfinite(missed) else 1.0


@dataclass(frozen=True)
class LabelPlan(Printed):
    """How many gold and preference labels to buy, and what they will give.

    Parameters
    ----------
    quantity : {"mean_shift", "mean_gain", "area"}
    design : {"separate", "nested"}
    prices : Prices
        ``gold`` and ``preference``, for one label.
    level : float
    aim : tuple of str and float
        "money", "half_width" or "difference", and how much of it.
    power : float
        Wanted of the test for a difference.
    pilot_value : float
        The pilot's estimate, in `unit`.
    unit : str
    variance : LabelVariance
        Parts of the variance of one label.
    share : float
        Share of the money that is best spent on gold labels.
    options : tuple of PlanOption
        The plan first, then other ways to spend as much.
    verdict : Verdict
        INCONCLUSIVE where the pilot or the money is too little to plan with.
    needed : int or None
        Gold labels with which a plan could be made.
    reason : str
    """

    quantity: str
    design: str
    prices: Prices
    level: float
    aim: tuple[str, float]
    power: float
    pilot_value: float
    unit: str
    variance: LabelVariance = field(repr=False)
    share: float
    options: tuple[PlanOption, ...]
    verdict: Verdict
    needed: int | None
    reason: str

    @classmethod
    def unknown(
        cls, needed: int | None, reason: str, *, pilot: Pilot | None = None, **known: Any
    ) -> LabelPlan:
        """Return a plan that says why there is none."""
        nested = known["design"] == "nested"
        nothing = LabelVariance(NOTHING, NOTHING, NOTHING, nested)
        return cls(
            pilot_value=np.nan if pilot is None else pilot.value,
            unit="" if pilot is None else pilot.unit,
            variance=nothing if pilot is None else pilot.variance,
            share=np.nan,
            options=(),
            verdict=Verdict.INCONCLUSIVE,
            needed=needed,
            reason=reason,
            **known,
        )

    @property
    def n_gold(self) -> int:
        """Gold labels of the plan; 0 without one."""
        return self.options[0].n_gold if self.options else 0

    @property
    def n_preference(self) -> int:
        """Preference labels of the plan; 0 without one."""
        return self.options[0].n_preference if self.options else 0

    @property
    def cost(self) -> float:
        """What the plan costs."""
        return self.options[0].cost if self.options else np.nan

    @property
    def half_width(self) -> float:
        """Expected half width of the interval under the plan."""
        return self.options[0].half_width if self.options else np.nan

    def at(self, n_gold: int, n_preference: int, difference: float | None = None) -> PlanOption:
        """Work out what other numbers of labels would give.

        Parameters
        ----------
        n_gold, n_preference : int
        difference : float, optional
            For the power of the test.

        Returns
        -------
        PlanOption
        """
        labels = Labels(n_gold, n_preference)
        return option_of("given", labels, self.variance, self.prices, self.level, difference)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per way to spend the money."""
        import pandas as pd

        return pd.DataFrame(
            {
                "split": [option.name for option in self.options],
                "n_gold": [option.n_gold for option in self.options],
                "n_preference": [option.n_preference for option in self.options],
                "cost": [option.cost for option in self.options],
                "half_width": [option.half_width for option in self.options],
                "ci_low": [option.lower for option in self.options],
                "ci_high": [option.upper for option in self.options],
                "power": [option.power for option in self.options],
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the half width over the money, for the best and for an even split.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax, height=4.2)
        if not self.options:
            return verdict_alone(ax, self.verdict)
        money = self.cost * np.geomspace(0.25, 4, 60)
        even = 0.5
        if self.design == "nested":
            even = min(even, self.prices.gold / (self.prices.gold + self.prices.preference))
        for share, color, dash, name in (
            (self.share, "#0072B2", "-", "cost-optimal split"),
            (even, "#E69F00", "--", "half the money each"),
        ):
            made = [
                self.at(*labels_for(amount, share, self.prices))  # type: ignore[arg-type]
                for amount in money
            ]
            width = [option.half_width for option in made]
            ax.plot(money, width, color=color, linestyle=dash, linewidth=1.6, label=name)
            if share == self.share:
                ends = [option.lower for option in made], [option.upper for option in made]
                ax.fill_between(money, *ends, color=color, alpha=0.18, linewidth=0)
        ax.plot([self.cost], [self.half_width], "o", color="#1A1A1A", label="the plan")
        show_numbers_on_log_axis(ax, "x")
        show_numbers_on_log_axis(ax, "y")
        ax.set_xlabel("money, in the unit of the prices")
        ax.set_ylabel("half width of the interval")
        ax.legend(frameon=False, fontsize="small")
        return ax

    def _title(self) -> str:
        return f"Labels for the {_NAMES[self.quantity]}"

    def _facts(self) -> dict[str, str]:
        aim, wanted = self.aim
        more = f" with power {self.power:g}" if aim == "difference" else ""
        variance = self.variance
        parts = {"gold": variance.gold, "preference": variance.preference, "query": variance.query}
        return {
            "aim": f"{aim} {wanted:g}{more}",
            "design": self.design,
            "price of a gold label": f"{self.prices.gold:g}",
            "price of a preference label": f"{self.prices.preference:g}",
            "estimate of the pilot": f"{self.pilot_value:.4f} {self.unit}".strip(),
            "share of money on gold": f"{self.share:.3f}",
            "level": f"{self.level:g}",
            "verdict": str(self.verdict),
        } | {
            f"variance of one {name}": f"{part.value:.4f} (s.e. {part.se:.4f})"
            for name, part in parts.items()
            if part.n
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            self.reason,
            "ci: what the half width may come out as, since pilot and plan are both samples, and "
            "since more labels teach predictions more; too short where rare labels are large. "
            "Planned labels are taken to be like those of the pilot.",
        )


_FEWEST = MINIMA["gold_rows"].count
_MOST_MONEY = 1e12
_ROUNDING = 1e-20  # what it leaves of a variance that is 0


@validated(random_state=["random_state"])
def plan_labels(
    data: Any,
    *,
    quantity: Quantity = "mean_shift",
    gold_price: float = 1.0,
    preference_price: float = 0.01,
    money: float | None = None,
    half_width: float | None = None,
    difference: float | None = None,
    power: float = 0.8,
    design: Design = "auto",
    psi_hat: ArrayLike | None = None,
    nuisances: Nuisances | None = None,
    propensity: ArrayLike | float | None = None,
    scaling: Scaling = "variance",
    level: float = 0.95,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> LabelPlan:
    """Plan how many labels of either kind to buy, from what a pilot says about their variance.

    Give exactly one of `money`, `half_width` and `difference`.

    Parameters
    ----------
    data : LabelledQueries, TrainingRows or DoublyRobustGains
        The pilot. Planned labels are taken to be drawn as those of the pilot were, weights and
        groups included: the numbers are those of labels, whatever share a group.
    quantity : {"mean_shift", "mean_gain", "area"}, default="mean_shift"
        What is to be estimated: the mean of Delta (`mean_shift_test`), the mean gold gain
        (`doubly_robust_gains`), or the area of the efficiency gain of predictions `psi_hat`.
    gold_price, preference_price : float, default=1.0 and 0.01
        Price of one label, in one unit of money.
    money : float, optional
        To spend: the plan is the one with the narrowest interval.
    half_width : float, optional
        Half the width of the interval that is wanted: the plan is the cheapest.
    difference : float, optional
        A distance of the truth from the null hypothesis that a two-sided test at 1 - `level` should
        find with probability `power`: the plan is the cheapest.
    power : float, default=0.8
    design : {"auto", "separate", "nested"}, default="auto"
        "separate": every label has a query of its own. "nested": every query has a preference
        label, and a random part of them a gold label too. "auto" is what the pilot is like.
    psi_hat : array-like of shape (n_queries,), optional
        For "area": predicted gains of the pilot's queries, by a model that has not seen them.
    nuisances : Nuisances, optional
        A recipe; the default forests otherwise.
    propensity : float or array-like of shape (n_queries,), optional
        As for `doubly_robust_gains`; not for the mean shift.
    scaling : {"variance", "max", "wasserstein"}, float, GainScaler or None, default="variance"
        As for `mean_shift_test`.
    level : float, default=0.95
    random_state : int, RandomState or None
    n_jobs : int, optional

    Returns
    -------
    LabelPlan
        With fewer than 30 gold labels in the pilot, or money for fewer, the verdict is
        INCONCLUSIVE and the numbers are NaN.

    Raises
    ------
    MetaRouterError
        If not exactly one aim is given, or a number is out of range.
    DataError
        If the pilot lacks what the estimate needs.

    Notes
    -----
    The variance is ``gold / n_gold + preference / n_preference + query / n_queries``, and each part
    is measured by the influence of the pilot's labels on the estimate. Nuisances learn from more
    labels than the pilot had, so that the plan is a little on the safe side. The interval of
    the half width holds the error of the pilot and that of the planned labels, and reaches down to
    the width that predictions of gold labels would give which have nothing left to learn: by how
    much models of two halves of the pilot's gold labels differ says how much is left. A pilot
    rarely shows the tails of its labels: where gold labels are normal or exponential that interval
    covers .92 or more, but .75 to .93 where they are lognormal, have the tails of t(3), or 3% of
    them are rare and large (``docs/planning.md``).

    A plan asks for at least 30 labels of each kind.

    References
    ----------
    Cost-optimal shares: Neyman (1934); for labels of a judge, Cost-optimal active AI model
    evaluation (2025), arXiv 2506.07949. Prediction-powered inference: Angelopoulos et al. (2023).

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression, LogisticRegression
    >>> from metarouter.datasets import make_judged_queries
    >>> pilot = make_judged_queries(1000, gold_share=0.2, random_state=0)
    >>> recipe = Nuisances(outcome=LinearRegression(), propensity=LogisticRegression())
    >>> plan = plan_labels(pilot, half_width=0.1, nuisances=recipe, random_state=0)
    >>> plan.n_gold < plan.n_preference
    True
    >>> bool(plan.half_width <= 0.1)
    True
    """
    level = as_level(level)
    prices = as_prices(gold_price, preference_price)
    aim = _one_aim({"money": money, "half_width": half_width, "difference": difference})
    _check_power(power)
    if (quantity == "area") != (psi_hat is not None):
        raise MetaRouterError("psi_hat belongs to quantity='area': give both, or neither.")
    nested = is_nested(data, design)
    known: dict[str, Any] = {
        "quantity": quantity,
        "design": "nested" if nested else "separate",
        "prices": prices,
        "level": level,
        "aim": aim,
        "power": power,
    }
    shortage = _shortage(data, quantity, nested)
    if shortage is not None:
        return LabelPlan.unknown(shortage.needed, shortage.reason, **known)
    if quantity == "mean_shift":
        pilot = shift_pilot(data, nested, nuisances, scaling, random_state, n_jobs)
    else:
        pilot = gain_pilot(data, nested, psi_hat, nuisances, propensity, random_state, n_jobs)
    return _planned(pilot, known)


def _planned(pilot: Pilot, known: dict[str, Any]) -> LabelPlan:
    variance, prices, level = pilot.variance, known["prices"], known["level"]
    (aim, wanted), power = known["aim"], known["power"]
    if variance.at(1, 1) < _ROUNDING:
        reason = "The labels of the pilot do not vary, which says nothing about how many would do."
        return LabelPlan.unknown(None, reason, pilot=pilot, **known)
    share = best_share(variance, prices)
    least = Labels(_FEWEST, _FEWEST).cost(prices)
    difference = wanted if aim == "difference" else None

    def option(money: float, share: float, name: str) -> PlanOption:
        return option_of(
            name, _labels(money, share, variance, prices), variance, prices, level, difference
        )

    def short(money: float) -> float:
        there = option(money, share, "")
        return there.half_width - wanted if aim == "half_width" else power - there.power

    if aim == "money" and wanted < least:
        reason = (
            f"{wanted:g} buys fewer than the {_FEWEST} labels of each kind that an interval needs; "
            f"{least:g} would do."
        )
        return LabelPlan.unknown(_FEWEST, reason, pilot=pilot, **known)
    money = wanted if aim == "money" else _least(short, least)
    if money is None:
        reason = f"No number of labels below {_MOST_MONEY:g} in money reaches {aim}={wanted:g}."
        return LabelPlan.unknown(None, reason, pilot=pilot, **known)
    best = option(money, share, "cost-optimal")
    even = prices.gold / (prices.gold + prices.preference)
    options = (
        best,
        option(money, min(0.5, even) if variance.nested else 0.5, "half the money each"),
        option(money, even, "as many of each"),
    )
    return LabelPlan(
        pilot_value=pilot.value,
        unit=pilot.unit,
        variance=variance,
        share=share,
        options=options,
        verdict=Verdict.PASS,
        needed=None,
        reason=_reason(best, options[1], known),
        **known,
    )


def _labels(money: float, share: float, variance: LabelVariance, prices: Prices) -> Labels:
    """Whole numbers of labels, with enough of each kind for an interval and for its nuisances."""
    gold, preference = labels_for(money, share, prices)
    gold = max(_FEWEST, min(gold, (money - _FEWEST * prices.preference) / prices.gold))
    preference = max(_FEWEST, (money - gold * prices.gold) / prices.preference)
    if variance.nested:
        preference = max(preference, gold)
    # A share that is exact in theory must not lose a label to rounding.
    return Labels(math.floor(gold + 1e-9), math.floor(preference + 1e-9))


def _least(short: Callable[[float], float], least: float) -> float | None:
    """Find the least money at which nothing is short any more."""
    if short(least) <= 0:
        return least
    most = least
    while short(most) > 0:
        most *= 2
        if most > _MOST_MONEY:
            return None
    found = float(brentq(short, most / 2, most, xtol=1e-9 * most, rtol=1e-9))
    # Whole labels make steps: a little more money takes the last one.
    for _ in range(200):
        if short(found) <= 0:
            return found
        found *= 1.0005
    return most


def _reason(best: PlanOption, even: PlanOption, known: dict[str, Any]) -> str:
    ratio = (even.half_width / best.half_width) ** 2
    return (
        f"{best.n_gold} gold and {best.n_preference} preference labels for {best.cost:.6g}; "
        f"splitting the money evenly would cost {ratio:.2f} times as much for the same width."
    )


def _shortage(data: Any, quantity: str, nested: bool) -> Finding | None:
    if quantity != "mean_shift":
        there = int(getattr(data, "n_gold", _FEWEST))
        words = f"{scarce(there, 'gold labels')} to plan on; {_FEWEST} would do."
        return Finding(Verdict.INCONCLUSIVE, _FEWEST, words) if there < _FEWEST else None
    counts = count_labels(as_rows(data))
    if nested:
        return check_sample_size(counts, ("paired_queries", counts.paired))
    return check_either_sample_size(counts)


def _one_aim(aims: dict[str, float | None]) -> tuple[str, float]:
    given = {name: value for name, value in aims.items() if value is not None}
    if len(given) != 1:
        raise MetaRouterError(f"{len(given)} aims are given; give one of {', '.join(aims)}.")
    ((name, value),) = given.items()
    if not is_real(value) or value <= 0:
        raise MetaRouterError(f"{name} is {value!r}; give a finite number above 0.")
    return name, float(value)


def as_prices(gold: float, preference: float) -> Prices:
    for name, price in (("gold_price", gold), ("preference_price", preference)):
        if not is_real(price) or price <= 0:
            raise MetaRouterError(
                f"{name} is {price!r}; give a finite price above 0.", parameter=name
            )
    return Prices(float(gold), float(preference))


def _check_power(power: float) -> None:
    if not 0 < power < 1:
        raise MetaRouterError(f"power is {power!r}; give a probability between 0 and 1.")
