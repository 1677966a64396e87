"""How many gold and preference labels: width, power and the cost-optimal split."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal, NamedTuple, Unpack

import numpy as np
from numpy.typing import ArrayLike
from scipy.optimize import brentq, minimize_scalar
from scipy.special import nctdtr, ndtri, stdtrit

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import MINIMUM_SAMPLE_SIZES, Verdict, scarce
from metarouter.inference._result import Finding, Judged
from metarouter.inference.labels import LabelOptions, LabelTable, check_sample_size
from metarouter.inference.planning._pilot import (
    NOTHING,
    LabelVariance,
    gain_pilot,
    is_nested,
    shift_pilot,
)
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import check_argument, check_options, number
from metarouter.utils.plotting import label_axes, new_axes, show_numbers_on_log_axis

_NAMES = {
    "mean_shift": "mean shift of the preference labels",
    "mean_gain": "mean gold gain",
    "area": "area of the efficiency gain",
}
_FEWEST = MINIMUM_SAMPLE_SIZES["gold_rows"].count
_MOST_MONEY = 1e12
_ROUNDING = 1e-20  # what it leaves of a variance that is 0
_ABOVE_ZERO = number(above=0)


class Prices(NamedTuple):
    """What one label costs, in one unit of money."""

    gold: float
    preference: float


def as_prices(gold: float, preference: float) -> Prices:
    """Validate the prices of one label of either kind."""
    for name, price in (("gold_price", gold), ("preference_price", preference)):
        check_argument(name, price, [_ABOVE_ZERO])
    return Prices(float(gold), float(preference))


class Labels(NamedTuple):
    """Numbers of labels of either source, floats or arrays of shape (k,)."""

    n_gold: Any
    n_preference: Any

    def cost(self, prices: Prices) -> Any:
        """Return what they cost."""
        return self.n_gold * prices.gold + self.n_preference * prices.preference


def labels_for(money: float, share: float, prices: Prices) -> Labels:
    """Spend a share of the money on gold labels and the rest on preference labels."""
    return Labels(share * money / prices.gold, (1 - share) * money / prices.preference)


def most_on_gold(variance: LabelVariance, prices: Prices) -> float:
    """Return the share of the money that gold labels can take: nested ones need preferences."""
    return prices.gold / sum(prices) if variance.nested else 1.0


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
    """
    most = most_on_gold(variance, prices)
    a, b = variance.gold.value, variance.preference.value
    if variance.nested:
        b += variance.query.value
    if variance.nested or variance.query.value == 0:
        gold, preference = np.sqrt([a * prices.gold, b * prices.preference])
        return float(min(most, gold / (gold + preference)))

    def spread(share: float) -> float:
        return float(variance.at(*labels_for(1.0, share, prices)))

    return float(minimize_scalar(spread, bounds=(1e-6, most - 1e-9), method="bounded").x)


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


