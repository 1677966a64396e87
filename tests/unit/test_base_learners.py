"""The default forests learn also where features are few."""

import numpy as np
import pytest

from metarouter import DRLearner, RLearner
from metarouter.base_learners import default_classifier, default_regressor


@pytest.mark.parametrize("n_features", [1, 2, 6, 20])
def test_the_default_regressor_recovers_a_line(n_features):
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(1000, n_features)), rng.normal(size=(1000, n_features))
    y = X[:, 0] + rng.normal(size=1000)
    prediction = default_regressor(0).fit(X, y).predict(new)
    assert np.polyfit(new[:, 0], prediction, 1)[0] > 0.7
    assert np.mean((prediction - new[:, 0]) ** 2) < 0.25


@pytest.mark.parametrize("n_features", [1, 2, 6, 20])
def test_the_default_classifier_finds_where_there_is_no_overlap(n_features):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(2000, n_features))
    propensity = 1 / (1 + np.exp(-3 * X[:, 0]))
    is_gold = rng.random(2000) < propensity
    estimate = default_classifier(0).fit(X, is_gold).predict_proba(X)[:, 1]
    assert estimate.min() < 0.05
    assert estimate.max() > 0.95


@pytest.mark.parametrize("learner", [RLearner, DRLearner])
@pytest.mark.parametrize("n_features", [2, 6, 20])
def test_the_default_shift_is_nearer_to_a_line_than_to_its_mean(learner, n_features):
    rng = np.random.default_rng(0)
    X, new = rng.normal(size=(2000, n_features)), rng.normal(size=(1000, n_features))
    is_gold = np.arange(2000) < 200
    y = np.where(is_gold, 2 * X[:, 0], X[:, 0]) + rng.normal(size=2000)
    shift = learner(propensity="constant", method="oob", random_state=0)
    error = shift.fit(X, y, is_gold=is_gold).predict(new) - new[:, 0]
    assert np.mean(error**2) < 0.5  # the true shift has variance 1
