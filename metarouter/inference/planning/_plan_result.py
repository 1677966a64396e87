"""A plan of how many labels to buy."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import nctdtr, ndtri, stdtrit

from metarouter.inference._limits import Verdict
from metarouter.inference.planning._allocation import Labels, Prices, labels_for
from metarouter.inference.planning._axes import verdict_alone
from metarouter.inference.planning._label_variance import NOTHING, LabelVariance
from metarouter.utils.plotting import new_axes, show_numbers_on_log_axis
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

    from metarouter.inference.planning._pilot import Pilot

__all__ = ["LabelPlan", "PlanOption", "option_of"]

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
            "since more labels teach predictions more. "
            "Planned labels are taken to be like those of the pilot.",
        )
