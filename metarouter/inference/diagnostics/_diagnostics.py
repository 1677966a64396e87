"""All checks of a table of labels in one call."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Unpack

from metarouter.inference._limits import MINIMA, Verdict, worst
from metarouter.inference._result import Judged, Result
from metarouter.inference.bias import (
    CalibrationTest,
    MeanShiftTest,
    calibration_test,
    mean_shift_test,
)
from metarouter.inference.diagnostics._nuisance_checks import (
    NuisanceQuality,
    OverlapReport,
    advice_on,
    nuisance_quality,
    overlap_report,
)
from metarouter.inference.diagnostics._sensitivity import SensitivityAnalysis, sensitivity_analysis
from metarouter.inference.intervals import UNKNOWN, Measured
from metarouter.inference.labels import (
    Counts,
    HeldOutPredictions,
    LabelOptions,
    LabelTable,
    check_sample_size,
    held_out_predictions,
)
from metarouter.nuisance import ALL_NUISANCES
from metarouter.shift import ShiftLearner
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import ARRAY, REGRESSOR


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

    @property
    def _needed(self) -> str:
        return "" if self.needed is None else str(self.needed)


@dataclass(frozen=True)
class Diagnostics(Result):
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

    _TITLE = "Can the data bear it? {self.data_name}"
    _ROWS = "checks"
    _COLUMNS = (
        "claim, quantity, value=measured.value, ci_low=measured.lower, ci_high=measured.upper, "
        "verdict, needed=_needed"
    )
    _FACTS = {"level": "{self.level:g}", "gravest verdict": "{self.verdict}"}

    def plot(self, ax: Any = None) -> Any:
        """Draw the propensities of both sources (see `OverlapReport.plot`)."""
        return self.overlap.plot(ax)

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


@validated(
    model=[HeldOutPredictions, REGRESSOR, None],
    benchmark=[str, ARRAY, Mapping, None],
    random_state=["random_state"],
)
def check_data(
    data: Any,
    *,
    model: Any = None,
    benchmark: Any = "auto",
    **options: Unpack[LabelOptions],
) -> Diagnostics:
    """Check whether a table of labels can bear a correction of its preference labels.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    model : MetaRouter, ShiftLearner or HeldOutPredictions, optional
        A recipe whose predictions are held out and checked too; this takes three fits. Or its
        held-out predictions of shift and gain. Without either, calibration is not checked.
    benchmark : "auto", None, list or dict
        See `sensitivity_analysis`.
    **options
        Of `LabelOptions`: nuisances, scaling, level, seed. Nuisances are cross-fitted once and
        shared by all checks.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression, LogisticRegression
    >>> from metarouter.datasets import make_judged_queries
    >>> from metarouter.nuisance import Nuisances
    >>> data = make_judged_queries(1500, gold_share=0.3, random_state=0)
    >>> recipe = Nuisances(outcome=LinearRegression(), propensity=LogisticRegression())
    >>> diagnostics = check_data(data, nuisances=recipe, random_state=0)
    >>> len(diagnostics.checks), str(diagnostics.overlap.verdict)
    (11, 'PASS')
    """
    table = LabelTable(data, options)
    counts = table.counts
    if check_sample_size(counts) is None:
        options = {**options, "nuisances": table.nuisances(*ALL_NUISANCES)}
    shift = mean_shift_test(data, **options)
    overlap = overlap_report(data, **options)
    quality = nuisance_quality(data, **options)
    sensitivity = sensitivity_analysis(data, benchmark=benchmark, **options)
    checks = [
        *_count_checks(counts),
        *_overlap_checks(overlap),
        *_quality_checks(quality),
        _check(
            "no unmeasured difference explains the shift",
            "robustness value",
            _robustness(sensitivity),
            sensitivity,
        ),
        _check(
            UNBIASED,
            f"mean shift ({shift.method})",
            Measured(shift.value, shift.lower, shift.upper),
            shift,
        ),
    ]
    calibrations = [] if model is None else _calibrations(table, model, options)
    checks += [
        _check(
            f"predicted differences of the {test.effect} are real",
            "calibration slope",
            Measured(*(float(column[1]) for column in (test.coefficient, test.lower, test.upper))),
            test,
        )
        for test in calibrations
    ]
    by_effect = {test.effect: test for test in calibrations}
    return Diagnostics(
        checks=tuple(checks),
        level=table.level,
        data_name=str(getattr(data, "name", "labels")),
        mean_shift=shift,
        overlap=overlap,
        nuisances=quality,
        sensitivity=sensitivity,
        shift_calibration=by_effect.get("shift"),
        gain_calibration=by_effect.get("gain"),
    )


def _check(claim: str, quantity: str, measured: Measured, found: Judged) -> Check:
    return Check(claim, quantity, measured, found.verdict, found.needed, found.reason)


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
    effective = "effective share"
    claims = {
        "out_of_support": ("gold covers the preference queries", "share out of support"),
        "effective_gold": ("enough gold labels after weighting", effective),
        "effective_preference": ("enough preference labels after weighting", effective),
    }
    checks = []
    for name, claim in claims.items():
        verdict, measured = report.verdicts[name], getattr(report, name)
        reason = "Yes." if verdict is Verdict.PASS else report.reason
        needed = report.needed if verdict is Verdict.INCONCLUSIVE else None
        checks.append(Check(*claim, measured, verdict, needed, reason))
    return checks


def _quality_checks(quality: NuisanceQuality) -> list[Check]:
    predicted = ("labels", "gold labels", "preference labels")
    measured = {
        name: (f"model of {words} no worse than a mean", "out-of-fold R2", found)
        for words, (name, found) in zip(predicted, quality.r2.items(), strict=True)
    }
    ratio = ("propensity no worse than a constant", "log loss / constant", quality.log_loss_ratio)
    checks = []
    for name, claim in (measured | {"propensity": ratio}).items():
        verdict = quality.verdicts[name]
        needed = quality.needed if verdict is Verdict.INCONCLUSIVE else None
        checks.append(Check(*claim, verdict, needed, _worse(quality, name)))
    return checks


def _worse(quality: NuisanceQuality, name: str) -> str:
    if quality.verdicts[name] is Verdict.PASS:
        return "Yes."
    if "among them" in quality.reason:
        return quality.reason
    return f"Not shown to be as good as a constant. {advice_on([name])}"


def _robustness(analysis: SensitivityAnalysis) -> Measured:
    if not analysis.scenarios:
        return UNKNOWN
    return Measured(analysis.robustness, analysis.robustness_interval, float("nan"))


def _calibrations(table: LabelTable, model: Any, options: LabelOptions) -> list[CalibrationTest]:
    predictions, counts = model, table.counts
    enough = check_sample_size(counts, "gold_rows_held_out") is None
    if enough and not isinstance(model, HeldOutPredictions):
        scaling = options.get("scaling", "variance")
        predictions = held_out_predictions(
            table.data, model, scaling=scaling, random_state=table.random_state
        )
    shift = calibration_test(table.data, predictions, effect="shift", **options)
    if isinstance(model, ShiftLearner):
        return [shift]
    return [shift, calibration_test(table.data, predictions, effect="gain", **options)]
