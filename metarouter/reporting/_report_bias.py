"""The section of a report on the bias of the cheap labels."""

from __future__ import annotations

import numpy as np

from metarouter.inference import (
    BestLinearProjection,
    CalibrationTest,
    MeanShiftTest,
    SortedGroupEffects,
)
from metarouter.reporting._cells import Estimate, PValue
from metarouter.reporting._document import (
    Block,
    Figure,
    Finding,
    Findings,
    Paragraph,
    Section,
    Table,
)
from metarouter.reporting._formatting import (
    PREFERENCE,
    columns,
    estimates,
    limits,
    needed_cell,
    not_answered,
    percent,
)
from metarouter.reporting._routing_analysis import RoutingAnalysis, Unanswered

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
_REGRESSORS = {
    "mean prediction": "mean of the predictions",
    "differential prediction": "differences between queries",
}


def bias_section(analysis: RoutingAnalysis) -> Section:
    """Say whether cheap labels are biased, for which queries, and whether it is predicted."""
    return Section(
        "Is there bias, and where?",
        (
            Paragraph(
                "The shift is what has to be added to a cheap (preference) label, on average over "
                "queries of one kind, to make it a trustworthy (gold) one. A positive shift means "
                "that cheap labels understate the primary model. Shifts are in units of the "
                "preference labels, after the gold labels were brought to their scale."
            ),
        ),
        (
            _mean(analysis),
            _along_features(analysis.projection),
            _in_groups(analysis.sorted_groups),
            _calibration(analysis.calibrations, analysis.sorted_groups),
        ),
    )


def _mean(analysis: RoutingAnalysis) -> Section:
    main = analysis.diagnostics.mean_shift
    rows, open_ones = [], []
    for method, words in _METHODS.items():
        test = analysis.mean_shifts[method]
        if isinstance(test, Unanswered):
            open_ones.append(f"{words}: {test.reason}")
            continue
        rows.append(
            (
                words + (" (main)" if test is main else ""),
                Estimate(test.value, test.lower, test.upper, PREFERENCE, signed=True),
                PValue(test.p_value),
                test.n_paired if method == "paired" else test.n_gold,
                test.verdict,
                needed_cell(test.needed),
            )
        )
    note = (
        f"Each interval holds by itself at {percent(main.level)}. The verdict is on the claim that "
        "there is no bias on average: PASS says that it is shown to be small, FAIL that it is "
        "large. 'Needed' is the number of gold labels (pairs) that would settle an open verdict."
    )
    if np.isfinite(main.factor):
        note += f" Gold labels were multiplied by {main.factor:.4g} ({main.factor_is})."
    blocks: list[Block] = [
        Findings((Finding(main.reason, main.verdict),)),
        Table(
            "Mean shift, gold minus preference",
            columns(
                "how", ("mean shift", PREFERENCE), "p value", "gold labels", "verdict", "needed"
            ),
            tuple(rows),
            " ".join([note, *open_ones]),
        ),
    ]
    if main.values.size:
        blocks.append(_histogram(main))
    return Section("On average", tuple(blocks))


def _histogram(test: MeanShiftTest) -> Figure:
    what = (
        "gold minus preference label of each query with both"
        if test.method == "paired"
        else "doubly robust score of each label"
    )
    words = Estimate(test.value, test.lower, test.upper, signed=True)
    return Figure(
        "shift_histogram",
        f"Histogram of the {what} (as figure S2 of Meta-Router), with the mean and its "
        f"{percent(test.level)} interval.",
        f"Histogram of the {what}; the mean is {words} {PREFERENCE}.",
        test.plot,
    )


def _along_features(projection: BestLinearProjection | Unanswered) -> Section:
    title = "Along features"
    if isinstance(projection, Unanswered):
        return Section(title, not_answered(projection))
    joint = projection.joint
    blocks: list[Block] = [Findings((Finding(projection.reason, projection.verdict),))]
    if not np.isfinite(projection.se).all():
        return Section(title, tuple(blocks))
    blocks.append(
        Table(
            "Best linear projection of the shift",
            columns(
                "feature",
                ("change of the shift", f"{PREFERENCE} per unit of the feature"),
                f"{percent(projection.level)} for all slopes at once",
                "p value",
            ),
            tuple(
                (name, value, together, PValue(p))
                for name, value, together, p in zip(
                    projection.names,
                    estimates(
                        projection.coefficient, projection.lower, projection.upper, signed=True
                    ),
                    limits(
                        projection.simultaneous_lower, projection.simultaneous_upper, signed=True
                    ),
                    projection.p_value.tolist(),
                    strict=True,
                )
                if name != "mean"  # which has a section of its own
            ),
            f"Intervals hold by themselves at {percent(projection.level)}; p values are for each "
            f"coefficient by itself. That all slopes are zero: "
            f"{PValue(joint.p_value).in_a_sentence}.",
        )
    )
    if len(projection.names) >= 2 and bool((projection.se[1:] > 0).all()):
        blocks.append(_slopes(projection))
    return Section(title, tuple(blocks))


