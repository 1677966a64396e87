"""What the check of the nuisances returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.inference._limits import Verdict
from metarouter.inference.intervals import Measured
from metarouter.utils.plotting import draw_dots, new_axes
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["WORDS", "NuisanceQuality"]


WORDS = {
    "marginal_outcome": "label given the query",
    "gold_outcome": "gold label given the query",
    "preference_outcome": "preference label given the query",
    "propensity": "source given the query",
}


@dataclass(frozen=True)
class NuisanceQuality(Printed):
    """Out-of-fold fit of every nuisance.

    Parameters
    ----------
    r2 : dict of str to Measured
        Of the outcome models: 1 minus squared error over that of the mean label.
    log_loss : Measured
        Of the propensity, in nats per label.
    log_loss_ratio : Measured
        The same over that of the constant gold share: below 1 the sources can be told apart.
    n : dict of str to int
        Labels that each rests on.
    level : float
    verdicts : dict of str to Verdict
        By nuisance.
    verdict : Verdict
        The gravest of them.
    needed : int or None
    reason : str
    """

    r2: dict[str, Measured]
    log_loss: Measured
    log_loss_ratio: Measured
    n: dict[str, int]
    level: float
    verdicts: dict[str, Verdict]
    verdict: Verdict
    needed: int | None
    reason: str

    def to_frame(self) -> pd.DataFrame:
        """Return one row per nuisance and measure."""
        import pandas as pd

        lines = [(name, "R2", self.r2[name]) for name in self.r2]
        lines += [
            ("propensity", "log loss", self.log_loss),
            ("propensity", "log loss / constant", self.log_loss_ratio),
        ]
        return pd.DataFrame(
            [
                {
                    "nuisance": name,
                    "predicts": WORDS[name],
                    "labels": self.n[name],
                    "measure": measure,
                    "value": measured.value,
                    "ci_low": measured.lower,
                    "ci_high": measured.upper,
                    "verdict": "" if measure == "log loss" else str(self.verdicts[name]),
                }
                for name, measure, measured in lines
            ]
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the out-of-fold R2 of the outcome models and the propensity's gain in log loss.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        drawn = {**self.r2, "propensity": self.log_loss_ratio.mapped(1.0, -1.0)}
        value, lower, upper = np.array(list(drawn.values())).T
        ax = new_axes(ax, height=2.6)
        ax = draw_dots([WORDS[name] for name in drawn], value, lower, upper, ax)
        ax.set_xlabel("share of the loss explained out of fold")
        return ax

    def _title(self) -> str:
        return "Quality of the nuisances, out of fold"

    def _facts(self) -> dict[str, str]:
        return {"level": f"{self.level:g}", "verdict": str(self.verdict)}

    def _notes(self) -> tuple[str, ...]:
        return (
            "Intervals are over new labels, with the fitted models held fixed. A nuisance that",
            "knows nothing (R2 of 0, ratio of 1) costs precision, one that is worse adds noise.",
            self.reason,
        )
