"""Logs that hold the outcome of every arm, checked at the edge."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._arms import check_arms
from bandits._validation import check_matrix
from metarouter.exceptions import DataError

__all__ = ["Logs", "check_available", "check_logs", "check_matrices", "check_task"]


class Logs(NamedTuple):
    """What every arm did on every query, NaN where nothing was recorded."""

    quality: NDArray[np.float64]  # (n, n_arms)
    cost: NDArray[np.float64] | None  # (n, n_arms)
    arms: list[Any]


def check_logs(
    quality: Any, cost: Any, arms: Iterable[Any] | None, n_queries: int | None = None
) -> Logs:
    """Return the logs as matrices with names.

    Parameters
    ----------
    quality : array or DataFrame of shape (n, n_arms)
    cost : array or DataFrame of the same shape, or None
    arms : iterable, or None
        Names of the columns; None takes those of a DataFrame, else 0, 1, ...
    n_queries : int, optional
        Rows that the features have.

    Raises
    ------
    DataError
        If shapes differ, a value is infinite, a cost is negative, the columns of two frames stand
        in different orders, or names and columns do not match.
    """
    qualities, costs = check_matrices(quality, cost)
    n_arms = qualities.shape[1]
    if n_queries is not None and n_queries != len(qualities):
        raise DataError(
            f"X has {n_queries} rows but quality has {len(qualities)}; give one row of quality per "
            "query."
        )
    names = check_arms(getattr(quality, "columns", range(n_arms)) if arms is None else arms)
    if len(names) != n_arms:
        raise DataError(f"arms has {len(names)} names but quality has {n_arms} columns; name each.")
    return Logs(qualities, costs, names)


def check_matrices(
    quality: Any, cost: Any
) -> tuple[NDArray[np.float64], NDArray[np.float64] | None]:
    """Return quality and cost as matrices of one shape, whose columns are the same arms.

    Raises
    ------
    DataError
        If shapes differ, a value is infinite, a cost is negative, or the columns of two frames
        stand in different orders.
    """
    qualities = check_matrix("quality", quality, None)
    if cost is None:
        return qualities, None
    _require_same_columns(quality, cost)
    return qualities, check_matrix("cost", cost, (len(qualities), qualities.shape[1]))


def _require_same_columns(quality: Any, cost: Any) -> None:
    of_quality, of_cost = (list(getattr(table, "columns", ())) for table in (quality, cost))
    if of_quality and of_cost and of_quality != of_cost:
        raise DataError(
            f"quality has the columns {of_quality} but cost has {of_cost}: put them in one order."
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
