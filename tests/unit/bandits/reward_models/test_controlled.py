"""The baselines, and the controlled replay in which they stand side by side."""

from __future__ import annotations

import numpy as np
import pytest
from reward_worlds import MODELS, trained_offline

from bandits import BayesianRouter
from bandits.reward_models import OfflineRewardRouter
from bandits.reward_models.baselines import (
    LASER,
    CalibratedPanel,
    FrozenOffline,
    Racing,
    WeightedScore,
    majority_vote,
)
from bandits.reward_models.controlled import REWARDS, make_drifting_pairs, replay_pairs
from metarouter.exceptions import DataError


@pytest.fixture(scope="module")
def world():
    return make_drifting_pairs(800, 512, random_state=0)


@pytest.fixture(scope="module")
def offline(world):
    make = OfflineRewardRouter(16, max_epochs=12, random_state=0, device="cpu")
    return make.fit(world[0].X, world[0].correct)


def test_models_are_as_reliable_as_the_world_says():
    offline, online, _ = make_drifting_pairs(20_000, 2000, random_state=1)
    for topic in range(6):
        rows = offline.topic == topic
        error = np.sqrt(0.25 / rows.sum())
        rates = offline.correct[rows].mean(axis=0)
        assert np.abs(rates - offline.reliability[topic]).max() < 4 * error
    assert (offline.topic < 3).mean() == pytest.approx(0.9, abs=0.01)
    assert (online.topic[:500] < 3).mean() > 0.7
    assert (online.topic[-500:] < 3).mean() < 0.3


def test_in_the_world_of_a_wrong_prior_strengths_are_the_neighbours():
    right, wrong = (
        make_drifting_pairs(50, 50, wrong_prior=w, random_state=2) for w in (False, True)
    )
    assert (right[0].X == wrong[0].X).all()
    assert (np.roll(right[1].reliability, 1, axis=1) == wrong[1].reliability).all()


@pytest.mark.parametrize("reward", REWARDS)
def test_calls_and_labels_are_counted(world, offline, reward):
    router = BayesianRouter(offline, random_state=0)
    trace = replay_pairs(router, *world[1:], reward=reward, audit_share=0.25)
    calls = {"loss": 1.0, "verified": 1.0, "agreement": 1.75, "full_advantage": 4.0}
    if reward in calls:
        assert trace.calls == pytest.approx(calls[reward], abs=0.2)
    else:  # three models asked, the chosen one among them in three of four pairs
        assert trace.calls == pytest.approx(1 + 2.25, abs=0.15)
    assert trace.labels == pytest.approx(0.25 if reward == "verified" else 0.0, abs=0.06)
    assert router.n_updates_ == (512 if "advantage" in reward or reward == "loss" else
                                 pytest.approx(128, abs=35))  # fmt: skip


def test_the_same_seed_gives_the_same_replay(world, offline):
    first, second = (
        replay_pairs(BayesianRouter(offline, random_state=3), *world[1:], random_state=3)
        for _ in range(2)
    )
    assert (first.chosen == second.chosen).all()
    assert first.policy_accuracy == second.policy_accuracy


def test_a_routed_call_beats_a_random_one_and_the_policy_learns(world, offline):
    trace = replay_pairs(BayesianRouter(offline, random_state=0), *world[1:], reward="verified")
    assert trace.right.mean() > world[1].correct.mean() + 0.05
    assert trace.policy_accuracy > 0.75
    assert (trace.regret >= 0).all()


def test_panels_take_all_calls(world):
    panel = CalibratedPanel().fit(world[0].verdict, world[0].label)
    for router in ("majority", "uwo", panel):
        trace = replay_pairs(router, *world[1:])
        assert trace.calls == 4
        assert np.isnan(trace.regret).all()
        assert trace.right.mean() > world[1].correct.mean()
    with pytest.raises(DataError, match="router is 'mean'"):
        replay_pairs("mean", *world[1:])
    with pytest.raises(DataError, match="reward is 'applause'"):
        replay_pairs("majority", *world[1:], reward="applause")


def test_the_majority_and_its_consensus():
    label, weight = majority_vote([[1, 1, -1, 0], [1, -1, np.nan, np.nan], [np.nan] * 4])
    assert label.tolist() == [1, 0, 0]
    np.testing.assert_allclose(weight, [2.5 / 4, 0.5, 0.0])


def test_laser_sends_a_batch_to_one_model():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(64, 3))
    router = LASER(arms=MODELS, random_state=0)
    router.partial_fit(X, [MODELS[i % 4] for i in range(64)], rng.random(64))
    action, chance = router.sample(X)
    assert len(set(action)) == 1
    assert (chance == 1).all()
    assert router.predict_proba(X).shape == (64, 4)


def test_a_race_ends_with_the_best_model():
    rng = np.random.default_rng(0)
    quality = (rng.random((6000, 3)) < [0.5, 0.9, 0.6]).astype(float)
    router = Racing(random_state=0).fit(np.ones((6000, 1)), quality)
    assert router.predict_proba([[1.0]]).tolist() == [[0.0, 1.0, 0.0]]
    young = Racing(arms=("a", "b"), random_state=0).partial_fit([[1.0]], ["a"], [1.0])
    assert young.predict_proba([[1.0]]).tolist() == [[0.5, 0.5]]


def test_a_weighted_score_goes_from_the_online_to_the_offline_choice(world, offline):
    X = world[1].X
    alone = WeightedScore(offline, 1.0, random_state=0)
    assert (alone.predict(X) == offline.predict(X)).all()
    assert (alone.sample(X)[1] == 1).all()
    assert (FrozenOffline(offline).sample(X)[0] == offline.predict(X)).all()
    with pytest.raises(DataError, match="weight is 2"):
        WeightedScore(offline, 2.0).sample(X)
    with pytest.raises(DataError, match="knows no 'new'"):
        WeightedScore(trained_offline(), arms=("north", "new")).sample(np.ones((1, 16)))


def test_a_panel_weighs_models_by_how_often_they_are_right():
    rng = np.random.default_rng(0)
    label = rng.choice([-1.0, 1.0], 4000)
    rates = np.array([0.95, 0.6, 0.6])
    verdict = np.where(rng.random((4000, 3)) < rates, 1.0, -1.0) * label[:, None]
    panel = CalibratedPanel(C=1e6).fit(verdict, label)
    # Independent verdicts: the log-odds of being right are the weights of the optimal rule.
    np.testing.assert_allclose(panel.coef_, np.log(rates / (1 - rates)), atol=0.35)
    assert (panel.predict(verdict) == -panel.predict(-verdict)).all()
    with pytest.raises(DataError, match="fewer than two known labels"):
        panel.fit(verdict, np.full(4000, np.nan))
    with pytest.raises(DataError, match="from -1 to 1"):
        panel.predict([[2.0, 0.0, 0.0]])
