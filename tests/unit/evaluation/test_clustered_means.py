from __future__ import annotations

import numpy as np
import pytest
from oracles.cost_quality import two_way_variance
from scipy.stats import t as student

from metarouter.evaluation import Estimates, clustered_means
from metarouter.exceptions import DataError


def test_without_groups_it_is_the_textbook_error_of_a_mean():
    values = np.random.default_rng(0).normal(size=(40, 3))
    mean = clustered_means(values)
    assert mean.value == pytest.approx(values.mean(axis=0))
    assert mean.se == pytest.approx(values.std(axis=0, ddof=1) / np.sqrt(40))
    assert (mean.df == 39).all()


def test_two_ways_agree_with_the_sum_over_all_pairs_of_rows():
    rng = np.random.default_rng(1)
    seed, query = rng.integers(4, size=60), rng.integers(25, size=60)
    values = rng.normal(size=60) + rng.normal(size=4)[seed] + 5 * rng.normal(size=25)[query]
    mean = clustered_means(values, np.column_stack([seed, query]))
    assert mean.se[0] ** 2 == pytest.approx(two_way_variance(values, seed, query))


def test_rows_repeated_in_a_group_say_nothing_new():
    values = np.random.default_rng(2).normal(size=30)
    once = clustered_means(values)
    thrice = clustered_means(np.tile(values, 3), groups=np.tile(np.arange(30), 3))
    assert thrice.se == pytest.approx(once.se)


def test_degrees_of_freedom_follow_the_part_that_decides():
    rng = np.random.default_rng(3)
    seed, query = np.repeat(np.arange(5), 400), np.tile(np.arange(400), 5)
    noise = rng.normal(size=2000)
    of_seeds = clustered_means(10 * rng.normal(size=5)[seed] + noise, np.c_[seed, query])
    of_queries = clustered_means(10 * rng.normal(size=400)[query] + noise, np.c_[seed, query])
    assert of_seeds.df[0] == pytest.approx(4, abs=0.1)
    assert of_queries.df[0] > 200


def test_one_seed_leaves_the_queries_to_speak():
    values, query = np.random.default_rng(4).normal(size=50), np.arange(50) // 2
    both = clustered_means(values, np.c_[np.zeros(50, dtype=int), query])
    assert both.se == pytest.approx(clustered_means(values, query).se)


def test_variance_is_never_below_that_of_one_way():
    values = np.array([1.0, -1.0, -1.0, 1.0])  # both ways cancel: the sum would be negative
    seed, query = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1])
    assert two_way_variance(values, seed, query) < 0
    assert clustered_means(values, np.c_[seed, query]).se[0] == 0.0


def test_interval_takes_the_quantile_of_student():
    low, high = Estimates(np.array([1.0]), np.array([0.5]), np.array([4.0])).interval(0.9)
    assert high[0] - low[0] == pytest.approx(2 * 0.5 * student.ppf(0.95, 4))


@pytest.mark.parametrize(
    ("groups", "complaint"),
    [
        ([1, 2], r"shape \(2,\), but there are 3 rows"),
        (np.zeros((3, 3)), r"shape \(3, 3\)"),
        (["a", "a", "a"], "puts all 3 rows into one group"),
    ],
)
def test_groups_that_do_not_fit_are_refused(groups, complaint):
    with pytest.raises(DataError, match=complaint):
        clustered_means([1.0, 2.0, 3.0], groups)
