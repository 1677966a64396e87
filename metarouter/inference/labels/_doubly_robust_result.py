"""Doubly robust scores of the gold gain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import MINIMA, Verdict
from metarouter.inference.intervals import FloatArray, interval_of
from metarouter.utils.plotting import new_axes
from metarouter.utils.style import BAR, OUTLINE, reference_line
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DoublyRobustGains"]


@dataclass(frozen=True)
class DoublyRobustGains(Printed):
    """One score per query whose mean, over any set of queries, estimates that of the gold gain.

    It takes the place of ``gold_gain`` in every band and interval, with its weights and groups.

    Parameters
    ----------
    score : ndarray of shape (n_queries,)
        In gold units.
    prediction : ndarray of shape (n_queries,)
        mu_1(s), predicted out of sample.
    propensity : ndarray of shape (n_queries,)
        P(the query has a gold label).
    is_gold : ndarray of bool of shape (n_queries,)
        Which queries have a gold label, and so a correction.
    sample_weight : ndarray of shape (n_queries,) or None
        Weights of the queries; 0 for those that a propensity policy trimmed.
    groups : ndarray of shape (n_queries,) or None
        Queries that share a value may depend on each other.
    mean, mean_se, gold_mean, gold_mean_se : float
        Mean gain from all scores, and from the gold labels alone, weighted by 1 / p.
    df : float
        Degrees of freedom of both errors.
    prediction_is, propensity_is : str
        Where both come from.
    level : float
    """

    score: FloatArray
    prediction: FloatArray
    propensity: FloatArray
    is_gold: NDArray[np.bool_]
    sample_weight: FloatArray | None
    groups: NDArray[Any] | None
    mean: float
    mean_se: float
    gold_mean: float
    gold_mean_se: float
    df: float
    prediction_is: str
    propensity_is: str
    level: float

    @property
    def n_gold(self) -> int:
        """Number of gold labels."""
        return int(self.is_gold.sum())

    @property
    def verdict(self) -> Verdict:
        """PASS where there are enough gold labels, not all alike, for errors to be estimated."""
        few = MINIMA["gold_rows"].missing(self.n_gold) > 0
        return Verdict.INCONCLUSIVE if few or np.isnan(self.mean_se) else Verdict.PASS

    def to_frame(self) -> pd.DataFrame:
        """Return the mean gain from all scores, and from the gold labels alone."""
        import pandas as pd

        value, se = (
            np.array([self.mean, self.gold_mean]),
            np.array([self.mean_se, self.gold_mean_se]),
        )
        lower, upper = interval_of(value, se, self.df, self.level)
        return pd.DataFrame(
            {
                "mean gain from": ["doubly robust scores", "gold labels alone"],
                "value": value,
                "se": se,
                "ci_low": lower,
                "ci_high": upper,
            }
        )

    def scores_frame(self) -> pd.DataFrame:
        """Return one row per query."""
        import pandas as pd

        return pd.DataFrame(
            {
                "score": self.score,
                "prediction": self.prediction,
                "propensity": self.propensity,
                "is_gold": self.is_gold,
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the corrections of the gold labels: what the prediction missed, over p.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax)
        correction = (self.score - self.prediction)[self.is_gold]
        ax.hist(correction, bins="auto", color=BAR, edgecolor=OUTLINE, linewidth=0.4)
        ax.axvline(0.0, **reference_line())
        ax.set_xlabel("correction by a gold label: (label - prediction) / p, in gold units")
        ax.set_ylabel("gold labels")
        return ax

    def _title(self) -> str:
        return "Doubly robust scores of the gold gain"

    def _facts(self) -> dict[str, str]:
        return {
            "queries": f"{self.score.size}",
            "gold labels": f"{self.n_gold}",
            "predictions": self.prediction_is,
            "propensities": self.propensity_is,
            "level": f"{self.level:g}",
            "verdict": str(self.verdict),
        }

    def _notes(self) -> tuple[str, ...]:
        least = MINIMA["gold_rows"].count
        if self.verdict is Verdict.INCONCLUSIVE and self.n_gold >= least:
            return (f"The {self.n_gold} gold labels are all alike, which leaves no interval.",)
        if self.verdict is Verdict.INCONCLUSIVE:
            return (f"{self.n_gold} gold labels are too few for an interval; {least} would do.",)
        ratio = (self.gold_mean_se / self.mean_se) ** 2
        known = "unbiased by design" if "known" in self.propensity_is else "as good as p or mu_1"
        return (
            f"The scores are {known}; for the mean they are worth {ratio:.2f} times the gold "
            "labels that are there.",
        )
