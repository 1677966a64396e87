from __future__ import annotations

import numpy as np
import pytest
from oracles.inference_tests import leave_out_covariance

from metarouter.exceptions import DataError
from metarouter.inference.intervals._least_squares import weighted_least_squares


def regression(n=60, seed=0):
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(n), rng.standard_normal((n, 2))])
    outcome = design @ [1.0, 0.5, 0.0] + rng.standard_normal(n) * (1 + design[:, 1] ** 2)
    weight = rng.uniform(0.5, 2.0, n)
    return design, outcome, weight / weight.sum(), rng.random(n) < 0.4, rng.integers(0, 15, n)


def fitted(design, outcome, share, is_gold, clusters, kind, **more):
    names = [f"x{k}" for k in range(design.shape[1])]
    return weighted_least_squares(
        design, outcome, share, is_gold, clusters, kind, names=names, **more
    )


def test_hc3_is_that_of_statsmodels():
    api = pytest.importorskip("statsmodels.api")
    design, outcome, share, is_gold, _ = regression()
    fit = fitted(design, outcome, share, is_gold, None, "HC3")
    theirs = api.WLS(outcome, design, weights=share).fit(cov_type="HC3")
    np.testing.assert_allclose(fit.coefficient, theirs.params, rtol=1e-10)
    np.testing.assert_allclose(fit.covariance, theirs.cov_params(), rtol=1e-8)


def test_errors_are_not_those_of_plain_least_squares():
    # econml's DRTester gives the best linear predictor of one treatment the homoskedastic error.
    api = pytest.importorskip("statsmodels.api")
    design, outcome, share, is_gold, _ = regression(400)
    fit = fitted(design, outcome, share, is_gold, None, "HC3")
    plain = api.WLS(outcome, design, weights=share).fit().bse
    assert fit.se[1] > 1.5 * plain[1]


def test_hc3_is_what_leaving_out_one_row_at_a_time_gives():
    design, outcome, share, is_gold, _ = regression()
    fit = fitted(design, outcome, share, is_gold, None, "HC3")
    naive = leave_out_covariance(design, outcome, share, np.arange(len(outcome)))
    np.testing.assert_allclose(fit.covariance, naive, rtol=1e-8)


def test_cluster_errors_are_what_leaving_out_one_group_at_a_time_gives():
    design, outcome, share, is_gold, clusters = regression()
    fit = fitted(design, outcome, share, is_gold, clusters, "cluster")
    naive = leave_out_covariance(design, outcome, share, clusters)
    n_units = len(np.unique(clusters))
    np.testing.assert_allclose(fit.covariance, naive * (n_units - 1) / n_units, rtol=1e-8)


def test_group_numbers_may_have_gaps():
    design, outcome, share, is_gold, clusters = regression()
    one = fitted(design, outcome, share, is_gold, clusters, "cluster")
    other = fitted(design, outcome, share, is_gold, clusters * 7 + 3, "cluster")
    np.testing.assert_array_equal(one.covariance, other.covariance)
    np.testing.assert_array_equal(one.df, other.df)


def test_rows_without_weight_do_not_count():
    design, outcome, share, is_gold, clusters = regression()
    kept = np.arange(len(outcome)) % 3 > 0
    left = np.where(kept, share, 0.0)
    full = fitted(design, outcome, left / left.sum(), is_gold, clusters, "cluster")
    part = fitted(
        design[kept],
        outcome[kept],
        left[kept] / left.sum(),
        is_gold[kept],
        clusters[kept],
        "cluster",
    )
    np.testing.assert_allclose(full.covariance, part.covariance)


def test_joint_test_of_one_coefficient_is_its_t_test():
    design, outcome, share, is_gold, _ = regression()
    fit = fitted(design[:, :2], outcome, share, is_gold, None, "HC3")
    joint = fit.wald_test(first=1)
    assert joint.statistic == pytest.approx((fit.coefficient[1] / fit.se[1]) ** 2)
    assert joint.df_denominator == pytest.approx(fit.df[1])


def test_degrees_of_freedom_follow_the_few_gold_rows_that_carry_the_variance():
    design, outcome, share, _, _ = regression(400)
    is_gold = np.arange(400) < 10
    outcome = np.where(is_gold, 30 * outcome, outcome)
    fit = fitted(design[:, :1], outcome, share, is_gold, None, "HC3")
    assert 8 < fit.df[0] < 15


def test_columns_that_depend_on_each_other_are_named():
    design, outcome, share, is_gold, _ = regression()
    twice = np.column_stack([design, design[:, 1] * 2 - 1])
    with pytest.raises(DataError, match="column 'x3' is a combination"):
        fitted(twice, outcome, share, is_gold, None, "HC3")


def test_a_category_of_one_row_is_refused_with_its_column():
    design, outcome, share, is_gold, _ = regression()
    lonely = np.column_stack([design, np.arange(len(outcome)) == 5])
    with pytest.raises(DataError, match="column 'x3' varies within one row only"):
        fitted(lonely.astype(float), outcome, share, is_gold, None, "HC3")


def test_a_category_of_one_group_is_refused():
    design, outcome, share, is_gold, clusters = regression()
    lonely = np.column_stack([design, clusters == 5]).astype(float)
    with pytest.raises(DataError, match="column 'x3' varies within one group"):
        fitted(lonely, outcome, share, is_gold, clusters, "cluster")


def test_more_coefficients_than_rows_are_refused():
    _, outcome, share, is_gold, _ = regression(4)
    with pytest.raises(DataError, match="4 rows are too few for a regression with 5 coefficients"):
        fitted(np.eye(4, 5), outcome, share, is_gold, None, "HC3")
