"""The sections of a report on the labels, and on whether they can bear a correction."""

from __future__ import annotations

from metarouter.inference import OverlapReport, SensitivityAnalysis, Verdict
from metarouter.inference.diagnostics import Check
from metarouter.overlap_region import OverlapRegion
from metarouter.reporting._cells import Cell, Estimate, Limits
from metarouter.reporting._document import (
    Block,
    Bullets,
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
    needed_cell,
    percent,
)
from metarouter.reporting._routing_analysis import RoutingAnalysis, Unanswered
from metarouter.utils.groups import count_groups


def labels_section(analysis: RoutingAnalysis) -> Section:
    """Say which labels there are."""
    queries = analysis.queries
    both = queries.has_gold & queries.has_preference
    rows: list[tuple[Cell, ...]] = [
        ("gold label only", int((queries.has_gold & ~both).sum())),
        ("preference label only", int((queries.has_preference & ~both).sum())),
        ("both labels", int(both.sum())),
        ("all", queries.n_queries),
    ]
    blocks: list[Block] = [
        Paragraph(
            "A label is the quality of the primary model's answer minus that of the alternative's: "
            "above zero where the primary model is better. Gold labels come from the trustworthy "
            "evaluation, preference labels from the cheap one."
        ),
        Table("Queries by the labels that they carry", columns("carrying", "queries"), tuple(rows)),
    ]
    notes = list(queries.notes)
    if queries.groups is not None:
        notes.append(
            f"{count_groups(queries.groups)} groups: queries of one group may depend on each "
            "other; they stay in one fold, and errors count groups"
        )
    if queries.weight is not None:
        notes.append("queries are weighted by the column of weights")
    if notes:
        blocks.append(Bullets(tuple(f"{note[0].upper()}{note[1:]}." for note in notes)))
    return Section("The labels", tuple(blocks))


def checks_section(analysis: RoutingAnalysis) -> Section:
    """Give a verdict per check, and what is behind it."""
    found = analysis.diagnostics
    reasons = [
        Finding(f"{_claim(check)}: {check.reason}", check.verdict)
        for check in found.checks
        if check.verdict is not Verdict.PASS
    ]
    blocks: list[Block] = [
        Paragraph(
            "PASS: the whole interval is good. FAIL: the whole interval is bad. CAUTION: between. "
            "INCONCLUSIVE: the labels cannot tell; 'needed' says how many gold labels would, all "
            "else equal. The limits stand in the section on how it was done."
        ),
        Table(
            "Verdict per check",
            columns("claim", "verdict", "measured", "value", "needed"),
            tuple(
                (
                    _claim(check),
                    check.verdict,
                    check.quantity,
                    _measured(check),
                    needed_cell(check.needed),
                )
                for check in found.checks
            ),
            f"{percent(found.level)} intervals; of the robustness value, the value and that of its "
            "interval.",
        ),
    ]
    if reasons:
        blocks.append(Findings(tuple(reasons)))
    return Section(
        "Can the data bear it?",
        tuple(blocks),
        (
            _overlap(found.overlap, analysis.overlap_region),
            _sensitivity(found.sensitivity, found.mean_shift.method),
        ),
    )


def _claim(check: Check) -> str:
    return f"{check.claim[0].upper()}{check.claim[1:]}"


def _measured(check: Check) -> Cell:
    measured = check.measured
    if measured.lower == measured.value == measured.upper and float(measured.value).is_integer():
        return int(measured.value)
    return Estimate(measured.value, measured.lower, measured.upper)


def _overlap(report: OverlapReport, region: OverlapRegion | Unanswered | None) -> Section:
    frame = report.to_frame()
    values = estimates(frame["value"], frame["ci_low"], frame["ci_high"], percent=True, decimals=1)
    blocks: list[Block] = [
        Findings((Finding(report.reason, report.verdict),)),
        Table(
            "Overlap of gold and preference queries",
            columns("measure", "share", "verdict"),
            tuple(
                (measure, value, Verdict(verdict) if verdict else "")
                for measure, value, verdict in zip(
                    frame["measure"], values, frame["verdict"], strict=True
                )
            ),
            f"{percent(report.level)} intervals are over new queries, with the fitted propensity "
            f"held fixed. The propensity policy clipped {report.n_clipped} and trimmed "
            f"{report.n_trimmed} labels.",
        ),
    ]
    if values[0].is_known:
        blocks.append(
            Figure(
                "overlap",
                "Propensity of the gold label for gold queries (above) and preference queries "
                "(below): where one side is empty, the labels of the other cannot be checked.",
                f"Mirrored histograms of the propensity for {report.n_gold} gold and "
                f"{report.n_preference} preference labels.",
                report.plot,
            )
        )
    if isinstance(region, Unanswered):
        blocks.append(Paragraph(f"Where both sources have queries was not found: {region.reason}"))
    elif region is not None:
        blocks.append(
            Paragraph(
                f"By the ratio of the densities of both sources, {region.summary()} The bias of "
                "preference labels outside is extrapolated: MetaRouter(overlap=OverlapRegion()) "
                "keeps to the overlap, and only gold labels tell of the gain outside it."
            )
        )
    return Section("Do the two sources cover the same queries?", tuple(blocks))


def _sensitivity(analysis: SensitivityAnalysis, main: str) -> Section:
    blocks: list[Block] = [
        Paragraph(
            "Gold and preference queries may differ by something that is not in the table. This "
            "asks how strong such a difference would have to be to explain the mean shift away."
            f"{_theta(analysis, main)}"
        ),
        Findings((Finding(analysis.reason, analysis.verdict),)),
    ]
    if analysis.scenarios:
        blocks.append(
            Table(
                "Mean shift under an unmeasured difference",
                columns(
                    "difference as strong as",
                    ("strength for the labels", "c_y"),
                    ("strength for the source", "c_d"),
                    "bounds of the mean shift",
                    f"{percent(analysis.level)} interval around the bounds",
                ),
                tuple(
                    (
                        scenario.name,
                        _strength(scenario.outcome),
                        _strength(scenario.source),
                        Limits(scenario.bound.lower, scenario.bound.upper, signed=True),
                        Limits(
                            scenario.bound.interval_lower,
                            scenario.bound.interval_upper,
                            signed=True,
                        ),
                    )
                    for scenario in analysis.scenarios
                ),
                "c_y is the share of the labels' residual variance that the difference explains, "
                "c_d the gain in the variance of the weights; those of the first row are assumed. "
                "Robustness value "
                f"{analysis.robustness:.3f}; that of the interval "
                f"{analysis.robustness_interval:.3f}.",
            )
        )
    return Section("What if something is unmeasured?", tuple(blocks))


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


def _strength(measured: object) -> Cell:
    value, low, high = (getattr(measured, name) for name in ("value", "lower", "upper"))
    return Estimate(value, low, high)
