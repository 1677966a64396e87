"""What a live router asks of its router, the names of its arms, and feedback."""

from __future__ import annotations

from typing import Any

import numpy as np

from bandits._charges import CHARGES
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


def check_told(id: Any, quality: Any, cost: Any, latency: Any, *, n_outcomes: int) -> Told:
    """Return feedback as plain finite numbers.

    Raises
    ------
    DataError
        If the id is no whole number, an outcome is missing, too much, or not finite, or cost or
        latency is negative.
    """
    if isinstance(id, bool) or not isinstance(id, int | np.integer):
        raise DataError(f"There is no decision {id!r}: quote the id that choose returned.")
    charges: list[float | None] = []
    for position, charge in enumerate((cost, latency), start=1):
        name, many = CHARGES[position - 1]
        learned = position < n_outcomes
        if (charge is not None) != learned:
            raise DataError(
                f"{name} is missing, but this router learns {many}: give the {name} of every call."
                if learned
                else f"{name} is given, but this router learns none: leave it out."
            )
        charges.append(None if charge is None else float(check_outcome(name, [charge], 1)[0]))
    return Told(int(id), float(check_outcome("quality", [quality], 1)[0]), *charges)
