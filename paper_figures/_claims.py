"""The claims of Meta-Router, section 4.1, one by one: held, not held, or not told apart."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from metarouter.evaluation import StudyResult
from metarouter.evaluation._intervals import corrected_error, student_quantile

META = ("r_learner", "dr_learner")
BASELINES = ("gold_only", "pooled", "preference_only", "linear_scaling")
LEVEL = 0.95
FLAT_MARGIN = 0.1  # of the oracle's area: a change that would not matter


@dataclass(frozen=True)
class Contrast:
    """A paired difference of areas with its corrected 95% interval."""

    value: float
    low: float
    high: float

    @property
    def verdict(self) -> str:
        """Whether "greater than zero" is held."""
        if self.low > 0:
            return "held"
        return "reversed" if self.high < 0 else "not told apart"

    def __str__(self) -> str:
        return f"{self.value:+.4f} [{self.low:+.4f}, {self.high:+.4f}]"


def contrast(result: StudyResult, values: np.ndarray) -> Contrast:
    """Interval of the mean of one value per round, corrected for overlapping splits."""
    margin = student_quantile(LEVEL, len(values)) * float(
        corrected_error(values[:, None], result.test_to_train)[0]
    )
    return Contrast(values.mean(), values.mean() - margin, values.mean() + margin)


def flat_verdict(found: Contrast, margin: float) -> str:
    """Whether a change is shown to lie within a margin, by its interval (an equivalence test)."""
    if -margin < found.low and found.high < margin:
        return "held"
    return "reversed" if found.low > margin or found.high < -margin else "not told apart"


def areas_of(result: StudyResult, router: str, n_gold: int) -> np.ndarray:
    return result.area[:, result.routers.index(router), result.n_gold.index(n_gold)]


def difference(result: StudyResult, router: str, reference: str, n_gold: int) -> np.ndarray:
    return areas_of(result, router, n_gold) - areas_of(result, reference, n_gold)


def claims_table(result: StudyResult) -> str:
    """One row per claim: a paired difference of areas and what it says."""
    fewest, most = min(result.n_gold), max(result.n_gold)
    rows = []
    for meta in META:
        for baseline in BASELINES:
            for n_gold in result.n_gold:
                found = contrast(result, difference(result, meta, baseline, n_gold))
                rows.append((f"{meta} above {baseline}, n_gold = {n_gold}", found, found.verdict))
        gain = difference(result, meta, "gold_only", fewest)
        found = contrast(result, gain - difference(result, meta, "gold_only", most))
        claim = f"{meta}: lead over gold_only larger at n_gold = {fewest} than at {most}"
        rows.append((claim, found, found.verdict))
    for router in (*META, "gold_only", "pooled"):
        found = contrast(result, areas_of(result, router, most) - areas_of(result, router, fewest))
        rows.append((f"{router} rises from n_gold = {fewest} to {most}", found, found.verdict))
    found = contrast(
        result,
        areas_of(result, "preference_only", most) - areas_of(result, "preference_only", fewest),
    )
    margin = FLAT_MARGIN * areas_of(result, "oracle", fewest).mean()
    claim = f"preference_only flat (within {margin:.4f}) from n_gold = {fewest} to {most}"
    rows.append((claim, found, flat_verdict(found, margin)))
    lines = ["| claim | paired difference of areas [95%] | verdict |", "|---|---|---|"]
    return "\n".join(lines + [f"| {claim} | {found} | {says} |" for claim, found, says in rows])


def grid_row(result: StudyResult, bias: float, heterogeneity: float, n_gold: int) -> str:
    """One row of the grid: the lead of each meta-router over each baseline."""
    cells = []
    for baseline in BASELINES:
        for meta in META:
            found = contrast(result, difference(result, meta, baseline, n_gold))
            mark = {"held": "**", "reversed": "_"}.get(found.verdict, "")
            cells.append(f"{mark}{found.value:+.4f}{mark} ({(found.high - found.low) / 2:.4f})")
    return f"| {bias:g} | {heterogeneity:g} | {n_gold} | " + " | ".join(cells) + " |"


def grid_table(rows: list[str], rounds: int) -> str:
    """Frame the rows of :func:`grid_row`."""
    heads = [f"{meta.split('_')[0].upper()} - {base}" for base in BASELINES for meta in META]
    return "\n".join(
        [
            f"{rounds} rounds a cell. Differences of areas (half width of the corrected 95% "
            "interval); **bold**: above zero, _italic_: below zero, plain: not told apart.",
            "",
            "| bias | heterogeneity | n_gold | " + " | ".join(heads) + " |",
            "|---" * (3 + len(heads)) + "|",
            *rows,
            "",
        ]
    )
