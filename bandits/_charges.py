"""What a call takes, cost and latency: which of the two a router learns, and their caps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameter

__all__ = ["CHARGES", "KnowsCharges", "caps_of", "check_caps", "count_outcomes", "require_same"]

# Names of the outcomes after quality, of one and of several.
CHARGES = (("cost", "costs"), ("latency", "latencies"))


class KnowsCharges:
    """Mixin of the routers: the outcomes that they learn, and the caps that count as 1.

    Outcomes are quality, quality and cost, or quality, cost and latency.
    """

    cost_cap: float | None
    latency_cap: float | None = None

    n_outcomes_: int
    caps_: list[float]
    # Which caps nobody gave when learning began: they are found from feedback.
    _found_caps: list[bool]

    @property
    def has_cost_(self) -> bool:
        """Whether costs were learned."""
        return self.n_outcomes_ > 1

    @property
    def has_latency_(self) -> bool:
        """Whether latencies were learned."""
        return self.n_outcomes_ > 2

    @property
    def cost_cap_(self) -> float:
        """The cost that counts as 1; 0 before any is known."""
        return self.caps_[0] if self.has_cost_ else 0.0

    @property
    def latency_cap_(self) -> float:
        """The latency that counts as 1; 0 before any is known."""
        return self.caps_[1] if self.has_latency_ else 0.0

    def _know_all(self, outcomes: NDArray[np.float64]) -> None:
        """Take on the outcomes of all arms, shape (n, n_arms, n_outcomes), and their caps."""
        self.n_outcomes_ = outcomes.shape[2]
        self.caps_ = caps_of((self.cost_cap, self.latency_cap), outcomes)

    def _require_learned(self, position: int) -> None:
        """Refuse to speak of an outcome that was not learned.

        Raises
        ------
        DataError
        """
        if self.n_outcomes_ <= position:
            name, many = CHARGES[position - 1]
            raise DataError(f"This router has seen no {many}: pass {name}= when training.")

    def _begin_caps(self, n_outcomes: int) -> None:
        """Settle which caps are given, whatever becomes of the parameters afterwards.

        Raises
        ------
        DataError
        """
        check_caps(self.cost_cap, self.latency_cap)
        given = (self.cost_cap, self.latency_cap)[: n_outcomes - 1]
        self.n_outcomes_ = n_outcomes
        self.caps_ = [float(cap or 0.0) for cap in given]
        self._found_caps = [cap is None for cap in given]

    def _given_caps(self) -> list[float | None]:
        """Return the caps that were given when learning began, None for the others."""
        pairs = zip(self.caps_, self._found_caps, strict=True)
        return [None if found else cap for cap, found in pairs]


def caps_of(given: Sequence[float | None], outcomes: NDArray[np.float64]) -> list[float]:
    """Return the caps that were given, and else the largest cost and latency.

    Parameters
    ----------
    given : sequence of float or None
        Caps of cost and latency; those of outcomes that there are not are left out.
    outcomes : ndarray of shape (n, n_arms, n_outcomes)
    """
    largest = np.nanmax(outcomes[:, :, 1:], axis=(0, 1))
    # Where nothing costs anything, any cap says so.
    return [float(cap or top or 1.0) for cap, top in zip(given, largest, strict=False)]


def check_caps(cost_cap: float | None, latency_cap: float | None) -> None:
    """Refuse caps that are not positive numbers.

    Raises
    ------
    DataError
    """
    for name, cap in (("cost", cost_cap), ("latency", latency_cap)):
        if cap is not None:
            wanted = f"the {name} that counts as 1, a number above 0, or None"
            check_parameter(f"{name}_cap", cap, lambda value: value > 0, wanted)


def count_outcomes(cost: Any, latency: Any) -> int:
    """Return how many outcomes a call has: quality, and cost and latency where they are given.

    Raises
    ------
    DataError
        If there are latencies and no costs.
    """
    if latency is not None and cost is None:
        raise DataError(
            "latency is given without cost: give cost= too or, where nothing else is paid, the "
            "latencies as cost=."
        )
    return 1 + (cost is not None) + (latency is not None)


def require_same(n_outcomes: int, cost: Any, latency: Any) -> None:
    """Refuse feedback with other outcomes than those that are learned.

    Raises
    ------
    DataError
    """
    count_outcomes(cost, latency)
    for position, given in enumerate((cost, latency), start=1):
        name, many = CHARGES[position - 1]
        learned = n_outcomes > position
        if (given is not None) != learned:
            raise DataError(
                f"{name} is missing, but earlier feedback had it: give the {name} of every call."
                if learned
                else f"{name} is given, but earlier feedback had none: fit anew to learn {many}."
            )
