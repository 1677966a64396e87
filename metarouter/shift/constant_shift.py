"""One shift for all queries: linear scaling."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.shift.base import FloatArray, ShiftLearner
from metarouter.utils.validation import TrainingData


class ConstantShift(ShiftLearner):
    """Add the difference of the two sources' mean labels ("linear scaling", section 4.1, ii).

    Attributes
    ----------
    shift_ : float
        (Weighted) mean gold label minus (weighted) mean preference label.

    Examples
    --------
    >>> X, y, is_gold = [[0.0], [1.0], [2.0]], [0.0, 1.0, 3.0], [True, False, False]
    >>> ConstantShift().fit(X, y, is_gold=is_gold).predict([[5.0]])
    array([-2.])
    """

    def _fit_shift(self, data: TrainingData) -> None:
        means = [
            np.average(rows.y, weights=rows.sample_weight)
            for rows in (data.take(data.is_gold), data.take(~data.is_gold))
        ]
        self.shift_ = float(means[0] - means[1])

    def _predict_shift(self, X: NDArray[Any]) -> FloatArray:
        return np.full(len(X), self.shift_)