def _slopes(projection: BestLinearProjection) -> Figure:
    n_slopes = len(projection.names) - 1
    return Figure(
        "shift_projection",
        "How the shift changes with each feature: pointwise intervals thick, simultaneous thin.",
        "Dots with intervals, one per feature; the same numbers stand in the table above.",
        projection.plot,
        size=(6.2, 1.6 + 0.28 * n_slopes),
        data={
            "coefficient": projection.coefficient[1:],
            "low": projection.lower[1:],
            "high": projection.upper[1:],
        },
    )


def _in_groups(groups: SortedGroupEffects | Unanswered) -> Section:
    title = "In groups of queries, sorted by the predicted shift"
    if isinstance(groups, Unanswered):
        return Section(title, not_answered(groups))
    count = len(groups.value)
    rows = [
        (
            f"group {k + 1} of {count}" + (" (lowest)" if k == 0 else ""),
            int(groups.n_rows[k]),
            int(groups.n_gold[k]),
            value,
            together,
        )
        for k, (value, together) in enumerate(
            zip(
                estimates(groups.value, groups.lower, groups.upper, signed=True),
                limits(groups.simultaneous_lower, groups.simultaneous_upper, signed=True),
                strict=True,
            )
        )
    ]
    contrast = Estimate(
        groups.contrast, groups.contrast_lower, groups.contrast_upper, PREFERENCE, signed=True
    )
    blocks: list[Block] = [Findings((Finding(groups.reason, groups.verdict),))]
    if contrast.is_known:
        blocks += [
            Table(
                "Mean shift in sorted groups",
                columns(
                    "group",
                    "labels",
                    "gold labels",
                    ("mean shift", PREFERENCE),
                    f"{percent(groups.level)} for all groups at once",
                ),
                tuple(rows),
                f"Highest minus lowest group: {contrast} {PREFERENCE}, one-sided "
                f"{PValue(groups.contrast_p_value).in_a_sentence}. Groups are sorted by "
                "predictions of models that have not seen the labels.",
            ),
            Figure(
                "sorted_groups",
                "Mean shift in groups of queries sorted by the predicted shift, with pointwise "
                "(thick) and simultaneous (thin) intervals.",
                f"Five means with intervals; highest minus lowest is {contrast}.",
                groups.plot,
                data={"mean": groups.value, "low": groups.lower, "high": groups.upper},
            ),
        ]
    return Section(title, tuple(blocks))


def _calibration(
    tests: dict[str, CalibrationTest], groups: SortedGroupEffects | Unanswered
) -> Section:
    title = "Are the predictions right?"
    if not tests:
        why = groups if isinstance(groups, Unanswered) else Unanswered("No prediction was tested.")
        return Section(title, not_answered(why))
    rows = [
        (
            f"{_PREDICTED[test.effect].partition(',')[0]}: {_REGRESSORS[name]}",
            coefficient,
            PValue(above),
            PValue(one),
        )
        for test in tests.values()
        for name, coefficient, above, one in zip(
            test.to_frame()["regressor"],
            estimates(test.coefficient, test.lower, test.upper, decimals=2),
            test.p_value.tolist(),
            test.p_calibrated.tolist(),
            strict=True,
        )
    ]
    level = next(iter(tests.values())).level
    findings = tuple(
        Finding(
            f"{_PREDICTED[test.effect]}: {test.reason}",
            test.verdict,
        )
        for test in tests.values()
    )
    return Section(
        title,
        (
            Paragraph(
                "Models were fitted on some labels and tested on others. Where a prediction is "
                "calibrated, both coefficients are 1; where it knows nothing of the differences "
                "between queries, the second is 0."
            ),
            Findings(findings),
            Table(
                "Calibration of the predicted shift (Delta-hat) and of the predicted gold label "
                "(psi-hat)",
                columns("prediction", "coefficient", "p value, above 0", "p value, equals 1"),
                tuple(rows),
                f"{percent(level)} intervals, two-sided; p values above 0 are one-sided.",
            ),
        ),
    )
