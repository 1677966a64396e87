from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import Ridge

from bandits.off_policy import (
    LoggedFeedback,
    ValueSequence,
    compare_policies,
    fitted_rewards,
    off_policy_value,
)
from bandits.off_policy import _estimators as formulas
from metarouter.exceptions import DataError

N, K = 600, 3


@pytest.fixture
def logged():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 2))
    logging = rng.dirichlet(np.full(K, 5.0), size=N)
    arm = (rng.random(N)[:, None] > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
    reward = np.clip(0.5 + 0.1 * arm + 0.1 * X[:, 0], 0, 1)
    log = LoggedFeedback(X, arm, logging[np.arange(N), arm], reward, arms=range(K))
    return log, rng.dirichlet(np.ones(K), size=N), logging


def test_estimators_are_those_of_the_papers(logged):
    log, target, _ = logged
    w = np.array([target[i, log.arm[i]] / log.propensity[i] for i in range(N)])
    found = {m: off_policy_value(log, target, method=m).value for m in ("ips", "snips")}
    assert found["ips"] == pytest.approx(sum(w * log.reward) / N)
    assert found["snips"] == pytest.approx(sum(w * log.reward) / sum(w))
    result = off_policy_value(log, target)
    assert result.effective_sample_size == pytest.approx(sum(w) ** 2 / sum(w**2))


def test_the_policy_that_logged_has_the_mean_reward(logged):
    log, _, logging = logged
    result = off_policy_value(log, logging, method="snips")
    assert result.value == pytest.approx(log.reward.mean())
    assert result.effective_sample_size == pytest.approx(N)


def test_doubly_robust_with_a_perfect_model_is_the_model():
    w, q, expected = np.array([3.0, 0.0]), np.array([0.2, 0.9]), np.array([0.4, 0.6])
    np.testing.assert_allclose(formulas.dr_scores(w, q, expected, q), expected)


def test_a_fitted_reward_model_can_be_shared(logged):
    log, target, logging = logged
    shared = fitted_rewards(log)
    assert off_policy_value(log, target, outcome=shared) == off_policy_value(log, target)
    pair = compare_policies(log, target, logging, outcome=shared)
    assert pair == compare_policies(log, target, logging)


def test_the_default_reward_model_is_a_ridge_regression(logged):
    log, _, _ = logged
    np.testing.assert_allclose(fitted_rewards(log), fitted_rewards(log, Ridge()), atol=1e-10)


def test_cut_weights_are_bounded():
    w = np.linspace(0, 100, 300)
    assert formulas.switch_weights(w, 10.0).max() <= 10.0
    assert formulas.shrunk_weights(w, 25.0).max() <= 2.5 + 1e-9
    np.testing.assert_allclose(formulas.shrunk_weights(w, 1e12), w, rtol=1e-6)


@pytest.mark.parametrize("method", ["ips", "dr"])
def test_bounds_stay_sane_where_the_weights_contradict_their_mean(method):
    # 275 of 500 actions are those of the policy although half were expected.
    action = np.repeat([1, 0], [275, 225])
    log = LoggedFeedback(np.ones((500, 1)), action, np.full(500, 0.5), action * 0.8, arms=(0, 1))
    found = off_policy_value(log, np.tile([0.0, 1.0], (500, 1)), method=method)
    assert 0.6 < found.lower < 0.8 < found.upper + 0.05 <= 1.05


def test_intervals_widen_with_the_level(logged):
    log, target, _ = logged
    for interval in ("empirical_likelihood", "normal"):
        narrow = off_policy_value(log, target, interval=interval, level=0.8)
        wide = off_policy_value(log, target, interval=interval, level=0.99)
        assert wide.lower < narrow.lower < narrow.upper < wide.upper


def test_rewards_that_are_moved_move_the_value(logged):
    log, target, _ = logged
    moved = LoggedFeedback(
        log.X, log.arm, log.propensity, log.reward - 0.3, range(K), reward_range=(-0.3, 0.7)
    )
    here = off_policy_value(log, target)
    there = off_policy_value(moved, target)
    assert there.value == pytest.approx(here.value - 0.3, abs=1e-3)


def test_two_policies_are_compared_row_by_row(logged):
    log, target, logging = logged
    same = compare_policies(log, target, target)
    assert (same.value, same.se) == (0.0, 0.0)
    best = np.tile([0.0, 0.0, 1.0], (N, 1))
    difference = compare_policies(log, best, logging)
    assert difference.lower > 0


def test_a_sequence_may_be_stopped_and_resumed():
    rng = np.random.default_rng(1)
    weight, reward = 2.0 * rng.integers(2, size=400), rng.random(400)
    whole = ValueSequence((0, 1), 2.0).update(weight, reward)
    first = ValueSequence((0, 1), 2.0).update(weight[:150], reward[:150])
    again = ValueSequence.resume(first.state()).update(weight[150:], reward[150:])
    assert again.interval() == whole.interval()


def test_a_sequence_covers_at_all_times_at_once():
    missed = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        sequence = ValueSequence((0.0, 1.0), 2.0, level=0.9)
        sequence.update(2.0 * rng.integers(2, size=300), rng.random(300) < 0.6)
        try:
            lower, upper = sequence.interval()  # best bounds so far: a miss at any time stays one
            missed += not lower <= 0.6 <= upper
        except DataError:  # so far off that no value is left
            missed += 1
    assert missed <= 0.1 * 200 + 3 * np.sqrt(0.09 * 200)
