"""No shift: the pooled router."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.shift.base import FloatArray, ShiftLearner
from metarouter.utils.validation import TrainingData


class ZeroShift(ShiftLearner):
    """Take preference labels as they are: Delta-hat = 0 (the pooled router of section 4.1).

    Examples
    --------
    >>> ZeroShift().fit([[0.0], [1.0]], [0.0, 1.0], is_gold=[True, False]).predict([[2.0]])
    array([0.])
    """

    needs_both_sources = False

    def _fit_shift(self, data: TrainingData) -> None:
        """Nothing is learned."""

    def _predict_shift(self, X: NDArray[Any]) -> FloatArray:
        return np.zeros(len(X))
