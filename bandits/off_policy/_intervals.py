"""Intervals for the value of a policy and for the difference of two, one function each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import chi2, norm

from bandits.off_policy import _cressie_read as cressie_read
from bandits.off_policy import _empirical_likelihood as likelihood
from bandits.off_policy._evidence import Evidence
from bandits.off_policy._moment_constraints import joined
from bandits.off_policy.confidence_sequence import ValueSequence

__all__ = [
    "bootstrap",
    "cressie_read_bounds",
    "likelihood_bounds",
    "likelihood_bounds_of_difference",
    "normal_bounds",
    "sequence_bounds",
]

Array = NDArray[np.float64]
Bounds = tuple[float, float]

BOOTSTRAP_DRAWS = 1000
# Rows that are drawn at a time, all draws together.
BOOTSTRAP_CELLS = 2_000_000


def normal_bounds(value: float, se: float, level: float) -> Bounds:
    """Return value -+ z se."""
    reach = float(norm.ppf(0.5 + level / 2)) * se
    return value - reach, value + reach


def likelihood_bounds(evidence: Evidence, level: float) -> Bounds:
    """Return the values that the rows, and what is known of weights and model, do not contradict.

    The model enters as a control variate w q - q_pi of mean 0, as much of it as makes the bound
    tight: none where it would only add worst cases, all (the doubly robust score) where it is good.
    """
    low, high = evidence.reward_range
    known = evidence.known()
    allowed = float(chi2.ppf(level, 1)) + likelihood.divergence_of_constraints(known)
    return (
        low + likelihood.lower_bound(evidence.won, known, allowed),
        high - likelihood.lower_bound(evidence.missed, known, allowed),
    )


def likelihood_bounds_of_difference(first: Evidence, second: Evidence, level: float) -> Bounds:
    """Return the differences of two values that the rows do not contradict.

    What the first wins and the second misses averages the difference plus high - low.
    """
    low, high = first.reward_range
    known = joined(first.known(), second.known())
    allowed = float(chi2.ppf(level, 1)) + likelihood.divergence_of_constraints(known)
    return (
        likelihood.lower_bound(first.won + second.missed, known, allowed) - (high - low),
        (high - low) - likelihood.lower_bound(first.missed + second.won, known, allowed),
    )


def cressie_read_bounds(evidence: Evidence, scores: Array, level: float) -> Bounds:
    """Return the closed form about w r or, where there is a model, doubly robust scores."""
    low, high = evidence.reward_range
    if evidence.expected is None:
        scores = evidence.weight * evidence.reward
        floor, ceiling, least, most = 0.0, 0.0, low, high
    else:  # model and reward lie in the range, and a residual in low - high to high - low
        floor, ceiling, least, most = low, high, low - high, high - low

    def bound(sign: float, start: float, slope: float) -> float:
        return sign * cressie_read.lower_bound(
            evidence.weight, sign * scores, floor=sign * start, slope=sign * slope,
            max_weight=evidence.max_weight, level=level,
        )  # fmt: skip

    return bound(1.0, floor, least), bound(-1.0, ceiling, most)


def sequence_bounds(evidence: Evidence, level: float) -> Bounds:
    """Return the confidence sequence after all rows, in their order."""
    sequence = ValueSequence(evidence.reward_range, evidence.max_weight, level)
    return sequence.update(evidence.weight, evidence.reward).interval()


def bootstrap(
    evidence: Evidence, scores: Array, level: float, seed: int, *, self_normalised: bool
) -> Bounds:
    """Return percentiles of values of rows drawn with replacement."""
    n, rng = len(scores), np.random.default_rng(seed)
    gain = evidence.weight * evidence.reward
    draws = np.full(BOOTSTRAP_DRAWS, np.nan)
    at_a_time = max(1, BOOTSTRAP_CELLS // n)  # so that memory does not grow with the rows
    for start in range(0, BOOTSTRAP_DRAWS, at_a_time):
        some = draws[start : start + at_a_time]  # a view
        rows = rng.integers(n, size=(len(some), n))
        if self_normalised:
            total = evidence.weight[rows].sum(axis=1)
            np.divide(gain[rows].sum(axis=1), total, out=some, where=total > 0)
        else:
            some[:] = scores[rows].mean(axis=1)
    lower, upper = np.nanquantile(draws, [0.5 - level / 2, 0.5 + level / 2])
    return float(lower), float(upper)
