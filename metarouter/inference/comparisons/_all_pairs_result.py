"""Routers compared pair by pair, with statements that hold for all pairs at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metarouter.inference._limits import Verdict
from metarouter.inference.bands import errors_in_words
from metarouter.inference.curves import BandMethod
from metarouter.inference.intervals import FloatArray
from metarouter.utils.plotting import draw_dots
from metarouter.utils.style import router_label
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["AllPairs"]


@dataclass(frozen=True)
class AllPairs(Printed):
    """Differences of all pairs of routers on the same queries.

    Parameters
    ----------
    what : str
        What is compared, such as ``"area"``.
    routers : tuple of str
    value, se, lower, upper : ndarray of shape (n_routers,)
        Of every router by itself, in gold units per query.
    first, second : tuple of str
        The routers of every pair.
    difference, difference_se : ndarray of shape (n_pairs,)
        First minus second, and its paired standard error.
    difference_lower, difference_upper : ndarray of shape (n_pairs,)
        Limits that hold for all pairs at once (max-t).
    p_value : ndarray of shape (n_pairs,)
        Two-sided, each pair by itself.
    p_value_max_t, p_value_stepdown : ndarray of shape (n_pairs,)
        Adjusted for all pairs: in one step, and by the step-down of Romano and Wolf, which is
        never larger.
    not_beaten : tuple of str
        Routers that no other is shown to beat.
    critical : float
        Standard errors to either side that hold for all pairs at once.
    method : {"half_sample", "influence"}
    level : float
    n, n_units : int
    n_draws : int
    verdict : Verdict
        On the claim that one router beats all others.
    needed : int or None
        Gold labels that would tell the two best apart.
    reason : str
    """

    what: str
    routers: tuple[str, ...]
    value: FloatArray
    se: FloatArray
    lower: FloatArray
    upper: FloatArray
    first: tuple[str, ...]
    second: tuple[str, ...]
    difference: FloatArray
    difference_se: FloatArray
    difference_lower: FloatArray
    difference_upper: FloatArray
    p_value: FloatArray
    p_value_max_t: FloatArray
    p_value_stepdown: FloatArray
    not_beaten: tuple[str, ...]
    critical: float
    method: BandMethod
    level: float
    n: int
    n_units: int
    n_draws: int
    verdict: Verdict
    needed: int | None
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per pair."""
        import pandas as pd

        return pd.DataFrame(
            {
                "first": self.first,
                "second": self.second,
                "difference": self.difference,
                "se": self.difference_se,
                "band_low": self.difference_lower,
                "band_high": self.difference_upper,
                "p_value": self.p_value,
                "p_value_max_t": self.p_value_max_t,
                "p_value_stepdown": self.p_value_stepdown,
            }
        )

    def routers_frame(self) -> pd.DataFrame:
        """Return one row per router."""
        import pandas as pd

        return pd.DataFrame(
            {
                "router": self.routers,
                "value": self.value,
                "se": self.se,
                "ci_low": self.lower,
                "ci_high": self.upper,
                "not_beaten": [name in self.not_beaten for name in self.routers],
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the differences with limits that hold for all pairs at once.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        pairs = zip(self.first, self.second, strict=True)
        names = [f"{router_label(a)} – {router_label(b)}" for a, b in pairs]
        ax = draw_dots(names, self.difference, self.difference_lower, self.difference_upper, ax)
        ax.locator_params(axis="x", nbins=6)
        ax.set_xlabel(f"difference in {self.what} ({self.level:.0%} for all pairs at once)")
        return ax

    def _title(self) -> str:
        return f"All pairs of {len(self.routers)} routers: {self.what}"

    def _facts(self) -> dict[str, str]:
        return errors_in_words(self.n, self.n_units, self.method, self.n_draws) | {
            "level": f"{self.level:g}, for all pairs at once",
            "critical value": f"{self.critical:.3f}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        each = zip(self.routers, self.value, self.se, strict=True)
        return (
            "Each by itself: " + ", ".join(f"{name} {v:.4f} (s.e. {s:.4f})" for name, v, s in each),
            "band: limits that hold for all pairs at once (max-t). p_value: each pair by itself; "
            "max_t and stepdown (Romano and Wolf): adjusted for all pairs.",
            self.reason,
        )
