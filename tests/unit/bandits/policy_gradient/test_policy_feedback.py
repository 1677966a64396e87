"""A policy learns from feedback that is logged or comes as it comes, and from nothing else."""

from __future__ import annotations

import copy
import pickle

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from trained_policies import four_skills, quick, same_state

from bandits import BaRP, load_bandit
from metarouter.exceptions import DataError


@pytest.fixture(scope="module")
def logs():
    return four_skills()


@pytest.mark.parametrize("estimator", ["reinforce", "doubly_robust"])
def test_fixed_logs_of_few_outcomes_teach_whom_to_call(logs, estimator):
    X, quality, cost = logs
    arm = np.random.default_rng(1).integers(0, 4, 300)
    rows = np.arange(300)
    router = quick(estimator=estimator, learning_rate=0.01, epochs=40, outcome_penalty=1.0)
    router.fit_logged(
        X,
        arm,
        quality[rows, arm],
        cost[rows, arm],
        propensity=np.full(300, 0.25),
        arms=range(4),
    )
    earned = quality[rows, router.predict(X, preference=(1.0, 0.0))].mean()
    best_constant, best = quality.mean(axis=0).max(), quality.max(axis=1).mean()
    assert earned > best_constant + 0.5 * (best - best_constant)


def test_a_log_is_of_the_arms_that_an_earlier_fit_has_named(logs):
    X, quality, cost = logs
    told = np.zeros(300, int), quality[:, 0], cost[:, 0]
    router = quick(epochs=1).fit(*logs).fit_logged(X, *told, propensity=np.ones(300))
    assert router.arms_ == [0, 1, 2, 3]
    with pytest.raises(DataError, match="does not know its arms: name them all with arms="):
        quick(epochs=1).fit_logged(X, *told, propensity=np.ones(300))


def test_logs_of_random_arms_teach_the_best_ones(logs):
    X, quality, cost = logs
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 300, 6000)
    arm = rng.choice(4, 6000, p=[0.4, 0.3, 0.2, 0.1])
    for estimator in ("reinforce", "doubly_robust"):
        router = quick(estimator=estimator, learning_rate=0.01, arms=range(4))
        router.partial_fit(
            X[rows],
            arm,
            quality[rows, arm],
            cost[rows, arm],
            propensity=np.array([0.4, 0.3, 0.2, 0.1])[arm],
        )
        earned = quality[np.arange(300), router.predict(X, preference=(1.0, 0.0))].mean()
        best_constant, best = quality.mean(axis=0).max(), quality.max(axis=1).mean()
        assert earned > best_constant + 0.6 * (best - best_constant)


def test_one_row_at_a_time_is_learned_from(logs):
    X, quality, cost = logs
    router = quick(arms=range(4), learning_rate=0.01)
    router.partial_fit(X[:1], [0], quality[:1, 0], cost[:1, 0], propensity=[0.25])
    before = router._policy.values.copy()
    router.partial_fit(X[1:2], [1], quality[1:2, 1], cost[1:2, 1], propensity=[0.25])
    assert (router._policy.values[0] != before[0]).any()


def test_a_memory_learns_more_from_the_same_feedback(logs, tmp_path):
    X, quality, cost = logs
    arm = np.random.default_rng(1).integers(0, 4, 300)
    rows = np.arange(300)
    earned = {}
    for replay_buffer in (0, 200):
        router = quick(estimator="doubly_robust", replay_buffer=replay_buffer, arms=range(4))
        for part in np.array_split(rows, 10):
            router.partial_fit(
                X[part],
                arm[part],
                quality[part, arm[part]],
                cost[part, arm[part]],
                propensity=np.full(len(part), 0.25),
            )
        arms = router.predict(X, preference=(1.0, 0.0))
        earned[replay_buffer] = quality[rows, arms].mean()
    assert earned[200] > earned[0] + 0.05
    router.save(tmp_path / "router.npz")
    assert same_state(load_bandit(tmp_path / "router.npz"), router)
    router.remove_arm(1)
    assert set(router._policy.replay_buffer.arm.tolist()) == {-1, 0, 1, 2}


