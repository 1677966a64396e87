"""Arithmetic on arrays: estimates, their errors and their limits."""

from __future__ import annotations

from metarouter.inference.intervals._least_squares import (
    LinearFit,
    WaldTest,
    sup_t_quantile,
    weighted_least_squares,
)
from metarouter.inference.intervals._variances import (
    UNKNOWN,
    Alternative,
    Clusters,
    Covariance,
    FloatArray,
    Limits,
    MeanVariance,
    Measured,
    RatioErrors,
    RegressionCovariance,
    as_clusters,
    bounded_limits,
    choose_covariance,
    cluster_sums,
    fieller,
    interval_of,
    log_interval,
    noise_share,
    p_value_of,
    reach_of_scores,
    share_interval,
    skewed_limits,
    skewness_of,
    third_over_second,
    variance_of_mean,
)
