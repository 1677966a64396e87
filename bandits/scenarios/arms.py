"""Scenarios in which models come and go."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from numpy.random import Generator

from bandits.scenarios.stream import Scenario, Stream

__all__ = ["NewModel", "WithdrawnModel"]


@dataclass(frozen=True)
class NewModel(Scenario):
    """An arm that cannot be called before a round: a router starts cold with it.

    Parameters
    ----------
    arm : str or int
    at : int
        First round in which it can be called.

    Examples
    --------
    >>> import numpy as np
    >>> from bandits import LinUCB, Replay
    >>> from bandits.play import play
    >>> replay = Replay(np.ones((6, 1)), np.tile([0.2, 0.9], (6, 1)), arms=("old", "new"))
    >>> play(LinUCB(random_state=0), replay, scenario=NewModel("new", at=3)).action.tolist()
    ['old', 'old', 'old', 'new', 'new', 'new']
    """

    stage: ClassVar[int] = 1

    arm: Any
    at: int

    def __call__(self, stream: Stream, rng: Generator) -> Stream:
        """Return the stream without the arm in the first rounds."""
        stream.require_round(self.at)
        available = stream.available.copy()
        available[: self.at, stream.position(self.arm)] = False
        return replace(stream, available=available)


@dataclass(frozen=True)
class WithdrawnModel(Scenario):
    """An arm that cannot be called from a round on; feedback still on its way is lost.

    Parameters
    ----------
    arm : str or int
    at : int
        First round in which it cannot be called.
    """

    stage: ClassVar[int] = 1

    arm: Any
    at: int

    def __call__(self, stream: Stream, rng: Generator) -> Stream:
        """Return the stream without the arm in the last rounds."""
        stream.require_round(self.at)
        available = stream.available.copy()
        available[self.at :, stream.position(self.arm)] = False
        return replace(stream, available=available)
