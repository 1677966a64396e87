"""A policy is read by the names of its arms, whatever it is wrapped in."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from bandits import EpsilonGreedy, LinUCB
from bandits.off_policy import LoggedFeedback, compare_policies, off_policy_value
from bandits.off_policy._checks import probabilities_of
from metarouter.exceptions import DataError

ARMS = ("a", "b", "c")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(300, 2))
QUALITY = np.tile([0.2, 0.5, 0.8], (300, 1))


def log_of(arms=ARMS):
    names = RNG.choice(list(ARMS), size=300)
    reward = RNG.random(300) < QUALITY[0, [ARMS.index(name) for name in names]]
    return LoggedFeedback(X, names, np.full(300, 1 / 3), reward.astype(float), arms=arms)


def router_of(arms):
    """Return a router that calls the best arm, always."""
    names = np.resize(arms, 300)
    quality = QUALITY[0, [ARMS.index(name) for name in names]]
    return EpsilonGreedy(0.0, arms=arms, random_state=0).partial_fit(X, names, quality)


def bare(router):
    return router


def in_pipeline(router):
    pipeline = make_pipeline(StandardScaler(with_mean=False, with_std=False), router)
    pipeline.steps[0][1].fit(X)
    return pipeline


def in_pipelines(router):
    return make_pipeline(FrozenEstimator(in_pipeline(router)))


@pytest.mark.parametrize("wrap", [bare, in_pipeline, in_pipelines, FrozenEstimator])
@pytest.mark.parametrize("arms", [("a", "b", "c"), ("c", "a", "b"), ("b", "c")])
def test_the_order_of_the_arms_does_not_matter(wrap, arms):
    log, policy = log_of(), wrap(router_of(arms))
    assert off_policy_value(log, policy, method="ips").value == pytest.approx(
        off_policy_value(log, np.tile([0.0, 0.0, 1.0], (300, 1)), method="ips").value
    )
    difference = compare_policies(log, policy, router_of(ARMS))
    assert difference.value == 0


@given(st.permutations(ARMS))
def test_any_permutation_of_the_log_gives_the_same_probabilities(arms):
    log = log_of(tuple(arms))
    target = probabilities_of(log, in_pipeline(router_of(ARMS)), None)
    assert (target[:, list(arms).index("c")] == 1).all()


@pytest.mark.parametrize("wrap", [bare, in_pipeline, FrozenEstimator])
def test_arms_that_the_log_does_not_know_are_refused(wrap):
    router = LinUCB(arms=("a", "b", "d"), random_state=0).fit(X, QUALITY)
    with pytest.raises(DataError, match=r"knows the arm 'd', the log has 'a', 'b', 'c'"):
        off_policy_value(log_of(), wrap(router))


@pytest.mark.parametrize("wrap", [bare, in_pipeline, FrozenEstimator])
def test_a_classifier_is_read_by_its_classes(wrap):
    best = np.where(X[:, 0] > 0, "c", "a")
    target = probabilities_of(
        log_of(("c", "b", "a")), wrap(LogisticRegression().fit(X, best)), None
    )
    assert not target[:, 1].any()
    assert ((target[:, 0] > 0.5) == (X[:, 0] > 0)).mean() > 0.98
    search = GridSearchCV(LogisticRegression(), {"C": [1.0]}, cv=2).fit(X, best)
    np.testing.assert_allclose(
        probabilities_of(log_of(("c", "b", "a")), search, None), target, atol=0.05
    )


def test_a_classifier_of_foreign_labels_is_refused():
    policy = LogisticRegression().fit(X, X[:, 0] > 0)
    with pytest.raises(DataError, match="knows the arm False"):
        off_policy_value(log_of(), policy)


def test_probabilities_without_names_are_read_by_position():
    target = np.tile([0.2, 0.3, 0.5], (300, 1))
    np.testing.assert_array_equal(probabilities_of(log_of(), target, None), target)


class TestNumbersAtTheirEnds:
    def test_a_propensity_near_zero_in_a_row_of_weight_zero_leaves_numbers(self):
        for tiny in (1e-309, 1e-160):
            propensity = np.full(300, 0.5)
            propensity[0] = tiny
            arm = np.arange(300) % 2
            log = LoggedFeedback(X, arm, propensity, np.ones(300), arms=(0, 1))
            for interval in ("empirical_likelihood", "cressie_read", "normal"):
                result = off_policy_value(
                    log, np.tile([0.0, 1.0], (300, 1)), method="ips", interval=interval
                )
                assert np.isfinite([result.value, result.lower, result.upper]).all()

    def test_one_in_a_row_that_counts_is_refused(self):
        propensity = np.full(300, 0.5)
        propensity[7] = 1e-160
        log = LoggedFeedback(X, np.zeros(300, dtype=int), propensity, np.ones(300), arms=(0, 1))
        with pytest.raises(DataError, match="propensity is 1e-160 in row 7"):
            off_policy_value(log, np.tile([1.0, 0.0], (300, 1)))

    def test_draws_of_the_bootstrap_do_not_depend_on_how_many_are_made_at_a_time(self, monkeypatch):
        log, target = log_of(), np.tile([0.2, 0.3, 0.5], (300, 1))
        ask = {"method": "snips", "interval": "bootstrap"}
        whole = off_policy_value(log, target, **ask)
        monkeypatch.setattr("bandits.off_policy._intervals.BOOTSTRAP_CELLS", 1000)
        parts = off_policy_value(log, target, **ask)
        assert (whole.lower, whole.upper) == (parts.lower, parts.upper)

    def test_a_sequence_that_no_value_explains_says_so(self):
        from bandits.off_policy import ValueSequence

        sequence = ValueSequence((0.0, 1.0), max_weight=1.0)
        sequence.update(np.ones(2000), np.ones(2000))
        assert sequence.interval()[0] > 0.9
        sequence.update(np.ones(20_000), np.zeros(20_000))
        with pytest.raises(ValueError, match=r"No constant value in \[0, 1\] is left"):
            sequence.interval()
