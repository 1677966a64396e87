"""Logs of all models, played as duels: two answers of every query are compared, nothing more."""

from __future__ import annotations

import copy
from collections.abc import Iterable
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from bandits._arms import check_arms, positions_of
from bandits._validation import check_matrix, check_outcome
from bandits.replay import ReplayError
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import check_parameter, check_whole

__all__ = ["DuelingReplay", "play_duels"]

Array = NDArray[np.float64]
Positions = NDArray[np.intp]


class DuelingReplay:
    """Play logs that hold the utility of every arm as an environment with dueling feedback.

    In every round two arms are called, and who won is shown: never a utility, and never a third
    arm. The first arm wins with probability 1 / (1 + exp(-scale (u_first - u_second)))
    (Bradley-Terry); an arm meets itself in a fair toss. What would come of a pair is settled by
    one uniform number per round, so that a replay that is played again gives the same answers,
    and the order in which two arms are named changes nothing but the sign.

    Parameters
    ----------
    X : array of shape (n_rounds, n_features)
        Contexts, in the order in which they arrive.
    utility : array or DataFrame of shape (n_rounds, n_arms)
        What a caller compares, such as quality minus lambda times cost; NaN where nothing was
        recorded.
    scale : float, default=1.0
        Log odds per unit of utility, above 0.
    tie_margin : float, default=0.0
        A difference of utilities of at most this is a tie, outcome 0, where it is above 0.
    arms : iterable, optional
        Names of the columns; by default those of a DataFrame, else 0, 1, ...
    task : array of shape (n_rounds,), optional
        Where each query comes from.
    random_state : int, default=0

    Attributes
    ----------
    n_rounds, n_arms : int
    n_looks : int
        Answers that were looked at: two per round that was played.
    played : ndarray of int, shape (n_rounds, 2)
        The two arms of every round, -1 where none was played.
    is_complete : bool
        Whether every pair can be played in every round.

    Raises
    ------
    DataError
        If shapes differ, a utility is infinite, or there are fewer than two arms.

    Examples
    --------
    >>> replay = DuelingReplay(np.zeros((2, 1)), [[1.0, 0.0], [0.0, 1.0]], scale=50.0)
    >>> replay.duel([0, 1], [0, 0], [1, 1]).tolist()
    [1, -1]
    >>> replay.n_looks
    4
    """

    def __init__(
        self,
        X: Any,
        utility: Any,
        *,
        scale: float = 1.0,
        tie_margin: float = 0.0,
        arms: Iterable[Any] | None = None,
        task: ArrayLike | None = None,
        random_state: int = 0,
    ) -> None:
        check_parameter("scale", scale, lambda value: value > 0, "a number above 0")
        check_parameter("tie_margin", tie_margin, lambda v: v >= 0, "a number of at least 0")
        self._utility = check_matrix("utility", utility, None)
        named = getattr(utility, "columns", range(self._utility.shape[1]))
        self._begin(X, len(self._utility), named if arms is None else arms, task, random_state)
        if self._utility.shape[1] != len(self.arms):
            raise DataError(
                f"utility has {self._utility.shape[1]} columns but there are {len(self.arms)} "
                "arms; give one per arm."
            )
        self._scale, self._tie_margin = float(scale), float(tie_margin)
        self.is_complete = not np.isnan(self._utility).any()

    @classmethod
    def from_votes(
        cls,
        X: Any,
        row: ArrayLike,
        first: Any,
        second: Any,
        outcome: Any,
        *,
        arms: Iterable[Any] | None = None,
        task: ArrayLike | None = None,
    ) -> DuelingReplay:
        """Play votes that people have cast; only the pairs that were voted on can be played.

        Parameters
        ----------
        X : array of shape (n_rounds, n_features)
            One row per query.
        row : array of int, shape (n_votes,)
            The query of each vote.
        first, second : array of shape (n_votes,)
            Names of the arms.
        outcome : array of shape (n_votes,)
            1, -1 or 0. Of several votes on one pair and query the sign of the sum counts.
        """
        names = check_arms(
            dict.fromkeys([*np.asarray(first).tolist(), *np.asarray(second).tolist()])
            if arms is None
            else arms
        )
        replay = cls.__new__(cls)
        replay._begin(X, np.shape(X)[0], names, task, 0)
        votes = check_outcome("outcome", outcome, len(np.atleast_1d(row)))
        a, b = positions_of(first, names, "first"), positions_of(second, names, "second")
        rows = np.asarray(row, dtype=np.intp)
        total = np.zeros((replay.n_rounds, replay.n_arms, replay.n_arms))
        count = np.zeros_like(total)
        for i, j, sign in ((a, b, 1.0), (b, a, -1.0)):
            np.add.at(total, (rows, i, j), sign * votes)
            np.add.at(count, (rows, i, j), 1.0)
        replay._votes = np.where(count > 0, np.sign(total), np.nan)
        replay.is_complete = False
        return replay

    def _begin(self, X: Any, n_rounds: int, arms: Iterable[Any], task: Any, seed: int) -> None:
        if not n_rounds or np.ndim(X) != 2 or np.shape(X)[0] != n_rounds:
            raise DataError(
                f"X has shape {np.shape(X)} but there are {n_rounds} rounds; give one row of "
                "features per round, at least one."
            )
        self.X, self.arms = X, check_arms(arms)
        if len(self.arms) < 2:
            raise DataError(f"There is one arm, {self.arms[0]!r}; a duel needs at least two.")
        self.task = None if task is None else np.asarray(task)
        if self.task is not None and self.task.shape != (n_rounds,):
            raise DataError(
                f"task has shape {self.task.shape} but there are {n_rounds} rounds; give one each."
            )
        self._uniform = np.random.default_rng(seed).random(n_rounds)
        self._votes: Array | None = None
        self._cycle = 0.0
        self.played = np.full((n_rounds, 2), -1, dtype=np.intp)
        self._lock = Lock()

    @property
    def n_rounds(self) -> int:
        """Number of rounds."""
        return len(self.played)

    @property
    def n_arms(self) -> int:
        """Number of arms."""
        return len(self.arms)

    @property
    def n_looks(self) -> int:
        """Answers that were looked at: two for every round that was played."""
        return 2 * int((self.played[:, 0] >= 0).sum())

    def non_transitive(self, strength: float) -> DuelingReplay:
        """Return the same rounds with preferences that run in a circle.

        `strength` sin(2 pi (j - i) / n_arms) is added to the log odds that arm i beats arm j: each
        arm gains on those that follow it in the list and loses to those before it.
        """
        self._require_utilities("non_transitive")
        other = self._fresh()
        other._cycle = float(strength)
        return other

    def drifting(self, start: int, order: Iterable[int] | None = None) -> DuelingReplay:
        """Return the same rounds with arms that change places from some round on.

        Parameters
        ----------
        start : int
            First round of the new world.
        order : permutation of range(n_arms), optional
            Arm k then has the utilities of arm order[k]; by default the list is reversed.
        """
        self._require_utilities("drifting")
        columns = list(range(self.n_arms))[::-1] if order is None else list(order)
        if sorted(columns) != list(range(self.n_arms)):
            raise DataError(f"order is {columns}; give every position of an arm once.")
        other = self._fresh()
        other._utility = self._utility.copy()
        other._utility[start:] = self._utility[start:][:, columns]
        return other

    def reset(self) -> None:
        """Forget what was played: the stream can be played anew."""
        with self._lock:
            self.played[:] = -1

    def can_play(self, rows: Any, first: Any, second: Any) -> NDArray[np.bool_]:
        """Say whether something was recorded for a pair; of votes most pairs have none."""
        rows, first, second = self._positions(rows, first, second)
        return self._recorded(rows, first, second)

    def _recorded(self, rows: Positions, first: Positions, second: Positions) -> NDArray[np.bool_]:
        if self.is_complete:
            return np.ones(len(rows), dtype=bool)
        if self._votes is not None:
            return np.asarray(~np.isnan(self._votes[rows, first, second]) | (first == second))
        recorded = ~np.isnan(self._utility[rows, first] + self._utility[rows, second])
        return np.asarray(recorded)

    def duel(self, rows: Any, first: Any, second: Any) -> NDArray[np.intp]:
        """Show who won.

        Parameters
        ----------
        rows : int or array of int, shape (m,)
            Rounds, each at most once in a call.
        first, second : int or array of int, shape (m,)
            Positions of the two arms.

        Returns
        -------
        ndarray of int, shape (m,)
            1 where the first won, -1 where the second did, 0 for a tie. A duel that was played
            before is shown again for nothing.

        Raises
        ------
        ReplayError
            If another pair was played in a round, nothing was recorded for this one, or there is
            no such round or arm. Then nothing is shown.
        """
        rows, first, second = self._positions(rows, first, second)
        if len(rows) > 1 and len(np.unique(rows)) < len(rows):
            raise ReplayError("A round is asked for twice in one call; ask for each once.")
        pair = np.sort(np.column_stack([first, second]), axis=1)
        with self._lock:
            before = self.played[rows]
            third = (before[:, 0] >= 0) & (before != pair).any(axis=1)
            if third.any():
                i = int(np.argmax(third))
                shown = " and ".join(repr(self.arms[k]) for k in before[i])
                raise ReplayError(
                    f"Round {rows[i]} has compared {shown}; nobody will ever know what "
                    f"{self.arms[first[i]]!r} and {self.arms[second[i]]!r} would have done."
                )
            recorded = self._recorded(rows, first, second)
            if not recorded.all():
                i = int(np.argmin(recorded))
                raise ReplayError(
                    f"Nothing was recorded for {self.arms[first[i]]!r} and "
                    f"{self.arms[second[i]]!r} in round {rows[i]} ({int((~recorded).sum())} of "
                    f"{len(rows)} rows asked for); choose pairs that can_play names."
                )
            outcome = self._outcome(rows, pair[:, 0], pair[:, 1])
            self.played[rows] = pair
        return np.where(first <= second, outcome, -outcome).astype(np.intp)

    def _outcome(self, rows: Positions, low: Positions, high: Positions) -> Array:
        """Return who wins of two arms in the order of the list."""
        if self._votes is not None:
            return np.nan_to_num(self._votes[rows, low, high])
        gap = self._utility[rows, low] - self._utility[rows, high]
        turn = np.sin(2 * np.pi * (high - low) / self.n_arms)
        chance = expit(self._scale * gap + self._cycle * turn)
        outcome = np.where(self._uniform[rows] < chance, 1.0, -1.0)
        tied = (np.abs(gap) <= self._tie_margin) & (self._tie_margin > 0)
        return np.where(tied, 0.0, outcome)

    def _positions(self, rows: Any, first: Any, second: Any) -> tuple[Positions, ...]:
        columns = []
        for name, values, n in (
            ("rows", rows, self.n_rounds), ("first", first, self.n_arms),
            ("second", second, self.n_arms),
        ):  # fmt: skip
            column = np.atleast_1d(values)
            if column.ndim != 1 or (column.size and column.dtype.kind not in "iu"):
                raise ReplayError(
                    f"{name} is {column.dtype} of shape {column.shape}; give positions, whole "
                    "numbers counted from 0."
                )
            if column.size and (column.min() < 0 or column.max() >= n):
                raise ReplayError(
                    f"{name} holds {column.max() if column.max() >= n else column.min()}; give "
                    f"positions from 0 to {n - 1}."
                )
            columns.append(column.astype(np.intp))
        if not len(columns[0]) == len(columns[1]) == len(columns[2]):
            raise ReplayError("rows, first and second differ in length; give one pair per round.")
        return tuple(columns)

    def _require_utilities(self, what: str) -> None:
        if self._votes is not None:
            raise DataError(
                f"{what} changes utilities, but this replay holds votes; there are none."
            )

    def _fresh(self) -> DuelingReplay:
        other = copy.copy(self)
        other.played, other._lock = np.full_like(self.played, -1), Lock()
        return other

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_lock"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state, _lock=Lock())


