"""What a live router asks of its router, the names of its arms, and feedback."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits._caps import COSTS
from bandits._validation import check_outcome
from bandits.base import BanditRouter
from bandits.live._events import CallMeasured, FeedbackAccepted
from metarouter.exceptions import DataError

__all__ = ["check_call", "check_feedback", "check_router", "is_whole", "plain_name"]


def check_router(router: Any) -> None:
    """Refuse what is no bandit router.

    Raises
    ------
    DataError
    """
    if not isinstance(router, BanditRouter):
        raise DataError(f"A {type(router).__name__} is no bandit router: give one, such as LinUCB.")


def plain_name(arm: Any) -> str | int:
    """Return the name of an arm as a journal gives it back.

    Raises
    ------
    DataError
        If it is neither text nor a whole number.
    """
    name = arm.item() if isinstance(arm, np.generic) else arm
    if isinstance(name, bool) or not isinstance(name, str | int):
        raise DataError(f"The arm {arm!r} is neither text nor a whole number: give it such a name.")
    return name


def check_feedback(
    id: Any, quality: Any, cost: Any, latency: Any, *, n_outcomes: int
) -> FeedbackAccepted:
    """Return feedback as plain finite numbers.

    Raises
    ------
    DataError
        If the id is no whole number, an outcome is missing, too much, or not finite, or cost or
        latency is negative.
    """
    if not is_whole(id):
        raise DataError(f"There is no decision {id!r}: quote the id that choose returned.")
    costs: list[float | None] = []
    for position, value in enumerate((cost, latency), start=1):
        name, many = COSTS[position - 1]
        learned = position < n_outcomes
        if (value is not None) != learned:
            raise DataError(
                f"{name} is missing, but this router learns {many}: give the {name} of every call."
                if learned
                else f"{name} is given, but this router learns none: leave it out."
            )
        costs.append(None if value is None else float(check_outcome(name, [value], 1)[0]))
    return FeedbackAccepted(int(id), float(check_outcome("quality", [quality], 1)[0]), *costs)


def check_call(id: int, cost: Any, latency: Any) -> CallMeasured:
    """Return what a call took as plain finite numbers.

    Raises
    ------
    DataError
        If cost or latency is negative, or not finite.
    """
    costs = (float(check_outcome(COSTS[k][0], [c], 1)[0]) for k, c in enumerate((cost, latency)))
    return CallMeasured(id, *costs)


def is_whole(number: Any) -> bool:
    """Whether something is a whole number, and no truth value."""
    return isinstance(number, int | np.integer) and not isinstance(number, bool)
