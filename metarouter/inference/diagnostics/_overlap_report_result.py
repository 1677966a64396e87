"""What the overlap report returns."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import LIMITS, Verdict
from metarouter.inference.intervals import FloatArray, Measured
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import reference_line
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COLOUR", "OverlapReport", "support_bounds"]


COLOUR = {True: "#E69F00", False: "#0072B2"}


@dataclass(frozen=True)
class OverlapReport(Printed):
    """How far gold and preference queries cover the same ground.

    Parameters
    ----------
    out_of_support : Measured
        Share of the preference labels at queries where gold queries are more than ten times rarer.
    gold_out_of_support : Measured
        The reverse: share of the gold labels where preference queries are that rare.
    effective_gold, effective_preference : Measured
        Effective sample size of the labels of each source once they are weighted to stand for all
        queries, as a share of their number (Kish 1965).
    n_gold, n_preference : int
    n_clipped, n_trimmed : int
        What the propensity policy did.
    level : float
    verdicts : dict of str to Verdict
        By limit: "out_of_support", "effective_gold", "effective_preference".
    verdict : Verdict
        The gravest of them.
    needed : int or None
        Gold labels that would settle an open verdict.
    reason : str
    propensity : ndarray of shape (n,)
        Recalibrated out-of-fold P(gold | s).
    is_gold : ndarray of bool of shape (n,)
    """

    out_of_support: Measured
    gold_out_of_support: Measured
    effective_gold: Measured
    effective_preference: Measured
    n_gold: int
    n_preference: int
    n_clipped: int
    n_trimmed: int
    level: float
    verdicts: dict[str, Verdict]
    verdict: Verdict
    needed: int | None
    reason: str
    propensity: FloatArray = field(repr=False)
    is_gold: NDArray[np.bool_] = field(repr=False)

    def to_frame(self) -> pd.DataFrame:
        """Return one row per measure, with its interval and verdict."""
        import pandas as pd

        ratio = LIMITS["density_ratio"].passes
        named = {
            f"preference labels where gold is {ratio:g} times rarer": (
                self.out_of_support,
                str(self.verdicts["out_of_support"]),
            ),
            f"gold labels where preference is {ratio:g} times rarer": (
                self.gold_out_of_support,
                "",
            ),
            "effective share of the gold labels": (
                self.effective_gold,
                str(self.verdicts["effective_gold"]),
            ),
            "effective share of the preference labels": (
                self.effective_preference,
                str(self.verdicts["effective_preference"]),
            ),
        }
        return pd.DataFrame(
            [
                {
                    "measure": name,
                    "value": measured.value,
                    "ci_low": measured.lower,
                    "ci_high": measured.upper,
                    "verdict": verdict,
                }
                for name, (measured, verdict) in named.items()
            ]
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the propensities of gold and of preference labels, mirrored.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax)
        edges = np.linspace(0.0, 1.0, 41)
        for source, sign, name in ((True, 1, "gold"), (False, -1, "preference")):
            values = self.propensity[self.is_gold == source]
            if not values.size:
                continue
            share = np.histogram(values, edges)[0] / values.size
            ax.bar(
                edges[:-1],
                sign * share,
                width=np.diff(edges),
                align="edge",
                color=COLOUR[source],
                edgecolor="#1A1A1A",
                linewidth=0.3,
                hatch=None if source else "///",
                label=f"{name} labels ({values.size})",
            )
        kappa = self.n_gold / max(1, self.n_gold + self.n_preference)
        for bound in support_bounds(kappa):
            ax.axvline(bound, **reference_line())
        ax.axhline(0.0, color="#1A1A1A", linewidth=0.8)
        ax.set_xlim(0, 1)
        ax.yaxis.set_major_formatter(lambda value, _: f"{abs(value):.0%}")
        ax.set_xlabel("propensity P(gold | query); dashed: density ratio of ten")
        ax.set_ylabel("share of the source's labels")
        ax.legend(
            frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, 1.14), ncols=2
        )
        return ax

    def _title(self) -> str:
        return "Overlap of gold and preference queries"

    def _facts(self) -> dict[str, str]:
        return {
            "gold labels": f"{self.n_gold}",
            "preference labels": f"{self.n_preference}",
            "clipped": f"{self.n_clipped}",
            "trimmed": f"{self.n_trimmed}",
            "level": f"{self.level:g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        return (
            "Intervals are over new queries, with the fitted propensity held fixed. It is out of",
            "fold and recalibrated, so that a noisy model does not look like a lack of overlap.",
            self.reason,
        )


def support_bounds(kappa: float) -> tuple[float, float]:
    """Return the propensities at which one source is ten times rarer than the other."""
    ratio, odds = LIMITS["density_ratio"].passes, kappa / max(1e-12, 1 - kappa)
    return odds / ratio / (1 + odds / ratio), odds * ratio / (1 + odds * ratio)
