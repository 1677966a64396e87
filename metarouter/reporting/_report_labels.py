"""The sections of a report on the labels: which there are, what they can bear, who gave them."""

from __future__ import annotations

from metarouter.datasets import LabelledQueries
from metarouter.inference import Diagnostics, OverlapReport, SensitivityAnalysis, Verdict
from metarouter.inference.diagnostics import Check
from metarouter.judging import JudgeProfile
from metarouter.overlap_region import OverlapRegion
from metarouter.reporting._document import (
    PREFERENCE,
    Bullets,
    Cell,
    Estimate,
    Figure,
    Finding,
    Findings,
    Limits,
    Paragraph,
    Parts,
    Unanswered,
    estimates,
    needed_cell,
    percent,
    section,
    table,
    verdict_of,
)
from metarouter.utils.groups import count_groups

# Name of the estimate: its row in the table, and whether it is a share.
_ROWS = {
    "position_bias": ("verdict moved towards the answer shown first", False),
    "order_consistency": ("queries judged alike in both orders", True),
    "draw_noise": ("variance of a verdict when asked again", False),
    "agreement": ("gold labels with the verdict on their side, ties as half", True),
    "gold_slope": ("verdict per unit of gold label", False),
    "leaning": ("verdict where gold calls it equal", False),
    "length_bias": ("verdict per doubling of the length ratio", False),
    "self_preference": ("verdict towards the judge's own answer", False),
}
_BIASES = {
    "position_bias": "the answer shown first",
    "length_bias": "the longer answer",
    "self_preference": "its own answers",
    "leaning": "the primary",
}
_AGAINST = {
    "position_bias": "the answer shown second",
    "length_bias": "the shorter answer",
    "self_preference": "the answers of others",
    "leaning": "the alternative",
}


@section("The labels")
def labels_section(queries: LabelledQueries) -> Parts:
    """Say which labels there are."""
    both = queries.has_gold & queries.has_preference
    counts = {
        "gold label only": int((queries.has_gold & ~both).sum()),
        "preference label only": int((queries.has_preference & ~both).sum()),
        "both labels": int(both.sum()),
        "all": queries.n_queries,
    }
    yield Paragraph(
        "A label is the quality of the primary model's answer minus that of the alternative's: "
        "above zero where the primary model is better. Gold labels come from the trustworthy "
        "evaluation, preference labels from the cheap one."
    )
    yield table(
        "Queries by the labels that they carry",
        {"carrying": counts.keys(), "queries": counts.values()},
    )
    notes = list(queries.notes)
    if queries.groups is not None:
        notes.append(
            f"{count_groups(queries.groups)} groups: queries of one group may depend on each "
            "other; they stay in one fold, and errors count groups"
        )
    if queries.weight is not None:
        notes.append("queries are weighted by the column of weights")
    if notes:
        yield Bullets(tuple(f"{note[0].upper()}{note[1:]}." for note in notes))


@section("Can the data bear it?")
def checks_section(found: Diagnostics, region: OverlapRegion | Unanswered | None) -> Parts:
    """Give a verdict per check, and what is behind it."""
    yield Paragraph(
        "PASS: the whole interval is good. FAIL: the whole interval is bad. CAUTION: between. "
        "INCONCLUSIVE: the labels cannot tell; 'needed' says how many gold labels would, all "
        "else equal. The limits stand in the section on how it was done."
    )
    yield table(
        "Verdict per check",
        {
            "claim": map(_claim, found.checks),
            "verdict": [check.verdict for check in found.checks],
            "measured": [check.quantity for check in found.checks],
            "value": map(_measured, found.checks),
            "needed": [needed_cell(check.needed) for check in found.checks],
        },
        f"{percent(found.level)} intervals; of the robustness value, the value and that of its "
        "interval.",
    )
    open_checks = [check for check in found.checks if check.verdict is not Verdict.PASS]
    if open_checks:
        reasons = [Finding(f"{_claim(one)}: {one.reason}", one.verdict) for one in open_checks]
        yield Findings(tuple(reasons))
    yield _overlap(found.overlap, region)
    yield _sensitivity(found.sensitivity, found.mean_shift.method)


def _claim(check: Check) -> str:
    return f"{check.claim[0].upper()}{check.claim[1:]}"


def _measured(check: Check) -> Cell:
    value, lower, upper = check.measured
    if lower == value == upper and float(value).is_integer():
        return int(value)
    return Estimate(value, lower, upper)


