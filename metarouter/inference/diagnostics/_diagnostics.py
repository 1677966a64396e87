"""All checks of a table of labels in one call."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Unpack

from metarouter.inference._limits import MINIMUM_SAMPLE_SIZES, Verdict, worst
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
    nuisance_quality,
    overlap_report,
)
from metarouter.inference.diagnostics._sensitivity import SensitivityAnalysis, sensitivity_analysis
from metarouter.inference.intervals import Measured
from metarouter.inference.labels import (
    Effect,
    HeldOutPredictions,
    LabelOptions,
    LabelTable,
    as_held_out,
    check_sample_size,
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

    _TITLE = "Data diagnostics: {self.data_name}"
    _ROWS = "checks"
    _COLUMNS = (
        "claim, quantity, value=measured.value, ci_low=measured.lower, ci_high=measured.upper, "
        "verdict, needed"
    )
    _FACTS = {"level": "{self.level:g}", "gravest verdict": "{self.verdict}"}

    def plot(self, ax: Any = None) -> Any:
        """Draw the propensities of both sources (see `OverlapReport.plot`)."""
        return self.overlap.plot(ax)

    def _notes(self) -> tuple[str, ...]:
        claims: dict[str, list[str]] = {}
        for check in self.checks:
            if check.verdict is not Verdict.PASS:
                claims.setdefault(check.reason, []).append(f"{check.verdict} on '{check.claim}'")
        return (
            "'needed' is the number of labels (gold, unless the claim says otherwise) that would "
            "settle an open verdict, all else equal. The gravest leaves that on bias aside. "
            "The low end of a robustness value is that of its interval.",
            *(f"{', '.join(named)}: {reason}" for reason, named in claims.items()),
        )


UNBIASED = "preference labels unbiased on average"
UNCONFOUNDED = "no unmeasured difference explains the shift"
# Claim and quantity of every verdict of an overlap report and of nuisances, by its name there.
_CLAIMS = {
    "out_of_support": ("gold covers the preference queries", "share out of support"),
    "effective_gold": ("enough gold labels after weighting", "effective share"),
    "effective_preference": ("enough preference labels after weighting", "effective share"),
    "marginal_outcome": ("model of labels no worse than a mean", "out-of-fold R2"),
    "gold_outcome": ("model of gold labels no worse than a mean", "out-of-fold R2"),
    "preference_outcome": ("model of preference labels no worse than a mean", "out-of-fold R2"),
    "propensity": ("propensity no worse than a constant", "log loss / constant"),
}


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
    """Check whether a table of labels supports a correction of its preference labels.

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
    calibrations = {} if model is None else _calibrations(table, model, options)
    robustness = Measured(sensitivity.robustness, sensitivity.robustness_interval, float("nan"))
    mean = Measured(shift.value, shift.lower, shift.upper)
    checks = [
        _count_check("gold_rows", counts.gold),
        _count_check("preference_rows", counts.preference),
        *_checks(overlap, {name: getattr(overlap, name) for name in overlap.verdicts}),
        *_checks(quality, quality.r2 | {"propensity": quality.log_loss_ratio}),
        _check(UNCONFOUNDED, "robustness value", robustness, sensitivity),
        _check(UNBIASED, f"mean shift ({shift.method})", mean, shift),
    ]
    for effect, test in calibrations.items():
        slope = (float(column[1]) for column in (test.coefficient, test.lower, test.upper))
        claim = f"predicted differences of the {effect} are real"
        checks.append(_check(claim, "calibration slope", Measured(*slope), test))
    return Diagnostics(
        checks=tuple(checks),
        level=table.level,
        data_name=str(getattr(data, "name", "labels")),
        mean_shift=shift,
        overlap=overlap,
        nuisances=quality,
        sensitivity=sensitivity,
        shift_calibration=calibrations.get("shift"),
        gain_calibration=calibrations.get("gain"),
    )


def _check(claim: str, quantity: str, measured: Measured, found: Judged) -> Check:
    return Check(claim, quantity, measured, found.verdict, found.needed, found.reason)


def _count_check(name: str, there: int) -> Check:
    minimum = MINIMUM_SAMPLE_SIZES[name]
    short = minimum.missing(there) > 0
    return Check(
        f"enough {minimum.what}",
        minimum.what,
        Measured(there, there, there),
        Verdict.INCONCLUSIVE if short else Verdict.PASS,
        minimum.count if short else None,
        minimum.why,
    )


def _checks(
    report: OverlapReport | NuisanceQuality, measured: dict[str, Measured]
) -> Iterator[Check]:
    """Yield one check per verdict of a report that has several."""
    for name, verdict in report.verdicts.items():
        needed = report.needed if verdict is Verdict.INCONCLUSIVE else None
        reason = "Yes." if verdict is Verdict.PASS else report.reason
        yield Check(*_CLAIMS[name], measured[name], verdict, needed, reason)


def _calibrations(
    table: LabelTable, model: Any, options: LabelOptions
) -> dict[Effect, CalibrationTest]:
    """Test shift and gain by one set of held-out predictions, where labels allow it."""
    predictions = model
    if check_sample_size(table.counts, "gold_rows_held_out") is None:
        predictions = as_held_out(table, model, "shift")
    effects: tuple[Effect, ...] = (
        ("shift",) if isinstance(model, ShiftLearner) else ("shift", "gain")
    )
    return {
        effect: calibration_test(table.data, predictions, effect=effect, **options)
        for effect in effects
    }
