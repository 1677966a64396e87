"""One arm for every query, chosen by how large the arms are."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from bandits._logs import Logs
from bandits.full_information.base import FullInformationRouter
from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameter

__all__ = ["BySize", "Largest", "Smallest"]

Array = NDArray[np.float64]


class BySize(FullInformationRouter):
    """Base of `Smallest` and `Largest`; of arms of one size the one that was named first is meant.

    Attributes
    ----------
    sizes_ : ndarray of shape (n_arms,)
    arm_ : str or int
        The arm that is called.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "sizes": [Mapping, None],
    }

    def __init__(
        self,
        sizes: Mapping[Any, float] | None = None,
        *,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        latency_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            arms=arms, cost_cap=cost_cap, latency_cap=latency_cap, random_state=random_state
        )
        self.sizes = sizes

    @abstractmethod
    def _position(self, sizes: Array) -> int:
        """Return the position of the arm to call."""

    def _learn(self, X: Array, logs: Logs) -> None:
        self.sizes_ = self._mean_costs(logs) if self.sizes is None else self._given(self.sizes)
        self.arm_ = self.arms_[self._position(self.sizes_)]

    def _scores(self, X: Array, preference: Array) -> Array:
        return np.tile(np.eye(len(self.arms_))[self.arms_.index(self.arm_)], (len(X), 1))

    def _given(self, sizes: Mapping[Any, float]) -> Array:
        missing = [name for name in self.arms_ if name not in sizes]
        if missing:
            raise DataError(f"sizes has no {missing[0]!r}: give the size or price of every arm.")
        for name in self.arms_:
            what = f"the size or price of {name!r}"
            check_parameter(what, sizes[name], lambda size: size >= 0, "a number of at least 0")
        return np.array([sizes[name] for name in self.arms_], dtype=np.float64)

    def _mean_costs(self, logs: Logs) -> Array:
        if logs.cost is None:
            raise DataError(
                f"{type(self).__name__} knows neither sizes nor costs: name the size or price of "
                "every arm with sizes=, or pass cost= when training."
            )
        return np.asarray(logs.cost.mean(axis=0))


class Smallest(BySize):
    """Call the smallest arm, whatever the query and the preference (BaRP, section 3.2).

    Parameters
    ----------
    sizes : dict of arm to float, optional
        Size or price of every arm, in any unit. By default the mean cost in the logs, so that the
        smallest is the cheapest.
    arms, cost_cap, latency_cap, random_state
        As in `FullInformationRouter`.

    See Also
    --------
    bandits.Constant : One arm that is named.

    Examples
    --------
    >>> router = Smallest({"large": 70, "small": 7}, arms=("large", "small"))
    >>> router.fit(np.eye(2), np.eye(2)).predict(np.eye(2)).tolist()
    ['small', 'small']
    """

    def _position(self, sizes: Array) -> int:
        return int(sizes.argmin())


class Largest(BySize):
    """Call the largest arm, whatever the query and the preference (BaRP, section 3.2).

    Parameters
    ----------
    sizes : dict of arm to float, optional
        Size or price of every arm, in any unit. By default the mean cost in the logs, so that the
        largest is that with the largest mean cost.
    arms, cost_cap, latency_cap, random_state
        As in `FullInformationRouter`.

    See Also
    --------
    bandits.Constant : One arm that is named.

    Examples
    --------
    >>> router = Largest({"large": 70, "small": 7}, arms=("large", "small"))
    >>> router.fit(np.eye(2), np.eye(2)).predict(np.eye(2)).tolist()
    ['large', 'large']
    """

    def _position(self, sizes: Array) -> int:
        return int(sizes.argmax())
