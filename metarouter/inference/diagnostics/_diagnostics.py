"""What the checks of a table of labels return.

All checks of a table of labels in one call.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from metarouter.inference._limits import MINIMA, Verdict, worst
from metarouter.inference.bias import (
    CalibrationTest,
    MeanShiftTest,
    calibration_test,
    mean_shift_test,
)
from metarouter.inference.diagnostics._nuisance_quality import (
    NuisanceQuality,
    advice_on,
    nuisance_quality,
)
from metarouter.inference.diagnostics._overlap_report import OverlapReport, overlap_report
from metarouter.inference.diagnostics._sensitivity import SensitivityAnalysis, sensitivity_analysis
from metarouter.inference.intervals import UNKNOWN, Measured
from metarouter.inference.labels import (
    Counts,
    HeldOutPredictions,
    Scaling,
    as_rows,
    check_either_sample_size,
    check_sample_size,
    count_labels,
    fitted_nuisances,
    held_out_predictions,
    scaled_labels,
)
from metarouter.nuisance import ALL_NUISANCES, Nuisances
from metarouter.utils.columns import as_level
from metarouter.utils.tables import Printed

if TYPE_CHECKING:
    import pandas as pd


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


def check_data(
    data: Any,
    *,
    model: Any = None,
    nuisances: Nuisances | None = None,
    scaling: Scaling = "variance",
    benchmark: Any = "auto",
    level: float = 0.95,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> Diagnostics:
    """Check whether a table of labels can bear a correction of its preference labels.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    model : MetaRouter, ShiftLearner or HeldOutPredictions, optional
        A recipe whose predictions are held out and checked too; this takes three fits. Or its
        held-out predictions of shift and gain. Without either, calibration is not checked.
    nuisances : Nuisances, optional
        Fitted on these labels after scaling, or a recipe; the default forests otherwise. They are
        cross-fitted once and shared by all checks.
    scaling : {"variance", "max", "wasserstein"}, float, GainScaler or None, default="variance"
    benchmark : "auto", None, list or dict
        See `sensitivity_analysis`.
    level : float, default=0.95
    random_state : int, RandomState or None
    n_jobs : int, optional

    Returns
    -------
    Diagnostics

    Raises
    ------
    DataError
        If labels are malformed, or a source has no label at all.
    MetaRouterError
        If a choice is unknown.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression, LogisticRegression
    >>> from metarouter.datasets import make_judged_queries
    >>> data = make_judged_queries(1500, gold_share=0.3, random_state=0)
    >>> recipe = Nuisances(outcome=LinearRegression(), propensity=LogisticRegression())
    >>> diagnostics = check_data(data, nuisances=recipe, random_state=0)
    >>> len(diagnostics.checks), str(diagnostics.overlap.verdict)
    (11, 'PASS')
    """
    level = as_level(level)
    rows = as_rows(data)
    counts = count_labels(rows)
    shared = nuisances
    shortage = check_either_sample_size(counts)
    if shortage is None:
        labels = scaled_labels(rows, scaling)
        shared = fitted_nuisances(labels, nuisances, ALL_NUISANCES, random_state, n_jobs)
    settings: dict[str, Any] = {
        "nuisances": shared,
        "scaling": scaling,
        "level": level,
        "random_state": random_state,
        "n_jobs": n_jobs,
    }
    shift = mean_shift_test(data, **settings)
    overlap = overlap_report(data, **settings)
    quality = nuisance_quality(data, **settings)
    sensitivity = sensitivity_analysis(data, benchmark=benchmark, **settings)
    checks = [
        *_count_checks(counts),
        *_overlap_checks(overlap),
        *_quality_checks(quality),
        _sensitivity_check(sensitivity),
        _shift_check(shift),
    ]
    calibrations: list[CalibrationTest | None] = [None, None]
    if model is not None:
        calibrations = _calibrations(data, model, counts, settings)
        checks += [_calibration_check(test) for test in calibrations if test is not None]
    return Diagnostics(
        checks=tuple(checks),
        level=level,
        data_name=str(getattr(data, "name", "labels")),
        mean_shift=shift,
        overlap=overlap,
        nuisances=quality,
        sensitivity=sensitivity,
        shift_calibration=calibrations[0],
        gain_calibration=calibrations[1],
    )


def _count_checks(counts: Counts) -> list[Check]:
    checks = []
    for name, there in (("gold_rows", counts.gold), ("preference_rows", counts.preference)):
        minimum = MINIMA[name]
        short = minimum.missing(there) > 0
        checks.append(
            Check(
                f"enough {minimum.what}",
                minimum.what,
                Measured(there, there, there),
                Verdict.INCONCLUSIVE if short else Verdict.PASS,
                minimum.count if short else None,
                minimum.why if short else f"At least {minimum.count} are needed.",
            )
        )
    return checks


def _overlap_checks(report: OverlapReport) -> list[Check]:
    measured = {
        "out_of_support": ("gold covers the preference queries", report.out_of_support),
        "effective_gold": ("enough gold labels after weighting", report.effective_gold),
        "effective_preference": (
            "enough preference labels after weighting",
            report.effective_preference,
        ),
    }
    return [
        Check(
            claim,
            "share out of support" if name == "out_of_support" else "effective share",
            found,
            report.verdicts[name],
            report.needed if report.verdicts[name] is Verdict.INCONCLUSIVE else None,
            report.reason if report.verdicts[name] is not Verdict.PASS else "Yes.",
        )
        for name, (claim, found) in measured.items()
    ]


def _quality_checks(quality: NuisanceQuality) -> list[Check]:
    words = {
        "marginal_outcome": "labels",
        "gold_outcome": "gold labels",
        "preference_outcome": "preference labels",
    }
    checks = [
        Check(
            f"model of {words[name]} no worse than a mean",
            "out-of-fold R2",
            found,
            quality.verdicts[name],
            quality.needed if quality.verdicts[name] is Verdict.INCONCLUSIVE else None,
            _worse(quality, name),
        )
        for name, found in quality.r2.items()
    ]
    return [
        *checks,
        Check(
            "propensity no worse than a constant",
            "log loss / constant",
            quality.log_loss_ratio,
            quality.verdicts["propensity"],
            quality.needed if quality.verdicts["propensity"] is Verdict.INCONCLUSIVE else None,
            _worse(quality, "propensity"),
        ),
    ]


def _worse(quality: NuisanceQuality, name: str) -> str:
    if quality.verdicts[name] is Verdict.PASS:
        return "Yes."
    if "among them" in quality.reason:
        return quality.reason
    return f"Not shown to be as good as a constant. {advice_on([name])}"


def _sensitivity_check(analysis: SensitivityAnalysis) -> Check:
    value = analysis.robustness_interval
    return Check(
        "no unmeasured difference explains the shift",
        "robustness value",
        Measured(analysis.robustness, value, float("nan")) if analysis.scenarios else UNKNOWN,
        analysis.verdict,
        analysis.needed,
        analysis.reason,
    )


def _shift_check(test: MeanShiftTest) -> Check:
    return Check(
        UNBIASED,
        f"mean shift ({test.method})",
        Measured(test.value, test.lower, test.upper),
        test.verdict,
        test.needed,
        test.reason,
    )


def _calibrations(
    data: Any, model: Any, counts: Counts, settings: dict[str, Any]
) -> list[CalibrationTest | None]:
    from metarouter.shift import ShiftLearner

    effects = ("shift",) if isinstance(model, ShiftLearner) else ("shift", "gain")
    predictions: Any = model
    enough = check_sample_size(counts, ("gold_rows_held_out", counts.gold)) is None
    if enough and not isinstance(model, HeldOutPredictions):
        predictions = held_out_predictions(
            data, model, scaling=settings["scaling"], random_state=settings["random_state"]
        )
    tests: list[CalibrationTest | None] = [
        calibration_test(data, predictions, effect=effect, **settings)  # type: ignore[arg-type]
        for effect in effects
    ]
    return [*tests, None][:2]


def _calibration_check(test: CalibrationTest) -> Check:
    return Check(
        f"predicted differences of the {test.effect} are real",
        "calibration slope",
        Measured(float(test.coefficient[1]), float(test.lower[1]), float(test.upper[1])),
        test.verdict,
        test.needed,
        test.reason,
    )
