"""The logged propensity is the frequency of the draw: for every router that explores."""

from __future__ import annotations

from itertools import pairwise

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from public_names import public_estimators
from reward_worlds import topics_world, trained_offline
from scipy.stats import beta, chi2

from bandits import (
    BaRP,
    BetaTS,
    Constant,
    EpsilonGreedy,
    FullInformationBaRP,
    LinTS,
    LinUCB,
    RandomRouter,
    Replay,
    SquareCB,
)
from bandits._ties import argmax_with_ties, chances_of_best, draw, tied_for_best
from bandits.baselines import oracle_actions
from bandits.baselines._largest_beta import probabilities_of_largest
from bandits.evaluation._outcomes import oracle_probability
from bandits.play import play
from bandits.reward_models import LASER, BayesianRouter, Racing, WeightedScore

DRAWS = 2000
ROUTERS = {
    "BaRP": lambda: BaRP(epochs=1, batch_size=16, device="cpu", random_state=0),
    "FullInformationBaRP": lambda: FullInformationBaRP(
        epochs=1, batch_size=16, device="cpu", random_state=0
    ),
    "BayesianRouter": lambda: BayesianRouter(random_state=0),
    "BetaTS": lambda: BetaTS(random_state=0),
    "Constant": lambda: Constant(random_state=0),
    "EpsilonGreedy": lambda: EpsilonGreedy(0.3, random_state=0),
    "LinTS": lambda: LinTS(random_state=0),
    "LinUCB": lambda: LinUCB(random_state=0),
    "Racing": lambda: Racing(random_state=0),
    "RandomRouter": lambda: RandomRouter(random_state=0),
    "SquareCB": lambda: SquareCB(10.0, random_state=0),
}
POLICIES = ("BaRP", "FullInformationBaRP")


def require_frequencies(router, x, preference, available=None):
    """The draws of one query are those of `predict_proba`, and so is what is logged."""
    arms = list(router.arms_)
    chances = router.predict_proba(x, preference, available=available)[0]
    assert chances.sum() == pytest.approx(1.0, abs=1e-9)
    action, propensity = router.sample(np.repeat(x, DRAWS, axis=0), preference, available=available)
    drawn = np.array([arms.index(name) for name in action.tolist()])
    np.testing.assert_allclose(propensity, chances[drawn], rtol=1e-6)
    assert (propensity > 0).all()
    counts = np.bincount(drawn, minlength=len(arms))
    rare = chances * DRAWS < 5
    assert counts[chances == 0].sum() == 0
    observed = np.append(counts[~rare], counts[rare].sum())
    expected = np.append(chances[~rare], chances[rare].sum()) * DRAWS
    kept = expected > 1e-12
    statistic = ((observed - expected)[kept] ** 2 / expected[kept]).sum()
    if kept.sum() > 1:  # once in a million times by chance, and seeds are fixed
        assert statistic < chi2.isf(1e-6, int(kept.sum()) - 1)


@pytest.mark.parametrize("name", ROUTERS)
@pytest.mark.parametrize(
    ("n_arms", "scale", "level", "tied"),
    [
        (2, 1.0, 0.0, False),
        (3, 1.0, 0.0, True),
        (11, 1e-8, 0.0, False),
        (5, 1e8, 0.0, False),
        (4, 1.0, 1e8, False),
        (50, 1.0, 0.0, True),
    ],
    ids=["two", "tied", "tiny", "huge", "high", "fifty"],
)
def test_draws_come_as_often_as_is_logged(name, n_arms, scale, level, tied):
    rng = np.random.default_rng(n_arms)
    if name in POLICIES and scale * 1.0 + level > 1e6:
        scale, level = 1.0, 0.0  # larger ones are refused
    X = rng.normal(size=(60, 3))
    quality = level + scale * rng.random((60, n_arms))
    cost = rng.random((60, n_arms))
    if tied:
        quality[:] = quality[:, :1]
        cost[:] = 0.1
    router = ROUTERS[name]().fit(X, quality, cost)
    preferences = ((0.7, 0.3), (0.0, 1.0), (1e-9, 1 - 1e-9))
    for preference in preferences[: 1 if n_arms == 50 else None]:
        require_frequencies(router, X[:1], preference)
    available = np.arange(n_arms) % 2 == 0
    require_frequencies(router, X[:1], (0.7, 0.3), available)
    chances = router.predict_proba(X, (0.7, 0.3), available=available)
    assert not chances[:, ~available].any()


