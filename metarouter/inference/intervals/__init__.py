"""Arithmetic on arrays: estimates, their errors and their limits."""

from __future__ import annotations

from metarouter.inference.intervals._bounded import bounded_limits, reach_of_scores
from metarouter.inference.intervals._influence import (
    Alternative,
    Clusters,
    Covariance,
    FloatArray,
    as_clusters,
    choose_covariance,
    cluster_sums,
    interval_of,
    p_value_of,
    variance_of_mean,
)
from metarouter.inference.intervals._least_squares import (
    LinearFit,
    WaldTest,
    require_full_rank,
    wald_test,
    weighted_least_squares,
)
from metarouter.inference.intervals._ratios import (
    UNKNOWN,
    Measured,
    RatioErrors,
    fieller,
    log_interval,
    noise_share,
    share_interval,
)
from metarouter.inference.intervals._simultaneous import (
    Limits,
    correlation_of,
    skewed_limits,
    skewness_of,
    sup_t_quantile,
    third_over_second,
)
