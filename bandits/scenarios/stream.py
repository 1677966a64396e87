"""The world a router is played in, as tables of what would happen in every round with every arm."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from bandits._logs import Logs
from bandits.replay import Replay
from metarouter.exceptions import DataError
from metarouter.utils.names import nearest
from metarouter.utils.parameters import check_whole, shown

__all__ = ["Scenario", "Stream"]


@dataclass(frozen=True)
class Stream:
    """Potential outcomes and potential feedback of every round and arm, tables of (n, n_arms).

    Everything is laid down before the first round is played, so that two routers that are played
    with one seed live in the same world, whatever they choose.

    Parameters
    ----------
    arms : tuple
        Names of the columns.
    quality : ndarray
        What each arm would do.
    cost, latency : ndarray or None
        What it would take, in money and in time.
    available : ndarray of bool
        Whether it could be called.
    delay : ndarray
        Rounds after which the feedback of this cell would arrive: 0 is before the next round, inf
        never.
    error : ndarray
        What the feedback would add to the quality.
    """

    arms: tuple[Any, ...]
    quality: NDArray[np.float64]
    cost: NDArray[np.float64] | None
    available: NDArray[np.bool_]
    delay: NDArray[np.float64]
    error: NDArray[np.float64]
    latency: NDArray[np.float64] | None = None

    @classmethod
    def of(cls, replay: Replay) -> Stream:
        """Return the plain world of a replay: feedback comes at once and is true."""
        nothing = np.broadcast_to(0.0, replay.available.shape)
        logs = Logs(replay._outcomes, replay.arms)
        return cls(
            tuple(replay.arms),
            logs.quality,
            logs.cost,
            replay.available,
            nothing,
            nothing,
            logs.latency,
        )

    def under(self, scenarios: Iterable[Scenario], rng: Generator) -> Stream:
        """Return the world as some scenarios make it.

        Parameters
        ----------
        scenarios : iterable of Scenario
            Outcomes change first, then arms, then feedback; within a kind, in the order given.
        rng : Generator
            Every scenario draws from a child of its own.

        Raises
        ------
        DataError
            If one does not fit: an arm or a round that is not there, a round left without any arm.
        """
        chosen = list(scenarios) if isinstance(scenarios, Iterable) else [scenarios]
        for scenario in chosen:
            if not isinstance(scenario, Scenario):
                raise DataError(
                    f"scenario holds {shown(scenario)}, which is none: give one of "
                    "bandits.scenarios, or a list of them."
                )
        stream = self
        seeded = zip(chosen, rng.spawn(len(chosen)), strict=True)
        for scenario, own in sorted(seeded, key=lambda pair: pair[0].stage):
            stream = scenario(stream, own)
        return stream

    @property
    def logs(self) -> Logs:
        """What each arm would do, as one table."""
        costs = [costs for costs in (self.cost, self.latency) if costs is not None]
        return Logs(np.stack([self.quality, *costs], axis=2), list(self.arms))

    @property
    def n_rounds(self) -> int:
        """Number of rounds."""
        return len(self.quality)

    @property
    def quality_range(self) -> tuple[float, float]:
        """Least and largest quality of all cells."""
        return float(np.nanmin(self.quality)), float(np.nanmax(self.quality))

    def position(self, arm: Any) -> int:
        """Return the column of an arm.

        Raises
        ------
        DataError
            If there is none.
        """
        if arm not in self.arms:
            raise DataError(
                f"A scenario names {arm!r}{nearest(str(arm), map(str, self.arms))}, which is no "
                f"arm of the replay: choose one of {', '.join(map(repr, self.arms))}."
            )
        return self.arms.index(arm)

    def require_round(self, at: int) -> None:
        """Refuse a round that is not in the stream.

        Raises
        ------
        DataError
        """
        check_whole("at", at, 0)
        if at >= self.n_rounds:
            raise DataError(
                f"A scenario begins at round {at}, but rounds go from 0 to {self.n_rounds - 1}."
            )


class Scenario(ABC):
    """What happens to the world; a small frozen object that maps a stream to a stream.

    A scenario changes one of three things, and `stage` says which: what the arms do (0), which
    arms there are (1), or when, whether and what feedback arrives (2).
    """

    stage: ClassVar[int]

    @abstractmethod
    def __call__(self, stream: Stream, rng: Generator) -> Stream:
        """Return the changed stream; the one given is left as it is."""
