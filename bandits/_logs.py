"""Logs that hold the outcome of every arm, checked at the edge."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._arms import check_arms
from bandits._caps import count_outcomes
from bandits._validation import check_matrix
from metarouter.exceptions import DataError
from metarouter.routing.preference_reward import reward

__all__ = [
    "Logs",
    "check_available",
    "check_logs",
    "check_matrices",
    "check_task",
    "require_all_cells",
]


class Logs(NamedTuple):
    """What every arm did on every query, NaN where nothing was recorded."""

    outcomes: NDArray[np.float64]  # (n, n_arms, n_outcomes): quality, then cost and latency
    arms: list[Any]

    @property
    def n_outcomes(self) -> int:
        """Number of outcomes that were recorded."""
        return self.outcomes.shape[2]

    @property
    def quality(self) -> NDArray[np.float64]:
        """Quality, shape (n, n_arms)."""
        return self.outcomes[:, :, 0]

    @property
    def cost(self) -> NDArray[np.float64] | None:
        """Cost where it was recorded, shape (n, n_arms)."""
        return self.outcomes[:, :, 1] if self.n_outcomes > 1 else None

    @property
    def latency(self) -> NDArray[np.float64] | None:
        """Latency where it was recorded, shape (n, n_arms)."""
        return self.outcomes[:, :, 2] if self.n_outcomes > 2 else None

    def reward(self, preference: NDArray[np.float64], caps: Sequence[float]) -> NDArray[np.float64]:
        """Return the reward of every arm, shape (n, n_arms).

        Parameters
        ----------
        preference : ndarray of shape (k,) or (n, k)
            Weights of the outcomes.
        caps : sequence of float
            The cost that counts as 1, and the latency, where they were recorded.
        """
        cost_cap, latency_cap = [*caps, 1.0, 1.0][:2]
        return reward(self.quality, self.cost, preference, cost_cap, self.latency, latency_cap)


def check_logs(
    quality: Any, cost: Any, latency: Any, arms: Iterable[Any] | None, n_queries: int | None = None
) -> Logs:
    """Return the logs as one table with names.

    Parameters
    ----------
    quality : array or DataFrame of shape (n, n_arms)
    cost, latency : array or DataFrame of the same shape, or None
    arms : iterable, or None
        Names of the columns; None takes those of a DataFrame, else 0, 1, ...
    n_queries : int, optional
        Rows that the features have.

    Raises
    ------
    DataError
        If shapes differ, a value is infinite, a cost or latency is negative, the columns of two
        frames stand in different orders, names and columns do not match, or latencies stand
        without costs.
    """
    outcomes = check_matrices(quality, cost, latency, n_queries)
    n_arms = outcomes.shape[1]
    names = check_arms(getattr(quality, "columns", range(n_arms)) if arms is None else arms)
    if len(names) != n_arms:
        raise DataError(f"arms has {len(names)} names but quality has {n_arms} columns; name each.")
    return Logs(outcomes, names)


def require_all_cells(logs: Logs) -> None:
    """Refuse logs that lack the outcome of an arm.

    Raises
    ------
    DataError
    """
    named = (("quality", logs.quality), ("cost", logs.cost), ("latency", logs.latency))
    for name, values in named:
        if values is not None and np.isnan(values).any():
            row, column = np.argwhere(np.isnan(values))[0]
            raise DataError(
                f"{name} is NaN in {int(np.isnan(values).sum())} cells (first: row {row}, column "
                f"{column}); this router learns from the outcomes of all arms: leave out rows that "
                "lack one, or train a router on chosen arms with partial_fit."
            )


def check_matrices(
    quality: Any, cost: Any, latency: Any, n_queries: int | None = None
) -> NDArray[np.float64]:
    """Return the outcomes of every arm as one table, shape (n, n_arms, n_outcomes).

    Raises
    ------
    DataError
        If shapes differ, a value is infinite, a cost or latency is negative, the columns of two
        frames stand in different orders, or latencies stand without costs.
    """
    count_outcomes(cost, latency)
    matrices = [check_matrix("quality", quality, None)]
    shape = (len(matrices[0]), matrices[0].shape[1])
    if n_queries is not None and n_queries != shape[0]:
        raise DataError(
            f"X has {n_queries} rows but quality has {shape[0]}; give one row of quality per query."
        )
    for name, costs in (("cost", cost), ("latency", latency)):
        if costs is not None:
            _require_same_columns(quality, name, costs)
            matrices.append(check_matrix(name, costs, shape))
    return np.stack(matrices, axis=2)


def _require_same_columns(quality: Any, name: str, costs: Any) -> None:
    of_quality, of_costs = (list(getattr(table, "columns", ())) for table in (quality, costs))
    if of_quality and of_costs and of_quality != of_costs:
        raise DataError(
            f"quality has the columns {of_quality} but {name} has {of_costs}: put them in one "
            "order."
        )


def check_task(task: ArrayLike, n_rounds: int) -> NDArray[Any]:
    """Return where each query comes from, shape (n,).

    Raises
    ------
    DataError
    """
    names = np.asarray(task)
    if names.shape != (n_rounds,):
        raise DataError(
            f"task has shape {names.shape} but there are {n_rounds} rounds; give one name each."
        )
    return names


def check_available(available: ArrayLike | None, shape: tuple[int, int]) -> NDArray[np.bool_]:
    """Return which arms can be called in which round; None is all, always.

    Raises
    ------
    DataError
        If the table has another shape or type, or leaves a round without any arm.
    """
    if available is None:
        return np.broadcast_to(np.True_, shape)
    table = np.array(available)
    if table.shape != shape or table.dtype != bool:
        raise DataError(
            f"available is {table.dtype} of shape {table.shape}, but booleans of shape {shape} are "
            "needed: one row per query and one column per arm."
        )
    empty = ~table.any(axis=1)
    if empty.any():
        raise DataError(
            f"available leaves no arm in {int(empty.sum())} of {shape[0]} rounds (first: round "
            f"{int(np.argmax(empty))}); leave one to call in every round."
        )
    return table
