"""Latency is a third outcome of every router: weighed, capped, saved and told like cost."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from three_outcomes import ACTION, ARMS, COST, LATENCY, QUALITY, RNG, TOLD, N, X, taught

from bandits import (
    BetaTS,
    Constant,
    EpsilonGreedy,
    LinTS,
    LinUCB,
    OracleRouter,
    RandomRouter,
    Replay,
    SquareCB,
    load_bandit,
)
from bandits._validation import preferences_to_play
from bandits.evaluation import router_table
from bandits.full_information import RegressionRouter
from bandits.live import LiveRouter, read_history
from bandits.play import play
from metarouter.exceptions import DataError
from metarouter.routing.preference_reward import reward

BANDITS = [LinUCB(), LinTS(), EpsilonGreedy(), SquareCB(), BetaTS(), RandomRouter(), Constant("b")]
LINEAR = BANDITS[:4]


def by_name(router):
    return type(router).__name__


def naive_reward(quality, cost, latency, w, caps):
    return w[0] * quality - w[1] * min(cost / caps[0], 1) - w[2] * min(latency / caps[1], 1)


def test_reward_weighs_three_outcomes_and_cuts_two_at_their_caps():
    w = RNG.dirichlet(np.ones(3), N)
    ours = reward(QUALITY, COST, w, 0.6, LATENCY, 2.0)
    naive = [
        [naive_reward(*(table[i, k] for table in (QUALITY, COST, LATENCY)), w[i], (0.6, 2.0))
         for k in range(3)]
        for i in range(N)
    ]  # fmt: skip
    assert_allclose(ours, naive, atol=1e-15)


@pytest.mark.parametrize("router", LINEAR, ids=by_name)
def test_without_weight_latency_changes_nothing(router):
    both = {name: TOLD[name] for name in ("quality", "cost")}
    with_it, without = taught(router), taught(type(router)(), **both)
    for pair in [(0.5, 0.5), (0.8, 0.2), np.tile([0.3, 0.7], (N, 1))]:
        padded = np.append(np.atleast_2d(pair), np.zeros((np.atleast_2d(pair).shape[0], 1)), axis=1)
        expected = without.predict_proba(X, pair)
        assert_allclose(with_it.predict_proba(X, pair), expected, atol=1e-12)
        assert_allclose(with_it.predict_proba(X, np.squeeze(padded)), expected, atol=1e-12)


@pytest.mark.parametrize("router", [LinUCB(), BetaTS(), RegressionRouter()], ids=by_name)
def test_a_latency_that_is_the_cost_shares_its_weight(router):
    twice = (QUALITY, COST, COST)
    router.set_params(arms=ARMS, cost_cap=0.9, latency_cap=0.9, random_state=0)
    scores = router.fit(X, *twice).decision_function(X, (0.4, 0.35, 0.25))
    assert_allclose(scores, router.decision_function(X, (0.4, 0.6, 0.0)), atol=1e-12)
    assert_allclose(scores, router.decision_function(X, (0.4, 0.6)), atol=1e-12)


@pytest.mark.parametrize("router", [*BANDITS[:6], RegressionRouter(), OracleRouter()], ids=by_name)
def test_latency_alone_calls_the_fastest(router):
    latency = np.tile([3.0, 1.0, 2.0], (N, 1))
    router.set_params(arms=ARMS, random_state=0).fit(X, QUALITY, COST, latency)
    if not isinstance(router, RandomRouter):
        assert (router.predict(X, (0.0, 0.0, 1.0)) == "b").all()
    assert router.latency_cap_ == 3.0
    assert router.has_cost_
    assert router.has_latency_


@pytest.mark.parametrize("router", BANDITS, ids=by_name)
def test_a_replay_shows_one_cell_a_round_and_a_saved_router_goes_on(router, tmp_path):
    router.set_params(arms=ARMS, random_state=0).fit(X, QUALITY, COST, LATENCY)
    assert router.n_revealed_ == N
    assert router.caps_ == [router.cost_cap_, router.latency_cap_]
    router.save(tmp_path / "router.npz")
    again = load_bandit(tmp_path / "router.npz")
    assert again.caps_ == router.caps_
    w = RNG.dirichlet(np.ones(3), N)
    for one, other in zip(router.sample(X, w), again.sample(X, w), strict=True):
        assert_array_equal(one, other)
    assert_allclose(again.predict_latency(X), router.predict_latency(X))


def test_expected_latencies_are_those_of_a_regression_by_hand():
    router = taught(LinUCB())
    design = np.column_stack([X, np.ones(N)])
    of_b = ACTION == "b"
    gram = design[of_b].T @ design[of_b] + np.eye(4)
    coef = np.linalg.solve(gram, design[of_b].T @ TOLD["latency"][of_b])
    assert_allclose(router.predict_latency(X)[:, 1], design @ coef, atol=1e-10)
    ridge = RegressionRouter(arms=ARMS).fit(X, QUALITY, COST, LATENCY)
    assert ridge.predict_latency(X).shape == (N, 3)
    assert abs(ridge.predict_latency(X).mean() - LATENCY.mean()) < 0.05


def test_a_given_cap_cuts_before_learning_and_one_not_given_grows():
    router = LinUCB(arms=ARMS, latency_cap=2.0, random_state=0)
    router.partial_fit(X, ACTION, **TOLD)
    cut = TOLD | {"latency": np.minimum(TOLD["latency"], 2.0)}
    assert_allclose(router.predict_latency(X), taught(LinUCB(), **cut).predict_latency(X))
    assert router.caps_ == [TOLD["cost"].max(), 2.0]
    router.partial_fit(X[:1], ["a"], [0.5], [9.0], [9.0])
    assert router.caps_ == [9.0, 2.0]


def test_preferences_are_alike_by_default_and_uniform_on_the_simplex_in_training():
    router = taught(LinUCB())
    assert_allclose(
        router.decision_function(X), router.decision_function(X, np.full(3, 1 / 3)), atol=1e-15
    )
    drawn = preferences_to_play(None, 20_000, 3, np.random.default_rng(0))
    assert_allclose(drawn.sum(axis=1), 1.0)
    # Of the uniform distribution: each weight has the density 2 (1 - w), so P(w < t) = 1-(1-t)^2.
    for share in (0.2, 0.5, 0.8):
        expected = 1 - (1 - share) ** 2
        error = np.sqrt(expected * (1 - expected) / len(drawn))
        assert (np.abs((drawn < share).mean(axis=0) - expected) < 4 * error).all()


def test_a_play_earns_and_logs_rewards_of_three_outcomes():
    replay = Replay(X, QUALITY, COST, LATENCY, arms=ARMS)
    router = LinUCB(random_state=0, latency_cap=2.0)
    log = play(router, replay, preference=(0.5, 0.2, 0.3), random_state=0)
    chosen = np.arange(N), np.array([ARMS.index(name) for name in log.action])
    assert_array_equal(log.latency, LATENCY[chosen])
    caps = COST.max(), 2.0
    naive = [
        naive_reward(QUALITY[cell], COST[cell], LATENCY[cell], (0.5, 0.2, 0.3), caps)
        for cell in zip(*chosen, strict=True)
    ]
    assert_allclose(log.reward, naive, atol=1e-15)
    assert (log.cost_cap, log.latency_cap) == caps
    frame = log.to_frame()
    assert_array_equal(frame["latency"], log.latency)
    assert (frame["w_latency"] == 0.3).all()
    low, high = log.to_logged().reward_range
    assert low == -0.5
    assert high == 0.5


def test_a_table_of_routers_shows_latency_and_weighs_it():
    w, caps = (0.4, 0.3, 0.3), (0.7, 3.0)
    routers = {"a": ["a"] * N, "b": ["b"] * N}
    table = router_table(
        routers, None, QUALITY, COST, LATENCY,
        arms=ARMS, preference=w, cost_cap=caps[0], latency_cap=caps[1],
    )  # fmt: skip
    frame = table.to_frame()
    assert_allclose(frame["latency"], LATENCY[:, :2].mean(axis=0))
    naive = [
        np.mean([naive_reward(QUALITY[i, k], COST[i, k], LATENCY[i, k], w, caps) for i in range(N)])
        for k in range(2)
    ]
    assert_allclose(frame["reward"], naive)
    assert "latency" in str(table)
    assert "latency" not in router_table(routers, None, QUALITY, COST, arms=ARMS).to_frame()


def test_a_live_router_learns_latency_goes_on_and_keeps_it_in_its_history(tmp_path):
    def cold():
        return LiveRouter.cold(
            LinUCB(arms=ARMS, random_state=0), 3, has_latency=True, journal=tmp_path / "live"
        )

    with cold() as live:
        for i in range(20):
            decision = live.choose(X[i], (0.4, 0.3, 0.3))
            live.feedback(decision.id, QUALITY[i, 0], COST[i, 0], LATENCY[i, 0])
        with pytest.raises(DataError, match="latency is missing, but this router learns latencies"):
            live.feedback(live.choose(X[0]).id, 0.5, 0.5)
        before = live.router.predict_latency(X)
    with LiveRouter.resume(tmp_path / "live") as again:
        assert_array_equal(again.router.predict_latency(X), before)
        again.checkpoint()
    with LiveRouter.resume(tmp_path / "live") as again:
        assert_allclose(again.router.predict_latency(X), before, atol=1e-12)
    history = read_history(tmp_path / "live", cost_cap=0.5, latency_cap=2.0)
    naive = [
        naive_reward(QUALITY[i, 0], COST[i, 0], LATENCY[i, 0], (0.4, 0.3, 0.3), (0.5, 2.0))
        for i in range(20)
    ]
    assert_allclose(history.reward, naive, atol=1e-15)


def test_latencies_of_nothing_at_all_cost_nothing():
    router = LinUCB(arms=ARMS, random_state=0).fit(X, QUALITY, COST, 0 * LATENCY)
    scores = router.decision_function(X, (0.2, 0.3, 0.5))
    assert np.isfinite(scores).all()
    oracle = OracleRouter(arms=ARMS).fit(X, QUALITY, 0 * COST, 0 * LATENCY)
    best = np.array(ARMS)[QUALITY.argmax(axis=1)]
    assert_array_equal(oracle.predict(X, (0.2, 0.3, 0.5)), best)


class TestCaps:
    """Caps are settled when learning begins."""

    def test_one_that_is_changed_after_training_waits_for_the_next(self):
        router = LinUCB(arms=ARMS, cost_cap=0.5, fit_intercept=False, random_state=0)
        router.partial_fit(X, ACTION, **TOLD)
        before = router.predict_cost(X)
        as_it_was = LinUCB(arms=ARMS, cost_cap=0.5, fit_intercept=False, random_state=0)
        as_it_was.partial_fit(X, ACTION, **TOLD)
        for odd in (0.1, -2.0, "x", None):
            router.set_params(cost_cap=odd, latency_cap=odd)
            router.partial_fit(X[:5], ACTION[:5], *(values[:5] for values in TOLD.values()))
            as_it_was.partial_fit(X[:5], ACTION[:5], *(values[:5] for values in TOLD.values()))
        assert router.caps_ == as_it_was.caps_ == [0.5, TOLD["latency"].max()]
        assert_array_equal(router.predict_cost(X), as_it_was.predict_cost(X))
        assert np.abs(router.predict_cost(X) - before).max() > 0

    def test_a_saved_router_knows_which_were_given(self, tmp_path):
        router = taught(LinUCB(cost_cap=0.5))
        router.set_params(cost_cap=None, latency_cap=3.0).save(tmp_path / "router.npz")
        again = load_bandit(tmp_path / "router.npz")
        again.partial_fit(X[:1], ["a"], [0.5], [9.0], [99.0])
        assert again.caps_ == [0.5, 99.0]
