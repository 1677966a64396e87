"""Logs of a router that learned from them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from oracles.off_policy import stabilised_value

from bandits import EpsilonGreedy, LinUCB, Replay
from bandits.off_policy import compare_policies, off_policy_value
from bandits.off_policy._evidence import evidence_on
from bandits.off_policy._outcome_model import fitted_rewards
from bandits.play import play
from metarouter.exceptions import DataError

N, K = 400, 3


@pytest.fixture(scope="module")
def played():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(N, 2))
    quality = np.clip(0.5 + 0.2 * X[:, :1] * np.array([-1.0, 0.0, 1.0]), 0, 1)
    quality = (rng.random((N, K)) < quality).astype(float)
    log = play(EpsilonGreedy(0.3, random_state=0), Replay(X, quality)).to_logged()
    return log, np.tile([0.2, 0.3, 0.5], (N, 1))


def test_the_reward_model_of_a_row_knows_earlier_rows_alone(played):
    log, _ = played
    late = log.reward.copy()
    late[N // 2 :] = 1 - late[N // 2 :]
    here, there = fitted_rewards(log), fitted_rewards(replace(log, reward=late))
    np.testing.assert_array_equal(here[: N // 2], there[: N // 2])
    assert np.abs(here[-50:] - there[-50:]).max() > 0.05
    fixed = replace(log, adaptive=False)
    elsewhere = fitted_rewards(fixed), fitted_rewards(replace(fixed, reward=late))
    assert np.abs(elsewhere[0][:50] - elsewhere[1][:50]).max() > 0.05  # out of fold it does


def test_the_first_rows_are_given_the_middle_of_the_range(played):
    log, _ = played
    np.testing.assert_array_equal(fitted_rewards(log)[:10], 0.5)


def test_stabilised_values_are_those_of_the_paper(played):
    log, target = played
    evidence = evidence_on(log, target, fitted_rewards(log))
    value, se = stabilised_value(evidence.weight, evidence.doubly_robust(evidence.weight), K)
    found = off_policy_value(log, target, method="stabilised")
    assert (found.value, found.se) == (pytest.approx(value), pytest.approx(se))
    assert found.upper - found.lower == pytest.approx(2 * 1.959964 * se)


def test_default_intervals_allow_for_learning(played):
    log, target = played
    assert off_policy_value(log, target).interval == "empirical_likelihood"
    assert off_policy_value(log, target, method="stabilised").interval == "normal"
    watched = off_policy_value(log, target, method="ips", interval="confidence_sequence")
    assert watched.adaptive
    assert "learned from these rows" in watched.summary()


@pytest.mark.parametrize(
    "options",
    [
        {"interval": "normal"},
        {"interval": "bootstrap"},
        {"method": "ips", "interval": "normal"},
        {"method": "snips", "interval": "bootstrap"},
        {"method": "dm"},
        {"method": "switch"},
        {"method": "shrinkage"},
    ],
)
def test_what_does_not_allow_for_learning_is_refused(played, options):
    with pytest.raises(DataError, match="learned from these rows"):
        off_policy_value(*played, **options)


def test_two_policies_can_be_compared(played):
    log, target = played
    found = compare_policies(log, target, np.full((N, K), 1 / K))
    assert found.lower < found.value < found.upper
    with pytest.raises(DataError, match="learned from these rows"):
        compare_policies(log, target, target, interval="normal")


def test_routers_that_never_explore_leave_nothing_to_judge_others_by():
    rng = np.random.default_rng(1)
    X, quality = rng.normal(size=(60, 2)), rng.random((60, K))
    log = play(LinUCB(random_state=0), Replay(X, quality)).to_logged()
    assert (log.propensity == 1).mean() > 0.9
    for method in ("dr", "stabilised", "ips", "snips"):
        with pytest.raises(DataError, match=r"\d+ of 60 rows were logged with propensity 1"):
            off_policy_value(log, np.full((60, K), 1 / K), method=method)
