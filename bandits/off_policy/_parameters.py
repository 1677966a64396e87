"""Numbers that users give, checked in one place."""

from __future__ import annotations

import numpy as np

from metarouter.exceptions import DataError

__all__ = ["check_cut", "check_level", "check_max_weight", "check_reward_range"]


def check_level(level: float) -> None:
    """Refuse a confidence level that is no probability."""
    if not 0 < level < 1:
        raise DataError(f"level is {level!r}; give a number between 0 and 1.")


def check_cut(cut: float | None) -> None:
    """Refuse a threshold or strength that is not a positive number."""
    if cut is not None and not (np.isfinite(cut) and cut > 0):
        raise DataError(f"cut is {cut!r}; give a number above 0, or None.")


def check_max_weight(max_weight: float) -> None:
    """Refuse a largest weight below 1, the mean of all weights."""
    if not (np.isfinite(max_weight) and max_weight >= 1):
        raise DataError(
            f"max_weight is {max_weight!r}; give the largest weight that is possible, at least 1."
        )


def check_reward_range(reward_range: tuple[float, float]) -> None:
    """Refuse limits of the reward that are not two finite numbers in order."""
    low, high = reward_range
    if not (low < high and np.isfinite([low, high]).all()):
        raise DataError(
            f"reward_range is ({low:g}, {high:g}); give (least, largest), two finite numbers."
        )
