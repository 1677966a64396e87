"""What the checks of a table of labels return."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metarouter.inference._limits import Verdict, worst
from metarouter.inference.bias import CalibrationTest, MeanShiftTest
from metarouter.inference.diagnostics._nuisance_quality import NuisanceQuality
from metarouter.inference.diagnostics._overlap_report import OverlapReport
from metarouter.inference.diagnostics._sensitivity import SensitivityAnalysis
from metarouter.inference.intervals import Measured
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["UNBIASED", "Check", "Diagnostics"]


@dataclass(frozen=True)
class Check:
    """One claim about the data, what was measured, and the verdict.

    Parameters
    ----------
    claim : str
        What PASS would mean.
    quantity : str
        What was measured.
    measured : Measured
        Value and interval; the interval of a count is the count.
    verdict : Verdict
    needed : int or None
        Labels that would settle an INCONCLUSIVE verdict.
    reason : str
    """

    claim: str
    quantity: str
    measured: Measured
    verdict: Verdict
    needed: int | None
    reason: str


@dataclass(frozen=True)
class Diagnostics(Printed):
    """All checks of one table.

    Parameters
    ----------
    checks : tuple of Check
    level : float
    data_name : str
    mean_shift : MeanShiftTest
    overlap : OverlapReport
    nuisances : NuisanceQuality
    sensitivity : SensitivityAnalysis
    shift_calibration, gain_calibration : CalibrationTest or None
        None when no model was given.
    """

    checks: tuple[Check, ...]
    level: float
    data_name: str
    mean_shift: MeanShiftTest = field(repr=False)
    overlap: OverlapReport = field(repr=False)
    nuisances: NuisanceQuality = field(repr=False)
    sensitivity: SensitivityAnalysis = field(repr=False)
    shift_calibration: CalibrationTest | None = field(repr=False, default=None)
    gain_calibration: CalibrationTest | None = field(repr=False, default=None)

    @property
    def verdict(self) -> Verdict:
        """The gravest verdict, that on the bias itself left aside: bias is what is corrected."""
        return worst([check.verdict for check in self.checks if check.claim != UNBIASED])

    def to_frame(self) -> pd.DataFrame:
        """Return one row per check."""
        import pandas as pd

        return pd.DataFrame(
            [
                {
                    "claim": check.claim,
                    "quantity": check.quantity,
                    "value": check.measured.value,
                    "ci_low": check.measured.lower,
                    "ci_high": check.measured.upper,
                    "verdict": str(check.verdict),
                    "needed": "" if check.needed is None else str(check.needed),
                }
                for check in self.checks
            ]
        )

    def plot(self, ax: Any = None) -> Any:
        """Draw the propensities of both sources (see `OverlapReport.plot`).

        Parameters
        ----------
        ax : matplotlib Axes, optional

        Returns
        -------
        matplotlib Axes
        """
        return self.overlap.plot(ax)

    def _title(self) -> str:
        return f"Can the data bear it? {self.data_name}"

    def _facts(self) -> dict[str, str]:
        return {"level": f"{self.level:g}", "gravest verdict": str(self.verdict)}

    def _notes(self) -> tuple[str, ...]:
        spoken = [
            f"{check.verdict} on '{check.claim}': {check.reason}"
            for check in self.checks
            if check.verdict is not Verdict.PASS
        ]
        return (
            "'needed' is the number of labels (gold, unless the claim says otherwise) that would "
            "settle an open verdict, all else equal. The gravest leaves that on bias aside. "
            "The low end of a robustness value is that of its interval.",
            *dict.fromkeys(spoken),
        )


UNBIASED = "preference labels unbiased on average"
