"""Numbers that users give, checked in one place."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np

from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameter

__all__ = ["check_max_weight", "check_reward_range"]


def check_max_weight(max_weight: float) -> None:
    """Refuse a largest weight below 1, the mean of all weights."""
    wanted = "the largest weight that is possible, at least 1"
    check_parameter("max_weight", max_weight, lambda value: value >= 1, wanted)


def check_reward_range(reward_range: Any) -> None:
    """Refuse limits of the reward that are not two finite numbers in order."""
    pair = reward_range if isinstance(reward_range, tuple | list | np.ndarray) else ()
    numbers = len(pair) == 2 and all(isinstance(limit, Real) for limit in pair)
    if not (numbers and pair[0] < pair[1] and np.isfinite(pair).all()):
        shown = f"({pair[0]:g}, {pair[1]:g})" if numbers else repr(reward_range)
        raise DataError(f"reward_range is {shown}; give (least, largest), two finite numbers.")
