"""The section of a report on those who gave the preference labels."""

from __future__ import annotations

from metarouter.judging import JudgeProfile
from metarouter.reporting._cells import Estimate
from metarouter.reporting._document import Block, Finding, Findings, Paragraph, Section, Table
from metarouter.reporting._formatting import columns, percent
from metarouter.reporting._routing_analysis import RoutingAnalysis

__all__ = ["judges_sections"]

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


def judges_sections(analysis: RoutingAnalysis) -> tuple[Section, ...]:
    """Return a section on the judges, or none where the table tells nothing of them."""
    if not analysis.judges:
        return ()
    intro = Paragraph(
        "Verdicts are in -1 to 1, above zero for the primary. Both orders and all draws of a query "
        "count as one observation. The last rows are one least squares regression of the verdict, "
        "each at the others held fixed; noise in the gold labels pulls the verdict per unit of "
        "gold label towards 0 and leaves part of the quality to whatever goes with it. Where one "
        "of the two models is the judge itself in every row, its liking for its own answers is "
        "part of the verdict where gold calls it equal."
    )
    blocks: list[Block] = [intro]
    for profile in analysis.judges:
        blocks += [Findings(_findings(profile)), _table(profile)]
    return (Section("The judges", tuple(blocks)),)


def _findings(profile: JudgeProfile) -> tuple[Finding, ...]:
    """Say which way a judge is significantly drawn, or that nothing of the kind was seen."""
    frame = profile.to_frame().set_index("estimate")
    drawn, looked_for = [], []
    for name in _BIASES:
        if name not in frame.index:
            continue
        row = frame.loc[name]
        if not row["se"] > 0:
            continue
        looked_for.append(name.replace("_", " "))
        if row["ci_low"] > 0 or row["ci_high"] < 0:
            drawn.append((_BIASES if row["value"] > 0 else _AGAINST)[name])
    if drawn:
        return (Finding(f"{profile.judge} significantly favours {', '.join(drawn)}."),)
    if looked_for:
        seen = ", ".join(looked_for)
        return (Finding(f"{profile.judge}: no significant bias was seen ({seen})."),)
    return (Finding(f"{profile.judge}: the table does not tell which way it is biased."),)


def _table(profile: JudgeProfile) -> Table:
    rows = [
        (
            _ROWS[row.estimate][0],
            Estimate(
                row.value,
                row.ci_low,
                row.ci_high,
                percent=_ROWS[row.estimate][1],
                decimals=1 if _ROWS[row.estimate][1] else 3,
                signed=row.estimate in _BIASES,
            ),
            int(row.queries),
        )
        for row in profile.to_frame().itertuples()
    ]
    return Table(
        f"What is known of {profile.judge}",
        columns("estimate", "value", "queries"),
        tuple(rows),
        f"{percent(profile.level)} intervals, each by itself, clustered by query.",
    )
