"""Cells of BaRP's tables: what was published, and what is found here with its standard error."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from metarouter.evaluation import Estimates
from metarouter.routing.preference_reward import reward
from paper_figures._barp_rows import TestedQueries
from paper_figures._barp_study import BALANCED

__all__ = ["balanced_reward", "beside", "interval", "score_and_cost", "with_error"]


def score_and_cost(
    queries: TestedQueries,
    cost_cap: float,
    names: Mapping[str, str],
    published: Mapping[str, tuple[float, float]],
    reference: str,
) -> pd.DataFrame:
    """Lay out a table of the form of tables 5 to 7: averages over the tasks learned from.

    Costs are in US dollars per 1000 queries. The last columns, which the paper lacks, are the
    reward at balanced weights and the reference's lead in it, paired query by query.
    """
    rewards = balanced_reward(queries, cost_cap)
    rows = []
    for router, name in names.items():
        theirs = published.get(router)
        score, cost = (
            queries.of(table, router) for table in (queries.quality, 1000 * queries.cost)
        )
        earned = queries.of(rewards, router)
        lead = queries.average(queries.of(rewards, reference) - earned)
        row = {
            "router": name,
            "score": beside(theirs and theirs[0], queries.average(score), 4),
            "cost per 1000": beside(theirs and 1000 * theirs[1], queries.average(cost), 3),
            "reward, here": with_error(queries.average(earned), 4),
        }
        row[f"lead of {names[reference]}"] = "" if router == reference else interval(lead, "+.4f")
        rows.append(row)
    return pd.DataFrame(rows)


def balanced_reward(queries: TestedQueries, cost_cap: float) -> NDArray[np.float64]:
    """Return the reward of every model on every query at balanced weights."""
    balanced = np.array([1 - BALANCED, BALANCED])
    return reward(queries.quality, queries.cost, balanced, cost_cap)


def beside(published: float | None, here: Estimates, decimals: int = 2) -> str:
    """Write a published figure and ours.

    Examples
    --------
    >>> import numpy as np
    >>> beside(96.19, Estimates(np.array([95.4]), np.array([0.5]), np.array([4.0])))
    '96.19 / 95.40 (0.50)'
    """
    theirs = "–" if published is None else f"{published:.{decimals}f}"
    return f"{theirs} / {with_error(here, decimals)}"


def with_error(estimate: Estimates, decimals: int) -> str:
    """Write an estimate with its standard error."""
    return f"{estimate.value[0]:.{decimals}f} ({estimate.se[0]:.{decimals}f})"


def interval(estimate: Estimates, form: str) -> str:
    """Write an estimate with its 95% interval."""
    low, high = estimate.interval()
    return f"{estimate.value[0]:{form}} [{low[0]:{form}}, {high[0]:{form}}]"
