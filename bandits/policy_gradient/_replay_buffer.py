"""Feedback that is kept, the latest so many rows, to be learned from more than once."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits.base import Feedback

__all__ = ["ReplayBuffer"]


class ReplayBuffer:
    """A ring of rows of feedback with propensities.

    Parameters
    ----------
    size : int
        Rows that are kept; the oldest make room.
    n_features, n_outcomes : int
    """

    def __init__(self, size: int, n_features: int, n_outcomes: int) -> None:
        self.X = np.zeros((size, n_features))
        self.arm = np.full(size, -1, dtype=np.intp)  # -1 where there is none
        self.outcomes = np.zeros((size, n_outcomes))
        self.propensity = np.ones(size)
        self.next = 0
        self.mark()

    def mark(self) -> None:
        """Take what is kept now as what `roll_back` goes back to."""
        self._overwritten: list[tuple[NDArray[np.intp], Feedback, int]] = []

    def roll_back(self) -> None:
        """Undo what was added since the mark."""
        while self._overwritten:
            rows, before, self.next = self._overwritten.pop()
            self._put(rows, before)

    def add(self, feedback: Feedback) -> None:
        """Keep rows; without propensities nothing is kept, for they cannot be weighted later."""
        if feedback.propensity is None or not len(self.arm):
            return
        rows = (self.next + np.arange(len(feedback.X)))[-len(self.arm) :] % len(self.arm)
        self._overwritten.append((rows, self._at(rows), self.next))
        last = slice(-len(rows), None)
        self._put(
            rows,
            Feedback(
                feedback.X[last],
                feedback.arm[last],
                feedback.outcomes[last],
                feedback.propensity[last],
            ),
        )
        self.next = (self.next + len(feedback.X)) % len(self.arm)

    def _at(self, rows: NDArray[np.intp]) -> Feedback:
        return Feedback(self.X[rows], self.arm[rows], self.outcomes[rows], self.propensity[rows])

    def _put(self, rows: NDArray[np.intp], feedback: Feedback) -> None:
        self.X[rows], self.arm[rows], self.outcomes[rows], self.propensity[rows] = feedback

    def draw(self, size: int, rng: Generator) -> Feedback:
        """Return rows drawn with replacement; as many as there are where these are fewer."""
        kept = np.flatnonzero(self.arm >= 0)
        rows = kept[rng.integers(len(kept), size=min(size, len(kept)))] if len(kept) else kept
        return self._at(rows)

    def remove_arm(self, position: int) -> None:
        """Forget what an arm did; the arms after it move up."""
        self.arm[self.arm == position] = -1
        self.arm[self.arm > position] -= 1

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_overwritten"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A process that gets it through joblib may not write to what it was given.
        self.__dict__.update({name: np.array(value) for name, value in state.items()})
        self.next = int(self.next)
        self.mark()

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what is kept."""
        return {
            "memory_X": self.X,
            "memory_arm": self.arm,
            "memory_outcomes": self.outcomes,
            "memory_propensity": self.propensity,
            "memory_next": np.array(self.next),
        }

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned."""
        self.X, self.arm = arrays["memory_X"], arrays["memory_arm"]
        self.outcomes, self.propensity = arrays["memory_outcomes"], arrays["memory_propensity"]
        self.next = int(arrays["memory_next"])
