"""Tests of bias: whether there is any, where it is, and whether the corrections hit it."""

from __future__ import annotations

from metarouter.inference.bias._calibration import calibration_test
from metarouter.inference.bias._calibration_result import CalibrationTest
from metarouter.inference.bias._mean_shift import mean_shift_test
from metarouter.inference.bias._mean_shift_result import MeanShiftTest
from metarouter.inference.bias._projection import best_linear_projection
from metarouter.inference.bias._projection_result import BestLinearProjection
from metarouter.inference.bias._sorted_groups import sorted_group_effects
from metarouter.inference.bias._sorted_groups_result import SortedGroupEffects

__all__ = [
    "BestLinearProjection",
    "CalibrationTest",
    "MeanShiftTest",
    "SortedGroupEffects",
    "best_linear_projection",
    "calibration_test",
    "mean_shift_test",
    "sorted_group_effects",
]
