"""Prior means and precisions of linear bandits."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone

from bandits import EpsilonGreedy, LinTS, LinUCB, SquareCB, load_bandit
from bandits.linear._posterior import GaussianPosterior
from metarouter.exceptions import DataError

D, K, M = 6, 3, 2


def batch_posterior(prior_mean, prior_precision, X, y):
    """Mean (m, d) and covariance of one arm by the batch formula, (m, d) prior mean."""
    precision = prior_precision + X.T @ X
    mean = np.linalg.solve(precision, prior_precision @ prior_mean.T + X.T @ y).T
    return mean, np.linalg.inv(precision)


@pytest.fixture
def world():
    rng = np.random.default_rng(0)
    X, arm, y = rng.normal(size=(400, D)), rng.integers(0, K, 400), rng.normal(size=(400, M))
    mean = rng.normal(size=(K, M, D))
    root = rng.normal(size=(K, D, D))
    return X, arm, y, mean, root @ root.swapaxes(1, 2) + np.eye(D)


def diagonal(precision, shape):
    if shape == "number":
        return 2.5, np.broadcast_to(2.5 * np.eye(D), (K, D, D))
    entries = precision[:, range(D), range(D)]
    if shape == "per coefficient":
        return entries[0], np.broadcast_to(np.diag(entries[0]), (K, D, D))
    if shape == "per arm":
        return entries, np.stack([np.diag(row) for row in entries])
    return precision, precision


@pytest.mark.parametrize("shape", ["number", "per coefficient", "per arm", "matrices"])
@pytest.mark.parametrize("sizes", [(400,), (1,) * 400, (1, 7, 92, 300)])
def test_a_posterior_with_a_prior_equals_the_batch_formula(world, shape, sizes):
    X, arm, y, mean, precision = world
    given, full = diagonal(precision, shape)
    posterior, start = GaussianPosterior(D, K, M, given, mean), 0
    np.testing.assert_allclose(posterior.means(X), np.einsum("nd,kmd->nkm", X, mean), atol=1e-12)
    for size in sizes:
        part = slice(start, start + size)
        posterior.update_rows(X[part], arm[part], y[part])
        posterior.variances(X[:1])
        start += size
    for k in range(K):
        expected, covariance = batch_posterior(mean[k], full[k], X[arm == k], y[arm == k])
        np.testing.assert_allclose(posterior.means(X)[:, k], X @ expected.T, atol=1e-9)
        variance = np.einsum("ij,jk,ik->i", X, covariance, X)
        np.testing.assert_allclose(posterior.variances(X)[:, k], variance, atol=1e-9)


def test_ten_thousand_rows_agree_with_the_batch_formula(world):
    _, _, _, mean, precision = world
    rng = np.random.default_rng(1)
    X, y = rng.normal(size=(10_000, D)), rng.normal(size=(10_000, M))
    posterior = GaussianPosterior(D, 1, M, precision[:1], mean[:1])
    for start in range(0, 10_000, 64):
        part = slice(start, start + 64)
        posterior.update_rows(X[part], np.zeros(len(X[part]), dtype=int), y[part])
    expected, covariance = batch_posterior(mean[0], precision[0], X, y)
    np.testing.assert_allclose(posterior.means(X)[:, 0], X @ expected.T, rtol=0, atol=1e-9)
    variance = np.einsum("ij,jk,ik->i", X, covariance, X)
    np.testing.assert_allclose(posterior.variances(X)[:, 0], variance, rtol=0, atol=1e-9)


def test_faded_evidence_returns_to_the_prior_mean(world):
    X, arm, y, mean, precision = world
    posterior = GaussianPosterior(D, K, M, precision, mean)
    posterior.update_rows(X, arm, y)
    posterior.discount(0.0)
    np.testing.assert_allclose(posterior.means(X), np.einsum("nd,kmd->nkm", X, mean), atol=1e-9)


def test_a_new_arm_has_the_mean_of_the_priors_or_that_of_the_arm_it_is_like(world):
    X, arm, y, mean, precision = world
    posterior = GaussianPosterior(D, K, M, precision, mean)
    posterior.update_rows(X, arm, y)
    posterior.add_arm(None, 1.0)
    posterior.add_arm(1, 1.0)
    posterior.add_arm(1, 0.0)
    means, variances = posterior.means(X), posterior.variances(X)
    np.testing.assert_allclose(means[:, K], X @ mean.mean(axis=0).T, atol=1e-9)
    np.testing.assert_allclose(means[:, K + 1], means[:, 1], atol=1e-9)
    np.testing.assert_allclose(variances[:, K + 1], variances[:, 1], atol=1e-9)
    np.testing.assert_allclose(means[:, K + 2], X @ mean[1].T, atol=1e-9)
    posterior.remove_arm(0)
    np.testing.assert_allclose(posterior.means(X), means[:, 1:], atol=1e-9)


ROUTERS = (LinUCB, LinTS, EpsilonGreedy, SquareCB)


@pytest.mark.parametrize("router", ROUTERS)
def test_a_router_follows_its_prior_until_the_data_overrule_it(router):
    X = np.random.default_rng(0).normal(size=(300, 2))
    prior = {"prior_mean": [[1.0, 0.0, 0.0], [-1.0, 0.0, 0.0]], "prior_precision": 10.0}
    arms = router(arms=("a", "b"), random_state=0, **prior)
    arms.partial_fit(X[:1], ["a"], [X[0, 0]])
    assert (arms.predict(X) == np.where(X[:, 0] > 0, "a", "b")).all()
    for name, sign in (("a", -1.0), ("b", 1.0)):
        arms.partial_fit(X, [name] * len(X), sign * X[:, 0])
    assert (arms.predict(X) == np.where(X[:, 0] > 0, "b", "a")).mean() > 0.99


def test_a_play_in_blocks_equals_one_by_one_with_a_prior(world):
    X, _, _, mean, precision = world
    quality = np.random.default_rng(3).random((400, K))
    make = {"fit_intercept": False, "prior_mean": mean[:, 0], "prior_precision": precision}
    blocks = LinUCB(random_state=0, **make).fit(X, quality)
    single = LinUCB(random_state=0, arms=range(K), **make)
    single._begin_with(X, None, 1)
    for x, row in zip(X, quality, strict=True):
        arm, _ = single._choose(x[None], np.array([1.0, 0.0]))
        single.partial_fit(x[None], arm, row[arm])
    np.testing.assert_allclose(blocks.decision_function(X), single.decision_function(X), atol=1e-9)


def test_a_router_with_a_prior_is_cloned_saved_and_loaded(world, tmp_path):
    X, _, _, mean, precision = world
    quality = np.random.default_rng(3).random((400, K))
    make = {"fit_intercept": False, "prior_mean": mean[:, 0], "prior_precision": precision}
    router = clone(LinTS(random_state=0, **make)).fit(X, quality)
    router.add_arm("new").remove_arm(0)
    router.save(tmp_path / "router.npz")
    again = load_bandit(tmp_path / "router.npz")
    assert (again.decision_function(X) == router.decision_function(X)).all()
    assert (again.sample(X)[1] == router.sample(X)[1]).all()


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"prior_mean": np.zeros(5)}, r"prior_mean has shape \(5,\)"),
        ({"prior_mean": "a"}, "prior_mean is no table of numbers"),
        ({"prior_mean": [np.nan, 0.0, 0.0]}, "prior_mean is not finite"),
        ({"prior_precision": np.ones(5)}, r"prior_precision has shape \(5,\)"),
        ({"prior_precision": np.zeros(3)}, "prior_precision holds 0; give numbers above 0"),
        ({"prior_precision": -np.ones((2, 3, 3))}, "not symmetric and positive definite"),
    ],
)
def test_priors_that_fit_nothing_are_refused(setting, message):
    with pytest.raises(DataError, match=message):
        LinTS(**setting).fit(np.eye(2), np.eye(2))
