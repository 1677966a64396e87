"""Arms that come and go while a router is played."""

from __future__ import annotations

import numpy as np
import pytest

from bandits import LinUCB, RandomRouter, Replay
from bandits.play import play
from bandits.scenarios import DelayedFeedback, NewModel, WithdrawnModel
from metarouter.exceptions import DataError

RNG = np.random.default_rng(0)
N, ARMS = 80, ("a", "b", "c")
X, QUALITY, COST = RNG.normal(size=(N, 3)), RNG.random((N, 3)), RNG.gamma(1.0, size=(N, 3))


def replay(**options):
    return Replay(X, QUALITY, COST, **{"arms": ARMS, **options})


def test_models_come_and_go():
    router = RandomRouter(random_state=0)
    world = replay()
    log = play(router, world, scenario=[NewModel("b", at=30), WithdrawnModel("a", at=60)])
    assert set(log.action[:30]) == {"a", "c"}
    assert set(log.action[30:60]) == {"a", "b", "c"}
    assert set(log.action[60:]) == {"b", "c"}
    assert router.arms_ == ["c", "b"]
    assert world.n_revealed == N


def test_the_oracle_is_the_best_of_the_arms_that_were_there():
    log = play(LinUCB(random_state=0), Replay(X, QUALITY, arms=ARMS), scenario=NewModel("b", at=30))
    np.testing.assert_allclose(log.oracle_reward[:30], QUALITY[:30, [0, 2]].max(axis=1))
    np.testing.assert_allclose(log.oracle_reward[30:], QUALITY[30:].max(axis=1))


def test_batches_end_where_the_arms_change():
    log = play(RandomRouter(random_state=0), replay(), batch_size=50,
               scenario=NewModel("b", at=30))  # fmt: skip
    assert "b" not in log.action[:30]
    assert "b" in log.action[30:50]


def test_feedback_of_a_model_that_is_gone_is_not_learned():
    router = RandomRouter(random_state=0)
    log = play(router, replay(), scenario=[WithdrawnModel("a", at=40), DelayedFeedback(5)])
    lost = (log.action == "a") & (log.arrival >= 40)
    assert lost.any()
    assert not log.learned[lost].any()
    assert log.learned[log.arrival < 40].all()
    assert router.n_updates_ == log.learned.sum()


def test_logs_may_say_themselves_which_arms_there_were():
    available = np.ones((N, 3), dtype=bool)
    available[::2, 1] = False
    log = play(RandomRouter(random_state=0), replay(available=available))
    assert "b" not in log.action[::2]
    assert "b" in log.action[1::2]


def test_arms_of_a_router_that_the_replay_lacks_are_refused():
    router = LinUCB(arms=(*ARMS, "d"), random_state=0)
    with pytest.raises(DataError, match="The router has the arm 'd'"):
        play(router, replay())
    assert not hasattr(router, "arms_")


def test_a_round_without_any_arm_is_refused():
    with pytest.raises(DataError, match=r"no arm in 20 of 80 rounds \(first: round 60\)"):
        play(LinUCB(), replay(), scenario=[WithdrawnModel(arm, at=60) for arm in ARMS])
