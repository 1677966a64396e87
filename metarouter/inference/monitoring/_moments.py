"""What is summed of a stream, and estimates and standard deviations from sums."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


class Moments(NamedTuple):
    """Estimates, standard deviations of one row, and the size of one, shape (m,) each."""

    value: FloatArray
    sd: FloatArray
    size: FloatArray


class OfShare(NamedTuple):
    """A quantity as a linear function of a share, shape (m,) each."""

    share: FloatArray
    at_none: FloatArray
    at_all: FloatArray


def usage_columns(primary: NDArray[np.bool_]) -> FloatArray:
    """Return what is summed of decisions."""
    return primary[:, None].astype(np.float64)


def cost_columns(
    primary: NDArray[np.bool_], cost_primary: FloatArray, cost_alternative: FloatArray
) -> FloatArray:
    """Return what is summed of costs: those paid, of either model, squares, products, a cube."""
    paid = np.where(primary, cost_primary, cost_alternative)
    costs = np.column_stack([paid, cost_primary, cost_alternative])
    return np.column_stack([costs, costs**2, costs[:, :1] * costs[:, 1:], paid**3])


def quality_columns(
    primary: NDArray[np.bool_], drawn: NDArray[np.bool_], probability: FloatArray, score: FloatArray
) -> FloatArray:
    """Return what is summed of debiased gain scores, and of the draw of gold labels."""
    expected = np.where(drawn, 1.0 / probability, 0.0)
    sent = np.where(primary, score, 0.0)
    return np.column_stack(
        [
            drawn,
            expected,
            expected**2,
            primary,
            score,
            score**2,
            sent,
            sent * score,
            drawn & primary,
            score**3,
            sent**3,
        ]
    )


def _mean(n: FloatArray, total: FloatArray, squares: FloatArray) -> Moments:
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        spread = np.maximum(squares - n * mean**2, 0.0) / (n - 1.0)
        return Moments(mean, np.sqrt(spread), np.sqrt(squares / n))


def share(sums: FloatArray) -> Moments:
    n, total = sums
    return _mean(n, total, total)


def cost(sums: FloatArray) -> Moments:
    return _mean(sums[0], sums[1], sums[4])


def _paid_over(sums: FloatArray, model: int) -> Moments:
    """Cost paid over that of always calling one model: a ratio of means, linearised."""
    n, paid, other = sums[0], sums[1], sums[2 + model]
    squares, other_squares, products = sums[4], sums[5 + model], sums[7 + model]
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(other > 0, paid / other, np.nan)
        residual = squares - 2 * ratio * products + ratio**2 * other_squares
        # The residuals have mean zero, up to what rounding leaves.
        sd = np.sqrt(np.maximum(residual, 0.0) / (n - 1.0)) * n / other
        return Moments(ratio, sd, np.sqrt(squares * n) / other)


def saving(sums: FloatArray) -> Moments:
    paid = _paid_over(sums, 0)
    return paid._replace(value=1.0 - paid.value)


def extra_cost(sums: FloatArray) -> Moments:
    paid = _paid_over(sums, 1)
    return paid._replace(value=paid.value - 1.0)


def cost_of_share(sums: FloatArray) -> OfShare:
    """Cost paid at the mean prices, of which the share sent, weighted by prices, is the mixture."""
    n, paid, primary, alternative = sums[:4]
    dearer = primary - alternative
    share = np.divide(paid - alternative, dearer, out=np.zeros_like(paid), where=dearer != 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return OfShare(share, alternative / n, primary / n)


def saving_of_share(sums: FloatArray) -> OfShare:
    share, none, every = cost_of_share(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        return OfShare(share, 1.0 - none / every, np.zeros_like(share))


def extra_cost_of_share(sums: FloatArray) -> OfShare:
    share, none, every = cost_of_share(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        return OfShare(share, np.zeros_like(share), every / none - 1.0)


def gain_sums(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the sums of the scores of queries that were sent, and of their squares."""
    return sums[7], sums[8]


def loss_sums(sums: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the same of queries that were not sent."""
    return sums[5] - sums[7], sums[6] - sums[8]


def gain(sums: FloatArray) -> Moments:
    return _mean(sums[0], *gain_sums(sums))


def loss(sums: FloatArray) -> Moments:
    return _mean(sums[0], *loss_sums(sums))


def efficiency_gain(sums: FloatArray) -> Moments:
    """Covariance of decision and gain: EG of Meta-Router, by its influence function."""
    n, sent, score, squares, sent_score, sent_squares = (sums[k] for k in (0, 4, 5, 6, 7, 8))
    with np.errstate(divide="ignore", invalid="ignore"):
        share, mean = sent / n, score / n
        value = sent_score / n - share * mean
        # (a - share)^2 (s - mean)^2, with a^2 = a.
        all_squares = squares / n - mean**2
        own = sent_squares / n - 2 * mean * sent_score / n + mean**2 * share
        spread = (1 - 2 * share) * own + share**2 * all_squares - value**2
        sd = np.sqrt(np.maximum(spread, 0.0) * n / (n - 1.0))
        return Moments(value, sd, np.sqrt(squares / n))


def drawn(sums: FloatArray) -> Moments:
    return _mean(sums[0], sums[2], sums[3])


def drawn_of_share(sums: FloatArray) -> OfShare:
    """Labels drawn, each counted as one over its chance; on average as often as it was."""
    n, labels, expected = sums[:3]
    with np.errstate(divide="ignore", invalid="ignore"):
        return OfShare(labels / n, np.zeros_like(n), expected / labels)


def _skewness(
    n: FloatArray, total: FloatArray, squares: FloatArray, cubes: FloatArray
) -> FloatArray:
    """Skewness of a mean, from sums of powers."""
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = total / n
        second = np.maximum(squares - n * mean**2, 0.0)
        third = cubes - 3 * mean * squares + 2 * n * mean**3
        return np.abs(np.nan_to_num(third / second**1.5))


def skewness_of_cost(sums: FloatArray) -> FloatArray:
    return _skewness(sums[0], sums[1], sums[4], sums[9])


def skewness_of_gain(sums: FloatArray) -> FloatArray:
    return _skewness(sums[0], sums[7], sums[8], sums[11])


def skewness_of_loss(sums: FloatArray) -> FloatArray:
    return _skewness(sums[0], sums[5] - sums[7], sums[6] - sums[8], sums[10] - sums[11])


def skewness_of_either(sums: FloatArray) -> FloatArray:
    return np.maximum(skewness_of_gain(sums), skewness_of_loss(sums))


def rows(sums: FloatArray) -> FloatArray:
    return sums[0]


def labels(sums: FloatArray) -> FloatArray:
    return sums[1]


def labels_of_sent(sums: FloatArray) -> FloatArray:
    return sums[9]


def labels_of_others(sums: FloatArray) -> FloatArray:
    return np.asarray(sums[1] - sums[9])


def labels_of_either(sums: FloatArray) -> FloatArray:
    return np.minimum(sums[9], sums[1] - sums[9])
