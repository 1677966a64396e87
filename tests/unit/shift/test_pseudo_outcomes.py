from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from metarouter.shift._pseudo_outcomes import (
    SMALLEST_RESIDUAL,
    doubly_robust,
    residual_on_residual,
)

N = 6
outcomes = arrays(float, N, elements=st.floats(-10, 10))
shares = arrays(float, N, elements=st.floats(0.01, 0.99))
sources = arrays(bool, N)


@given(outcomes, shares, sources, st.floats(-5, 5))
def test_the_weighted_loss_is_the_r_loss(outcome_residual, propensity, is_gold, h) -> None:
    source_residual = is_gold - propensity
    pseudo_outcome, weight = residual_on_residual(outcome_residual, source_residual)
    r_loss = (outcome_residual - source_residual * h) ** 2
    np.testing.assert_allclose(weight * (pseudo_outcome - h) ** 2, r_loss, rtol=1e-6, atol=1e-9)


def test_tiny_residuals_keep_their_sign_and_stay_finite() -> None:
    pseudo_outcome, weight = residual_on_residual(np.ones(3), np.array([0.0, -1e-9, 1e-9]))
    np.testing.assert_allclose(pseudo_outcome * SMALLEST_RESIDUAL, [1, -1, 1])
    np.testing.assert_allclose(weight, SMALLEST_RESIDUAL**2)


@given(outcomes, sources, shares, outcomes, outcomes)
def test_the_pseudo_outcome_is_that_of_equation_s4(y, is_gold, p, mu_1, mu_0) -> None:
    mu_t = np.where(is_gold, mu_1, mu_0)
    expected = (is_gold - p) / (p * (1 - p)) * (y - mu_t) + mu_1 - mu_0
    np.testing.assert_allclose(doubly_robust(y, is_gold, p, mu_1, mu_0), expected, atol=1e-9)


@given(outcomes, outcomes, shares)
def test_the_pseudo_outcome_averages_to_the_shift_whatever_the_outcome_model(psi, eta, p) -> None:
    """E over the source, with the true p, is psi - eta even if mu_1 = mu_0 = 0."""
    gold, none = np.ones(N, dtype=bool), np.zeros(N)
    mean = p * doubly_robust(psi, gold, p, none, none)
    mean += (1 - p) * doubly_robust(eta, ~gold, p, none, none)
    np.testing.assert_allclose(mean, psi - eta, atol=1e-9)


def test_the_propensity_of_the_other_source_is_never_divided_by() -> None:
    with np.errstate(all="raise"):
        shift = doubly_robust(
            np.ones(2), np.array([True, False]), np.array([1.0, 0.0]), np.zeros(2), np.zeros(2)
        )
    np.testing.assert_array_equal(shift, [1, -1])
