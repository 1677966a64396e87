"""Three implementations make the same choices: in blocks, one by one, and naively."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.linear_bandit import naive_lin_ucb

from bandits import EpsilonGreedy, LinTS, LinUCB, SquareCB
from bandits.base import BanditRouter
from metarouter.exceptions import DataError

ROUTERS = [LinUCB(0.7), LinTS(0.5), EpsilonGreedy(0.2), SquareCB(30.0)]


@pytest.fixture
def logs():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(250, 5))
    return X, rng.random((250, 4)), rng.gamma(1.0, size=(250, 4))


def played_one_by_one(router, monkeypatch):
    monkeypatch.setattr(type(router), "_play", lambda self, *rest: BanditRouter._play(self, *rest))
    return router


def choices(router, X, quality, cost):
    """Every round's arm, seen through the replay that the router played."""
    seen = []
    original = type(router)._select

    def watched(self, *arguments):
        arm = original(self, *arguments)
        seen.extend(arm.tolist())
        return arm

    type(router)._select = watched
    try:
        router.fit(X, quality, cost)
    finally:
        type(router)._select = original
    return np.array(seen)


@pytest.mark.parametrize("router", ROUTERS, ids=lambda router: type(router).__name__)
@pytest.mark.parametrize("with_cost", [False, True])
def test_blocks_and_single_rounds_make_the_same_choices(router, with_cost, logs, monkeypatch):
    X, quality, cost = logs
    cost = cost if with_cost else None
    blocked = router.set_params(random_state=5)
    by_block = choices(blocked, X, quality, cost)
    means = blocked.posterior_.means(np.eye(6)), blocked.posterior_.variances(np.eye(6))
    single = played_one_by_one(router, monkeypatch)
    one_by_one = choices(single, X, quality, cost)
    assert (by_block == one_by_one).all()
    np.testing.assert_allclose(means[0], single.posterior_.means(np.eye(6)), atol=1e-9)
    np.testing.assert_allclose(means[1], single.posterior_.variances(np.eye(6)), atol=1e-9)


@pytest.mark.parametrize("with_cost", [False, True])
def test_every_choice_is_that_of_the_naive_oracle(with_cost, logs):
    X, quality, cost = (values[:150] for values in logs)
    cost = cost if with_cost else None
    router = LinUCB(0.7, fit_intercept=False, random_state=5)
    ours = choices(router, X, quality, cost)
    ties = np.random.default_rng([5, 0]).random(150)
    weight = np.random.default_rng([5, 1]).random(150) if with_cost else np.ones(150)
    preference = np.column_stack([weight, 1 - weight])
    theirs, arms = naive_lin_ucb(X, quality, cost, preference, ties, alpha=0.7)
    assert (ours == theirs).all()
    mean = router.posterior_.means(X)
    for k, arm in enumerate(arms):
        np.testing.assert_allclose(mean[:, k], X @ arm.coef().T, atol=1e-9)


def test_a_live_stream_equals_the_replay(logs):
    X, quality, _ = logs
    replayed = LinUCB(random_state=1).fit(X, quality)
    live = LinUCB(random_state=1)
    live.partial_fit(np.zeros((1, 5)), [0], [0.0], arms=range(4))
    live._begin(list(range(4)), 1)  # as if the first feedback had never been
    for x, row in zip(X, quality, strict=True):
        action, propensity = live.sample(x[None])
        live.partial_fit(x[None], action, [row[action[0]]], propensity=propensity)
    np.testing.assert_allclose(replayed.posterior_.coef, live.posterior_.coef, atol=1e-9)
    assert (replayed.predict(X) == live.predict(X)).all()


def test_ties_of_the_first_round_do_not_favour_the_first_arm():
    X, quality = np.ones((1, 3)), np.zeros((1, 11))
    first = [choices(LinUCB(random_state=seed), X, quality, None)[0] for seed in range(60)]
    assert len(set(first)) > 6


def test_the_width_of_an_arm_without_data_is_that_of_the_prior():
    router = LinUCB(1.0, prior_precision=100.0, fit_intercept=False, random_state=0)
    router.partial_fit(np.zeros((1, 2)), ["a"], [0.0], arms=["a", "b"])
    assert router.posterior_.variances(np.array([[1.0, 0.0]]))[0, 1] == pytest.approx(0.01)


def test_alpha_can_be_changed_after_training(logs):
    X, quality, _ = logs
    router = LinUCB(random_state=0).fit(X, quality)
    wide = router.set_params(alpha=50.0).sample(X)[0]
    greedy = router.set_params(alpha=0.0).sample(X)[0]
    assert (wide != greedy).any()
    assert (greedy == router.predict(X)).all()


def test_an_intercept_that_is_asked_for_after_training_waits_for_the_next(logs):
    X, quality, cost = logs
    router = LinUCB(fit_intercept=False, random_state=0).fit(X, quality, cost)
    before = router.decision_function(X)
    router.set_params(fit_intercept=True)
    np.testing.assert_array_equal(router.decision_function(X), before)
    assert router.fit(X, quality, cost).posterior_.coef.shape[2] == X.shape[1] + 1
    prior = LinUCB(random_state=0).fit(X[:, :-1], quality, cost).set_params(fit_intercept=False)
    LinUCB(prior=prior, random_state=0).fit(X[:, :-1], quality, cost)
    with pytest.raises(DataError, match="does not fit"):  # as wide, but for its intercept
        LinUCB(prior=prior, fit_intercept=False, random_state=0).fit(X, quality, cost)


def test_rewards_need_not_be_zero_or_one(logs):
    X, quality, _ = logs
    router = LinTS(random_state=0).fit(X, 100 * quality - 50)
    assert np.isfinite(router.decision_function(X)).all()
