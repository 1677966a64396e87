"""A router in a replayed world: choose, see one outcome, learn, one round after the other."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import heappop, heappush
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._arms import names_of, positions_of
from bandits._caps import COSTS, caps_of
from bandits._validation import contexts, preferences_to_play
from bandits.base import BanditRouter
from bandits.play_log import PlayLog
from bandits.replay import Replay, ReplayError, Revealed
from bandits.scenarios import Scenario, Stream
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import check_whole
from metarouter.utils.random import seed_of

__all__ = ["PlayLog", "play"]

Array = NDArray[np.float64]


@validated()
def play(
    router: BanditRouter,
    replay: Replay,
    *,
    preference: ArrayLike | None = None,
    batch_size: int = 1,
    scenario: Scenario | Iterable[Scenario] = (),
    random_state: int | np.random.RandomState | None = None,
) -> PlayLog:
    """Play a router: in every round it chooses first and learns from its one outcome afterwards.

    Rewards are thus earned before anything is learned from them (prequential evaluation). The
    best arm in hindsight is kept from the router.

    Parameters
    ----------
    router : BanditRouter
        It goes on from what it knows; one that was never fitted starts with the replay's arms.
        An arm is added when it can first be called, and removed when it never can again; one
        that is out for a while is left out meanwhile, and what is known of it stays.
    replay : Replay
        Rounds of which nothing was shown yet.
    preference : weights, or array of shape (n_rounds, 2) or (n_rounds, 3), optional
        Of quality, cost and, where it is known, latency. By default drawn uniformly on the simplex
        for every round, or (1, 0) where there are no costs.
    batch_size : int, default=1
        Rounds that are decided with one state of the router, before what arrived is learned.
    scenario : Scenario or iterable of Scenario, optional
        How the world changes, and what feedback comes; see `bandits.scenarios`.
    random_state : int, RandomState or None
        Draws of the preferences and scenarios. Routers that are played with one seed live in the
        same world; how a router explores is its own seed's matter.

    Returns
    -------
    PlayLog

    Raises
    ------
    ReplayError
        If some of the replay was played before, or nothing was recorded for a chosen arm.
    DataError
        If the router and the replay do not fit, or a scenario does not fit the replay.

    Examples
    --------
    >>> from bandits import LinUCB, Replay
    >>> quality = np.tile([0.2, 0.9], (50, 1))
    >>> replay = Replay(np.ones((50, 1)), quality, arms=("small", "large"))
    >>> log = play(LinUCB(random_state=0), replay)
    >>> log.action[-1].item(), replay.n_revealed
    ('large', 50)
    """
    if replay.n_revealed:
        raise ReplayError(
            f"{replay.n_revealed} of {replay.n_rounds} rounds have been played; call "
            "replay.reset() to play a router anew."
        )
    check_whole("batch_size", batch_size)
    rng = np.random.default_rng(seed_of(random_state))
    stream = Stream.of(replay).under(
        [scenario] if isinstance(scenario, Scenario) else scenario, rng
    )
    weights = preferences_to_play(preference, replay.n_rounds, replay.n_outcomes, rng)
    return _Play(router, replay, stream, weights).run(batch_size)


class _Play:
    """A play in progress."""

    def __init__(
        self, router: BanditRouter, replay: Replay, stream: Stream, preference: Array
    ) -> None:
        self.router, self.stream, self.preference = router, stream, preference
        self.logs = stream.logs
        self.replay = replay._changed(self.logs.outcomes, stream.available)
        n_rounds = replay.n_rounds
        self.arm, self.propensity = np.zeros(n_rounds, dtype=np.intp), np.zeros(n_rounds)
        self.shown = Revealed(np.zeros((n_rounds, replay.n_outcomes)))
        self.feedback, self.arrival = np.zeros(n_rounds), np.zeros(n_rounds)
        self.learned = np.zeros(n_rounds, dtype=bool)
        self._on_its_way: list[tuple[float, int]] = []
        _prepare(router, self.replay)
        # Checked and converted once: arrays without names take the short way in every round.
        checked = contexts(router, replay.X)
        self.X = replay.X if hasattr(router, "feature_names_in_") else checked

    def run(self, batch_size: int) -> PlayLog:
        available = self.stream.available
        changes = np.flatnonzero((available[1:] != available[:-1]).any(axis=1)) + 1
        n_rounds = self.replay.n_rounds
        starts = np.union1d(np.arange(0, n_rounds, batch_size), changes)
        for start, stop in pairwise([*starts.tolist(), n_rounds]):
            _follow(self.router, available[start:], self.replay.arms)
            self._decide(np.arange(start, stop))
            self._learn(self._arrived(stop))
        return self._log()

    def _decide(self, rounds: NDArray[np.intp]) -> None:
        X = _rows(self.X, rounds)
        offered = self._offered(rounds[0])
        some = {} if offered is None else {"available": offered}
        action, self.propensity[rounds] = self.router.sample(X, self.preference[rounds], **some)
        arm = self.arm[rounds] = positions_of(action, self.replay.arms)
        shown = self.replay.reveal(rounds, arm)
        self.shown.outcomes[rounds] = shown.outcomes
        self.feedback[rounds] = shown.quality + self.stream.error[rounds, arm]
        self.arrival[rounds] = rounds + self.stream.delay[rounds, arm]
        for row in rounds.tolist():
            heappush(self._on_its_way, (float(self.arrival[row]), row))

    def _offered(self, row: int) -> NDArray[np.bool_] | None:
        """Return which of the router's arms can be called in a round; None is all of them."""
        offered = self.stream.available[row, positions_of(self.router.arms_, self.replay.arms)]
        return None if offered.all() else offered

    def _arrived(self, stop: int) -> NDArray[np.intp]:
        """Take the rounds whose feedback is there before round `stop`, in order of arrival."""
        rows = []
        while self._on_its_way and self._on_its_way[0][0] < stop:
            rows.append(heappop(self._on_its_way)[1])
        return np.array(rows, dtype=np.intp)

    def _learn(self, arrived: NDArray[np.intp]) -> None:
        action = names_of(self.arm[arrived], self.replay.arms)
        known = np.array([name in self.router.arms_ for name in action.tolist()], dtype=bool)
        rows = arrived[known]
        if not len(rows):
            return
        self.router.partial_fit(
            _rows(self.X, rows),
            action[known],
            self.feedback[rows],
            *self.shown.outcomes[rows, 1:].T,
            propensity=self.propensity[rows],
        )
        self.learned[rows] = True

    def _log(self) -> PlayLog:
        stream, shown = self.stream, self.shown
        caps = caps_of(self.router._caps.given(), self.logs.outcomes)
        everything = self.logs.reward(self.preference, caps)
        possible = np.where(stream.available & ~np.isnan(everything), everything, -np.inf)
        return PlayLog(
            arms=stream.arms,
            X=self.replay.X,
            task=self.replay.task,
            action=names_of(self.arm, self.replay.arms),
            propensity=self.propensity,
            quality=shown.quality,
            cost=shown.cost,
            latency=shown.latency,
            preference=self.preference,
            reward=everything[np.arange(len(everything)), self.arm],
            oracle_reward=possible.max(axis=1),
            cost_cap=caps[0] if caps else 1.0,
            latency_cap=caps[1] if len(caps) > 1 else 1.0,
            feedback=self.feedback,
            arrival=self.arrival,
            learned=self.learned,
        )


