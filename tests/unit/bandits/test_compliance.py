"""Routers keep scikit-learn's conventions."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from bandits import (
    BaRP,
    BayesianRouter,
    BetaTS,
    Constant,
    EpsilonGreedy,
    LinTS,
    LinUCB,
    OracleRouter,
    RandomRouter,
    SquareCB,
)

BANDITS = [
    *(LinUCB(), LinTS(), EpsilonGreedy(), SquareCB(), Constant(), RandomRouter(), BetaTS()),
    BayesianRouter(),
    *(BaRP(epochs=1), BaRP(estimator="doubly_robust", epochs=1)),
]
NAMED_OUTCOMES = "outcomes are named: fit(X, quality, cost), not fit(X, y)"


def _expected_failures(router):
    expected = {"check_fit_score_takes_y": NAMED_OUTCOMES}
    if isinstance(router, OracleRouter):
        expected["check_fit_idempotent"] = "it knows only the very queries that it was shown"
    else:
        expected["check_n_features_in_after_fitting"] = (
            "partial_fit takes the chosen action: partial_fit(X, action, quality)"
        )
    return expected


@parametrize_with_checks([*BANDITS, OracleRouter()], expected_failed_checks=_expected_failures)
def test_conventions(estimator, check):
    check(estimator)


@pytest.fixture
def logs():
    rng = np.random.default_rng(0)
    return rng.normal(size=(80, 3)), rng.random((80, 4)), rng.random((80, 4))


@pytest.mark.parametrize("router", BANDITS, ids=lambda router: type(router).__name__)
class TestEveryRouter:
    def test_the_same_seed_gives_the_same_router(self, router, logs):
        first, second = (clone(router).set_params(random_state=0).fit(*logs) for _ in range(2))
        assert (first.predict(logs[0]) == second.predict(logs[0])).all()
        assert (first.sample(logs[0])[0] == second.sample(logs[0])[0]).all()

    def test_predict_is_the_same_at_every_call(self, router, logs):
        fitted = clone(router).set_params(random_state=0).fit(*logs)
        assert (fitted.predict(logs[0]) == fitted.predict(logs[0])).all()

    def test_it_reads_one_cell_of_every_row(self, router, logs):
        assert clone(router).fit(*logs).n_revealed_ == 80

    def test_probabilities_are_the_frequencies_of_what_is_sampled(self, router, logs):
        fitted = clone(router).set_params(random_state=0).fit(*logs)
        x = np.repeat(logs[0][:1], 20_000, axis=0)
        action, propensity = fitted.sample(x)
        chances = fitted.predict_proba(x[:1])[0]
        frequency = np.bincount(action, minlength=4) / len(x)
        assert chances.sum() == pytest.approx(1.0)
        np.testing.assert_allclose(frequency, chances, atol=0.016)
        np.testing.assert_allclose(propensity, chances[action], atol=1e-12)

    def test_it_survives_a_copy_by_pickle(self, router, logs):
        fitted = clone(router).set_params(random_state=0).fit(*logs)
        again = pickle.loads(pickle.dumps(fitted))
        assert (again.predict(logs[0]) == fitted.predict(logs[0])).all()
        again.partial_fit(logs[0][:1], [0], [1.0], [0.1])

    def test_it_stands_in_a_pipeline(self, router, logs):
        X, quality, _ = logs
        pipe = make_pipeline(StandardScaler(), clone(router)).fit(X, quality)
        assert pipe.predict(X).shape == (80,)


def test_probability_of_the_largest_agrees_with_draws():
    from bandits.linear._largest_normal import probability_of_largest

    rng = np.random.default_rng(0)
    mean, std = rng.normal(size=(6, 5)), rng.gamma(0.5, size=(6, 5)) + 1e-3
    draws = mean[:, None] + std[:, None] * rng.standard_normal((6, 200_000, 5))
    frequency = np.stack([np.bincount(row.argmax(axis=1), minlength=5) for row in draws]) / 200_000
    np.testing.assert_allclose(probability_of_largest(mean, std), frequency, atol=0.006)
