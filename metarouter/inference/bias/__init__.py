"""Tests of bias: whether there is any, where it is, and whether the corrections hit it."""

from __future__ import annotations

from metarouter.inference.bias._mean_shift import (
    MeanShift,
    MeanShiftTest,
    mean_shift,
    mean_shift_test,
)
from metarouter.inference.bias._predictions import (
    CalibrationTest,
    SortedGroupEffects,
    calibration_test,
    sorted_group_effects,
)
from metarouter.inference.bias._projection import BestLinearProjection, best_linear_projection
