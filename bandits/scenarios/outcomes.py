"""Scenarios in which the arms change: what they cost and how well they answer."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits.scenarios.stream import Scenario, Stream
from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameter, check_whole

__all__ = ["PriceChange", "QualityDrift", "QualitySwap"]


@dataclass(frozen=True)
class PriceChange(Scenario):
    """From a round on, an arm costs a multiple of what it did.

    Parameters
    ----------
    arm : str or int
    factor : float
        At least 0.
    at : int
        First round with the new price.

    Examples
    --------
    >>> from bandits import Replay
    >>> stream = Stream.of(Replay(np.zeros((3, 1)), np.ones((3, 2)), np.ones((3, 2))))
    >>> PriceChange(arm=1, factor=0.5, at=2)(stream, np.random.default_rng(0)).cost[:, 1].tolist()
    [1.0, 1.0, 0.5]
    """

    stage: ClassVar[int] = 0

    arm: Any
    factor: float
    at: int

    def __post_init__(self) -> None:
        name = "factor of PriceChange"
        check_parameter(name, self.factor, lambda factor: factor >= 0, "a number from 0 up")

    def __call__(self, stream: Stream, rng: Generator) -> Stream:
        """Return the stream with the new price."""
        stream.require_round(self.at)
        if stream.cost is None:
            raise DataError("PriceChange needs costs, but the replay has none: give it cost=.")
        cost = stream.cost.copy()
        cost[self.at :, stream.position(self.arm)] *= self.factor
        return replace(stream, cost=cost)


@dataclass(frozen=True)
class QualityDrift(Scenario):
    """From a round on, an arm gets better or worse, at once or little by little.

    Parameters
    ----------
    arm : str or int
    change : float
        What is added to its quality in the end. Sums are cut off at the least and the largest
        quality in the replay, so that a quality of 0 or 1 does not leave its range.
    at : int
        First round of the drift.
    over : int, default=1
        Rounds that it takes; the change grows linearly.
    """

    stage: ClassVar[int] = 0

    arm: Any
    change: float
    at: int
    over: int = 1

    def __post_init__(self) -> None:
        name = "change of QualityDrift"
        check_parameter(name, self.change, lambda change: True, "a finite number")
        check_whole("over of QualityDrift", self.over)

    def __call__(self, stream: Stream, rng: Generator) -> Stream:
        """Return the stream with the drift."""
        column, quality = stream.position(self.arm), stream.quality.copy()
        progress = _progress(stream, self.at, self.over)
        drifted = np.clip(quality[:, column] + self.change * progress, *stream.quality_range)
        quality[:, column] = np.where(progress > 0, drifted, quality[:, column])
        return replace(stream, quality=quality)


@dataclass(frozen=True)
class QualitySwap(Scenario):
    """From a round on, two arms trade their qualities, at once or in more and more rounds.

    Parameters
    ----------
    arm, other : str or int
    at : int
        First round in which they may be swapped.
    over : int, default=1
        Rounds after which they always are; until then the chance grows linearly, so that outcomes
        stay what they were for one of the two.
    """

    stage: ClassVar[int] = 0

    arm: Any
    other: Any
    at: int
    over: int = 1

    def __post_init__(self) -> None:
        check_whole("over of QualitySwap", self.over)

    def __call__(self, stream: Stream, rng: Generator) -> Stream:
        """Return the stream with the swap."""
        one, other = stream.position(self.arm), stream.position(self.other)
        swapped = rng.random(stream.n_rounds) < _progress(stream, self.at, self.over)
        quality = stream.quality.copy()
        quality[swapped, one] = stream.quality[swapped, other]
        quality[swapped, other] = stream.quality[swapped, one]
        return replace(stream, quality=quality)


def _progress(stream: Stream, at: int, over: int) -> NDArray[np.float64]:
    """Return how much of a drift has happened in every round, from 0 to 1, shape (n,)."""
    stream.require_round(at)
    return np.clip((np.arange(stream.n_rounds) - at + 1) / over, 0.0, 1.0)