def test_draws_of_a_router_that_rests_on_an_offline_one_come_as_often_as_is_logged():
    X, correct, _ = topics_world(60, seed=2)
    router = WeightedScore(trained_offline(), random_state=0)
    router.partial_fit(X, router.sample(X)[0], correct[:, 0])
    require_frequencies(router, X[:1], None)
    require_frequencies(router, X[:1], None, np.arange(len(router.arms_)) % 2 == 0)


def test_one_draw_for_a_batch_comes_as_often_as_is_logged():
    router, x = LASER(arms=("a", "b", "c"), random_state=0), np.ones((4, 2))
    router.partial_fit(x[:2], ["a", "a"], [0.0, 0.0])  # b and c are tied
    batches = [router.sample(x) for _ in range(DRAWS)]
    assert all(len(set(action.tolist())) == 1 for action, _ in batches)
    assert all((propensity == 0.5).all() for _, propensity in batches)
    counts = np.array([sum(action[0] == name for action, _ in batches) for name in "abc"])
    assert counts[0] == 0
    assert abs(counts[1] - DRAWS / 2) < 5 * np.sqrt(DRAWS / 4)


def test_every_router_that_draws_single_arms_is_looked_at_here():
    drawing = {name for name, kind in public_estimators().items() if hasattr(kind, "sample")}
    assert drawing == {*ROUTERS, "LASER", "WeightedScore"}


@pytest.mark.parametrize("name", ROUTERS)
def test_rows_may_offer_different_arms(name):
    rng = np.random.default_rng(0)
    X, quality = rng.normal(size=(30, 2)), rng.random((30, 4))
    router = ROUTERS[name]().fit(X, quality)
    available = rng.random((30, 4)) < 0.5
    available[:, 2] |= ~available.any(axis=1)
    action, propensity = router.sample(X, available=available)
    chances = router.predict_proba(X, available=available)
    rows = np.arange(30)
    assert available[rows, action].all()
    np.testing.assert_allclose(chances[rows, action], propensity)
    assert not chances[~available].any()


