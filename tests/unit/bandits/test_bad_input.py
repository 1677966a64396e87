"""What a user does wrong is said in one sentence, and nothing is learned from it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from bandits import LinUCB, OracleRouter, Replay, ReplayError
from metarouter.exceptions import DataError

X = np.random.default_rng(0).normal(size=(40, 3))
QUALITY = np.random.default_rng(1).random((40, 2))
COST = np.random.default_rng(2).random((40, 2))


@pytest.fixture
def router():
    return LinUCB(arms=("large", "small"), random_state=0).fit(X, QUALITY, COST)


def learned(router):
    return router.posterior_.moment.tobytes(), router.cost_cap_, router.n_updates_, router.arms_[:]


FEEDBACK = {"X": X[:2], "action": ["large", "small"], "quality": [1.0, 0.0], "cost": [0.1, 0.2]}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"action": ["large", "medium"]}, r"'medium' in row 1.*choose one of 'large', 'small'"),
        ({"action": ["large"]}, r"action has 1 rows but X has 2"),
        ({"propensity": [0.5, 0.0]}, r"propensity is 0 in row 1 \(1 of 2 rows"),
        ({"propensity": [1.5, 0.5]}, r"propensity is 1.5 in row 0"),
        ({"propensity": [np.nan, 0.5]}, r"propensity is NaN or infinite in 1 of 2 rows"),
        ({"cost": [-1.0, 0.2]}, r"cost is negative in 1 of 2 rows \(first: row 0\)"),
        ({"cost": None}, r"cost is missing, but earlier feedback had it"),
        ({"quality": [np.nan, 1.0]}, r"quality is NaN or infinite in 1 of 2 rows"),
        ({"quality": [1.0]}, r"quality has shape \(1,\) but there are 2 rows"),
        ({"quality": ["good", "bad"]}, r"quality holds something that is not a number"),
        ({"X": X[:2, :2]}, r"X has 2 features, but LinUCB is expecting 3 features"),
        ({"X": np.full((2, 3), np.nan)}, r"X is NaN in 2 of 2 rows"),
    ],
)
def test_wrong_feedback_is_refused_and_nothing_is_learned(router, wrong, message):
    before = learned(router)
    with pytest.raises(DataError, match=message) as caught:
        router.partial_fit(**{**FEEDBACK, **wrong})
    assert "\n" not in str(caught.value)
    assert learned(router) == before


@pytest.mark.parametrize(
    ("preference", "message"),
    [
        ((0.5, 0.6), r"\(0.5, 0.6\); give two weights"),
        ((1.5, -0.5), r"give two weights of at least 0"),
        ((0.2, 0.3, 0.5), r"preference weighs latency, but this router has seen no latencies"),
        ((0.2, 0.3, 0.4), r"\(0.2, 0.3, 0.4\); give three weights of at least 0 that sum to 1"),
        ((0.2, 0.3, 0.4, 0.1), r"shape \(4,\)"),
        (np.full((39, 2), 0.5), r"shape \(39, 2\) but there are 40 rows"),
        (np.vstack([np.full((39, 2), 0.5), [[0.9, 0.9]]]), r"in row 39 \(1 of 40 rows\)"),
        ((np.nan, 0.5), r"give two weights"),
        ("cheap", r"give \(w_quality, w_cost\)"),
    ],
)
def test_a_preference_off_the_simplex_is_refused(router, preference, message):
    for ask in (router.predict, router.sample, router.predict_proba, router.decision_function):
        with pytest.raises(DataError, match=message):
            ask(X, preference)


def test_cost_cannot_weigh_where_none_was_seen():
    router = LinUCB(random_state=0).fit(X, QUALITY)
    with pytest.raises(DataError, match="has seen no costs"):
        router.predict(X, (0.5, 0.5))
    with pytest.raises(DataError, match="earlier feedback had none"):
        router.partial_fit(X[:1], [0], [1.0], [0.1])
    with pytest.raises(DataError, match="seen no costs"):
        router.predict_cost(X)


@pytest.mark.parametrize(
    ("quality", "cost", "message"),
    [
        (QUALITY, -COST, "cost is negative in 80 cells"),
        (QUALITY, COST[:, :1], r"cost has shape \(40, 1\), but shape \(40, 2\)"),
        (QUALITY[:39], None, "X has 40 rows but quality has 39"),
        (np.where(QUALITY > 0.9, np.inf, QUALITY), None, "quality is infinite in row"),
        (QUALITY * np.nan, None, "The quality of arm .* is NaN in row 0"),
        (None, None, "requires y to be passed"),
    ],
)
def test_logs_that_cannot_be_played_are_refused(quality, cost, message):
    with pytest.raises((DataError, ReplayError), match=message):
        LinUCB(random_state=0).fit(X, quality, cost)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"prior_precision": 0.0}, "prior_precision is 0.0"),
        ({"discount": 1.2}, "discount is 1.2"),
        ({"cost_cap": -1.0}, "cost_cap is -1.0"),
        ({"arms": ("a", "a")}, "arms names 'a' twice"),
        ({"arms": ("a", "b", "c")}, "arms has 3 names but quality has 2 columns"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(parameters, message):
    with pytest.raises(DataError, match=message):
        LinUCB(**parameters).fit(X, QUALITY, COST)


def test_arms_must_be_known_before_feedback():
    with pytest.raises(DataError, match="does not know its arms"):
        LinUCB().partial_fit(X[:1], ["large"], [1.0])


def test_a_frame_with_reordered_columns_is_refused(router):
    frame = pd.DataFrame(X, columns=list("abc"))
    fitted = LinUCB(random_state=0).fit(frame, QUALITY)
    with pytest.raises(DataError, match=r"same order|feature names"):
        fitted.predict(frame[["b", "a", "c"]])


@pytest.mark.parametrize("play", [LinUCB(random_state=0).fit, OracleRouter().fit, Replay])
def test_frames_whose_columns_stand_in_different_orders_are_refused(play):
    quality = pd.DataFrame(QUALITY, columns=["large", "small"])
    cost = pd.DataFrame(COST, columns=["small", "large"])
    with pytest.raises(DataError, match="put them in one order"):
        play(X, quality, cost)
    play(X, quality, cost[["large", "small"]])


def test_arms_are_the_columns_of_a_frame():
    fitted = LinUCB(random_state=0).fit(X, pd.DataFrame(QUALITY, columns=["large", "small"]))
    assert set(fitted.predict(X)) <= {"large", "small"}


class TestReplay:
    def test_another_cell_of_a_round_is_refused(self):
        replay = Replay(X, QUALITY, arms=("large", "small"))
        replay.reveal([0, 1], [0, 1])
        with pytest.raises(ReplayError, match="Round 1 has shown the outcome of 'small'"):
            replay.reveal([2, 1], [0, 0])
        assert replay.n_revealed == 2

    def test_the_same_cell_is_counted_once(self):
        replay = Replay(X, QUALITY)
        first = replay.reveal(3, 1).quality
        assert replay.reveal(3, 1).quality == first == QUALITY[3, 1]
        assert replay.n_revealed == 1
        replay.reset()
        assert replay.n_revealed == 0


class TestArms:
    def test_an_arm_can_come_and_go(self, router):
        means = router.predict_quality(X)
        router.add_arm("new", like="small", weight=0.5)
        assert router.predict_quality(X).shape == (40, 3)
        router.partial_fit(X[:1], ["new"], [1.0], [0.0])
        router.remove_arm("large")
        assert router.arms_ == ["small", "new"]
        np.testing.assert_allclose(router.predict_quality(X)[:, 0], means[:, 1], atol=1e-12)

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            (lambda r: r.add_arm("large"), "'large' twice"),
            (lambda r: r.add_arm("new", like="medium"), "'medium'"),
            (lambda r: r.add_arm("new", like="large", weight=2.0), "weight is 2.0"),
            (lambda r: r.remove_arm("medium"), "'medium'"),
            (lambda r: r.remove_arm("large").remove_arm("small"), "only arm"),
        ],
    )
    def test_changes_that_mean_nothing_are_refused(self, router, change, message):
        with pytest.raises(DataError, match=message):
            change(router)
        assert len(router.arms_) == router.posterior_.n_arms


def test_a_warm_start_takes_over_what_another_router_learned(router):
    warm = LinUCB(prior=router, random_state=0)
    warm.partial_fit(X[:1], ["large"], [1.0], [0.1], arms=("large", "small"))
    router.partial_fit(X[:1], ["large"], [1.0], [0.1])
    np.testing.assert_allclose(warm.predict_quality(X), router.predict_quality(X), atol=1e-9)
    with pytest.raises(DataError, match="prior is a LinUCB that does not fit"):
        LinUCB(prior=router).fit(X[:, :2], QUALITY, COST)
    with pytest.raises(DataError, match="name them alike"):
        LinUCB(prior=(router, 0.5), arms=("small", "large")).fit(X, QUALITY, COST)
    with pytest.raises(DataError, match="costs, latencies and an intercept if this one has them"):
        LinUCB(prior=router, fit_intercept=False).fit(np.hstack([X, X[:, :1]]), QUALITY, COST)
    named = pd.DataFrame(X).add_prefix("x")
    trained_on_names = LinUCB(random_state=0).fit(named, QUALITY, COST)
    with pytest.raises(DataError, match="give both the same in one order"):
        LinUCB(prior=trained_on_names).fit(named.iloc[:, ::-1], QUALITY, COST)


def test_quality_and_cost_are_kept_apart_until_the_preference_is_known(router):
    weights = np.array([0.2, 0.8])
    expected = weights[0] * router.predict_quality(X)
    expected -= weights[1] * router.predict_cost(X) / router.cost_cap_
    np.testing.assert_allclose(router.decision_function(X, weights), expected, atol=1e-12)


def test_costs_above_the_cap_count_as_one():
    capped = LinUCB(cost_cap=0.5, random_state=0).fit(X, QUALITY, COST, preference=(1, 0))
    cut = LinUCB(cost_cap=0.5, random_state=0).fit(
        X, QUALITY, np.minimum(COST, 0.5), preference=(1, 0)
    )
    np.testing.assert_allclose(capped.predict_cost(X), cut.predict_cost(X))
