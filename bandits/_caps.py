"""What a call takes, cost and latency: which of the two a router learns, and their caps."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameter

__all__ = ["COSTS", "Caps", "caps_of", "check_caps", "count_outcomes", "require_same"]

Array = NDArray[np.float64]

# Values that a quantile is taken of.
_KEPT = 1000
# Names of the outcomes after quality, of one and of several.
COSTS = (("cost", "costs"), ("latency", "latencies"))


class Caps:
    """The cost and the latency that count as 1: as given, or as found from feedback.

    Parameters
    ----------
    given : sequence of float or None
        Of cost and, where it is learned, of latency; None is found: it is the largest value that
        was seen so far, so that none is cut.
    quantile : float, optional
        A cap that is found is this quantile of the first 1000 values instead.

    Attributes
    ----------
    values : list of float
        0 before anything is known.
    is_found : list of bool
        Which caps nobody gave.

    Examples
    --------
    >>> caps = Caps([None])
    >>> caps.observe(np.array([[0.9, 2.0], [0.5, 4.0]])).tolist()
    [[0.9, 2.0], [0.5, 4.0]]
    >>> caps.values, caps.weights(np.array([0.5, 0.5])).tolist()
    ([4.0], [0.5, -0.125])
    """

    def __init__(self, given: Sequence[float | None], quantile: float | None = None) -> None:
        self.values = [float(cap or 0.0) for cap in given]
        self.is_found = [cap is None for cap in given]
        self.quantile = quantile
        # The first costs and latencies, -1 where there is none yet.
        self.first = np.full((0 if quantile is None else _KEPT, len(self.values)), -1.0)

    def given(self) -> list[float | None]:
        """Return the caps that were given, None for the others."""
        pairs = zip(self.values, self.is_found, strict=True)
        return [None if found else cap for cap, found in pairs]

    def observe(self, outcomes: Array) -> Array:
        """Learn caps from outcomes, shape (n, n_outcomes); return these with what is above cut."""
        if self.quantile is not None:
            if any(self.is_found):
                self._keep_first(outcomes[:, 1:])
            return self.cut(outcomes)
        capped = outcomes
        for j, found in enumerate(self.is_found, start=1):
            if found:
                self.values[j - 1] = max(self.values[j - 1], float(outcomes[:, j].max()))
            else:
                capped = outcomes.copy() if capped is outcomes else capped
                capped[:, j] = np.minimum(outcomes[:, j], self.values[j - 1])
        return capped

    def find(self, costs: Array) -> None:
        """Learn the caps from all costs and latencies at once, shape (n, n_caps)."""
        tops = costs.max(axis=0)
        if self.quantile is not None:
            tops = np.quantile(costs, self.quantile, axis=0)
        for j, found in enumerate(self.is_found):
            if found:
                # Where nothing costs anything, any cap says so.
                self.values[j] = float(tops[j] or 1.0)

    def cut(self, outcomes: Array) -> Array:
        """Return outcomes, shape (..., n_outcomes), with what is above a cap cut off."""
        return np.minimum(outcomes, [np.inf, *(cap or np.inf for cap in self.values)])

    def weights(self, preference: Array) -> Array:
        """Return what multiplies the outcomes in the reward, shape (m,) or (n, m)."""
        if not self.values:
            return preference[..., :1]
        # Costs of nothing at all leave the cap at zero; they then cost nothing in any unit.
        return preference * np.array([1.0, *(-1.0 / (cap or 1.0) for cap in self.values)])

    def _keep_first(self, costs: Array) -> None:
        known = int((self.first[:, 0] >= 0).sum())
        new = costs[: len(self.first) - known]
        if len(new) and self.quantile is not None:
            self.first[known : known + len(new)] = new
            quantiles = np.quantile(self.first[: known + len(new)], self.quantile, axis=0)
            for j, found in enumerate(self.is_found):
                if found:
                    self.values[j] = float(quantiles[j])

    def copy(self) -> Caps:
        """Return caps that go their own way."""
        other = copy.copy(self)
        other.values, other.first = list(self.values), self.first.copy()
        return other

    def restore(self, before: Caps) -> None:
        """Go back to what `copy` returned."""
        self.values[:], self.first[:] = before.values, before.first

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A process that gets it through joblib may not write to what it was given.
        self.__dict__.update(state, first=state["first"].copy())


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
        name, many = COSTS[position - 1]
        learned = n_outcomes > position
        if (given is not None) != learned:
            raise DataError(
                f"{name} is missing, but earlier feedback had it: give the {name} of every call."
                if learned
                else f"{name} is given, but earlier feedback had none: fit anew to learn {many}."
            )
