"""The samples are of the posterior that the paper writes, whatever the number of rows."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from oracles.dueling import log_posterior, long_metropolis
from scipy.special import expit

from bandits.dueling import FGTSRouter, _langevin
from bandits.dueling._langevin import DuelPosterior, curvature, logistic_loss, loss_slope


def posterior(d=3, n_samples=4, seed=0, **settings):
    given = {
        "prior_variance": 1.0,
        "eta": 1.0,
        "mu": 0.0,
        "step": 0.5,
        "n_steps": 1,
        "batch": 256,
        "sampler": "sgld",
    }
    rng = np.random.default_rng(seed)
    return DuelPosterior(np.zeros(d), n_samples, rng=rng, **{**given, **settings})


def duels(n, d, seed=0, theta=None):
    rng = np.random.default_rng(seed)
    z = rng.standard_normal((n, d))
    theta = np.linspace(1.0, -1.0, d) if theta is None else theta
    return z, (rng.random(n) < expit(z @ theta)).astype(float)


def with_rows(z, target, **settings):
    found = posterior(z.shape[1], **settings)
    found.add(z, target, z, np.zeros((len(z), 2), dtype=int))
    return found


NO_ARMS = np.zeros((1, 3))


@given(st.floats(-30, 30), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_slope_is_that_of_the_logistic_loss(margin, target):
    def loss(m):
        m = np.array(m)
        return float(target * logistic_loss(m) + (1 - target) * logistic_loss(-m))

    slope = (loss(margin + 1e-5) - loss(margin - 1e-5)) / 2e-5
    assert loss_slope(np.array(margin), np.array(target)) == pytest.approx(slope, abs=1e-5)


def test_the_height_is_minus_the_log_posterior_of_the_oracle():
    z, target = duels(12, 3)
    target[:4] = 0.5
    found = with_rows(z, target, eta=0.7, prior_variance=2.0)
    theta = np.array([0.3, -0.2, 1.1])
    oracle = log_posterior(theta, np.zeros(3), 2.0, 0.7, z, target)
    assert found._height_at(theta) == pytest.approx(-oracle)


@settings(max_examples=30)
@given(st.floats(-20, 20), st.floats(-20, 20))
def test_the_bound_on_the_curvature_holds_everywhere(at, elsewhere):
    weight = float(curvature(np.array(at), "sgld"))
    slope = float(loss_slope(np.array(at), np.array(1.0)))
    above = logistic_loss(np.array(at)) + slope * (elsewhere - at)
    assert above + weight * (elsewhere - at) ** 2 / 2 >= logistic_loss(np.array(elsewhere)) - 1e-9


def test_the_mode_has_no_slope():
    z, target = duels(200, 3)
    found = with_rows(z, target)
    found.refresh()
    height = found._height_at(found.mode)
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert found._height_at(found.mode + 0.05 * rng.standard_normal(3)) > height
    assert np.abs(found._slope_at(found.mode)).max() < 1.0


@lru_cache
def long_chain():
    z, target = duels(120, 3)
    return long_metropolis(np.zeros(3), 1.0, 1.0, z, target, 600, seed=5, scale=0.4)


@pytest.mark.parametrize("batch", [1000, 40])
def test_sgld_has_the_mean_and_covariance_of_a_long_chain(batch):
    z, target = duels(120, 3)
    found = with_rows(z, target, n_samples=300, step=0.1, batch=batch)
    kept = []
    for _ in range(6):
        found.advance(NO_ARMS, NO_ARMS, rounds=30)
        kept.append(found.theta[:-1].copy())
    draws, truth = np.concatenate(kept[1:]), long_chain()  # 3000 of them, nearly independent
    error = truth.std(axis=0) / np.sqrt(len(draws))
    assert (np.abs(draws.mean(axis=0) - truth.mean(axis=0)) < 4.5 * error).all()
    covariance, wanted = np.cov(draws.T), np.cov(truth.T)
    # The standard error of a variance of n normals is sqrt(2 / n) of it: 0.026 here.
    scale = np.sqrt(np.outer(np.diag(wanted), np.diag(wanted)))
    assert (np.abs(covariance - wanted) / scale < 4 * np.sqrt(2 / len(draws)) + 0.03).all()


def test_laplace_is_normal_about_the_mode():
    z, target = duels(400, 3)
    found = with_rows(z, target, n_samples=3000, sampler="laplace")
    found.advance(NO_ARMS, NO_ARMS, rounds=5)
    chance = expit(z @ found.mode)
    precision = (z.T * (chance * (1 - chance))) @ z + np.eye(3)
    draws = found.theta[:-1]
    error = np.sqrt(np.diag(np.linalg.inv(precision)) / len(draws))
    assert (np.abs(draws.mean(axis=0) - found.mode) < 5 * error).all()
    assert np.cov(draws.T) @ precision == pytest.approx(np.eye(3), abs=0.1)


def test_control_variates_keep_the_spread_where_rows_are_many_times_the_batch():
    z, target = duels(6000, 3)
    found = with_rows(z, target, n_samples=300, batch=32)
    found.advance(NO_ARMS, NO_ARMS, rounds=60)
    chance = expit(z @ found.reference)
    wanted = np.linalg.inv((z.T * (chance * (1 - chance))) @ z + np.eye(3))
    ratio = np.diag(np.cov(found.theta[:-1].T)) / np.diag(wanted)
    assert (ratio > 0.7).all()
    assert (ratio < 1.4).all()


def test_any_stretch_of_the_rows_is_a_random_sample():
    place = np.zeros(40)
    for seed in range(400):
        found = posterior(1, seed=seed)
        rows = np.arange(40.0)[:, None]
        found.add(rows, np.ones(40), rows, np.zeros((40, 2), dtype=int))
        place += found.differences[:, 0]
    # Each place holds every row equally often: mean 19.5, standard error 11.5 / 20.
    assert np.abs(place / 400 - 19.5).max() < 4 * 11.54 / 20


def test_feel_good_term_pulls_towards_the_best_arm_and_away_from_the_rival():
    found = posterior(2, n_samples=2, mu=0.5)
    arms = np.array([[1.0, 0.0], [0.0, 1.0]])
    X = np.array([[1.0, 2.0]])
    found.add(X * (arms[0] - arms[1]), np.array([1.0]), X, np.array([[0, 1]]))
    found.theta[:] = [3.0, 0.0]  # the first arm is best under every sample
    slope = found._feel_good_slope(arms, arms)
    # The first posterior is compared with the second arm of the duel, and the other way round.
    assert slope[:2].tolist() == [[0.5, -1.0]] * 2
    assert slope[2:].tolist() == [[0.0, 0.0]] * 2


def learns_the_winner():
    arms = np.eye(2)
    router = FGTSRouter(arms, arms=("loser", "winner"), random_state=0)
    X = np.abs(np.random.default_rng(0).standard_normal((150, 2))) + 0.5
    for start in range(0, 150, 10):
        rows = slice(start, start + 10)
        router.partial_fit(X[rows], ["winner"] * 10, ["loser"] * 10, [1] * 10)
    shares = router.pair_probabilities(X).sum(axis=2).mean(axis=0)
    return shares[1] > 0.9 and (router.predict(X) == "winner").all()


def test_who_wins_is_called():
    assert learns_the_winner()


def test_the_sigmoid_reading_of_sigma_learns_the_reverse(monkeypatch):
    """With sigma(z) = 1 / (1 + exp(-z)) as the loss, samplers descend the winner's chance."""

    def slope_of_sigmoid(margin, target):
        chance = expit(margin)
        return (2 * target - 1) * chance * (1 - chance)

    monkeypatch.setattr(_langevin, "loss_slope", slope_of_sigmoid)
    monkeypatch.setattr(_langevin, "logistic_loss", expit)
    monkeypatch.setattr(
        DuelPosterior,
        "_slope_of_samples",
        lambda self: np.array([self._slope_at(theta) for theta in self.theta]),
    )
    assert not learns_the_winner()
