from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ttest_1samp, ttest_ind

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference.intervals import sup_t_quantile
from metarouter.inference.intervals._variances import (
    as_clusters,
    choose_covariance,
    p_value_of,
    variance_of_mean,
    welch_df,
)


def influence_values(n=50, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.standard_normal(n)
    share = np.full(n, 1 / n)
    return share * (values - values.mean()), share, values


def test_the_t_variance_of_a_mean_is_the_textbook_one():
    influence, share, values = influence_values()
    found = variance_of_mean(influence, share, np.ones(50, bool), None, "t")
    assert found.variance == pytest.approx(values.var(ddof=1) / 50)
    assert found.df == 49
    statistic = values.mean() / np.sqrt(found.variance)
    assert p_value_of(statistic, found.df) == pytest.approx(ttest_1samp(values, 0).pvalue)


def test_groups_of_one_row_change_hardly_anything():
    influence, share, _ = influence_values()
    alone = variance_of_mean(influence, share, np.ones(50, bool), None, "HC3").variance
    grouped = variance_of_mean(
        influence, share, np.ones(50, bool), np.arange(50), "cluster"
    ).variance
    assert grouped == pytest.approx(alone * 1.0, rel=0.03)


def test_rows_that_repeat_themselves_count_once():
    influence, share, _ = influence_values()
    once = variance_of_mean(influence, share, np.ones(50, bool), np.arange(50), "cluster")
    twice = variance_of_mean(
        np.repeat(influence, 2) / 2,
        np.repeat(share, 2) / 2,
        np.ones(100, bool),
        np.repeat(np.arange(50), 2),
        "cluster",
    )
    assert twice.variance == pytest.approx(once.variance)
    assert twice.df == once.df


def test_degrees_of_freedom_of_two_sources_are_welchs():
    rng = np.random.default_rng(0)
    gold, preference = 5 * rng.standard_normal(12), rng.standard_normal(80)
    is_gold = np.arange(92) < 12
    # (n - 1) against n in the variances moves Welch's number by a few per cent.
    influence = np.concatenate([(gold - gold.mean()) / 12, (preference - preference.mean()) / 80])
    welch = ttest_ind(gold, preference, equal_var=False).df
    assert welch_df(influence[:, None], is_gold, None)[0] == pytest.approx(welch, rel=0.05)


def test_the_p_value_does_not_take_the_smaller_tail():
    # econml's DRTester reports norm.sf(|z|), which rejects a true null twice as often as it says.
    assert p_value_of(1.7, 1e9) == pytest.approx(0.0891, abs=1e-4)
    assert p_value_of(-1.7, 1e9, "greater") == pytest.approx(0.9554, abs=1e-4)
    assert p_value_of(-1.7, 1e9, "less") == pytest.approx(0.0446, abs=1e-4)


def test_a_p_value_with_skewness_is_the_milder_of_both_tests():
    plain, skewed = (p_value_of(2.0, 50, "less", g) for g in (0.0, 0.3))
    assert skewed > plain
    assert p_value_of(2.0, 50, "greater", 0.3) == p_value_of(2.0, 50, "greater")
    assert np.isnan(p_value_of(np.nan, 50))


def test_units_are_none_where_every_row_stands_for_itself():
    assert as_clusters(None) is None
    assert as_clusters(["x", "y", 3]) is None
    assert as_clusters(np.array([4, 4, 9])).tolist() == [0, 0, 1]
    assert as_clusters(np.array([1, "1", 1], dtype=object)).tolist() == [0, 1, 0]


def test_errors_are_clustered_wherever_rows_belong_together():
    assert choose_covariance("auto", None) == "HC3"
    assert choose_covariance("auto", np.array([0, 0, 1])) == "cluster"
    with pytest.raises(MetaRouterError, match="needs rows that share a group"):
        choose_covariance("cluster", None)


def test_one_unit_measures_nothing():
    with pytest.raises(DataError, match="1 independent unit leaves no way"):
        variance_of_mean(
            np.zeros(4), np.full(4, 0.25), np.ones(4, bool), np.zeros(4, int), "cluster"
        )


def test_simultaneous_quantile_of_independent_estimates_is_sidaks():
    from scipy.stats import norm

    sidak = norm.ppf(0.5 + 0.95 ** (1 / 5) / 2)
    assert sup_t_quantile(np.eye(5), 1e7, 0.95) == pytest.approx(sidak, abs=0.03)


def test_simultaneous_quantile_of_one_estimate_told_twice_is_its_own():
    from scipy.stats import t

    assert sup_t_quantile(np.ones((3, 3)), 20, 0.95) == pytest.approx(t.ppf(0.975, 20), abs=0.04)


def test_simultaneous_quantile_is_the_same_each_time():
    once, again = (sup_t_quantile(np.array([[4.0, 1.0], [1.0, 1.0]]), 30, 0.9) for _ in range(2))
    of_correlation = sup_t_quantile(np.array([[1.0, 0.5], [0.5, 1.0]]), 30, 0.9)
    assert once == again == of_correlation
