"""Where splits by group and random splits tell different stories."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from metarouter.evaluation._intervals import normal_quantile
from metarouter.reporting._claims import check_claims
from metarouter.utils.style import router_label

if TYPE_CHECKING:
    import pandas as pd

    from metarouter.evaluation import StudyResult


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


def differing_verdicts(grouped: StudyResult, random_split: StudyResult) -> list[str]:
    """Name the claims whose verdict on this table hangs on the split, in plain words."""
    sentences = []
    for mine, other in zip(check_claims(grouped), check_claims(random_split), strict=True):
        if mine.verdict_here != other.verdict_here:
            sentences.append(
                f"With {mine.n_gold} gold labels, {router_label(mine.router)} above "
                f"{router_label(mine.baseline)}: {mine.verdict_here} with splits by group, "
                f"{other.verdict_here} with random splits."
            )
    return sentences
