"""A router that is played chooses first, sees one outcome, and learns from it when it arrives."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bandits import EpsilonGreedy, LinTS, LinUCB, RandomRouter, Replay, ReplayError
from bandits.play import play
from bandits.scenarios import (
    DelayedFeedback,
    MissingFeedback,
    NewModel,
    PoisonedFeedback,
    PriceChange,
    QualityDrift,
    WithdrawnModel,
)
from metarouter.exceptions import DataError
from metarouter.routing.preference_reward import reward

RNG = np.random.default_rng(0)
N, ARMS = 80, ("a", "b", "c")
X, QUALITY, COST = RNG.normal(size=(N, 3)), RNG.random((N, 3)), RNG.gamma(1.0, size=(N, 3))
PREFERENCE = np.column_stack([np.linspace(0, 1, N), np.linspace(1, 0, N)])


def replay(**options):
    return Replay(X, QUALITY, COST, **{"arms": ARMS, **options})


class Watched(RandomRouter):
    """Notes how many rounds were decided when some feedback was learned."""

    def sample(self, X, preference=None):
        action, propensity = super().sample(X, preference)
        self.decided = getattr(self, "decided", 0) + len(X)
        return action, propensity

    def partial_fit(self, X, action, quality, cost=None, **options):
        self.lessons = [*getattr(self, "lessons", []), (self.decided, [row_of(x) for x in X])]
        return super().partial_fit(X, action, quality, cost, **options)


def row_of(x):
    return int(np.argmax((x == X).all(axis=1)))


@pytest.mark.parametrize(
    "router", [LinUCB(0.5), LinTS(0.5), EpsilonGreedy(0.2)], ids=lambda r: type(r).__name__
)
def test_a_play_of_single_rounds_is_what_fit_does(router):
    router.set_params(random_state=3, arms=ARMS)
    played = type(router)(**router.get_params())
    log = play(played, replay(), preference=PREFERENCE)
    router.fit(X, QUALITY, COST, preference=PREFERENCE)
    np.testing.assert_allclose(played.posterior_.precision, router.posterior_.precision, atol=1e-9)
    np.testing.assert_allclose(played.posterior_.coef, router.posterior_.coef, atol=1e-9)
    assert log.learned.all()
    assert played.n_updates_ == N


def test_exactly_one_cell_of_every_round_is_revealed_and_logged():
    world = replay()
    log = play(LinUCB(random_state=0), world)
    rows, arm = np.arange(N), world.revealed
    assert world.n_revealed == N
    assert (np.array(ARMS)[arm] == log.action).all()
    assert (log.quality == QUALITY[rows, arm]).all()
    assert (log.cost == COST[rows, arm]).all()
    assert (log.feedback == log.quality).all()
    assert log.propensity.min() > 0


def test_a_replay_is_played_once_unless_it_is_reset():
    world = replay()
    play(LinUCB(random_state=0), world)
    with pytest.raises(ReplayError, match=r"80 of 80 rounds .* replay.reset\(\)"):
        play(LinTS(random_state=0), world)
    world.reset()
    play(LinTS(random_state=0), world)


def test_rewards_and_regrets_are_those_of_the_full_matrices():
    log = play(LinTS(random_state=0), replay(), preference=PREFERENCE)
    everything = reward(QUALITY, COST, PREFERENCE, COST.max())
    assert log.cost_cap == COST.max()
    np.testing.assert_allclose(log.oracle_reward, everything.max(axis=1))
    position = np.array([ARMS.index(name) for name in log.action])
    np.testing.assert_allclose(log.reward, everything[np.arange(N), position])
    np.testing.assert_allclose(log.cumulative_reward()[-1], log.reward.sum())
    np.testing.assert_allclose(log.cumulative_regret()[-1], log.regret.sum())
    assert (log.regret >= 0).all()


def test_the_cap_of_the_router_is_the_cap_of_the_rewards():
    log = play(LinUCB(cost_cap=0.5, random_state=0), replay(), preference=(0.5, 0.5))
    assert log.cost_cap == 0.5
    np.testing.assert_allclose(
        log.reward, 0.5 * log.quality - 0.5 * np.minimum(log.cost / 0.5, 1.0)
    )


def test_cells_without_a_record_are_no_oracle():
    quality = QUALITY.copy()
    quality[:, 2] = np.nan
    log = play(LinUCB(random_state=0), Replay(X, quality[:, [0]], arms=["a"]))
    assert (log.regret == 0).all()
    with pytest.raises(ReplayError, match="The quality of arm 2 is NaN"):
        play(RandomRouter(random_state=0), Replay(X, quality))


def test_without_costs_quality_is_all_there_is():
    log = play(LinUCB(random_state=0), Replay(X, QUALITY))
    assert log.cost is None
    assert (log.preference == [1.0, 0.0]).all()
    assert (log.reward == log.quality).all()
    assert log.action.dtype == np.intp


def test_a_router_goes_on_from_what_it_knows():
    router = LinUCB(arms=ARMS, random_state=0).fit(X, QUALITY, COST)
    play(router, replay())
    assert router.n_updates_ == 2 * N


def test_a_router_with_costs_and_a_replay_without_do_not_fit():
    priced = LinUCB(arms=ARMS, random_state=0).fit(X, QUALITY, COST)
    with pytest.raises(DataError, match="router has learned costs, but the replay has none"):
        play(priced, Replay(X, QUALITY, arms=ARMS))
    free = LinUCB(arms=ARMS, random_state=0).fit(X, QUALITY)
    with pytest.raises(DataError, match="replay has costs, but the router has learned none"):
        play(free, replay())


def test_frames_of_contexts_keep_their_names():
    frame = pd.DataFrame(X, columns=["x", "y", "z"], index=np.arange(N) + 100)
    router = LinUCB(random_state=0)
    by_frame = play(router, Replay(frame, QUALITY), batch_size=7)
    by_array = play(LinUCB(random_state=0), Replay(X, QUALITY), batch_size=7)
    assert router.feature_names_in_.tolist() == ["x", "y", "z"]
    assert (by_frame.action == by_array.action).all()


class TestArrival:
    def test_feedback_is_there_before_the_next_round(self):
        router = Watched(random_state=0)
        play(router, replay())
        assert router.lessons == [(t + 1, [t]) for t in range(N)]

    def test_a_batch_is_decided_before_anything_of_it_is_learned(self):
        router = Watched(random_state=0)
        play(router, replay(), batch_size=30)
        assert [decided for decided, _ in router.lessons] == [30, 60, 80]
        assert [row for _, rows in router.lessons for row in rows] == list(range(N))

    def test_delayed_feedback_is_learned_that_many_rounds_later(self):
        router = Watched(random_state=0)
        log = play(router, replay(), scenario=DelayedFeedback(5))
        assert router.lessons == [(t + 6, [t]) for t in range(N - 5)]
        assert log.learned.tolist() == [True] * (N - 5) + [False] * 5

    def test_feedback_is_learned_in_the_order_of_its_arrival(self):
        class Backwards:
            def rvs(self, size, random_state):
                return 2 * (np.arange(size[0])[::-1, None] % 4)

        router = Watched(random_state=0)
        log = play(router, replay(), scenario=DelayedFeedback(Backwards()), batch_size=8)
        order = [row for _, rows in router.lessons for row in rows]
        assert order[:4] == [3, 2, 1, 0]
        assert (np.diff(log.arrival[order]) >= 0).all()

    def test_missing_feedback_is_never_learned(self):
        router = LinUCB(random_state=0)
        log = play(router, replay(), scenario=MissingFeedback(0.4))
        assert router.n_updates_ == log.learned.sum() == np.isfinite(log.arrival).sum()
        assert 0.2 < 1 - log.learned.mean() < 0.6


def test_everything_at_once_is_still_one_cell_a_round_and_one_lesson_a_cell():
    scenario = [
        DelayedFeedback(3), PriceChange("c", 4.0, at=10), MissingFeedback(0.2),
        NewModel("b", at=20), PoisonedFeedback(0.3), WithdrawnModel("a", at=50),
        QualityDrift("c", -0.2, at=30, over=20),
    ]  # fmt: skip
    world, router = replay(), Watched(random_state=0)
    log = play(router, world, scenario=scenario, batch_size=7, random_state=2)
    position = np.array([ARMS.index(name) for name in log.action])
    assert (world.revealed == position).all()
    assert not (log.action[:20] == "b").any()
    assert not (log.action[50:] == "a").any()
    dearer = np.where((log.action == "c") & (np.arange(N) >= 10), 4.0, 1.0)
    np.testing.assert_allclose(log.cost, dearer * COST[np.arange(N), position])
    lessons = [row for _, rows in router.lessons for row in rows]
    assert sorted(lessons) == np.flatnonzero(log.learned).tolist()
    came = log.arrival < N
    assert log.learned[~came].sum() == 0
    assert set(log.action[came & ~log.learned]) <= {"a"}
    assert all(decided > row + 3 for decided, rows in router.lessons for row in rows)
    assert 0 < (log.feedback != log.quality).mean() < 0.6
    assert (log.regret >= 0).all()


def test_one_seed_is_one_world_for_all_routers():
    scenario = [MissingFeedback(0.3), QualityDrift("a", -0.5, at=20, over=30)]
    first, second = (
        play(router, replay(), scenario=scenario, random_state=7)
        for router in (LinUCB(random_state=0), RandomRouter(random_state=1))
    )
    assert (first.preference == second.preference).all()
    assert (first.oracle_reward == second.oracle_reward).all()
    assert (np.isinf(first.arrival) == np.isinf(second.arrival)).all()
    other = play(LinUCB(random_state=0), replay(), scenario=scenario, random_state=8)
    assert (first.preference != other.preference).any()


def test_a_play_is_the_same_for_the_same_seeds():
    logs = [
        play(LinTS(random_state=3), replay(), scenario=MissingFeedback(0.2), random_state=5)
        for _ in range(2)
    ]
    pd.testing.assert_frame_equal(logs[0].to_frame(), logs[1].to_frame())


class TestLogged:
    def test_an_operator_has_on_file_what_was_told(self):
        log = play(
            EpsilonGreedy(0.3, random_state=0), replay(), preference=(0.6, 0.4),
            scenario=[MissingFeedback(0.3), PoisonedFeedback(0.2)],
        )  # fmt: skip
        logged = log.to_logged()
        assert logged.adaptive
        assert logged.arms == ARMS
        assert logged.n == log.learned.sum() < N
        cost = np.minimum(log.cost / log.cost_cap, 1.0)
        np.testing.assert_allclose(logged.reward, (0.6 * log.feedback - 0.4 * cost)[log.learned])
        assert logged.reward_range == pytest.approx((-0.4, 0.6))
        assert (logged.propensity == log.propensity[log.learned]).all()

    def test_one_row_per_round_is_a_frame(self):
        log = play(LinUCB(random_state=0), replay(task=["law", "maths"] * 40))
        frame = log.to_frame()
        assert len(frame) == N
        assert frame.index.name == "round"
        assert frame["task"].tolist()[:2] == ["law", "maths"]
        assert (frame["regret"] == log.regret).all()
        assert "cost" not in play(LinUCB(random_state=0), Replay(X, QUALITY)).to_frame()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"batch_size": 1.5}, "batch_size is 1.5; give a whole number"),
        ({"scenario": 3}, "scenario holds 3, which is none"),
        ({"preference": (0.5, 0.6)}, "give two weights"),
        ({"preference": np.full((3, 2), 0.5)}, r"shape \(3, 2\) but there are 80 rows"),
        ({"scenario": ["drift"]}, "scenario holds 'drift', which is none"),
        ({"scenario": PriceChange("z", 2.0, at=0)}, "'z', which is no arm of the replay"),
        ({"scenario": NewModel("a", at=80)}, "begins at round 80, but rounds go from 0 to 79"),
        ({"random_state": -1}, "random_state is -1"),
    ],
)
def test_what_means_nothing_is_refused_and_nothing_is_played(options, message):
    router, world = LinUCB(random_state=0), replay()
    with pytest.raises(ValueError, match=message):
        play(router, world, **options)
    assert not hasattr(router, "arms_")
    assert world.n_revealed == 0


@pytest.mark.parametrize(
    ("router", "world", "sentence"),
    [
        ("linucb", replay(), "router is 'linucb'; give a BanditRouter."),
        (LinUCB, replay(), r"router is the class LinUCB; give an object of it, such as LinUCB\(\)"),
        (LinUCB(), X, "replay is array.*; give a Replay."),
    ],
)
def test_only_routers_are_played_and_only_in_replays(router, world, sentence):
    with pytest.raises(DataError, match=sentence):
        play(router, world)


def test_contexts_that_cannot_be_played_leave_a_router_that_was_never_fitted():
    router, gap = LinUCB(random_state=0), np.where(X > 2.0, np.nan, X)
    with pytest.raises(DataError, match="X is NaN"):
        play(router, Replay(gap, QUALITY, COST))
    assert vars(router) == vars(LinUCB(random_state=0))