@validated()
def play_duels(
    router: Any,
    replay: DuelingReplay,
    *,
    batch: int = 1,
    preference: ArrayLike | None = None,
    propensity: bool = False,
) -> dict[str, NDArray[Any]]:
    """Let a router choose, see who won and learn, round by round.

    A round whose pair was never voted on is skipped, and nothing is learned from it (rejection, as
    in Li, Chu, Langford & Wang 2011).

    Parameters
    ----------
    router : DuelingRouter
    replay : DuelingReplay
    batch : int, default=1
        Rounds that are decided before who won is learned.
    preference : pair, optional
    propensity : bool, default=False
        Whether to record the probabilities of the pairs.

    Returns
    -------
    dict of arrays of shape (n_played,)
        `row`, the positions `first` and `second`, `outcome`, and `propensity` where asked for.
    """
    check_whole("batch", batch)
    X, kept = np.asarray(replay.X), []
    for start in range(0, replay.n_rounds, batch):
        rows = np.arange(start, min(start + batch, replay.n_rounds))
        first, second, chance = router.sample_pair(X[rows], preference, propensity=propensity)
        i, j = positions_of(first, replay.arms), positions_of(second, replay.arms)
        if not replay.is_complete:
            can = replay.can_play(rows, i, j)
            rows, i, j, first, second = rows[can], i[can], j[can], first[can], second[can]
            chance = None if chance is None else chance[can]
            if not len(rows):
                continue
        outcome = replay.duel(rows, i, j)
        router.partial_fit(X[rows], first, second, outcome)
        kept.append((rows, i, j, outcome) if chance is None else (rows, i, j, outcome, chance))
    names = ("row", "first", "second", "outcome", *(("propensity",) if propensity else ()))
    if not kept:
        return {name: np.empty(0, dtype=np.intp) for name in names}
    columns = zip(*kept, strict=True)
    return {name: np.concatenate(parts) for name, parts in zip(names, columns, strict=True)}
