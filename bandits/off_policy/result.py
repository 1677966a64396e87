"""The value of a policy, with its uncertainty."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metarouter.utils.plotting import new_axes
from metarouter.utils.style import MEAN
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FEW_EFFECTIVE_ROWS", "FewEffectiveRowsWarning", "OffPolicyResult"]

# Below it normal and bootstrap intervals were seen to fail and all others to be wide
# (docs/off_policy.md).
FEW_EFFECTIVE_ROWS = 50


class FewEffectiveRowsWarning(UserWarning):
    """The logs say little about the policy, however many rows they have."""


@dataclass(frozen=True)
class OffPolicyResult(Printed):
    """Value of a policy, or what it is above that of another one, with its uncertainty.

    Attributes
    ----------
    value : float
        Estimated mean reward, or difference of two.
    se : float
        Standard error of the estimate.
    lower, upper : float
        Interval, within what rewards allow. Empirical likelihood and Cressie-Read do not start
        from the estimate, which few effective rows may leave outside.
    level : float
        Confidence level.
    n : int
        Rows of the log.
    effective_sample_size : float
        (sum w)^2 / sum w^2, w the importance weights; of a difference, that of its weights.
    method, interval : str
        How the value and the interval were computed.
    quantity : {"value", "difference"}
    logged : float
        Mean reward of the log, that is of the policy that logged; of a difference, zero.
    adaptive : bool
        Whether the logging policy learned from the rows.
    """

    value: float
    se: float
    lower: float
    upper: float
    level: float
    n: int
    effective_sample_size: float
    method: str
    interval: str
    quantity: str = "value"
    logged: float = 0.0
    adaptive: bool = False

    def to_frame(self) -> pd.DataFrame:
        """Return one row with estimate, interval and effective rows."""
        import pandas as pd

        return pd.DataFrame(
            {
                "quantity": [self.quantity],
                "estimate": [self.value],
                "se": [self.se],
                "ci_low": [self.lower],
                "ci_high": [self.upper],
                "level": [self.level],
                "method": [self.method],
                "interval": [self.interval],
                "n": [self.n],
                "effective": [self.effective_sample_size],
            }
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the estimate and its interval beside what the logging policy got, or zero.

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        ax = new_axes(ax, height=1.9)
        words = "mean reward of the logs" if self.quantity == "value" else "no difference"
        ax.hlines(
            0.0, self.lower, self.upper, color=MEAN, linewidth=3.0,
            label=f"{100 * self.level:g}% interval",
        )  # fmt: skip
        ax.plot(self.value, 0.0, "o", color="#1A1A1A", markersize=5, label="estimate")
        ax.axvline(self.logged, color="#7F7F7F", linewidth=0.9, linestyle="--", label=words)
        ax.set_yticks([0.0], [f"{self.method}\n{self._of_interval()}"])
        ax.set_ylim(-1.0, 1.0)
        what = "difference of mean rewards" if self.quantity == "difference" else "mean reward"
        ax.set_xlabel(f"{what} ({self.n} rows, {self.effective_sample_size:.0f} effective)")
        ax.legend(
            frameon=False, fontsize="small", loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=3
        )
        return ax

    def _of_interval(self) -> str:
        return self.interval.replace("_", " ")

    def _title(self) -> str:
        if self.quantity == "difference":
            return "Difference of two policies, off policy"
        return "Value of a policy, off policy"

    def _facts(self) -> dict[str, str]:
        facts = {
            "estimate": self.method,
            "interval": f"{self._of_interval()}, level {self.level:g}",
            "rows": f"{self.n}",
            "effective rows": f"{self.effective_sample_size:.1f}",
            "logging policy": "learned from these rows" if self.adaptive else "fixed",
        }
        if self.quantity == "value":
            facts["mean reward of the logs"] = f"{self.logged:.4f}"
        return facts

    def _notes(self) -> tuple[str, ...]:
        return (warning,) if (warning := few_effective_rows(self)) else ()


def few_effective_rows(result: OffPolicyResult) -> str:
    """Return what is to be said where few rows bear on the policy, else nothing."""
    if result.effective_sample_size >= FEW_EFFECTIVE_ROWS:
        return ""
    return (
        f"Only {result.effective_sample_size:.1f} effective rows of {result.n} bear on this "
        f"{'policy' if result.quantity == 'value' else 'difference'} (fewer than "
        f"{FEW_EFFECTIVE_ROWS}): the logs hardly ever do what it would do. Collect logs that "
        "explore more, or judge a policy closer to the one that logged."
    )


def warn_of_few_effective_rows(result: OffPolicyResult) -> OffPolicyResult:
    """Return the result, with a warning to the caller's caller where few rows bear on it."""
    if message := few_effective_rows(result):
        warnings.warn(message, FewEffectiveRowsWarning, stacklevel=4)
    return result
