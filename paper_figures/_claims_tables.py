"""Tables of the claims of Meta-Router, section 4.1."""

from __future__ import annotations

from metarouter.evaluation import StudyResult
from metarouter.reporting import check_claims, check_trends
from metarouter.reporting._claims import BASELINES

META = ("r_learner", "dr_learner")


def claims_table(result: StudyResult) -> str:
    """One row per claim: a paired difference of areas, corrected for overlapping splits."""
    claims = check_claims(result)
    claims.sort(key=lambda c: (META.index(c.router), BASELINES.index(c.baseline), c.n_gold))
    rows = [
        (
            f"{c.router} above {c.baseline}, n_gold = {c.n_gold}",
            with_limits(c.difference, c.other_tables),
            c.verdict_elsewhere,
        )
        for c in claims
    ]
    rows += [
        (trend.statement, with_limits(trend.change, trend.other_tables), trend.verdict)
        for trend in check_trends(result)
    ]
    lines = ["| claim | paired difference of areas [95%] | verdict |", "|---|---|---|"]
    return "\n".join(lines + [f"| {claim} | {found} | {says} |" for claim, found, says in rows])


def with_limits(value: float, interval: tuple[float, float]) -> str:
    return f"{value:+.4f} [{interval[0]:+.4f}, {interval[1]:+.4f}]"


def grid_row(result: StudyResult, bias: float, heterogeneity: float, n_gold: int) -> str:
    """One row of the grid: the lead of each meta-router over each baseline."""
    found = {
        (claim.baseline, claim.router): claim
        for claim in check_claims(result)
        if claim.n_gold == n_gold
    }
    cells = []
    for claim in (found[baseline, meta] for baseline in BASELINES for meta in META):
        low, high = claim.other_tables
        mark = {"held": "**", "reversed": "_"}.get(claim.verdict_elsewhere, "")
        cells.append(f"{mark}{claim.difference:+.4f}{mark} ({(high - low) / 2:.4f})")
    return f"| {bias:g} | {heterogeneity:g} | {n_gold} | " + " | ".join(cells) + " |"


def grid_table(rows: list[str], rounds: int) -> str:
    """Frame the rows of :func:`grid_row`."""
    heads = [f"{meta.split('_')[0].upper()} - {base}" for base in BASELINES for meta in META]
    return "\n".join(
        [
            f"{rounds} rounds a cell. Differences of areas (half width of the corrected 95% "
            "interval); **bold**: above zero, _italic_: below zero, plain: "
            "not significantly different.",
            "",
            "| bias | heterogeneity | n_gold | " + " | ".join(heads) + " |",
            "|---" * (3 + len(heads)) + "|",
            *rows,
            "",
        ]
    )
