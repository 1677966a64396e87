"""The section of a report on the bias of the cheap labels."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from metarouter.inference import (
    BestLinearProjection,
    CalibrationTest,
    MeanShiftTest,
    SortedGroupEffects,
)
from metarouter.reporting._document import (
    PREFERENCE,
    Estimate,
    Figure,
    Finding,
    Findings,
    Paragraph,
    Parts,
    PValue,
    Unanswered,
    columns_of,
    estimates,
    limits,
    needed_cell,
    percent,
    section,
    table,
    verdict_of,
)
from metarouter.reporting._routing_analysis import RoutingAnalysis

_METHODS = {
    "paired": "paired: queries with both labels",
    "aipw": "unpaired: doubly robust mean over all labels",
    "overlap": "unpaired: residual on residual, weighted towards overlap",
    "difference": "unpaired: difference of the two means (right only under a random draw)",
}
_PREDICTED = {
    "shift": "Delta-hat, the predicted shift",
    "gain": "psi-hat, the predicted gold label",
}


@section("Is there bias, and where?")
def bias_section(analysis: RoutingAnalysis) -> Parts:
    """Say whether cheap labels are biased, for which queries, and whether it is predicted."""
    yield Paragraph(
        "The shift is what has to be added to a cheap (preference) label, on average over "
        "queries of one kind, to make it a trustworthy (gold) one. A positive shift means "
        "that cheap labels understate the primary model. Shifts are in units of the "
        "preference labels, after the gold labels were brought to their scale."
    )
    yield _mean(analysis.mean_shifts, analysis.diagnostics.mean_shift)
    yield _along_features(analysis.projection)
    yield _in_groups(analysis.sorted_groups)
    tests, groups = tuple(analysis.calibrations.values()), analysis.sorted_groups
    why = groups if isinstance(groups, Unanswered) else Unanswered("No prediction was tested.")
    yield _calibration(tests or why)


@section("On average")
def _mean(shifts: Mapping[str, MeanShiftTest | Unanswered], main: MeanShiftTest) -> Parts:
    yield verdict_of(main)
    note = (
        f"Each interval holds by itself at {percent(main.level)}. The verdict is on the claim that "
        "there is no bias on average: PASS says that it is shown to be small, FAIL that it is "
        "large. 'Needed' is the number of gold labels (pairs) that would settle an open verdict."
    )
    if np.isfinite(main.factor):
        note += f" Gold labels were multiplied by {main.factor:.4g} ({main.factor_is})."
    tests = {}
    for method, words in _METHODS.items():
        test = shifts[method]
        if isinstance(test, Unanswered):
            note += f" {words}: {test.reason}"
        else:
            tests[words + " (main)" * (test is main)] = test
    yield table(
        "Mean shift, gold minus preference",
        {
            "how": tests.keys(),
            ("mean shift", PREFERENCE): [
                Estimate(test.value, test.lower, test.upper, PREFERENCE, signed=True)
                for test in tests.values()
            ],
            "p value": [PValue(test.p_value) for test in tests.values()],
            "gold labels": [
                test.n_paired if test.method == "paired" else test.n_gold for test in tests.values()
            ],
            "verdict": [test.verdict for test in tests.values()],
            "needed": [needed_cell(test.needed) for test in tests.values()],
        },
        note,
    )
    if main.values.size:
        pairs = "gold minus preference label of each query with both"
        what = pairs if main.method == "paired" else "doubly robust score of each label"
        mean = Estimate(main.value, main.lower, main.upper, signed=True)
        yield Figure(
            "shift_histogram",
            f"Histogram of the {what} (as figure S2 of Meta-Router), with the mean and its "
            f"{percent(main.level)} interval.",
            f"Histogram of the {what}; the mean is {mean} {PREFERENCE}.",
            main.plot,
        )


@section("Along features")
def _along_features(projection: BestLinearProjection) -> Parts:
    yield verdict_of(projection)
    if not np.isfinite(projection.se).all():
        return
    slopes = slice(1, None)  # the mean has a section of its own
    unit, level = f"{PREFERENCE} per unit of the feature", percent(projection.level)
    yield table(
        "Best linear projection of the shift",
        {
            "feature": projection.names[slopes],
            ("change of the shift", unit): estimates(
                projection, "coefficient, lower, upper", slopes, signed=True
            ),
            f"{level} for all slopes at once": limits(
                projection, "simultaneous_lower, simultaneous_upper", slopes
            ),
            "p value": map(PValue, projection.p_value[slopes].tolist()),
        },
        f"Intervals hold by themselves at {level}; p values are for each coefficient by itself. "
        f"That all slopes are zero: {PValue(projection.joint.p_value).in_a_sentence}.",
    )
    if len(projection.names) >= 2 and bool((projection.se[slopes] > 0).all()):
        yield Figure(
            "shift_projection",
            "How the shift changes with each feature: pointwise intervals thick, simultaneous "
            "thin.",
            "Dots with intervals, one per feature; the same numbers stand in the table above.",
            projection.plot,
            size=(6.2, 1.6 + 0.28 * (len(projection.names) - 1)),
            data=columns_of(projection, "coefficient, low=lower, high=upper", slopes),
        )


@section("In groups of queries, sorted by the predicted shift")
def _in_groups(groups: SortedGroupEffects) -> Parts:
    yield verdict_of(groups)
    ends = groups.contrast, groups.contrast_lower, groups.contrast_upper
    contrast = Estimate(*ends, PREFERENCE, signed=True)
    if not contrast.is_known:
        return
    count = len(groups.value)
    names = [f"group {k + 1} of {count}" + " (lowest)" * (k == 0) for k in range(count)]
    yield table(
        "Mean shift in sorted groups",
        {
            "group": names,
            "labels": groups.n_rows.tolist(),
            "gold labels": groups.n_gold.tolist(),
            ("mean shift", PREFERENCE): estimates(groups, "value, lower, upper", signed=True),
            f"{percent(groups.level)} for all groups at once": limits(
                groups, "simultaneous_lower, simultaneous_upper"
            ),
        },
        f"Highest minus lowest group: {contrast} {PREFERENCE}, one-sided "
        f"{PValue(groups.contrast_p_value).in_a_sentence}. Groups are sorted by "
        "predictions of models that have not seen the labels.",
    )
    yield Figure(
        "sorted_groups",
        "Mean shift in groups of queries sorted by the predicted shift, with pointwise "
        "(thick) and simultaneous (thin) intervals.",
        f"Five means with intervals; highest minus lowest is {contrast}.",
        groups.plot,
        data=columns_of(groups, "mean=value, low=lower, high=upper"),
    )


@section("Are the predictions right?")
def _calibration(tests: tuple[CalibrationTest, ...]) -> Parts:
    yield Paragraph(
        "Models were fitted on some labels and tested on others. Where a prediction is "
        "calibrated, both coefficients are 1; where it knows nothing of the differences "
        "between queries, the second is 0."
    )
    said = [Finding(f"{_PREDICTED[test.effect]}: {test.reason}", test.verdict) for test in tests]
    yield Findings(tuple(said))
    ends = "coefficient, lower, upper"
    yield table(
        "Calibration of the predicted shift (Delta-hat) and of the predicted gold label (psi-hat)",
        {
            "prediction": [
                f"{_PREDICTED[test.effect].partition(',')[0]}: {words}"
                for test in tests
                for words in ("mean of the predictions", "differences between queries")
            ],
            "coefficient": [one for test in tests for one in estimates(test, ends, decimals=2)],
            "p value, above 0": [PValue(float(p)) for test in tests for p in test.p_value],
            "p value, equals 1": [PValue(float(p)) for test in tests for p in test.p_calibrated],
        },
        f"{percent(tests[0].level)} intervals, two-sided; p values above 0 are one-sided.",
    )
