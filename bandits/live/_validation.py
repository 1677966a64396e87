"""What a live router asks of its router, the names of its arms, and feedback."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits._validation import check_outcome
from bandits.base import BanditRouter
from bandits.live._events import Told
from metarouter.exceptions import DataError

__all__ = ["check_router", "check_told", "plain_name"]


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


def check_told(id: Any, quality: Any, cost: Any, *, has_cost: bool) -> Told:
    """Return feedback as plain finite numbers.

    Raises
    ------
    DataError
        If the id is no whole number, quality or cost is missing, too much, or not finite, or the
        cost is negative.
    """
    if isinstance(id, bool) or not isinstance(id, int | np.integer):
        raise DataError(f"There is no decision {id!r}: quote the id that choose returned.")
    if (cost is not None) != has_cost:
        raise DataError(
            "cost is missing, but this router learns costs: give the cost of every call."
            if has_cost
            else "cost is given, but this router learns none: leave it out."
        )
    return Told(
        int(id),
        float(check_outcome("quality", [quality], 1)[0]),
        None if cost is None else float(check_outcome("cost", [cost], 1)[0]),
    )
