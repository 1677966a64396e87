"""The three budgets of appendix A.1, and what a routing spends of each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import BudgetError
from metarouter.routing._cost_model import is_real

__all__ = ["BUDGETS", "always_primary", "one_budget", "spending"]

BUDGETS = {
    "max_share": "share of queries sent to the primary model",
    "max_cost": "mean cost per query",
    "max_cost_ratio": "cost relative to always asking the primary model",
}


def one_budget(budgets: dict[str, float | None]) -> tuple[str, float]:
    """Pick the one budget that is given, and check its value.

    Raises
    ------
    BudgetError
        If none or several are given, or the value is out of range.
    """
    given = {name: limit for name, limit in budgets.items() if limit is not None}
    if len(given) != 1:
        what = f"{len(given)} budgets are given" if given else "No budget is given"
        raise BudgetError(f"{what}; give exactly one of {', '.join(budgets)}.")
    ((name, limit),) = given.items()
    if not is_real(limit) or limit < 0:
        raise BudgetError(
            f"{name} is {limit!r}; give a finite number of at least 0.", parameter=name
        )
    if name == "max_share" and limit > 1:
        raise BudgetError(
            f"max_share is {limit!r}; give a share from 0 to 1, as in 0.3 for 30%.",
            parameter="max_share",
        )
    return name, float(limit)


def spending(to_primary: NDArray[np.bool_], costs: NDArray[np.float64], budget: str) -> float:
    """Compute what a routing spends, in the unit of the budget.

    Parameters
    ----------
    to_primary : ndarray of shape (n,)
        True where the primary model answers.
    costs : ndarray of shape (n, 2)
        Columns [alternative, primary].
    budget : {"max_share", "max_cost", "max_cost_ratio"}
        Which budget.

    Examples
    --------
    >>> spending(np.array([True, False]), np.array([[1.0, 3.0], [1.0, 5.0]]), "max_cost_ratio")
    0.5
    """
    if budget == "max_share":
        return float(to_primary.mean())
    paid = np.where(to_primary, costs[:, 1], costs[:, 0])
    return float(paid.mean() if budget == "max_cost" else paid.sum() / always_primary(costs))


def always_primary(costs: NDArray[np.float64]) -> float:
    """Add up what it costs to send every query to the primary model.

    Raises
    ------
    BudgetError
        If that is nothing, so that no cost can be relative to it.
    """
    total = float(costs[:, 1].sum())
    if total <= 0:
        raise BudgetError(
            "max_cost_ratio has no meaning where the primary model costs nothing; "
            "give max_share or max_cost."
        )
    return total