@section("Do the two sources cover the same queries?")
def _overlap(report: OverlapReport, region: OverlapRegion | Unanswered | None) -> Parts:
    frame = report.to_frame()
    values = estimates(frame, "value, ci_low, ci_high", percent=True, decimals=1)
    yield verdict_of(report)
    yield table(
        "Overlap of gold and preference queries",
        {
            "measure": frame["measure"],
            "share": values,
            "verdict": [Verdict(verdict) if verdict else "" for verdict in frame["verdict"]],
        },
        f"{percent(report.level)} intervals are over new queries, with the fitted propensity "
        f"held fixed. The propensity policy clipped {report.n_clipped} and trimmed "
        f"{report.n_trimmed} labels.",
    )
    if values[0].is_known:
        yield Figure(
            "overlap",
            "Propensity of the gold label for gold queries (above) and preference queries "
            "(below): where one side is empty, the labels of the other cannot be checked.",
            f"Mirrored histograms of the propensity for {report.n_gold} gold and "
            f"{report.n_preference} preference labels.",
            report.plot,
        )
    if isinstance(region, Unanswered):
        yield Paragraph(f"Where both sources have queries was not found: {region.reason}")
    elif region is not None:
        yield Paragraph(
            f"By the ratio of the densities of both sources, {region.summary()} The bias of "
            "preference labels outside is extrapolated: MetaRouter(overlap=OverlapRegion()) "
            "keeps to the overlap, and only gold labels tell of the gain outside it."
        )


@section("What if something is unmeasured?")
def _sensitivity(analysis: SensitivityAnalysis, main: str) -> Parts:
    yield Paragraph(
        "Gold and preference queries may differ by something that is not in the table. This "
        "asks how strong such a difference would have to be to explain the mean shift away."
        f"{_theta(analysis, main)}"
    )
    yield verdict_of(analysis)
    if not analysis.scenarios:
        return
    assumed, bounds = analysis.scenarios, [scenario.bound for scenario in analysis.scenarios]
    yield table(
        "Mean shift under an unmeasured difference",
        {
            "difference as strong as": [scenario.name for scenario in assumed],
            ("strength for the labels", "c_y"): [Estimate(*one.outcome) for one in assumed],
            ("strength for the source", "c_d"): [Estimate(*one.source) for one in assumed],
            "bounds of the mean shift": [
                Limits(bound.lower, bound.upper, signed=True) for bound in bounds
            ],
            f"{percent(analysis.level)} interval around the bounds": [
                Limits(bound.interval_lower, bound.interval_upper, signed=True) for bound in bounds
            ],
        },
        "c_y is the share of the labels' residual variance that the difference explains, "
        "c_d the gain in the variance of the weights; those of the first row are assumed. "
        f"Robustness value {analysis.robustness:.3f}; that of the interval "
        f"{analysis.robustness_interval:.3f}.",
    )


def _theta(analysis: SensitivityAnalysis, main: str) -> str:
    """Say why the estimate in the middle of the bounds is not that of the section on bias."""
    if not analysis.scenarios:
        return ""
    theta = Estimate(analysis.value, analysis.lower, analysis.upper, signed=True)
    around = (
        f" The bounds lie around {theta} {PREFERENCE}, the doubly robust mean with the nuisances "
        "as they are fitted."
    )
    if main == "paired":
        return (
            f"{around} The section on bias rests on pairs: both labels of one query, between which "
            "nothing unmeasured can differ."
        )
    return f"{around} The section on bias takes their shrinkage out first; quote its estimate."


@section("The judges")
def judges_section(judges: tuple[JudgeProfile, ...]) -> Parts:
    """Say what is known of those who gave the preference labels."""
    yield Paragraph(
        "Verdicts are in -1 to 1, above zero for the primary. Both orders and all draws of a query "
        "count as one observation. The last rows are one least squares regression of the verdict, "
        "each at the others held fixed; noise in the gold labels pulls the verdict per unit of "
        "gold label towards 0 and leaves part of the quality to whatever goes with it. Where one "
        "of the two models is the judge itself in every row, its liking for its own answers is "
        "part of the verdict where gold calls it equal."
    )
    for profile in judges:
        yield Findings((_leaning(profile),))
        rows = list(profile.to_frame().itertuples())
        yield table(
            f"What is known of {profile.judge}",
            {
                "estimate": [_ROWS[row.estimate][0] for row in rows],
                "value": [
                    Estimate(
                        row.value,
                        row.ci_low,
                        row.ci_high,
                        percent=_ROWS[row.estimate][1],
                        decimals=1 if _ROWS[row.estimate][1] else 3,
                        signed=row.estimate in _BIASES,
                    )
                    for row in rows
                ],
                "queries": [int(row.queries) for row in rows],
            },
            f"{percent(profile.level)} intervals, each by itself, clustered by query.",
        )


def _leaning(profile: JudgeProfile) -> Finding:
    """Say which way a judge is significantly drawn, or that nothing of the kind was seen."""
    rows = {row.estimate: row for row in profile.to_frame().itertuples()}
    looked_for = [name for name in _BIASES if name in rows and rows[name].se > 0]
    significant = [name for name in looked_for if rows[name].ci_low > 0 or rows[name].ci_high < 0]
    if significant:
        drawn = [(_BIASES if rows[name].value > 0 else _AGAINST)[name] for name in significant]
        return Finding(f"{profile.judge} significantly favours {', '.join(drawn)}.")
    if looked_for:
        seen = ", ".join(name.replace("_", " ") for name in looked_for)
        return Finding(f"{profile.judge}: no significant bias was seen ({seen}).")
    return Finding(f"{profile.judge}: the table does not tell which way it is biased.")
