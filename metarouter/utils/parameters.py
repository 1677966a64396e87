"""The promises that settings must keep, checked at the edge."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from numbers import Integral, Real
from typing import Any

from metarouter.exceptions import DataError

__all__ = ["check_parameter", "check_weight", "check_whole"]


def check_parameter(name: str, value: Any, holds: Callable[[float], bool], wanted: str) -> None:
    """Refuse a parameter that is no finite number, or not such a one.

    Raises
    ------
    DataError
    """
    number = isinstance(value, Real) and not isinstance(value, bool) and isfinite(value)
    if not (number and holds(float(value))):
        raise DataError(f"{name} is {value!r}; give {wanted}.")


def check_weight(weight: Any) -> None:
    """Refuse what cannot weigh the evidence that an arm begins with.

    Raises
    ------
    DataError
    """
    check_parameter("weight", weight, lambda value: 0 <= value <= 1, "a number from 0 to 1")


def check_whole(name: str, value: Any, least: int = 1) -> None:
    """Refuse what is no whole number, or a smaller one.

    Raises
    ------
    DataError
    """
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise DataError(f"{name} is {value!r}; give a whole number of at least {least}.")
