"""The claims of the paper about meta-routers, held against a study."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from metarouter.evaluation._style import router_label
from metarouter.reporting._markdown import with_interval

if TYPE_CHECKING:
    import pandas as pd

    from metarouter.evaluation import StudyResult

__all__ = [
    "BASELINES",
    "META_ROUTERS",
    "Claim",
    "check_claims",
    "claims_frame",
    "in_plain_words",
    "verdict",
]

META_ROUTERS = ("dr_learner", "r_learner")
BASELINES = ("gold_only", "pooled", "preference_only", "linear_scaling")


@dataclass(frozen=True)
class Claim:
    """That one router gains more than another, with a given number of gold labels.

    Parameters
    ----------
    router, baseline : str
    n_gold : int
    difference : float
        Area of the router minus that of the baseline, paired by round; in gold units.
    this_table : tuple of float
        Interval from the Monte Carlo standard error: other splits of the very same table.
    other_tables : tuple of float
        Interval from the corrected resampled standard error: another table of this size from the
        same source.
    """

    router: str
    baseline: str
    n_gold: int
    difference: float
    this_table: tuple[float, float]
    other_tables: tuple[float, float]

    @property
    def verdict_here(self) -> str:
        """Verdict on the table that was studied."""
        return verdict(*self.this_table)

    @property
    def verdict_elsewhere(self) -> str:
        """Verdict on another table of this size from the same source."""
        return verdict(*self.other_tables)


def verdict(low: float, high: float) -> str:
    """Say on which side of zero an interval lies.

    Examples
    --------
    >>> verdict(0.01, 0.02), verdict(-0.02, -0.01), verdict(-0.01, 0.01)
    ('better', 'worse', 'not told apart')
    """
    if low > 0:
        return "better"
    return "worse" if high < 0 else "not told apart"


def check_claims(
    result: StudyResult,
    *,
    meta_routers: tuple[str, ...] = META_ROUTERS,
    baselines: tuple[str, ...] = BASELINES,
    level: float = 0.95,
) -> list[Claim]:
    """Hold every claim "this meta-router gains more than that baseline" against a study.

    Parameters
    ----------
    result : StudyResult
    meta_routers, baselines : tuple of str
        Those that were not studied are passed over.
    level : float, default=0.95
        Level of both intervals, each by itself: with many claims some will err.

    Returns
    -------
    list of Claim
        By number of gold labels, then by router.
    """
    claims: list[Claim] = []
    for baseline in (name for name in baselines if name in result.routers):
        here = result.paired_differences(baseline, level=level, interval="monte_carlo")
        other = result.paired_differences(baseline, level=level, interval="corrected")
        for mine, theirs in zip(here.itertuples(), other.itertuples(), strict=True):
            if mine.router in meta_routers:
                claims.append(
                    Claim(
                        router=str(mine.router),
                        baseline=baseline,
                        n_gold=int(mine.n_gold),
                        difference=float(mine.difference),
                        this_table=(float(mine.ci_low), float(mine.ci_high)),
                        other_tables=(float(theirs.ci_low), float(theirs.ci_high)),
                    )
                )
    place = {name: k for k, name in enumerate((*meta_routers, *baselines))}
    return sorted(claims, key=lambda c: (c.n_gold, place[c.router], place[c.baseline]))


def in_plain_words(claims: list[Claim]) -> list[str]:
    """Say what the claims of each router and number of gold labels come to.

    Returns
    -------
    list of str
        One sentence or two per router and number of gold labels.
    """
    grouped: dict[tuple[int, str], list[Claim]] = {}
    for claim in claims:
        grouped.setdefault((claim.n_gold, claim.router), []).append(claim)
    sentences = []
    for (n_gold, router), about in grouped.items():
        here = _verdicts_in_words({c.baseline: c.verdict_here for c in about})
        elsewhere = _verdicts_in_words({c.baseline: c.verdict_elsewhere for c in about})
        sentence = f"With {n_gold} gold labels, {router_label(router)} is {here} on this table"
        if here == elsewhere:
            sentences.append(f"{sentence}; for other tables like it the verdicts are the same.")
        else:
            sentences.append(f"{sentence}; for other tables like it: {elsewhere}.")
    return sentences


def _verdicts_in_words(verdicts: dict[str, str]) -> str:
    """Write verdicts as in "better than pooled, not told apart from gold only"."""
    parts = []
    for word, joined in (
        ("better", "better than"),
        ("worse", "worse than"),
        ("not told apart", "not told apart from"),
    ):
        names = [router_label(name) for name, found in verdicts.items() if found == word]
        if names:
            parts.append(f"{joined} {_listed(names)}")
    return ", ".join(parts)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def claims_frame(claims: list[Claim]) -> pd.DataFrame:
    """Lay out claims for a report: difference, both intervals, both verdicts."""
    import pandas as pd

    rows = [
        {
            "gold labels": claim.n_gold,
            "claim": f"{router_label(claim.router)} above {router_label(claim.baseline)}",
            "difference (95% interval, this table)": with_interval(
                claim.difference, *claim.this_table
            ),
            "on this table": claim.verdict_here,
            "95% interval, other tables": f"{claim.other_tables[0]:+.4f} to "
            f"{claim.other_tables[1]:+.4f}",
            "for other tables": claim.verdict_elsewhere,
        }
        for claim in claims
    ]
    return pd.DataFrame(rows)
