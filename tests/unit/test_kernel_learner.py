"""Sums of kernels that share distances are those of single kernels."""

from __future__ import annotations

import numpy as np
import pytest

from metarouter.kernel_learner import rbf, squared_distances, sum_of_rbfs

RNG = np.random.default_rng(0)
ROWS, LANDMARKS = RNG.normal(size=(300, 4)), RNG.normal(size=(7, 4))


@pytest.mark.parametrize(
    "lengths",
    [(0.5, 1.0, 2.0), (0.35, 0.7, 1.4, 4.0), (1.0, 1.0, 0.5, 0.5), (3.0,), ()],
    ids=str,
)
def test_sum_over_lengths_is_that_of_single_kernels(lengths) -> None:
    coefficients = RNG.normal(size=(len(lengths), len(LANDMARKS)))
    squared = squared_distances(ROWS, LANDMARKS)
    expected = np.zeros(len(ROWS))
    for length, own in zip(lengths, coefficients, strict=True):
        expected += rbf(squared, length) @ own
    total = sum_of_rbfs(ROWS, LANDMARKS, lengths, coefficients)
    np.testing.assert_allclose(total, expected, rtol=0, atol=1e-12)


def test_rows_far_away_have_no_kernel_value() -> None:
    far = np.full((2, 4), 1e6)
    total = sum_of_rbfs(far, LANDMARKS, [0.5, 1.0], np.ones((2, len(LANDMARKS))))
    np.testing.assert_array_equal(total, 0.0)


@pytest.mark.parametrize("scale", [0.0, 0.01, 1.0, 10.0])
def test_the_rational_exponential_is_that_of_numpy(scale) -> None:
    rows = scale * np.random.default_rng(2).normal(size=(300, LANDMARKS.shape[1]))
    for length in (0.1, 0.35, 1.0, 4.0):
        exact = rbf(squared_distances(rows, LANDMARKS), length).sum(axis=1)
        total = sum_of_rbfs(rows, LANDMARKS, [length], np.ones((1, len(LANDMARKS))))
        np.testing.assert_allclose(total, exact, rtol=0, atol=1e-12)


def test_a_row_far_away_does_not_disturb_the_others() -> None:
    ones = np.ones((3, len(LANDMARKS)))
    alone = sum_of_rbfs(ROWS[:50], LANDMARKS, [0.5, 1.0, 2.0], ones)
    together = sum_of_rbfs(
        np.vstack([ROWS[:50], np.full((1, 4), 1e4)]), LANDMARKS, [0.5, 1.0, 2.0], ones
    )
    np.testing.assert_allclose(together[:50], alone, rtol=0, atol=1e-12)