def _prepare(router: BanditRouter, replay: Replay) -> None:
    """Refuse a router that does not fit the replay; start one that was never fitted."""
    fitted = hasattr(router, "arms_")
    named = router.arms_ if fitted else router.arms
    arms = replay.arms if named is None else list(named)
    foreign = [arm for arm in arms if arm not in replay.arms]
    if foreign:
        raise DataError(
            f"The router has the arm {foreign[0]!r}, of which the replay knows nothing: remove "
            "it with remove_arm, or name the arms of both alike."
        )
    if fitted and router.n_outcomes_ != replay.n_outcomes:
        fewer, more = sorted((router.n_outcomes_, replay.n_outcomes))
        many = " and ".join(many for _, many in COSTS[fewer - 1 : more - 1])
        names = " and ".join(f"{name}=" for name, _ in COSTS[fewer - 1 : more - 1])
        raise DataError(
            f"The router has learned {many}, but the replay has none: give it {names}."
            if router.n_outcomes_ > fewer
            else f"The replay has {many}, but the router has learned none: leave out {names}."
        )
    if not fitted:
        there = names_of(np.flatnonzero(replay.available[0]), replay.arms).tolist()
        with router._anew() as fresh:
            fresh._begin_with(
                replay.X, [arm for arm in arms if arm in there] or there, replay.n_outcomes
            )


def _follow(router: BanditRouter, available: NDArray[np.bool_], arms: list[Any]) -> None:
    """Add the arms that can be called now, and remove those that never can again.

    An arm that will be back is kept, with all that is known of it.
    """
    for arm, now in zip(arms, available[0].tolist(), strict=True):
        if now and arm not in router.arms_:
            router.add_arm(arm)
    for arm, again in zip(arms, np.any(available, axis=0).tolist(), strict=True):
        if not again and arm in router.arms_:
            router.remove_arm(arm)


def _rows(X: Any, rows: NDArray[np.intp]) -> Any:
    return X.iloc[rows] if hasattr(X, "iloc") else np.asarray(X)[rows]
