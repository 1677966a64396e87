"""The win rate of a policy against one model, from duels of another policy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import expit

from bandits.dueling import FGTSRouter
from bandits.off_policy import LoggedDuels, win_rate
from metarouter.exceptions import DataError

RNG = np.random.default_rng(0)
ARMS = ("a", "b", "c")
EMBEDDINGS = RNG.standard_normal((3, 4))
MATRIX = RNG.standard_normal((4, 3)) * 2


def duels(n, seed=1, **settings):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, 4))
    logger = FGTSRouter(EMBEDDINGS, arms=ARMS, uniform=0.6, random_state=seed)
    first, second, propensity = logger.sample_pair(X)
    at, utility = np.arange(n), X @ MATRIX
    i, j = ([ARMS.index(name) for name in names] for names in (first, second))
    won = rng.random(n) < expit(utility[at, i] - utility[at, j])
    log = LoggedDuels(X, first, second, np.where(won, 1, -1), propensity, arms=ARMS, **settings)
    return log, utility


def test_the_estimate_is_the_weighted_mean_by_hand():
    log, _ = duels(200)
    policy = RNG.dirichlet(np.ones(3), 200)
    total = 0.0
    for row in range(200):
        i, j, won = log.first[row], log.second[row], (1 + log.outcome[row]) / 2
        if i == j == 1:
            total += policy[row, 1] / log.propensity[row] * 0.5
        elif j == 1:
            total += policy[row, i] / 2 / log.propensity[row] * won
        elif i == 1:
            total += policy[row, j] / 2 / log.propensity[row] * (1 - won)
    assert win_rate(log, policy, "b").value == pytest.approx(total / 200)


@pytest.mark.parametrize("method", ["ips", "snips", "dr"])
def test_the_truth_is_found(method):
    log, utility = duels(6000, least_propensity=0.6 / 9)
    truth = expit(utility.max(axis=1) - utility[:, 1]).mean()
    policy = np.eye(3)[utility.argmax(axis=1)]
    model = expit(0.5 * (utility - utility[:, [1]]))
    result = win_rate(log, policy, "b", method=method, model=model)
    assert abs(result.value - truth) < 4 * result.se
    assert result.lower < truth < result.upper
    assert result.upper - result.lower < 0.2


def test_a_good_model_narrows_the_estimate():
    log, utility = duels(3000)
    policy, model = np.eye(3)[utility.argmax(axis=1)], expit(utility - utility[:, [1]])
    plain, modelled = (
        win_rate(log, policy, "b"),
        win_rate(log, policy, "b", method="dr", model=model),
    )
    assert modelled.se < 0.7 * plain.se


def test_a_model_against_itself_wins_half():
    log, _ = duels(3000)
    result = win_rate(log, "b", "b")
    assert result.lower <= 0.5 <= result.upper


def test_a_router_may_be_the_policy():
    log, _ = duels(1000)
    router = FGTSRouter(EMBEDDINGS, arms=ARMS, random_state=5).fit(*judged())
    chosen = np.eye(3)[[ARMS.index(name) for name in router.predict(log.X)]]
    assert win_rate(log, router, "a").value == win_rate(log, chosen, "a").value


def judged():
    log, _ = duels(100, seed=9)
    names = np.array(ARMS)
    return log.X, names[log.first], names[log.second], log.outcome


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda log: win_rate(log, "d", "b"), "no arm 'd'"),
        (lambda log: win_rate(log, "a", "d"), "no arm 'd'"),
        (lambda log: win_rate(log, np.ones((300, 3)), "b"), "no probabilities in row 0"),
        (lambda log: win_rate(log, np.ones((300, 2)), "b"), "policy has shape"),
        (lambda log: win_rate(log, "a", "b", method="dr"), "model is missing"),
        (lambda log: duels(300, least_propensity=2.0)[0].against(0), "least_propensity"),
    ],
)
def test_questions_that_make_no_sense_are_refused(call, message):
    with pytest.raises(DataError, match=message):
        call(duels(300)[0])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"first": ["d"]}, "first holds 'd'"),
        ({"outcome": [3]}, "outcome is 3"),
        ({"propensity": [0.0]}, "propensity is 0"),
        ({"second": ["a", "b"]}, "give one row of features and one pair per duel"),
    ],
)
def test_duels_that_make_no_sense_are_refused(change, message):
    given = {"X": np.ones((1, 2)), "first": ["a"], "second": ["b"], "outcome": [1]}
    with pytest.raises(DataError, match=message):
        LoggedDuels(**{**given, "propensity": [0.5], "arms": ARMS, **change})
