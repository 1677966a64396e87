from __future__ import annotations

import numpy as np
import pytest

from metarouter.evaluation import reduce_dimension
from metarouter.exceptions import DataError


def test_components_are_those_of_the_singular_value_decomposition():
    X = np.random.default_rng(0).normal(size=(60, 8)) @ np.diag(np.arange(1.0, 9.0))
    left, values, _ = np.linalg.svd(X - X.mean(axis=0), full_matrices=False)
    assert np.abs(reduce_dimension(X, 3)) == pytest.approx(np.abs(left * values)[:, :3], abs=1e-8)


def test_components_are_the_same_at_every_call():
    X = np.random.default_rng(1).normal(size=(200, 30)).astype(np.float32)
    assert np.array_equal(reduce_dimension(X, 5), reduce_dimension(X, 5))


def test_more_columns_than_rows_are_fine():
    assert reduce_dimension(np.random.default_rng(2).normal(size=(20, 40)), 10).shape == (20, 10)


@pytest.mark.parametrize(
    ("X", "d", "sentence"),
    [
        (np.ones((4, 3)), 5, "d is 5, but X has 4 queries with 3 features"),
        (np.ones((4, 3)), 0, "give a number from 1 to 3"),
        (np.full((4, 3), np.nan), 2, "12 values that are not finite"),
        ([["why?"], ["how?"]], 1, "encode text as vectors first"),
        ([1.0, 2.0], 1, r"shape \(2,\)"),
    ],
)
def test_unusable_features_are_refused(X, d, sentence):
    with pytest.raises(DataError, match=sentence):
        reduce_dimension(X, d)
