"""The value of a policy, with its uncertainty."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["FewEffectiveRowsWarning", "OffPolicyResult"]


class FewEffectiveRowsWarning(UserWarning):
    """The logs say little about the policy, however many rows they have."""


@dataclass(frozen=True)
class OffPolicyResult:
    """Value of a policy with its uncertainty.

    Attributes
    ----------
    value : float
        Estimated mean reward.
    se : float
        Standard error of the estimate.
    lower, upper : float
        Interval for the mean reward, within the range of rewards.
    level : float
        Confidence level.
    n : int
        Rows of the log.
    effective_sample_size : float
        (sum w)^2 / sum w^2, w the importance weights.
    method, interval : str
        How the value and the interval were computed.
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

    def to_frame(self) -> pd.DataFrame:
        """Return one row with all fields."""
        import pandas as pd

        return pd.DataFrame([vars(self)])

    def summary(self) -> str:
        """Return two lines for a report."""
        return (
            f"value {self.value:.4f} (s.e. {self.se:.4f}), {100 * self.level:g}% interval "
            f"[{self.lower:.4f}, {self.upper:.4f}]\n"
            f"{self.method}, interval by {self.interval.replace('_', ' ')}; {self.n} rows, "
            f"{self.effective_sample_size:.0f} effective"
        )
