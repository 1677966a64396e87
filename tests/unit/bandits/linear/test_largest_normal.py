"""The probabilities that Thompson sampling logs are exact far beyond what evaluation needs."""

from __future__ import annotations

import numpy as np
import pytest
from oracles.largest_normal import naive_probability_of_largest

from bandits.linear._largest_normal import probability_of_largest


@pytest.mark.parametrize(("spread", "error"), [(1.0, 1e-7), (30.0, 1e-7), (1000.0, 2e-5)])
def test_probabilities_equal_an_adaptive_quadrature(spread, error):
    rng = np.random.default_rng(0)
    std = np.exp(rng.uniform(-np.log(spread), 0.0, size=(3, 5)))
    mean = rng.normal(size=(3, 5)) * [[0.05], [0.5], [2.0]]
    expected = np.array([naive_probability_of_largest(*row) for row in zip(mean, std, strict=True)])
    found = probability_of_largest(mean, std)
    np.testing.assert_allclose(found, expected, rtol=0, atol=error)
    np.testing.assert_allclose(found.sum(axis=1), 1.0, rtol=1e-12)
    # Evaluation from logs divides by them: small ones are right in their leading digits too.
    likely = expected > 1e-3
    np.testing.assert_allclose(found[likely], expected[likely], rtol=1e-4)


def test_two_arms_have_the_closed_form():
    from scipy.stats import norm

    mean, std = np.array([[0.3, 0.0]]), np.array([[0.4, 1.1]])
    expected = norm.cdf(0.3 / np.hypot(0.4, 1.1))
    assert probability_of_largest(mean, std)[0, 0] == pytest.approx(expected, abs=1e-8)


def test_a_row_has_the_same_probabilities_alone_and_in_any_batch():
    rng = np.random.default_rng(1)
    mean, std = rng.normal(size=(200, 4)), rng.gamma(0.5, size=(200, 4)) + 1e-3
    together = probability_of_largest(mean, std)
    alone = np.concatenate([
        probability_of_largest(mean[i : i + 1], std[i : i + 1]) for i in range(200)
    ])  # fmt: skip
    np.testing.assert_allclose(together, alone, rtol=1e-12, atol=1e-300)


def test_rows_without_any_deviation_stand_among_others():
    mean = np.array([[1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    std = np.array([[0.0, 0.0, 0.0], [1.0, 1.0, 1.0]])
    found = probability_of_largest(mean, std)
    np.testing.assert_allclose(found, [[0.5, 0.5, 0.0], [1 / 3, 1 / 3, 1 / 3]], atol=1e-9)


def test_an_arm_without_deviation_stands_among_others():
    found = probability_of_largest(np.array([[0.0, 1.0, 0.5]]), np.array([[0.0, 1.0, 0.0]]))
    np.testing.assert_allclose(found, [[0.0, 0.691462, 0.308538]], atol=2e-5)


def test_an_arm_that_cannot_win_has_no_chance_and_disturbs_none():
    found = probability_of_largest(np.array([[0.0, 0.0, -9.0]]), np.array([[1.0, 1.0, 1e-4]]))
    np.testing.assert_allclose(found, [[0.5, 0.5, 0.0]], atol=1e-7)