class TestTies:
    def test_one_bad_arm_does_not_make_good_ones_equal(self):
        scores = np.array([[0.9, 0.5, -1e9], [0.9, 0.5, -1e9]])
        assert tied_for_best(scores).tolist() == [[True, False, False]] * 2
        assert tied_for_best(scores[:1]).tolist() == [[True, False, False]]
        quality = np.tile([0.9, 0.5, -1e9], (200, 1))
        assert not oracle_actions(quality, None, np.array([1.0, 0.0]), 1.0).any()
        assert (oracle_probability(quality, None)[:, 0] == 1).all()

    @pytest.mark.parametrize("name", ["LinUCB", "EpsilonGreedy", "SquareCB"])
    def test_nor_does_it_in_a_router(self, name):
        quality = np.tile([0.9, 0.5, -1e9], (300, 1))
        router = ROUTERS[name]().fit(np.ones((300, 1)), quality)
        assert set(router.predict(np.ones((100, 1))).tolist()) == {0}

    @given(st.integers(-8, 8), st.integers(2, 50), st.integers(0, 2**31))
    def test_the_rule_is_the_same_at_every_scale(self, power, n_arms, seed):
        rng = np.random.default_rng(seed)
        scores = rng.normal(size=(3, n_arms))
        scores[:, : n_arms // 2] = scores.max(axis=1, keepdims=True)
        scaled = tied_for_best(scores * 10.0**power)
        np.testing.assert_array_equal(scaled, tied_for_best(scores))
        for row in range(3):
            np.testing.assert_array_equal(
                tied_for_best(scores[row : row + 1]), tied_for_best(scores)[row : row + 1]
            )
        chosen = argmax_with_ties(scores, rng.random(3))
        assert (chances_of_best(scores)[np.arange(3), chosen] > 0).all()

    def test_arms_that_cannot_be_played_are_not_tied(self):
        scores = np.array([[0.0, -np.inf, 0.0], [-np.inf, -1.0, -np.inf]])
        expected = [[True, False, True], [False, True, False]]
        assert tied_for_best(scores).tolist() == expected
        assert [tied_for_best(row[None])[0].tolist() for row in scores] == expected


@given(st.integers(2, 50), st.integers(0, 2**31))
def test_an_arm_of_probability_zero_is_never_drawn(n_arms, seed):
    rng = np.random.default_rng(seed)
    chances = rng.random((20, n_arms)) * (rng.random((20, n_arms)) < 0.5)
    chances[:, 0] += 1e-3
    chances /= chances.sum(axis=1, keepdims=True)
    for uniform in (0.0, 1 - 2**-53):
        drawn = draw(chances, np.full(20, uniform))
        assert (chances[np.arange(20), drawn] > 0).all()


class TestBeta:
    def test_a_fresh_arm_beside_one_that_was_tried_ten_thousand_times(self):
        router = BetaTS(arms=("known", "fresh"), random_state=0)
        X, quality = np.zeros((10_000, 1)), np.ones(10_000)
        quality[:5] = 0.0
        router.partial_fit(X, ["known"] * 10_000, quality)
        assert router.predict_proba(X[:1])[0, 1] == pytest.approx(6 / 10_002, rel=1e-9)

    @pytest.mark.parametrize(
        ("first", "second"),
        [
            ((1, 1), (9996, 6)),
            ((3, 50), (400, 2)),
            ((2, 1000), (200, 3)),
            ((50, 1), (1, 50)),
            ((500, 3), (900, 2)),
            ((1, 1), (10**6, 1)),
            ((1, 1), (1, 10**6 + 1)),
            ((5, 10**6), (3, 20)),
            ((30, 10**5), (20, 10)),
        ],
    )
    def test_two_arms_have_the_probabilities_of_the_closed_form(self, first, second):
        found = probabilities_of_largest(
            np.array([first[0], second[0]], dtype=float),
            np.array([first[1], second[1]], dtype=float),
            np.zeros(2),
            np.arange(2),
        )
        with mpmath.workdps(40):
            expected = _first_beats(first, second), _first_beats(second, first)
            for ours, right in zip(found, expected, strict=True):
                if right is not None:
                    assert abs(ours / right - 1) < 1e-6

    @settings(max_examples=8, deadline=None)
    @given(st.integers(2, 4), st.integers(0, 2**31))
    def test_several_arms_have_those_of_naive_quadrature(self, n_arms, seed):
        rng = np.random.default_rng(seed)
        n, q = 10 ** rng.uniform(0, 2, n_arms), rng.random(n_arms)
        success, failure = 1 + n * q, 1 + n * (1 - q)
        less = rng.choice([0.0, 0.05, 0.3], n_arms)
        less -= less.min()
        found = probabilities_of_largest(success, failure, less, np.arange(n_arms))
        assert found.sum() == pytest.approx(1.0, abs=1e-7)
        k = int(rng.integers(n_arms))
        right = _by_quadrature(success, failure, less, k)
        if right > 1e-250:
            assert abs(found[k] / right - 1) < 1e-6

    def test_equal_prices_are_equal_however_often_they_were_paid(self):
        router = BetaTS(arms=("a", "b"), random_state=0)
        n = 100_000
        X, arm = np.zeros((n, 1)), np.array(["a"] * (n // 3) + ["b"] * (n - n // 3))
        router.partial_fit(X, arm, np.full(n, 0.5), np.full(n, 0.1))
        for row in range(300):  # one by one, as in a service
            router.partial_fit(X[:1], arm[row : row + 1], [0.5], [0.1])
        assert router.predict_cost(X[:1])[0].tolist() == [0.1, 0.1]
        action, propensity = router.sample(X[:200], (0.0, 1.0))
        assert (propensity > 0.01).all()
        assert set(action.tolist()) == {"a", "b"}

    def test_the_dearer_arm_has_no_chance_where_costs_are_all(self):
        router = BetaTS(arms=("cheap", "dear"), random_state=0)
        router.partial_fit(np.zeros((4, 1)), ["cheap", "dear"] * 2, np.ones(4), [0.1, 0.2] * 2)
        assert router.predict_proba(np.zeros((1, 1)), (0.0, 1.0)).tolist() == [[1.0, 0.0]]
        assert set(router.sample(np.zeros((50, 1)), (0.0, 1.0))[0].tolist()) == {"cheap"}


class TestArmsThatAreOut:
    def test_an_arm_that_is_out_for_a_round_is_not_forgotten(self):
        rng = np.random.default_rng(0)
        X, quality = rng.random((200, 2)), np.tile([0.2, 0.9], (200, 1))
        available = np.ones((200, 2), dtype=bool)
        available[150, 1] = False
        router = LinUCB(random_state=0)
        log = play(router, Replay(X, quality, arms=("a", "b"), available=available))
        assert log.action[150] == "a"
        assert router.arms_ == ["a", "b"]
        assert router.predict_quality(X[:1])[0, 1] == pytest.approx(0.9, abs=0.02)

    def test_feedback_of_an_arm_that_will_be_back_is_learned(self):
        from bandits.scenarios import DelayedFeedback

        X, quality = np.ones((60, 1)), np.tile([0.2, 0.9], (60, 1))
        available = np.ones((60, 2), dtype=bool)
        available[30:40, 1] = False
        world = Replay(X, quality, arms=("a", "b"), available=available)
        log = play(RandomRouter(random_state=0), world, scenario=DelayedFeedback(5))
        assert log.learned[log.arrival < 60].all()

    @pytest.mark.parametrize("name", ROUTERS)
    def test_what_is_no_offer_is_refused(self, name):
        router = ROUTERS[name]().fit(np.eye(3), np.eye(3))
        for available in ([True, False], [1, 0, 1], [False] * 3):
            with pytest.raises(ValueError, match="available"):
                router.sample(np.eye(3), available=available)


def _first_beats(first, second):
    """P(Beta(*first) > Beta(*second)) in closed form, where the first parameter is small."""
    (a, b), (c, d) = first, second
    if a > 2000:
        return None
    return mpmath.fsum(
        mpmath.beta(c + i, b + d) / ((b + i) * mpmath.beta(1 + i, b) * mpmath.beta(c, d))
        for i in range(a)
    )


def _by_quadrature(success, failure, less, k):
    """By a rule of many nodes between the points where a distribution function ends.

    The nodes are those of a smooth step, so that powers just above 0 at an end do no harm.
    """
    ends = np.clip(less[k] + np.append(-less, 1.0 - less), 0.0, 1.0)
    ends = np.unique(np.append(ends[ends >= ends[: len(less)].max()], 1.0))
    u = np.linspace(0.0, 1.0, 40_001)
    step, slope = u**4 * (35 - 84 * u + 70 * u**2 - 20 * u**3), 140 * (u * (1 - u)) ** 3
    total = 0.0
    for low, high in pairwise(ends):
        t = low + (high - low) * step
        value = beta.pdf(t, success[k], failure[k]) * (high - low) * slope
        for j in range(len(less)):
            if j != k:
                value = value * beta.cdf(t + less[j] - less[k], success[j], failure[j])
        total += float(np.trapezoid(value, u))
    return total
