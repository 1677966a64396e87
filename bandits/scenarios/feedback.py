"""Scenarios of feedback that comes late, not at all, or wrong."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits.scenarios.stream import Scenario, Stream
from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameter

__all__ = ["CensoredFeedback", "DelayedFeedback", "MissingFeedback", "PoisonedFeedback"]


@dataclass(frozen=True)
class DelayedFeedback(Scenario):
    """Feedback comes some rounds after the call, and so out of order where the delays differ.

    Parameters
    ----------
    rounds : int or frozen scipy distribution
        The delay of every call, or what it is drawn from, such as ``scipy.stats.poisson(20)``; 0
        is before the next round. What would come after the last round never comes.

    Examples
    --------
    >>> from bandits import Replay
    >>> stream = Stream.of(Replay(np.zeros((2, 1)), np.ones((2, 2))))
    >>> DelayedFeedback(10)(stream, np.random.default_rng(0)).delay.tolist()
    [[10.0, 10.0], [10.0, 10.0]]
    """

    stage: ClassVar[int] = 2

    rounds: Any

    def __call__(self, stream: Stream, rng: Generator) -> Stream:
        """Return the stream with later feedback."""
        draw = getattr(self.rounds, "rvs", None)
        rounds = self.rounds if draw is None else draw(size=(stream.n_rounds, 1), random_state=rng)
        try:
            delay = np.asarray(rounds, dtype=np.float64)
        except (TypeError, ValueError):
            delay = np.array(np.nan)
        if not (np.isfinite(delay) & (delay >= 0)).all():
            wrong = rounds if draw is None else delay.min()
            raise DataError(f"DelayedFeedback has a delay of {wrong!r} rounds; give 0 or more.")
        return replace(stream, delay=stream.delay + delay)


@dataclass(frozen=True)
class MissingFeedback(Scenario):
    """Some calls never get any feedback, whatever came of them (missing completely at random).

    Parameters
    ----------
    share : float
        Share of the rounds, from 0 to 1.
    """

    stage: ClassVar[int] = 2

    share: float

    def __post_init__(self) -> None:
        _check_share(self, "share")

    def __call__(self, stream: Stream, rng: Generator) -> Stream:
        """Return the stream with less feedback."""
        return _without(stream, rng.random((stream.n_rounds, 1)) < self.share)


@dataclass(frozen=True)
class CensoredFeedback(Scenario):
    """Whether feedback comes depends on what it would say (missing not at random).

    People thank for a very good answer or complain of a very bad one. The share that stays silent
    runs linearly from the least quality in the replay to the largest.

    Parameters
    ----------
    share_at_worst, share_at_best : float
        Shares that stay silent, from 0 to 1.
    """

    stage: ClassVar[int] = 2

    share_at_worst: float
    share_at_best: float

    def __post_init__(self) -> None:
        _check_share(self, "share_at_worst")
        _check_share(self, "share_at_best")

    def __call__(self, stream: Stream, rng: Generator) -> Stream:
        """Return the stream with less feedback."""
        shares = (self.share_at_worst, self.share_at_best)
        silent = np.interp(stream.quality, stream.quality_range, shares)
        return _without(stream, rng.random((stream.n_rounds, 1)) < silent)


@dataclass(frozen=True)
class PoisonedFeedback(Scenario):
    """Some feedback says the opposite: the quality is mirrored within the range of the replay.

    The outcome itself, its cost and the regret stay what they are.

    Parameters
    ----------
    share : float
        Share of the rounds, from 0 to 1.
    arm : str or int, optional
        Lie about this arm only.
    """

    stage: ClassVar[int] = 2

    share: float
    arm: Any = None

    def __post_init__(self) -> None:
        _check_share(self, "share")

    def __call__(self, stream: Stream, rng: Generator) -> Stream:
        """Return the stream with wrong feedback."""
        columns = slice(None) if self.arm is None else stream.position(self.arm)
        lies = np.zeros(stream.quality.shape, dtype=bool)
        lies[:, columns] = True
        lies &= rng.random((stream.n_rounds, 1)) < self.share
        opposite = sum(stream.quality_range) - 2.0 * stream.quality
        return replace(stream, error=np.where(lies, opposite, stream.error))


def _check_share(scenario: Scenario, name: str) -> None:
    what = f"{name} of {type(scenario).__name__}"
    share = getattr(scenario, name)
    check_parameter(what, share, lambda share: 0 <= share <= 1, "a number from 0 to 1")


def _without(stream: Stream, silent: NDArray[np.bool_]) -> Stream:
    return replace(stream, delay=np.where(silent, np.inf, stream.delay))
