"""The true shift: the oracle of section 3.1."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.shift.base import FloatArray, ShiftLearner
from metarouter.utils.parameters import number
from metarouter.utils.validation import TrainingData


class KnownShift(ShiftLearner):
    """Use a shift that is known (the oracle integrative router, section 3.1).

    Parameters
    ----------
    shift : callable, float or None, default=None
        Delta: maps features of shape (n, d) to the shift of shape (n,), in the units of the
        labels after scaling (with ``scaling=None``: the units of the labels). A number stands for
        a constant shift, None for zero.

    Examples
    --------
    >>> KnownShift(lambda X: 2 * X[:, 0]).fit([[0.0]], [1.0], is_gold=[True]).predict([[3.0]])
    array([6.])
    """

    needs_both_sources = False

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "shift": [number(), callable, None],
    }

    def __init__(self, shift: Callable[[Any], Any] | float | None = None) -> None:
        self.shift = shift

    def _fit_shift(self, data: TrainingData) -> None:
        self._predict_shift(data.X)

    def _predict_shift(self, X: NDArray[Any]) -> FloatArray:
        value = self.shift(X) if callable(self.shift) else self.shift or 0.0
        try:
            shift = np.array(np.broadcast_to(np.asarray(value, dtype=np.float64), len(X)))
        except ValueError:
            raise MetaRouterError(
                f"the known shift returned shape {np.shape(value)} for {len(X)} rows; "
                "it must return one number per row."
            ) from None
        if not np.isfinite(shift).all():
            raise MetaRouterError(
                f"the known shift is NaN or infinite in {int((~np.isfinite(shift)).sum())} of "
                f"{len(X)} rows; it must be a finite number for every query."
            )
        return shift
