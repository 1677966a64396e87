"""The sections of a report on the labels: diagnostics, bias, the judges."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import groupby
from operator import attrgetter
from typing import Any

import numpy as np

from metarouter.datasets import LabelledQueries
from metarouter.inference import (
    BestLinearProjection,
    CalibrationTest,
    Diagnostics,
    MeanShiftTest,
    OverlapReport,
    SensitivityAnalysis,
    SortedGroupEffects,
    Verdict,
)
from metarouter.inference.diagnostics import Check
from metarouter.judging import JudgeProfile
from metarouter.overlap_region import OverlapRegion
from metarouter.reporting import _document as doc
from metarouter.reporting._analyse import RoutingAnalysis
from metarouter.utils.groups import count_groups


@doc.section("The labels")
def labels_section(queries: LabelledQueries) -> doc.Parts:
    """Say which labels there are."""
    both = queries.n_paired
    counts = {
        "gold label only": queries.n_gold - both,
        "preference label only": queries.n_preference - both,
        "both labels": both,
        "all": queries.n_queries,
    }
    yield doc.Paragraph(
        "A label is the quality of the primary model's answer minus that of the alternative's. "
        "Gold labels come from the trustworthy evaluation, preference labels from the cheap one."
    )
    yield doc.table(
        "Queries by the labels that they carry",
        {"carrying": counts.keys(), "queries": counts.values()},
    )
    notes = list(queries.notes)
    if queries.groups is not None:
        notes.append(
            f"{count_groups(queries.groups)} groups of queries that may depend on each other: they "
            "stay in one fold, and errors count groups"
        )
    if queries.weight is not None:
        notes.append("queries are weighted by the column of weights")
    if notes:
        yield doc.Bullets(tuple(f"{note[0].upper()}{note[1:]}." for note in notes))


@doc.section("Data diagnostics")
def checks_section(found: Diagnostics, region: OverlapRegion | doc.Unanswered | None) -> doc.Parts:
    """Give a verdict per check, and what is behind it."""
    yield doc.Paragraph(
        "PASS: the whole interval is good. FAIL: the whole interval is bad. CAUTION: between. "
        "INCONCLUSIVE: the labels cannot tell; 'needed' says how many gold labels would. Limits "
        "stand in the section on how it was done."
    )
    yield doc.table(
        "Verdict per check",
        {
            "claim": [check.claim.capitalize() for check in found.checks],
            "verdict": "verdict",
            "measured": "quantity",
            "value": map(_measured, found.checks),
            "needed": "needed",
        },
        "Beside the robustness value stands that of the interval.",
        of=found.checks,
    )
    open_checks = (check for check in found.checks if check.verdict is not Verdict.PASS)
    for (verdict, reason), alike in groupby(open_checks, attrgetter("verdict", "reason")):
        claims = doc.counted(f"'{check.claim}'" for check in alike)
        yield doc.Finding(f"{claims}: {reason}", verdict)
    yield _overlap(found.overlap, region)
    yield _sensitivity(found.sensitivity, found.mean_shift.method)


def _measured(check: Check) -> doc.Cell:
    value, lower, upper = check.measured
    if lower == value == upper and float(value).is_integer():
        return int(value)
    return doc.Estimate(value, lower, upper)


@doc.section("Do the two sources cover the same queries?")
def _overlap(report: OverlapReport, region: OverlapRegion | doc.Unanswered | None) -> doc.Parts:
    frame = report.to_frame()
    yield doc.verdict_of(report)
    yield doc.table(
        "Overlap of gold and preference queries",
        {
            "measure": "measure",
            "share": "value, ci_low, ci_high",
            "verdict": [Verdict(verdict) if verdict else "" for verdict in frame["verdict"]],
        },
        f"Intervals are over new queries, with the fitted propensity held fixed. "
        f"{report.n_clipped} labels were clipped, {report.n_trimmed} trimmed.",
        of=frame,
        percent=True,
        decimals=1,
    )
    if np.isfinite(frame["value"].iloc[0]):
        yield doc.Figure(
            "overlap",
            "Propensity of the gold label for gold queries (above) and preference queries "
            "(below): where one side is empty, the labels of the other cannot be checked.",
            f"Mirrored histograms of the propensity for {report.n_gold} gold and "
            f"{report.n_preference} preference labels.",
            report.plot,
        )
    if isinstance(region, doc.Unanswered):
        yield doc.Paragraph(f"Where both sources have queries was not found: {region.reason}")
    elif region is not None:
        yield doc.Paragraph(
            f"By the ratio of the densities of both sources, {region.summary()} Outside, the bias "
            "is extrapolated; MetaRouter(overlap=OverlapRegion()) keeps to the overlap."
        )


@doc.section("What if something is unmeasured?")
def _sensitivity(found: SensitivityAnalysis, main: str) -> doc.Parts:
    middle = ""
    if found.scenarios:
        (theta,) = doc.cells(found, "value, lower, upper", signed=True)
        pairs = ", which rests on pairs, within which nothing unmeasured can differ"
        middle = (
            f" The bounds lie around {theta} {doc.PREFERENCE}, the doubly robust mean without a "
            f"correction of its shrinkage; quote the section on bias{pairs * (main == 'paired')}."
        )
    yield doc.Paragraph(
        "Gold and preference queries may differ by something that is not in the table. How strong "
        f"would such a difference have to be to explain the mean shift away?{middle}"
    )
    yield doc.verdict_of(found)
    if not found.scenarios:
        return
    yield doc.table(
        "Mean shift under an unmeasured difference",
        {
            "difference as strong as": "name",
            ("strength for the labels", "c_y"): "outcome.value, outcome.lower, outcome.upper",
            ("strength for the source", "c_d"): "source.value, source.lower, source.upper",
            "bounds of the mean shift": "bound.lower, bound.upper",
            f"{doc.percent(found.level)} interval around the bounds": (
                "bound.interval_lower, bound.interval_upper"
            ),
        },
        "c_y is the share of the labels' residual variance that the difference explains, c_d the "
        "gain in the variance of the weights; those of the first row are assumed. Robustness value "
        f"{found.robustness:.3f}; that of the interval {found.robustness_interval:.3f}.",
        of=found.scenarios,
    )


_METHODS = {
    "paired": "paired: queries with both labels",
    "aipw": "unpaired: doubly robust mean over all labels",
    "overlap": "unpaired: residual on residual, weighted towards overlap",
    "difference": "unpaired: difference of the two means (right only under a random draw)",
}
_CONTRAST = "contrast, contrast_lower, contrast_upper"
_PREDICTED = {
    "shift": "Delta-hat, the predicted shift",
    "gain": "psi-hat, the predicted gold label",
}


@doc.section("Is there bias, and where?")
def bias_section(analysis: RoutingAnalysis) -> doc.Parts:
    """Say whether cheap labels are biased, for which queries, and whether it is predicted."""
    scaled = ", to whose scale gold labels were brought" * (analysis.settings.scaling is not None)
    yield doc.Paragraph(
        "The shift is what has to be added to a cheap (preference) label, on average over queries "
        "of one kind, to make it a trustworthy (gold) one; where it is positive, cheap labels "
        f"understate the primary model. It is in units of the preference labels{scaled}."
    )
    yield _mean(analysis.mean_shifts, analysis.diagnostics.mean_shift)
    yield _along_features(analysis.projection)
    yield _in_groups(analysis.sorted_groups)
    tests = tuple(analysis.calibrations.values())
    yield _calibration(tests or doc.Unanswered("No prediction was tested."))


@doc.section("On average")
def _mean(shifts: Mapping[str, MeanShiftTest | doc.Unanswered], main: MeanShiftTest) -> doc.Parts:
    yield doc.verdict_of(main)
    note = (
        "Each interval holds by itself. The claim is that there is no bias on average: PASS says "
        "that it is shown to be small, FAIL that it is large."
    )
    if np.isfinite(main.factor):
        note += f" Gold labels were multiplied by {main.factor:.4g} ({main.factor_is})."
    tests = {}
    for method, words in _METHODS.items():
        test = shifts[method]
        if isinstance(test, doc.Unanswered):
            note += f" {words}: {test.reason}"
        else:
            tests[words + " (main)" * (test is main)] = test
    yield doc.table(
        "Mean shift, gold minus preference",
        {
            "how": tests.keys(),
            ("mean shift", doc.PREFERENCE): "value, lower, upper",
            "p value": "p_value",
            "gold labels": [
                test.n_paired if test.method == "paired" else test.n_gold for test in tests.values()
            ],
            "verdict": "verdict",
            "needed": "needed",
        },
        note,
        of=list(tests.values()),
        signed=True,
    )
    if main.values.size:
        pairs = "gold minus preference label of each query with both"
        what = pairs if main.method == "paired" else "doubly robust score of each label"
        (mean,) = doc.cells(main, "value, lower, upper", signed=True)
        yield doc.Figure(
            "shift_histogram",
            f"Histogram of the {what}, with the mean and its interval.",
            f"Histogram of the {what}; the mean is {mean} {doc.PREFERENCE}.",
            main.plot,
        )


@doc.section("Along features")
def _along_features(found: BestLinearProjection) -> doc.Parts:
    yield doc.verdict_of(found)
    if not np.isfinite(found.se).all():
        return
    slopes = slice(1, None)  # the mean has a section of its own
    level = doc.percent(found.level)
    yield doc.table(
        "Best linear projection of the shift",
        {
            "feature": "names",
            ("change of the shift", f"{doc.PREFERENCE} per unit of the feature"): (
                "coefficient, lower, upper"
            ),
            f"{level} for all slopes at once": "simultaneous_lower, simultaneous_upper",
            "p value": "p_value",
        },
        f"Intervals of changes and p values are for each coefficient by itself. "
        f"That all slopes are zero: {doc.PValue(found.joint.p_value).in_a_sentence}.",
        of=found,
        at=slopes,
        signed=True,
    )
    if len(found.names) >= 2 and bool((found.se[slopes] > 0).all()):
        yield doc.Figure(
            "shift_projection",
            "Change of the shift with each feature: pointwise intervals thick, simultaneous thin.",
            "Dots with intervals, one per feature; the same numbers stand in the table above.",
            found.plot,
            size=(6.2, 1.6 + 0.28 * (len(found.names) - 1)),
            data=doc.columns_of(found, "coefficient, low=lower, high=upper", slopes),
        )


@doc.section("In groups of queries, sorted by the predicted shift")
def _in_groups(found: SortedGroupEffects) -> doc.Parts:
    yield doc.verdict_of(found)
    (contrast,) = doc.cells(found, _CONTRAST, signed=True)
    if not contrast.is_known:
        return
    count = len(found.value)
    yield doc.table(
        "Mean shift in sorted groups",
        {
            "group": [f"group {k + 1} of {count}" + " (lowest)" * (k == 0) for k in range(count)],
            "labels": "n_rows",
            "gold labels": "n_gold",
            ("mean shift", doc.PREFERENCE): "value, lower, upper",
            f"{doc.percent(found.level)} for all groups at once": (
                "simultaneous_lower, simultaneous_upper"
            ),
        },
        f"Highest minus lowest group: {contrast} {doc.PREFERENCE}, one-sided "
        f"{doc.PValue(found.contrast_p_value).in_a_sentence}. Groups are sorted by "
        "predictions of models that have not seen the labels.",
        of=found,
        signed=True,
    )
    yield doc.Figure(
        "sorted_groups",
        "Mean shift in groups of queries sorted by the predicted shift, with pointwise "
        "(thick) and simultaneous (thin) intervals.",
        f"Means of {count} groups with intervals; highest minus lowest is {contrast}.",
        found.plot,
        data=doc.columns_of(found, "mean=value, low=lower, high=upper"),
    )


@doc.section("Are the predictions right?")
def _calibration(tests: tuple[CalibrationTest, ...]) -> doc.Parts:
    yield doc.Paragraph(
        "Of predictions for labels that the models have not seen. Where they are calibrated both "
        "coefficients are 1; where they know nothing of differences the second is 0."
    )
    yield from (
        doc.Finding(f"{_PREDICTED[test.effect]}: {test.reason}", test.verdict) for test in tests
    )
    yield doc.table(
        "Calibration of the predicted shift (Delta-hat) and of the predicted gold label (psi-hat)",
        {
            "prediction": [
                f"{_PREDICTED[test.effect].partition(',')[0]}: {words}"
                for test in tests
                for words in ("mean of the predictions", "differences between queries")
            ],
            "coefficient": "coefficient, lower, upper",
            "p value, above 0": "p_value",
            "p value, equals 1": "p_calibrated",
        },
        "Intervals are two-sided; p values above 0 are one-sided.",
        of=tests,
        decimals=2,
    )


# What each estimate is called in its row, and how it is written.
_SHARE = {"percent": True, "decimals": 1}
_SIGNED = {"signed": True}
_ESTIMATES: dict[str, tuple[str, dict[str, Any]]] = {
    "position_bias": ("verdict moved towards the answer shown first", _SIGNED),
    "order_consistency": ("queries judged alike in both orders", _SHARE),
    "draw_noise": ("variance of a verdict when asked again", {}),
    "agreement": ("gold labels with the verdict on their side, ties as half", _SHARE),
    "gold_slope": ("verdict per unit of gold label", {}),
    "leaning": ("verdict where gold calls it equal", _SIGNED),
    "length_bias": ("verdict per doubling of the length ratio", _SIGNED),
    "self_preference": ("verdict towards the judge's own answer", _SIGNED),
}
# What a bias above zero favours, and what one below.
_FAVOURED = {
    "position_bias": ("the answer shown first", "the answer shown second"),
    "length_bias": ("the longer answer", "the shorter answer"),
    "self_preference": ("its own answers", "the answers of others"),
    "leaning": ("the primary", "the alternative"),
}


@doc.section("The judges")
def judges_section(judges: tuple[JudgeProfile, ...]) -> doc.Parts:
    """Say what is known of those who gave the preference labels."""
    yield doc.Paragraph(
        "Verdicts are in -1 to 1, above zero for the primary; both orders and all draws of a query "
        "are one observation. The last rows are one regression of the verdict; noise in the gold "
        "labels pulls the verdict per unit of gold label towards 0. Where one of the models is the "
        "judge, its liking for its own answers is part of the verdict where gold calls it equal."
    )
    for profile in judges:
        rows = list(profile.to_frame().itertuples())
        yield doc.Finding(f"{profile.judge}{_leaning(rows)}")
        yield doc.table(
            f"What is known of {profile.judge}",
            {
                "estimate": [_ESTIMATES[row.estimate][0] for row in rows],
                "value": [
                    doc.Estimate(row.value, row.ci_low, row.ci_high, **_ESTIMATES[row.estimate][1])
                    for row in rows
                ],
                "queries": [int(row.queries) for row in rows],
            },
            "Intervals are for each by itself, clustered by query.",
        )


def _leaning(rows: list[Any]) -> str:
    """Say which way a judge is significantly drawn, or that nothing of the kind was seen."""
    biases = [row for row in rows if row.estimate in _FAVOURED and row.se > 0]
    significant = [row for row in biases if row.ci_low > 0 or row.ci_high < 0]
    if significant:
        favoured = [_FAVOURED[row.estimate][int(row.value < 0)] for row in significant]
        return f" significantly favours {', '.join(favoured)}."
    if biases:
        seen = ", ".join(row.estimate.replace("_", " ") for row in biases)
        return f": no significant bias was seen ({seen})."
    return ": the table does not tell which way it is biased."
