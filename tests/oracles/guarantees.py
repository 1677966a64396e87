"""Thresholds with a guarantee, written out query by query and w by w."""

from __future__ import annotations

import numpy as np
from scipy import stats


def hoeffding_bentkus(values, limit, *, binary=False):
    """Learn then test, proposition 2: values in [0, 1], null hypothesis "mean above limit"."""
    n, mean = len(values), sum(values) / len(values)
    capped = min(mean, limit)
    relative_entropy = (1 - capped) * np.log((1 - capped) / (1 - limit))
    if capped > 0:
        relative_entropy += capped * np.log(capped / limit)
    factor = 1 if binary else np.e
    count = int(np.ceil(round(n * mean, 6)))
    tail = sum(stats.binom.pmf(k, n, limit) for k in range(count + 1))
    return min(1.0, np.exp(-n * relative_entropy), factor * tail)


def mean_and_error(values, weight, groups):
    """Weighted mean, and its error from the sums of whole groups."""
    share = weight / weight.sum()
    mean = share @ values
    sums = [sum((share * (values - mean))[groups == g]) for g in sorted(set(groups))]
    return mean, np.sqrt(len(sums) / (len(sums) - 1) * sum(s**2 for s in sums))


def third_cumulant(values, weight, groups):
    """Of the weighted mean, from the sums of whole groups."""
    share = weight / weight.sum()
    mean = share @ values
    return sum(sum((share * (values - mean))[groups == g]) ** 3 for g in sorted(set(groups)))


def skew_t(mean, error, third, df):
    """P value of "the mean is above 0": of t and of Hall's cubic of t, the larger one."""
    t, g = mean / error, third / error**3
    cubic = t + g / 3 * t**2 + g**2 / 27 * t**3 + g / 6
    return max(stats.t.cdf(t, df), stats.t.cdf(cubic, df))


def walk(p_values, level):
    """Fixed-sequence testing: how many hypotheses are rejected from the start."""
    passed = 0
    for p in p_values:
        if p > level:
            break
        passed += 1
    return passed


def budget_and_gain(psi_hat, gold, max_share, min_gain, delta):
    """Certify both by exact and by t tests, from both ends; gold labels everywhere."""
    n = len(psi_hat)
    candidates = np.append(0.0, np.unique(psi_hat[psi_hat > 0]))
    p_share, p_gain = [], []
    for w in candidates:
        sent = psi_hat > w
        p_share.append(stats.binom.cdf(sent.sum(), n, max_share))
        value = np.where(sent, gold, 0.0) - min_gain
        floor = min(1, 30 / n) * np.mean(gold**2) / n
        error = np.sqrt(max(value.var(ddof=1) / n, floor))
        third = -sum((value - value.mean()) ** 3) / n**3
        p_gain.append(skew_t(-value.mean(), error, third, n - 1))
    from_above = walk(p_share[::-1], delta / 2)
    from_below = walk(p_gain, delta / 2)
    low, high = len(candidates) - from_above, from_below - 1
    return (candidates[low], candidates[high]) if low <= high and from_above else None
