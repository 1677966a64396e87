"""The pseudo-outcomes of the R- and the DR-learner (Meta-Router, appendix A.3)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError

FloatArray = NDArray[np.float64]

# econml floors |t - p| at the same value, which keeps both bit-identical.
SMALLEST_RESIDUAL = 1e-5


class WeightedOutcome(NamedTuple):
    """A pseudo-outcome and the weight of its regression, each of shape (n,)."""

    pseudo_outcome: FloatArray
    weight: FloatArray


def residual_on_residual(
    outcome_residual: FloatArray, source_residual: FloatArray
) -> WeightedOutcome:
    """Turn the R-loss sum (o~ - t~ h(s))^2 into weighted least squares (eq. S3).

    Dividing by t~ inside the square gives sum t~^2 (o~ / t~ - h(s))^2.

    Parameters
    ----------
    outcome_residual : array of shape (n,)
        o~ = o - gamma(s).
    source_residual : array of shape (n,)
        t~ = t - p(s).
    """
    sign = np.where(source_residual < 0, -1.0, 1.0)
    small = np.abs(source_residual) < SMALLEST_RESIDUAL
    floored = np.where(small, sign * SMALLEST_RESIDUAL, source_residual)
    return WeightedOutcome(outcome_residual / floored, floored**2)


def doubly_robust(
    y: FloatArray,
    is_gold: NDArray[np.bool_],
    propensity: FloatArray,
    gold_outcome: FloatArray,
    preference_outcome: FloatArray,
) -> FloatArray:
    """Return the DR pseudo-outcome phi~, shape (n,) (eq. S4 and the display above it).

    (t - p) / (p (1 - p)) (o - mu_t) + mu_1 - mu_0 is written source by source: 1/p on gold rows,
    -1/(1 - p) on preference rows. The propensity of a row's own source must not be 0.
    """
    from_gold, from_preference = gold_outcome.copy(), preference_outcome.copy()
    from_gold[is_gold] += (y - gold_outcome)[is_gold] / propensity[is_gold]
    from_preference[~is_gold] += (y - preference_outcome)[~is_gold] / (1 - propensity[~is_gold])
    return from_gold - from_preference


def require_positive(propensity: FloatArray, is_gold: NDArray[np.bool_], learner: str) -> None:
    """Refuse propensities of 0 for a row's own source, which a learner would divide by.

    Raises
    ------
    DataError
        If there is one.
    """
    impossible = np.where(is_gold, propensity, 1 - propensity) == 0
    if impossible.any():
        raise DataError(
            f"the propensity says that {int(impossible.sum())} of {len(is_gold)} labels could not "
            f"have come from their own source, which {learner} divides by; give the "
            "PropensityPolicy a clip above 0."
        )
