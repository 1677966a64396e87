"""Intervals for the value of a policy, by name."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from bandits.off_policy import _estimators as formulas
from bandits.off_policy._empirical_likelihood import lower_bound
from bandits.off_policy.confidence_sequence import ValueSequence
from bandits.off_policy.logged_feedback import LoggedFeedback

__all__ = ["bounds"]

Array = NDArray[np.float64]

BOOTSTRAP_DRAWS = 1000


def bounds(
    log: LoggedFeedback,
    weight: Array,
    scores: Array,
    method: str,
    kind: str,
    level: float,
    seed: int,
) -> tuple[float, float]:
    """Return the limits of one kind of interval, not yet cut to the range of rewards."""
    low, high = log.reward_range
    # No weight can exceed that of the rarest action, had the policy been certain of it.
    max_weight = max(float((1.0 / log.propensity).max()), 1.0 + 1e-9)
    if kind == "normal":
        value, se = formulas.mean_and_error(scores)
        reach = norm.ppf(0.5 + level / 2) * se
        return value - reach, value + reach
    if kind == "bootstrap":
        return _bootstrap(log, weight, scores, method, level, seed)
    if kind == "confidence_sequence":
        sequence = ValueSequence(log.reward_range, max_weight, level)
        return sequence.update(weight, log.reward).interval()
    statistic = float(chi2.ppf(level, 1))
    options = {"max_weight": max_weight, "statistic": statistic}
    if method in ("ips", "snips"):
        gains = weight * log.reward
        return (
            lower_bound(weight, gains, floor=0.0, slope=low, **options),
            -lower_bound(weight, -gains, floor=0.0, slope=-high, **options),
        )
    # Model and reward both lie in the range: a residual is at least low - high, the model low.
    slope = low - high
    return (
        lower_bound(weight, scores, floor=low, slope=slope, **options),
        -lower_bound(weight, -scores, floor=-high, slope=slope, **options),
    )


def _bootstrap(
    log: LoggedFeedback, weight: Array, scores: Array, method: str, level: float, seed: int
) -> tuple[float, float]:
    rng = np.random.default_rng(seed)
    rows = rng.integers(log.n, size=(BOOTSTRAP_DRAWS, log.n))
    if method == "snips":
        total = weight[rows].sum(axis=1)
        gains = (weight * log.reward)[rows].sum(axis=1)
        draws = np.divide(gains, total, out=np.full(len(rows), np.nan), where=total > 0)
    else:
        draws = scores[rows].mean(axis=1)
    lower, upper = np.nanquantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return float(lower), float(upper)