@dataclass(frozen=True)
class LabelPlan(Judged):
    """How many gold and preference labels to buy, and what they will give.

    The verdict is INCONCLUSIVE where the pilot or the money is too little to plan with; `needed`
    are then the gold labels with which a plan could be made.

    Parameters
    ----------
    quantity : {"mean_shift", "mean_gain", "area"}
    design : {"separate", "nested"}
    prices : Prices
        ``gold`` and ``preference``, for one label.
    aim : tuple of str and float
        "money", "half_width" or "difference", and how much of it.
    power : float
        Wanted of the test for a difference.
    pilot_value : float
        The pilot's estimate, in `unit`.
    variance : LabelVariance
        Parts of the variance of one label.
    share : float
        Share of the money that is best spent on gold labels.
    n_gold, n_preference : int
    cost, half_width : float
        What the plan asks for, what that costs and gives; 0 and NaN without one.
    options : tuple of PlanOption
        The plan first, then other ways to spend as much; the rows of the frame.
    """

    quantity: str
    design: str
    prices: Prices
    aim: tuple[str, float]
    power: float
    pilot_value: float
    variance: LabelVariance = field(repr=False)
    share: float
    n_gold: int
    n_preference: int
    cost: float
    half_width: float
    options: tuple[PlanOption, ...]

    _ROWS = "options"
    _COLUMNS = (
        "split=name, n_gold, n_preference, cost, half_width, ci_low=lower, ci_high=upper, power"
    )
    _FACTS = {
        "aim": "{self.aim[0]} {self.aim[1]:g}",
        "power": "{self._wanted_power}",
        "design": "{self.design}",
        "price of a gold label": "{self.prices.gold:g}",
        "price of a preference label": "{self.prices.preference:g}",
        "estimate of the pilot": "{self.pilot_value:.4f} {self.unit}",
        "share of money on gold": "{self.share:.3f}",
        "level": "{self.level:g}",
        "verdict": "{self.verdict}",
        "variance of one gold": "{self.variance.gold}",
        "variance of one preference": "{self.variance.preference}",
        "variance of one query": "{self.variance.query}",
    }
    _NOTES = (
        "{self.reason}",
        "ci: what the half width may come out as, since pilot and plan are both samples, and "
        "since more labels teach predictions more; too short where rare labels are large. "
        "Planned labels are taken to be like those of the pilot.",
    )

    def _title(self) -> str:
        return f"Labels for the {_NAMES[self.quantity]}"

    @property
    def _wanted_power(self) -> str:
        return f"{self.power:g}" if self.aim[0] == "difference" else ""

    @property
    def unit(self) -> str:
        """What the estimate is measured in."""
        return "units of the preference labels" if self.quantity == "mean_shift" else "gold units"

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
        parts = self.variance.parts(n_gold, n_preference)
        spread = sum(part.value / n for part, n in parts)
        df = spread**2 / sum((part.value / n) ** 2 / max(n - 1, 1) for part, n in parts)  # Welch's
        critical = float(stdtrit(df, 0.5 + self.level / 2))
        # The pilot knows each part with an error, and the planned labels will estimate it anew with
        # one that is as much smaller as they are more. Variances are positive: their errors are
        # taken on the logarithmic scale.
        error = np.sqrt(sum((part.se / n) ** 2 * (1 + part.n / n) for part, n in parts))
        factor = float(np.exp(ndtri(0.5 + self.level / 2) * error / spread / 2))
        # More labels than the pilot had teach predictions more; how much is not known before.
        learned = spread - self.variance.gold.unlearned / n_gold
        power = np.nan
        if difference is not None:
            distance = difference / spread**0.5
            missed = nctdtr(df, distance, critical) - nctdtr(df, distance, -critical)
            power = float(1 - missed) if np.isfinite(missed) else 1.0
        return PlanOption(
            name="given",
            n_gold=int(n_gold),
            n_preference=int(n_preference),
            cost=Labels(n_gold, n_preference).cost(self.prices),
            half_width=critical * spread**0.5,
            lower=critical * learned**0.5 / factor,
            upper=critical * spread**0.5 * factor,
            power=power,
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the half width over the money, for the best and for an even split."""
        ax = new_axes(ax, height=4.2)
        if not self.options:
            return verdict_alone(ax, self.verdict)
        money = self.cost * np.geomspace(0.25, 4, 60)
        even = min(0.5, most_on_gold(self.variance, self.prices))
        for share, color, dash, name in (
            (self.share, "#0072B2", "-", "cost-optimal split"),
            (even, "#E69F00", "--", "half the money each"),
        ):
            made = [self.at(*labels_for(amount, share, self.prices)) for amount in money]
            width = [option.half_width for option in made]
            ax.plot(money, width, color=color, linestyle=dash, linewidth=1.6, label=name)
            if share == self.share:
                ends = [option.lower for option in made], [option.upper for option in made]
                ax.fill_between(money, *ends, color=color, alpha=0.18, linewidth=0)
        ax.plot([self.cost], [self.half_width], "o", color="#1A1A1A", label="the plan")
        show_numbers_on_log_axis(ax, "x")
        show_numbers_on_log_axis(ax, "y")
        x = "money, in the unit of the prices"
        return label_axes(ax, x, "half width of the interval", legend="best")


def verdict_alone(ax: Any, verdict: Verdict) -> Any:
    """Write the verdict in the middle of empty axes, and return these."""
    ax.text(0.5, 0.5, str(verdict), ha="center", transform=ax.transAxes)
    return ax


@validated(
    money=[_ABOVE_ZERO, None],
    half_width=[_ABOVE_ZERO, None],
    difference=[_ABOVE_ZERO, None],
    power=[number(above=0, below=1)],
    random_state=["random_state"],
)
def plan_labels(
    data: Any,
    *,
    quantity: Literal["mean_shift", "mean_gain", "area"] = "mean_shift",
    gold_price: float = 1.0,
    preference_price: float = 0.01,
    money: float | None = None,
    half_width: float | None = None,
    difference: float | None = None,
    power: float = 0.8,
    design: Literal["auto", "separate", "nested"] = "auto",
    psi_hat: ArrayLike | None = None,
    propensity: ArrayLike | float | None = None,
    **options: Unpack[LabelOptions],
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
    propensity : float or array-like of shape (n_queries,), optional
        As for `doubly_robust_gains`; not for the mean shift.
    **options : LabelOptions
        Nuisances (a recipe), scaling (of the mean shift), level, seed and cores.

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

    A plan asks for at least 30 labels of each kind. The power is that of a two-sided t test, as by
    ``statsmodels.stats.power.ttest_power`` for the difference in standard errors and one
    observation; its degrees of freedom are Welch's, since three parts make up the variance.

    References
    ----------
    Cost-optimal shares: Neyman (1934); for labels of a judge, Cost-optimal active AI model
    evaluation (2025), arXiv 2506.07949. Prediction-powered inference: Angelopoulos et al. (2023).

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression, LogisticRegression
    >>> from metarouter.datasets import make_judged_queries
    >>> from metarouter.nuisance import Nuisances
    >>> pilot = make_judged_queries(1000, gold_share=0.2, random_state=0)
    >>> recipe = Nuisances(outcome=LinearRegression(), propensity=LogisticRegression())
    >>> plan = plan_labels(pilot, half_width=0.1, nuisances=recipe, random_state=0)
    >>> plan.n_gold < plan.n_preference
    True
    >>> bool(plan.half_width <= 0.1)
    True
    """
    check_options(options, LabelOptions, "plan_labels")
    aims = {"money": money, "half_width": half_width, "difference": difference}
    given = [(name, float(value)) for name, value in aims.items() if value is not None]
    if len(given) != 1:
        raise MetaRouterError(f"{len(given)} aims are given; give one of {', '.join(aims)}.")
    if (quantity == "area") != (psi_hat is not None):
        raise MetaRouterError("psi_hat belongs to quantity='area': give both, or neither.")
    prices, nested = as_prices(gold_price, preference_price), is_nested(data, design)
    value, variance = np.nan, LabelVariance(NOTHING, NOTHING, NOTHING, nested)
    if quantity == "mean_shift":
        table = LabelTable(data, options)
        shortage = check_sample_size(table.counts, "paired_queries" if nested else "gold_rows")
        if shortage is None:
            value, variance = shift_pilot(table, nested)
    else:
        shortage = too_few("gold_rows", int(getattr(data, "n_gold", _FEWEST)))
        if shortage is None:
            value, variance = gain_pilot(data, nested, psi_hat, propensity, options)
    plan = LabelPlan.inconclusive(
        shortage or Finding(Verdict.INCONCLUSIVE, None, ""),
        quantity=quantity,
        design="nested" if nested else "separate",
        prices=prices,
        level=options.get("level", 0.95),
        aim=given[0],
        power=power,
        pilot_value=value,
        variance=variance,
        options=(),
    )
    return _solved(plan) if shortage is None else plan


def too_few(minimum: str, there: int) -> Finding | None:
    """Return INCONCLUSIVE where a minimum of `MINIMUM_SAMPLE_SIZES` is not met, else None."""
    least = MINIMUM_SAMPLE_SIZES[minimum]
    if not least.missing(there):
        return None
    reason = f"{scarce(there, least.what)}; {least.count} would do. {least.why}"
    return Finding(Verdict.INCONCLUSIVE, least.count, reason)


def _solved(plan: LabelPlan) -> LabelPlan:
    """Fill in how the money is best spent, or why that cannot be said."""
    variance, prices, (aim, wanted) = plan.variance, plan.prices, plan.aim
    if variance.at(1, 1) < _ROUNDING:
        why = "The labels of the pilot do not vary, which says nothing about how many would do."
        return replace(plan, reason=why)
    share, difference = best_share(variance, prices), wanted if aim == "difference" else None

    def option(money: float, share: float, name: str) -> PlanOption:
        labels = _whole_labels(money, share, variance, prices)
        return replace(plan.at(*labels, difference), name=name)

    def short(money: float) -> float:
        there = option(money, share, "")
        return there.half_width - wanted if aim == "half_width" else plan.power - there.power

    least = Labels(_FEWEST, _FEWEST).cost(prices)
    if aim == "money" and wanted < least:
        why = (
            f"{wanted:g} buys fewer than the {_FEWEST} labels of each kind that an interval needs; "
            f"{least:g} would do."
        )
        return replace(plan, needed=_FEWEST, reason=why)
    money = wanted if aim == "money" else _least_money(short, least)
    if money is None:
        why = f"No number of labels below {_MOST_MONEY:g} in money reaches {aim}={wanted:g}."
        return replace(plan, reason=why)
    best = option(money, share, "cost-optimal")
    even = option(money, min(0.5, most_on_gold(variance, prices)), "half the money each")
    equal = option(money, prices.gold / sum(prices), "as many of each")
    ratio = (even.half_width / best.half_width) ** 2
    return replace(
        plan,
        share=share,
        n_gold=best.n_gold,
        n_preference=best.n_preference,
        cost=best.cost,
        half_width=best.half_width,
        options=(best, even, equal),
        verdict=Verdict.PASS,
        reason=f"{best.n_gold} gold and {best.n_preference} preference labels for {best.cost:.6g}; "
        f"splitting the money evenly would cost {ratio:.2f} times as much for the same width.",
    )


def _whole_labels(money: float, share: float, variance: LabelVariance, prices: Prices) -> Labels:
    """Whole numbers of labels, with enough of each kind for an interval and for its nuisances."""
    gold, preference = labels_for(money, share, prices)
    gold = max(_FEWEST, min(gold, (money - _FEWEST * prices.preference) / prices.gold))
    preference = max(_FEWEST, (money - gold * prices.gold) / prices.preference)
    if variance.nested:
        preference = max(preference, gold)
    # A share that is exact in theory must not lose a label to rounding.
    return Labels(math.floor(gold + 1e-9), math.floor(preference + 1e-9))


def _least_money(short: Callable[[float], float], least: float) -> float | None:
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
