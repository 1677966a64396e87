"""A curve with its bands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metarouter.inference._limits import Verdict
from metarouter.inference.curves import BandMethod, CurveName
from metarouter.inference.intervals import FloatArray
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import random_line, router_styles
from metarouter.utils.tables import Printed, thinned

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CurveBand", "curve_line", "draw_band", "errors_in_words"]

_NAMES = {
    "efficiency_gain": ("Efficiency gain", "efficiency gain per query"),
    "toc": ("Targeting operator characteristic", "gain of the queries sent beyond that of all"),
    "qini": ("Qini curve", "gain per query over sending none"),
}


@dataclass(frozen=True)
class CurveBand(Printed):
    """A curve with pointwise limits and with a band that holds everywhere at once.

    Parameters
    ----------
    curve : {"efficiency_gain", "toc", "qini"}
    usage : ndarray of shape (m,)
        Share of the queries, or of the extra cost where costs were given, that is spent.
    value, se : ndarray of shape (m,)
        In gold units per query.
    lower, upper : ndarray of shape (m,)
        Limits that hold at one usage, chosen beforehand.
    band_lower, band_upper : ndarray of shape (m,)
        Limits that hold at all usages at once.
    critical : float
        Standard errors to either side of the curve that make the band.
    total : float
        Mean gain of sending every query.
    threshold : ndarray of shape (m,) or None
        Scores from which on queries are sent, where they were fixed beforehand.
    per_cost : bool
        Whether `usage` is a share of the extra cost.
    reference : str or None
        The router that the curve is a difference from.
    method : {"half_sample", "influence"}
    level : float
    n, n_units : int
        Queries, and independent units of them.
    n_draws : int
        Half-samples; 0 where the influence function was used.
    verdict : Verdict
        On the claim that the curve lies above zero somewhere, judged by the band.
    needed : int or None
        Gold labels that would settle an open verdict.
    reason : str
    """

    curve: CurveName
    usage: FloatArray
    value: FloatArray
    se: FloatArray
    lower: FloatArray
    upper: FloatArray
    band_lower: FloatArray
    band_upper: FloatArray
    critical: float
    total: float
    threshold: FloatArray | None
    per_cost: bool
    reference: str | None
    method: BandMethod
    level: float
    n: int
    n_units: int
    n_draws: int
    verdict: Verdict
    needed: int | None
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per point: usage, value, error, pointwise limits and band."""
        import pandas as pd

        threshold = {} if self.threshold is None else {"threshold": self.threshold}
        return pd.DataFrame(
            {"usage": self.usage}
            | threshold
            | {
                "value": self.value,
                "se": self.se,
                "ci_low": self.lower,
                "ci_high": self.upper,
                "band_low": self.band_lower,
                "band_high": self.band_upper,
            }
        )

    def plot(self, ax: Any = None, *, name: str = "router", band: bool = True) -> Any:
        """Draw the curve with its band, and the pointwise limits as thin lines inside it.

        Parameters
        ----------
        ax : matplotlib Axes, optional
        name : str, default="router"
            Name in the legend; the house's router names have colours of their own.
        band : bool, default=True
            Draw the simultaneous band.

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax, height=4.2)
        limits = (self.band_lower, self.band_upper) if band else None
        draw_band(ax, name, self.usage, self.value, (self.lower, self.upper), limits)
        if self.curve == "qini":
            ax.plot([0, 1], [0, self.total], **random_line())
        else:
            ax.axhline(0.0, **(random_line() | {"label": self.reference or "random"}))
        ax.set_xlabel(f"share of {self._usage()}")
        versus = "" if self.reference is None else f", minus {self.reference}"
        ax.set_ylabel(_NAMES[self.curve][1] + versus)
        ax.set_xlim(0, 1)
        ax.legend(frameon=False, fontsize="small")
        return ax

    def _title(self) -> str:
        versus = "" if self.reference is None else f", difference from {self.reference}"
        return f"{_NAMES[self.curve][0]}{versus}"

    def _facts(self) -> dict[str, str]:
        return errors_in_words(self.n, self.n_units, self.method, self.n_draws) | {
            "level": f"{self.level:g}",
            "critical value of the band": f"{self.critical:.3f}",
            "gain of sending all": f"{self.total:.4f}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            f"usage: share of {self._usage()}. ci: holds at one usage; band: holds at all at once. "
            "Both are over new test queries, with the router held fixed.",
            self.reason,
        )

    def _usage(self) -> str:
        return "the extra cost spent" if self.per_cost else "queries sent to the primary model"

    def _written(self, decimals: int = 4) -> pd.DataFrame:
        return thinned(super()._written(decimals))


def errors_in_words(n: int, n_units: int, method: BandMethod, n_draws: int) -> dict[str, str]:
    """Say what the errors rest on."""
    groups = {} if n_units == n else {"independent groups": f"{n_units}"}
    how = "influence function" if method == "influence" else f"{n_draws} half-samples"
    return {"queries": f"{n}"} | groups | {"errors": how}


def curve_line(name: str) -> dict[str, Any]:
    """Keyword arguments for the curve of a router: its points lie too close for markers."""
    return router_styles([name])[name].line() | {"marker": None}


def draw_band(
    ax: Any,
    name: str,
    x: FloatArray,
    value: FloatArray,
    pointwise: tuple[FloatArray, FloatArray],
    simultaneous: tuple[FloatArray, FloatArray] | None,
) -> None:
    """Draw a curve, its pointwise limits as thin lines, and its simultaneous band as a surface."""
    (drawn,) = ax.plot(x, value, **curve_line(name))
    color = drawn.get_color()
    for limit in pointwise:
        ax.plot(x, limit, color=color, linewidth=0.7, linestyle=(0, (1, 1.5)))
    if simultaneous is not None:
        ax.fill_between(x, *simultaneous, color=color, alpha=0.18, linewidth=0)
