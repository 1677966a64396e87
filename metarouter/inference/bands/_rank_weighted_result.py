"""Rank-weighted effects with their intervals."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from metarouter.exceptions import MetaRouterError
from metarouter.inference._limits import Verdict
from metarouter.inference.bands._band_result import errors_in_words
from metarouter.inference.curves import BandMethod
from metarouter.inference.intervals import FloatArray
from metarouter.utils.plotting import draw_dots, new_axes
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Average", "RankWeightedEffect", "RankWeightedEffects"]

Average = Literal["usage", "queries"]

_NAMES = {
    "area": "area under the\nefficiency gain",
    "autoc": "AUTOC",
    "qini_scaled": "scaled Qini",
}


class RankWeightedEffect(NamedTuple):
    """One effect with its interval."""

    value: float
    se: float
    lower: float
    upper: float
    p_value: float


@dataclass(frozen=True)
class RankWeightedEffects(Printed):
    """What a router's ranking is worth, in three weightings of the ranks.

    Parameters
    ----------
    effects : tuple of str
        ``"area"``, ``"autoc"`` and ``"qini_scaled"``.
    value, se, lower, upper : ndarray of shape (3,)
        In gold units per query.
    p_value : ndarray of shape (3,)
        Two-sided, against an effect of 0: a ranking that knows nothing.
    df : float
        Degrees of freedom of the errors.
    method : {"half_sample", "influence"}
    average : {"usage", "queries"}
    level : float
    n, n_units : int
    n_draws : int
    verdict : Verdict
        On the claim that the area is above zero: that the router beats random routing.
    needed : int or None
        Gold labels that would settle an open verdict.
    reason : str
    """

    effects: tuple[str, ...]
    value: FloatArray
    se: FloatArray
    lower: FloatArray
    upper: FloatArray
    p_value: FloatArray
    df: float
    method: BandMethod
    average: Average
    level: float
    n: int
    n_units: int
    n_draws: int
    verdict: Verdict
    needed: int | None
    reason: str

    def effect(self, name: str) -> RankWeightedEffect:
        """Return one effect.

        Parameters
        ----------
        name : {"area", "autoc", "qini_scaled"}

        Raises
        ------
        MetaRouterError
            If there is no such effect.
        """
        if name not in self.effects:
            raise MetaRouterError(
                f"{name!r} is no effect; choose one of {', '.join(self.effects)}."
            )
        k = self.effects.index(name)
        columns = (self.value, self.se, self.lower, self.upper, self.p_value)
        return RankWeightedEffect(*(float(column[k]) for column in columns))

    def to_frame(self) -> pd.DataFrame:
        """Return one row per effect."""
        import pandas as pd

        return pd.DataFrame(
            {
                "effect": self.effects,
                "value": self.value,
                "se": self.se,
                "ci_low": self.lower,
                "ci_high": self.upper,
                "p_value": self.p_value,
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the effects with their intervals, beside the zero of random routing.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        names = [_NAMES[name] for name in self.effects]
        ax = draw_dots(names, self.value, self.lower, self.upper, new_axes(ax, height=2.4))
        ax.set_xlabel(f"gold units per query ({self.level:.0%} intervals; 0: random routing)")
        return ax

    def _title(self) -> str:
        return "Rank-weighted effects of the router"

    def _facts(self) -> dict[str, str]:
        return errors_in_words(self.n, self.n_units, self.method, self.n_draws) | {
            "averaged over": self.average,
            "level": f"{self.level:g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            "area: integral of the efficiency gain over usages, which is the Qini coefficient; "
            "autoc: integral of the TOC; qini_scaled: area times sqrt(12). All are 0 for a "
            "ranking that knows nothing.",
            self.reason,
        )