def test_a_router_that_was_saved_goes_on_with_the_same_bits(logs, tmp_path):
    router = quick().fit(*logs)
    router.save(tmp_path / "router.npz")
    again = load_bandit(tmp_path / "router.npz")
    X, quality, cost = logs
    for learner in (router, again):
        learner.partial_fit(
            X[:50], np.zeros(50, int), quality[:50, 0], cost[:50, 0], propensity=np.ones(50)
        )
    assert same_state(router, again)


@pytest.mark.filterwarnings("ignore:overflow")
def test_a_policy_never_becomes_nan_in_silence(logs):
    X, quality, cost = logs
    router = quick(epochs=1, replay_buffer=50).fit(X, quality, cost)
    with pytest.raises(DataError, match="Training diverged"):
        router.fit(X, 1e60 * quality, cost)
    with pytest.raises(DataError, match=r"quality is 1e\+60 in row 0"):
        router.partial_fit(X[:1], [0], [1e60], [1.0])
    arms = [0, 1, 2, 3, 0]
    router.set_params(cost_cap=None)
    router.partial_fit(X[:5], arms, quality[:5, 0], cost[:5, 0], propensity=[0.5] * 5)
    before = {name: array.copy() for name, array in router._arrays().items()}
    caps, draws = router.caps_, router._exploration.bit_generator.state
    router.set_params(learning_rate=1e38)
    with pytest.raises(DataError, match="Training diverged"):
        router.partial_fit(X[5:10], arms, quality[:5, 0], 9 + cost[:5, 0], propensity=[0.5] * 5)
    for name, array in router._arrays().items():
        np.testing.assert_array_equal(array, before[name])
    assert (router.caps_, router._exploration.bit_generator.state) == (caps, draws)
    assert router.n_updates_ == 305


@pytest.mark.parametrize(
    "copied",
    [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))],
    ids=["deepcopy", "pickle"],
)
def test_a_copy_of_a_policy_with_a_memory_learns_on_as_it_does(logs, copied):
    X, quality, cost = logs
    arm = np.arange(30) % 4
    router = quick(epochs=1, replay_buffer=7, arms=range(4))

    def learn(one, rows):
        told = quality[rows, arm[rows]], cost[rows, arm[rows]]
        one.partial_fit(X[rows], arm[rows], *told, propensity=np.full(len(rows), 0.25))

    learn(router, np.arange(20))
    again = copied(router)
    for one in (router, again):
        learn(one, np.arange(20, 30))
    assert same_state(router, again)


def test_an_interrupted_lesson_leaves_nothing_behind(logs, monkeypatch):
    X, quality, cost = logs
    router = quick(epochs=1, replay_buffer=7, cost_cap=None, arms=range(4))
    arm = np.arange(40) % 4
    told = quality[np.arange(40), arm], cost[np.arange(40), arm]

    def learn(rows):
        router.partial_fit(
            X[rows], arm[rows], told[0][rows], told[1][rows], propensity=np.full(len(rows), 0.5)
        )

    learn(np.arange(5))
    before = {name: array.copy() for name, array in router._arrays().items()}
    caps, draws = list(router.caps_), router._exploration.bit_generator.state
    monkeypatch.setattr(
        router._policy, "keep", lambda trainer: (_ for _ in ()).throw(KeyboardInterrupt)
    )
    with pytest.raises(KeyboardInterrupt):
        learn(np.arange(5, 40))  # the replay buffer, a ring, is written over more than once
    monkeypatch.undo()
    for name, array in router._arrays().items():
        np.testing.assert_array_equal(array, before[name])
    assert (router.caps_, router._exploration.bit_generator.state) == (caps, draws)


def test_a_policy_that_came_as_read_only_memory_learns_on(logs, tmp_path):
    X, quality, cost = logs
    router = quick(epochs=1, replay_buffer=50).fit(X, quality, cost)
    joblib.dump(router, tmp_path / "router.joblib")
    came = joblib.load(tmp_path / "router.joblib", mmap_mode="r")
    for one in (router, came):
        one.partial_fit(X[:5], [0, 1, 2, 3, 0], quality[:5, 0], cost[:5, 0], propensity=[0.5] * 5)
    assert same_state(router, came)


def test_former_names_of_parameters_are_taken_as_files_may_have_them():
    former = BaRP(memory=7, rehearsals=2)
    assert (former.replay_buffer, former.replay_steps) == (7, 2)
    assert clone(former).get_params() == BaRP(replay_buffer=7, replay_steps=2).get_params()
