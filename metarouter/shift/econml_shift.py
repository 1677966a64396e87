"""Any CATE estimator of econml as the shift."""

from __future__ import annotations

from copy import deepcopy
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.shift.base import FloatArray, ShiftLearner
from metarouter.utils.parameters import has_methods
from metarouter.utils.random import seed_of
from metarouter.utils.validation import TrainingData


class EconMLShift(ShiftLearner):
    """Let a CATE estimator of econml learn the shift.

    Parameters
    ----------
    estimator : econml CATE estimator, optional
        Anything with ``fit(Y, T, X=...)`` and ``effect(X)`` for a binary treatment, such as
        ``CausalForestDML(discrete_treatment=True)``, ``NonParamDML``, ``DRLearner``, ``XLearner``.
        It is copied, never changed. None is a causal forest.
    random_state : int, RandomState or None
        Seed of the default estimator, and of a given one that has a ``random_state`` of None.

    Attributes
    ----------
    estimator_ : econml CATE estimator
        The fitted copy; its own inference (``effect_interval`` ...) is at hand there.

    Examples
    --------
    >>> from econml.dml import LinearDML  # doctest: +SKIP
    >>> EconMLShift(LinearDML(discrete_treatment=True)).fit(X, y, is_gold=is_gold)  # doctest: +SKIP
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "estimator": [has_methods("fit", "effect"), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self, estimator: Any = None, random_state: int | np.random.RandomState | None = None
    ) -> None:
        self.estimator = estimator
        self.random_state = random_state

    def _fit_shift(self, data: TrainingData) -> None:
        seed = seed_of(self.random_state)
        self.estimator_ = _causal_forest() if self.estimator is None else deepcopy(self.estimator)
        if getattr(self.estimator_, "random_state", seed) is None:
            self.estimator_.random_state = seed
        given = {"sample_weight": data.sample_weight, "groups": data.groups}
        self.estimator_.fit(
            data.y,
            data.is_gold.astype(int),
            X=data.X,
            **{name: value for name, value in given.items() if value is not None},
        )

    def without(self, data: TrainingData, left_out: NDArray[np.bool_]) -> ShiftLearner:
        """Return the learner as it is: estimators of econml can only be fitted as a whole."""
        return self._without_names()

    def _predict_shift(self, X: NDArray[Any]) -> FloatArray:
        return np.asarray(self.estimator_.effect(X), dtype=np.float64).reshape(len(X))


def _causal_forest() -> Any:
    try:
        from econml.dml import CausalForestDML
    except ImportError as error:
        raise MetaRouterError(
            f"EconMLShift needs econml, which cannot be imported ({error}); "
            "install metarouter[econml]."
        ) from None
    return CausalForestDML(discrete_treatment=True)
