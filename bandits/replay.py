"""Full-information logs, played as a bandit: one cell of every row is ever shown."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._logs import check_available, check_logs, check_task
from metarouter.datasets import ModelMatrix
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.locks import fork_safe_lock

__all__ = ["Replay", "ReplayError", "Revealed"]


class ReplayError(MetaRouterError):
    """A router asked for more than the outcome of the arm that it chose."""


class Revealed(NamedTuple):
    """What a bandit sees of the arms that it chose."""

    outcomes: NDArray[np.float64]  # (m, n_outcomes): quality, then cost and latency where known

    @property
    def quality(self) -> NDArray[np.float64]:
        """Quality, shape (m,)."""
        return self.outcomes[:, 0]

    @property
    def cost(self) -> NDArray[np.float64] | None:
        """Cost, shape (m,); None where it was not recorded."""
        return self.outcomes[:, 1] if self.outcomes.shape[1] > 1 else None

    @property
    def latency(self) -> NDArray[np.float64] | None:
        """Latency, shape (m,); None where it was not recorded."""
        return self.outcomes[:, 2] if self.outcomes.shape[1] > 2 else None


class Replay:
    """Play logs that hold the outcome of every arm as an environment with bandit feedback.

    Parameters
    ----------
    X : array of shape (n_rounds, n_features)
        Contexts, in the order in which they arrive.
    quality : array or DataFrame of shape (n_rounds, n_arms)
        Quality of every arm's answer; NaN where none was recorded.
    cost, latency : array of the same shape, optional
        Cost and latency of every call, at least 0; latency stands beside cost.
    arms : iterable, optional
        Names of the columns; by default those of a DataFrame, else 0, 1, ...
    task : array of shape (n_rounds,), optional
        Where each query comes from.
    available : array of bool of the shape of `quality`, optional
        Which arms could be called in which round; by default all, always.

    Attributes
    ----------
    available : ndarray of bool, shape (n_rounds, n_arms)
        Which arms can be called in which round.
    n_revealed : int
        Number of cells that were shown.
    revealed : ndarray of int, shape (n_rounds,)
        The arm that was shown in each round, -1 where none was.

    Raises
    ------
    DataError
        If shapes or the orders of columns differ, a value is infinite, a cost is negative,
        latencies stand without costs, or a round has no arm.

    Notes
    -----
    Threads may share a replay. What all arms would have done is not to be had from it: figures that
    compare with the best arm in hindsight are computed from the matrices it was made of.

    Examples
    --------
    >>> replay = Replay(np.zeros((2, 1)), [[1.0, 0.0], [0.5, 1.0]], arms=("large", "small"))
    >>> replay.reveal([0, 1], [1, 1]).quality.tolist()
    [0.0, 1.0]
    >>> replay.n_revealed
    2
    >>> replay.reveal(0, 0)
    Traceback (most recent call last):
    ...
    bandits.replay.ReplayError: Round 0 has shown the outcome of 'small'; nobody will ever know \
