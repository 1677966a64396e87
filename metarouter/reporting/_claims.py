"""Claims of Meta-Router, section 4.1, in a study: held, reversed, not significantly different."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

import numpy as np

from metarouter.evaluation._intervals import normal_quantile
from metarouter.evaluation._study_estimates import Interval, over_rounds
from metarouter.reporting._document import counted
from metarouter.utils.arguments import validated
from metarouter.utils.columns import FloatArray
from metarouter.utils.style import router_label

if TYPE_CHECKING:
    import pandas as pd

    from metarouter.evaluation import StudyResult

META_ROUTERS = ("dr_learner", "r_learner")
BASELINES = ("gold_only", "pooled", "preference_only", "linear_scaling")
FLAT_MARGIN = 0.1  # of the oracle's area: a change that would not matter


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


@dataclass(frozen=True)
class Trend:
    """How an area, or a lead, changes with the number of gold labels.

    Parameters
    ----------
    statement : str
        What is claimed of the change.
    change : float
        Mean change over the rounds, in gold units.
    other_tables : tuple of float
        Interval from the corrected resampled standard error.
    margin : float, default=0.0
        Where above 0, the claim is that the change lies within plus or minus this; else, that it
        is above 0.
    """

    statement: str
    change: float
    other_tables: tuple[float, float]
    margin: float = 0.0

    @property
    def verdict(self) -> str:
        """Verdict on another table of this size from the same source."""
        low, high = self.other_tables
        if self.margin == 0:
            return verdict(low, high)
        if -self.margin < low and high < self.margin:
            return "held"
        beyond = low > self.margin or high < -self.margin
        return "reversed" if beyond else "not significantly different"


def verdict(low: float, high: float) -> str:
    """Say what an interval makes of the claim that a difference is above zero.

    Examples
    --------
    >>> verdict(0.01, 0.02), verdict(-0.02, -0.01), verdict(-0.01, 0.01)
    ('held', 'reversed', 'not significantly different')
    """
    if low > 0:
        return "held"
    return "reversed" if high < 0 else "not significantly different"


@validated()
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
    studied = set(result.routers)
    claims = []
    for n_gold, router, baseline in product(sorted(result.n_gold), meta_routers, baselines):
        if {router, baseline} <= studied and router != baseline:
            lead = _areas(result, router, n_gold) - _areas(result, baseline, n_gold)
            difference, here = _mean(result, lead, level, "monte_carlo")
            _, elsewhere = _mean(result, lead, level, "corrected")
            claims.append(Claim(router, baseline, n_gold, difference, here, elsewhere))
    return claims


@validated()
def check_trends(result: StudyResult, *, level: float = 0.95) -> list[Trend]:
    """Hold the paper's claims on more gold labels against a study.

    Parameters
    ----------
    result : StudyResult
        Routers that were not studied are passed over.
    level : float, default=0.95
        Level of the intervals, each by itself.

    Returns
    -------
    list of Trend
        Between the fewest and the most gold labels: that the lead over gold only shrinks, that
        areas rise, and that a router without gold labels stays where it is. Nothing with one
        number of gold labels.
    """
    fewest, most = min(result.n_gold), max(result.n_gold)
    if fewest == most:
        return []

    def rise(router: str) -> FloatArray:
        return _areas(result, router, most) - _areas(result, router, fewest)

    def trend(statement: str, change: FloatArray, margin: float = 0.0) -> Trend:
        return Trend(statement, *_mean(result, change, level, "corrected"), margin)

    studied, span = set(result.routers), f"from n_gold = {fewest} to {most}"
    trends = [
        trend(
            f"{name}: lead over gold_only larger at n_gold = {fewest} than at {most}",
            rise("gold_only") - rise(name),
        )
        for name in META_ROUTERS
        if {name, "gold_only"} <= studied
    ]
    rising = [name for name in (*META_ROUTERS, "gold_only", "pooled") if name in studied]
    trends += [trend(f"{name} rises {span}", rise(name)) for name in rising]
    if {"oracle", "preference_only"} <= studied:
        margin = FLAT_MARGIN * float(_areas(result, "oracle", fewest).mean())
        flat = f"preference_only flat (within {margin:.4f}) {span}"
        trends.append(trend(flat, rise("preference_only"), margin))
    return trends


def _areas(result: StudyResult, router: str, n_gold: int) -> FloatArray:
    return result.area[:, result.routers.index(router), result.n_gold.index(n_gold)]


def _mean(
    result: StudyResult, values: FloatArray, level: float, interval: Interval
) -> tuple[float, tuple[float, float]]:
    """Mean of one value per round, with its interval."""
    found = over_rounds(values, result.test_to_train, level, interval)
    return float(found.mean), (float(found.low), float(found.high))


def claim_sentences(claims: list[Claim]) -> list[str]:
    """Say what the claims come to, in one sentence per router and number of gold labels."""
    grouped: dict[tuple[int, str], list[Claim]] = {}
    for claim in claims:
        grouped.setdefault((claim.n_gold, claim.router), []).append(claim)
    sentences = []
    for (n_gold, router), about in grouped.items():
        here = _verdict_text({c.baseline: c.verdict_here for c in about})
        elsewhere = _verdict_text({c.baseline: c.verdict_elsewhere for c in about})
        others = " the verdicts are the same" if here == elsewhere else f": {elsewhere}"
        sentences.append(
            f"With {n_gold} gold labels, {router_label(router)} is {here} on this table; for other "
            f"tables like it{others}."
        )
    return sentences


def _verdict_text(verdicts: dict[str, str]) -> str:
    """Write verdicts as in "better than pooled, not significantly different from gold only"."""
    parts = []
    for word, joined in (
        ("held", "better than"),
        ("reversed", "worse than"),
        ("not significantly different", "not significantly different from"),
    ):
        names = [router_label(name) for name, found in verdicts.items() if found == word]
        if names:
            parts.append(f"{joined} {counted(names)}")
    return ", ".join(parts)


@validated()
def compare_splits(
    grouped: StudyResult, random_split: StudyResult, *, level: float = 0.95
) -> pd.DataFrame:
    """Areas with test sets of whole groups beside areas with test sets of single queries.

    Parameters
    ----------
    grouped, random_split : StudyResult
        Of the same routers and numbers of gold labels on the same queries.
    level : float, default=0.95
        Level at which two areas are called different.

    Returns
    -------
    DataFrame
        Columns ``router``, ``n_gold``, ``area_grouped``, ``area_random``, ``difference`` (random
        minus grouped), ``se``, ``differ``. The standard error treats the two sets of splits as
        independent: it says how well this table tells the two splits apart.
    """
    both = grouped.areas().merge(
        random_split.areas(), on=["router", "n_gold"], suffixes=("_grouped", "_random")
    )
    difference = both["area_random"] - both["area_grouped"]
    se = np.hypot(both["se_grouped"], both["se_random"])
    return both[["router", "n_gold", "area_grouped", "area_random"]].assign(
        difference=difference, se=se, differ=difference.abs() > normal_quantile(level) * se
    )


@validated()
def differing_verdicts(grouped: StudyResult, random_split: StudyResult) -> list[str]:
    """Name the claims whose verdict on this table depends on the split, in plain words."""
    sentences = []
    for mine, other in zip(check_claims(grouped), check_claims(random_split), strict=True):
        if mine.verdict_here != other.verdict_here:
            sentences.append(
                f"With {mine.n_gold} gold labels, {router_label(mine.router)} above "
                f"{router_label(mine.baseline)}: {mine.verdict_here} with splits by group, "
                f"{other.verdict_here} with random splits."
            )
    return sentences
