"""Tests of bias: whether there is any, where it is, and whether the corrections hit it."""

from __future__ import annotations

from metarouter.inference.bias._calibration import CalibrationTest, calibration_test
from metarouter.inference.bias._mean_shift import MeanShiftTest, mean_shift_test
from metarouter.inference.bias._projection import BestLinearProjection, best_linear_projection
from metarouter.inference.bias._sorted_groups import SortedGroupEffects, sorted_group_effects
