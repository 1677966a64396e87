from __future__ import annotations

import numpy as np
import pytest
from oracles.linear_bandit import NaiveArm

from bandits.linear._posterior import GaussianPosterior

D, K, M = 6, 3, 2


@pytest.fixture
def rows():
    rng = np.random.default_rng(0)
    return rng.normal(size=(90, D)), rng.integers(0, K, 90), rng.normal(size=(90, M))


def naive(rows, prior_precision=2.0, discount=1.0):
    arms = [NaiveArm(D, prior_precision) for _ in range(K)]
    for x, arm, outcomes in zip(*rows, strict=True):
        for other in range(K):
            if other != arm:
                arms[other].fade(discount)
        arms[arm].learn(x, outcomes, discount)
    return arms


def lower(matrix):
    return np.tril(matrix)


def assert_equal(posterior, arms, X):
    means, variances = posterior.means(X), posterior.variances(X)
    for k, arm in enumerate(arms):
        np.testing.assert_allclose(
            lower(posterior.precision[k]), lower(arm.precision()), atol=1e-9, rtol=0
        )
        np.testing.assert_allclose(means[:, k], X @ arm.coef().T, atol=1e-9, rtol=0)
        np.testing.assert_allclose(variances[:, k], [arm.variance(x) for x in X], atol=1e-9, rtol=0)


def test_posteriors_equal_a_solve_by_hand(rows):
    posterior = GaussianPosterior(D, K, M, 2.0)
    for x, arm, outcomes in zip(*rows, strict=True):
        posterior.update(x, arm, outcomes)
    assert_equal(posterior, naive(rows), rows[0])


@pytest.mark.parametrize("sizes", [(90,), (1,) * 90, (1, 2, 3, 40, 44), (45, 45)])
def test_rows_together_and_one_by_one_agree(rows, sizes):
    X, arm, outcomes = rows
    posterior = GaussianPosterior(D, K, M, 2.0)
    start = 0
    for size in sizes:
        part = slice(start, start + size)
        posterior.update_rows(X[part], arm[part], outcomes[part])
        posterior.variances(X[:1])  # reading in between changes nothing
        start += size
    assert_equal(posterior, naive(rows), X)


def test_one_context_and_many_have_the_same_variance(rows):
    X, arm, outcomes = rows
    posterior = GaussianPosterior(D, K, M, 2.0)
    posterior.update_rows(X, arm, outcomes)
    single = np.concatenate([posterior.variances(x[None]) for x in X])
    many = posterior.variances(X)
    again = np.concatenate([posterior.variances(x[None]) for x in X])
    np.testing.assert_allclose(single, many, atol=1e-12)
    np.testing.assert_allclose(again, many, atol=1e-12)


def test_merged_posteriors_equal_one_that_saw_all(rows):
    X, arm, outcomes = rows
    halves = [GaussianPosterior(D, K, M, 2.0) for _ in range(2)]
    for half, part in zip(halves, (slice(0, 40), slice(40, 90)), strict=True):
        half.update_rows(X[part], arm[part], outcomes[part])
    halves[0].merge(halves[1])
    assert_equal(halves[0], naive(rows), X)


def test_twenty_thousand_rank_one_steps_stay_exact():
    rng = np.random.default_rng(1)
    direction = rng.normal(size=D)
    # Nearly collinear contexts: the hardest case for rank-one steps.
    X = direction + 1e-3 * rng.normal(size=(20_000, D))
    y = rng.normal(size=(20_000, 1))
    posterior = GaussianPosterior(D, 1, 1, 1.0)
    for x, outcome in zip(X, y, strict=True):
        posterior.update(x, 0, outcome)
    precision = np.eye(D) + X.T @ X
    coef = np.linalg.solve(precision, X.T @ y)
    np.testing.assert_allclose(posterior.means(X[:50])[:, 0], X[:50] @ coef, atol=1e-9)
    variance = np.einsum("ij,ji->i", X[:50], np.linalg.solve(precision, X[:50].T))
    np.testing.assert_allclose(posterior.variances(X[:50])[:, 0], variance, atol=1e-9)


def test_an_arm_that_is_added_knows_nothing_or_what_its_model_knows(rows):
    X, arm, outcomes = rows
    posterior = GaussianPosterior(D, K, M, 2.0)
    posterior.update_rows(X, arm, outcomes)
    before = posterior.variances(X)
    posterior.add_arm(None, 1.0)
    posterior.add_arm(1, 1.0)
    posterior.add_arm(1, 0.0)
    after, prior = posterior.variances(X), (X**2).sum(axis=1) / 2.0
    np.testing.assert_allclose(after[:, :K], before, atol=1e-12)
    np.testing.assert_allclose(after[:, K], prior)
    np.testing.assert_allclose(after[:, K + 1], before[:, 1])
    np.testing.assert_allclose(after[:, K + 2], prior)
    np.testing.assert_allclose(posterior.means(X)[:, K + 1], posterior.means(X)[:, 1])
    posterior.remove_arm(0)
    np.testing.assert_allclose(posterior.variances(X)[:, 0], before[:, 1])


@pytest.mark.parametrize("sizes", [(90,), (1,) * 90, (30, 60)])
def test_faded_evidence_does_not_depend_on_how_rows_are_batched(rows, sizes):
    X, arm, outcomes = rows
    gamma, posterior, start = 0.97, GaussianPosterior(D, K, M, 2.0), 0
    for size in sizes:
        part = slice(start, start + size)
        posterior.discount(gamma**size)
        weight = gamma ** np.arange(size - 1, -1, -1.0)
        posterior.update_rows(X[part], arm[part], outcomes[part], weight)
        start += size
    assert_equal(posterior, naive(rows, discount=gamma), X)


def test_what_is_merged_leaves_its_prior_behind(rows):
    X, arm, outcomes = rows
    other, posterior = GaussianPosterior(D, K, M, 50.0), GaussianPosterior(D, K, M, 2.0)
    other.update_rows(X, arm, outcomes)
    posterior.merge(other)
    assert_equal(posterior, naive(rows), X)


def test_batches_between_decisions_equal_the_batch_formula_after_10_000_rows():
    rng = np.random.default_rng(5)
    width, n = 40, 10_000
    X, arm, y = rng.normal(size=(n, width)), rng.integers(0, K, n), rng.normal(size=(n, 1))
    mean = rng.normal(size=(K, 1, width))
    posterior = GaussianPosterior(width, K, 1, 2.0, mean)
    for start in range(0, n, 12):
        rows = slice(start, start + 12)
        posterior.variances(X[rows])
        posterior.update_rows(X[rows], arm[rows], y[rows])
    for k in range(K):
        mine = arm == k
        precision = 2.0 * np.eye(width) + X[mine].T @ X[mine]
        coef = np.linalg.solve(precision, 2.0 * mean[k, 0] + X[mine].T @ y[mine, 0])
        np.testing.assert_allclose(posterior.means(X)[:, k, 0], X @ coef, rtol=0, atol=1e-9)
        variance = np.einsum("ij,ij->i", X, np.linalg.solve(precision, X.T).T)
        np.testing.assert_allclose(posterior.variances(X)[:, k], variance, rtol=0, atol=1e-9)
