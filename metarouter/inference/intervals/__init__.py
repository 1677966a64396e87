"""Arithmetic on arrays: estimates, their errors and their limits."""

from __future__ import annotations

from metarouter.inference.intervals._least_squares import (
    LinearFit,
    WaldTest,
    require_full_rank,
    wald_test,
    weighted_least_squares,
)
from metarouter.inference.intervals._limits import (
    Limits,
    bounded_limits,
    correlation_of,
    reach_of_scores,
    skewed_limits,
    skewness_of,
    sup_t_quantile,
    third_over_second,
)
from metarouter.inference.intervals._variances import (
    UNKNOWN,
    Alternative,
    Clusters,
    Covariance,
    FloatArray,
    Measured,
    RatioErrors,
    as_clusters,
    choose_covariance,
    cluster_sums,
    fieller,
    interval_of,
    log_interval,
    noise_share,
    p_value_of,
    share_interval,
    variance_of_mean,
)