what 'large' would have done.
    """

    def __init__(
        self,
        X: Any,
        quality: Any,
        cost: Any = None,
        latency: Any = None,
        *,
        arms: Iterable[Any] | None = None,
        task: ArrayLike | None = None,
        available: ArrayLike | None = None,
    ) -> None:
        n_queries = np.shape(X)[0] if np.ndim(X) else 0
        logs = check_logs(quality, cost, latency, arms, n_queries)
        self._outcomes, self.arms = logs
        if not n_queries:
            raise DataError("X has 0 rows; give at least one round.")
        shape = self._outcomes.shape[:2]
        self.X = X
        self.task = None if task is None else check_task(task, shape[0])
        self.available = check_available(available, shape)
        self.revealed = np.full(self.n_rounds, -1, dtype=np.intp)
        self._lock = fork_safe_lock()

    @classmethod
    def from_matrix(cls, matrix: ModelMatrix, rows: Any = slice(None)) -> Replay:
        """Play some rows of published logs.

        Parameters
        ----------
        matrix : ModelMatrix
        rows : index, default all
            In the order in which they are to arrive.
        """
        return cls(
            matrix.X[rows],
            matrix.quality[rows],
            None if matrix.cost is None else matrix.cost[rows],
            arms=matrix.models,
            task=matrix.task[rows],
        )

    @property
    def n_rounds(self) -> int:
        """Number of rounds."""
        return len(self._outcomes)

    @property
    def n_arms(self) -> int:
        """Number of arms."""
        return len(self.arms)

    @property
    def has_cost(self) -> bool:
        """Whether costs were recorded."""
        return self.n_outcomes > 1

    @property
    def n_outcomes(self) -> int:
        """Outcomes that were recorded: 1 quality, 2 cost as well, 3 latency as well."""
        return self._outcomes.shape[2]

    @property
    def n_revealed(self) -> int:
        """Number of cells that were shown."""
        return int((self.revealed >= 0).sum())

    def reset(self) -> None:
        """Forget what was shown: the stream can be played anew."""
        with self._lock:
            self.revealed[:] = -1

    def reveal(self, rows: Any, arm: Any) -> Revealed:
        """Show what the chosen arms did.

        Parameters
        ----------
        rows : int or array of int, shape (m,)
            Rounds, each at most once in a call.
        arm : int or array of int, shape (m,)
            Position of the arm chosen in each.

        Returns
        -------
        Revealed
            Quality, cost and latency, shape (m,). A cell that was shown before is shown again for
            nothing.

        Raises
        ------
        ReplayError
            If another arm of a round was shown before, the arm was not to be had in that round,
            nothing was recorded for it, or there is no such round or arm. Then nothing is shown.
        """
        rounds, chosen = _positions("rows", rows), _positions("arm", arm)
        if chosen.shape != rounds.shape:
            if len(chosen) != 1:
                raise ReplayError(
                    f"arm has {len(chosen)} positions but rows has {len(rounds)}; give one for "
                    "each round, or one for all."
                )
            chosen = np.broadcast_to(chosen, rounds.shape)
        with self._lock:
            self._require_one_cell_each(rounds, chosen)
            shown = Revealed(self._outcomes[rounds, chosen])
            self._require_recorded(shown, rounds, chosen)
            self.revealed[rounds] = chosen
        return shown

    def _changed(self, outcomes: NDArray[np.float64], available: NDArray[np.bool_]) -> Replay:
        """Return the same rounds in another world; what is shown of one is shown of both."""
        other = copy.copy(self)
        other._outcomes, other._lock = outcomes, self._lock
        other.available = check_available(available, outcomes.shape[:2])
        return other

    def _require_one_cell_each(self, rounds: NDArray[np.intp], arms: NDArray[np.intp]) -> None:
        if (rounds < 0).any() or (arms < 0).any():
            raise ReplayError("Rounds and arms are counted from 0; give no negative ones.")
        if len(rounds) > 1 and len(np.unique(rounds)) < len(rounds):
            raise ReplayError(
                f"{len(rounds) - len(np.unique(rounds))} of {len(rounds)} rounds are asked for "
                "twice in one call; ask for each once."
            )
        try:
            before, offered = self.revealed[rounds], self.available[rounds, arms]
        except IndexError:
            raise ReplayError(
                f"There are {self.n_rounds} rounds and {self.n_arms} arms, counted from 0; row "
                f"{rounds.max()} or arm {arms.max()} is none of them."
            ) from None
        second = (before >= 0) & (before != arms)
        if second.any():
            i = int(np.argmax(second))
            raise ReplayError(
                f"Round {rounds[i]} has shown the outcome of {self.arms[before[i]]!r}; nobody "
                f"will ever know what {self.arms[arms[i]]!r} would have done."
            )
        if not offered.all():
            i = int(np.argmin(offered))
            raise ReplayError(
                f"{self.arms[arms[i]]!r} could not be called in round {rounds[i]}; choose among "
                "the arms that replay.available names."
            )

    def _require_recorded(
        self, shown: Revealed, rounds: NDArray[np.intp], arms: NDArray[np.intp]
    ) -> None:
        missing = np.isnan(shown.outcomes)
        if missing.any():
            i = int(np.argmax(missing.any(axis=1)))
            lacking = ("quality", "cost", "latency")[int(np.argmax(missing[i]))]
            raise ReplayError(
                f"The {lacking} of arm {self.arms[arms[i]]!r} is NaN in row {rounds[i]} "
                f"({int(missing.any(axis=1).sum())} of {len(rounds)} rows asked for); leave out "
                "those rows, or those arms."
            )

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=fork_safe_lock())


def _positions(name: str, values: Any) -> NDArray[np.intp]:
    """Return positions as a row of whole numbers."""
    positions = np.atleast_1d(values)
    if not positions.size:
        return np.empty(0, dtype=np.intp)
    if positions.dtype.kind not in "iu" or positions.ndim != 1:
        raise ReplayError(
            f"{name} is {positions.dtype} of shape {positions.shape}; give one position or a row "
            "of them, whole numbers counted from 0."
        )
    return positions
