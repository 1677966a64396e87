"""Arithmetic on arrays: estimates, their errors and their limits."""

from __future__ import annotations

from metarouter.inference.intervals._confidence_sequences import (
    bounded_limits,
    mean_half_width,
    reach_of_scores,
    share_evidence,
    share_limits,
)
from metarouter.inference.intervals._least_squares import (
    LinearFit,
    WaldTest,
    normal_draws,
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
    choose_covariance,
    cluster_sums,
    fieller,
    hall_cubic,
    interval_of,
    log_interval,
    noise_share,
    p_value_of,
    share_interval,
    skewed_limits,
    skewness_of,
    third_over_second,
    variance_of_mean,
)
