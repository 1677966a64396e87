"""The posterior on the grid is that of a dense computation."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.transfer import transfer, triangular_prior

from metarouter.kernel_learner import kernel_space
from metarouter.routing import _transfer
from metarouter.routing._transfer import GoldRows, Kernel, fit_transfer, prior_log_mass

RNG = np.random.default_rng(0)
N, NEW = 24, 6
X, X_NEW = RNG.normal(size=(N, 5)), RNG.normal(size=(NEW, 5))
SCORE, SCORE_NEW = X[:, 0] + 0.3 * RNG.normal(size=N), X_NEW[:, 0]
GOLD = 2 + 0.7 * SCORE + np.sin(X[:, 1]) + 0.5 * RNG.normal(size=N)
PAIRS, WEIGHT = RNG.normal(size=N) * (np.arange(N) % 2), RNG.uniform(0.3, 2, N)
GROUPS = RNG.integers(0, 9, N)
SPACE = kernel_space(X)
KERNELS = [Kernel(SPACE, 0.5, 1.5), Kernel(SPACE, 1.0)]


def gold_rows() -> GoldRows:
    return GoldRows(X, GOLD, SCORE, PAIRS, GROUPS, WEIGHT / WEIGHT.mean())


def dense():
    kernels = []
    for kernel in KERNELS:
        at, new = SPACE.transform(X), SPACE.transform(X_NEW)
        kernels.append((kernel.between(at, at), kernel.between(new, at), kernel.variance))
    prior = triangular_prior(_transfer.RHO, _transfer.DELTA_VARIANCE, 0.3)
    return transfer(
        GOLD,
        SCORE,
        kernels,
        SCORE_NEW,
        prior,
        _transfer.RHO,
        _transfer.DELTA_VARIANCE,
        pairs=PAIRS,
        groups=GROUPS,
        weight=WEIGHT / WEIGHT.mean(),
    )


@pytest.fixture(autouse=True)
def keep_all_mass(monkeypatch) -> None:
    monkeypatch.setattr(_transfer, "LEAST_MASS", 0.0)


def test_mean_and_deviation_equal_a_dense_computation() -> None:
    posterior = fit_transfer(gold_rows(), KERNELS, 0.3, np.random.default_rng(0))
    mean, deviation = dense()
    np.testing.assert_allclose(posterior.mean(X_NEW, SCORE_NEW), mean, rtol=0, atol=1e-8)
    np.testing.assert_allclose(posterior.std(X_NEW, SCORE_NEW), deviation, rtol=0, atol=1e-8)


def test_leaving_out_one_landmark_of_many_hardly_matters(monkeypatch) -> None:
    exact = fit_transfer(gold_rows(), KERNELS, 0.3, np.random.default_rng(0))
    monkeypatch.setattr(_transfer, "MOST_LANDMARKS", N - 1)
    fewer = fit_transfer(gold_rows(), KERNELS, 0.3, np.random.default_rng(0))
    error = fewer.mean(X_NEW, SCORE_NEW) - exact.mean(X_NEW, SCORE_NEW)
    assert np.abs(error).max() < 0.1 * exact.std(X_NEW, SCORE_NEW).min()


def test_prior_is_the_one_that_is_stated() -> None:
    expected = triangular_prior(_transfer.RHO, _transfer.DELTA_VARIANCE, 0.3)
    mass = np.exp(prior_log_mass(0.3))
    np.testing.assert_allclose(mass, expected, atol=1e-12)
    assert mass.sum() == pytest.approx(1)
