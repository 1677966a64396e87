"""What is summed of a stream, and estimates and standard deviations from sums."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import MINIMA

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class BlockSums:
    """Sums over all rows so far, over each full window, and over the one that is being filled.

    Rows are added one by one, so that sums are the same to the bit however rows were batched.

    Parameters
    ----------
    size : int
        Rows of a window.
    total, block : ndarray of shape (k,)
        Sums of all rows, and of those in the open window; column 0 counts rows.
    finished : ndarray of shape (n_windows, k)
        Sums of each full window.

    Examples
    --------
    >>> sums = BlockSums.empty(1, size=2).after(np.array([[1.0], [3.0], [5.0]]))
    >>> sums.total, sums.block, sums.finished
    (array([3., 9.]), array([1., 5.]), array([[2., 4.]]))
    """

    size: int
    total: FloatArray
    block: FloatArray
    finished: FloatArray

    @classmethod
    def empty(cls, n_columns: int, size: int) -> BlockSums:
        """Start without data."""
        width = n_columns + 1
        return cls(size, np.zeros(width), np.zeros(width), np.empty((0, width)))

    @property
    def n(self) -> int:
        """Rows so far."""
        return int(self.total[0])

    def after(self, rows: FloatArray) -> BlockSums:
        """Add rows, shape (n, k - 1), in the order in which they came."""
        counted = np.column_stack([np.ones(len(rows)), rows])
        open_rows, finished = self.block, [*self.finished]
        room = self.size - int(self.block[0])
        for part in np.split(counted, np.arange(room, len(counted), self.size)):
            open_rows = _running(open_rows, part)[-1]
            if open_rows[0] == self.size:
                finished.append(open_rows)
                open_rows = np.zeros_like(open_rows)
        return replace(
            self,
            total=_running(self.total, counted)[-1],
            block=open_rows,
            finished=np.reshape(finished, (-1, len(self.total))),
        )

    def path(self) -> FloatArray:
        """Return the sums from the start to the end of each full window, and to now."""
        ends = np.cumsum(self.finished, axis=0)
        return ends if self.block[0] == 0 else np.concatenate([ends, self.total[None]])


_SUMS = 6  # count, weight, weight f, weight r, weight f^2, weight f r; of the gold labels so far
_SHRINKAGE = 5.0


@dataclass(frozen=True)
class GainScores:
    """What was learned so far about predicting gold labels, for either answering model.

    A query's score is the prediction of its gold label, plus, where a gold label r was drawn (with
    the known chance p), (r - prediction) / p. Whatever the prediction, scores have the mean of r,
    as long as it was fixed before the draw (prediction-powered inference, Angelopoulos et al. 2023,
    in the form of Robins, Rotnitzky & Zhao 1994). It is a + b f, where f is the cheap label or
    psi-hat, and a and b are least squares on the gold labels of *earlier* queries that the same
    model answered, with weights (1 - p) / p^2: these minimise the variance of the scores (the power
    tuning of PPI++, with an intercept).

    Parameters
    ----------
    sums : ndarray of shape (2, 6)
        Rows: answered by the alternative, by the primary model.
    seen : ndarray of shape (2, 2)
        Count and sum of the predictions f that were there.
    reach : ndarray of shape (2, 2)
        Least and largest gold label so far; no prediction leaves them.
    """

    sums: FloatArray
    seen: FloatArray
    reach: FloatArray

    @classmethod
    def fresh(cls) -> GainScores:
        """Start without data."""
        return cls(np.zeros((2, _SUMS)), np.zeros((2, 2)), np.array([[np.inf, -np.inf]] * 2))

    def score(
        self,
        primary: NDArray[np.bool_],
        prediction: FloatArray,
        gold: FloatArray,
        probability: FloatArray,
    ) -> tuple[FloatArray, GainScores]:
        """Return the scores of new queries, shape (n,), and what is known after them.

        Parameters
        ----------
        primary : ndarray of bool, shape (n,)
        prediction, gold : ndarray of shape (n,)
            NaN where there is none.
        probability : ndarray of shape (n,)
            Chance of drawing each query for a gold label.
        """
        scores = np.empty(len(primary))
        sums, seen, reach = self.sums.copy(), self.seen.copy(), self.reach.copy()
        for model in (0, 1):
            rows = primary == bool(model)
            columns = (prediction[rows], gold[rows], probability[rows])
            scores[rows], sums[model], seen[model], reach[model] = _scores_of_one_model(
                *columns, sums[model], seen[model], reach[model]
            )
        return scores, replace(self, sums=sums, seen=seen, reach=reach)


def _scores_of_one_model(
    prediction: FloatArray,
    gold: FloatArray,
    probability: FloatArray,
    sums: FloatArray,
    seen: FloatArray,
    reach: FloatArray,
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    there, drawn = ~np.isnan(prediction), ~np.isnan(gold)
    before = _running(seen, np.column_stack([there, np.where(there, prediction, 0.0)]))
    usual = _ratio(before[:-1, 1], before[:-1, 0])
    f, r = np.where(there, prediction, usual), np.where(drawn, gold, 0.0)

    weight = np.where(drawn, (1.0 - probability) / probability**2, 0.0)
    columns = [drawn, weight, weight * f, weight * r, weight * f**2, weight * f * r]
    known = _running(sums, np.column_stack(columns))
    low = np.minimum.accumulate(np.concatenate([reach[:1], np.where(drawn, gold, np.inf)]))
    high = np.maximum.accumulate(np.concatenate([reach[1:], np.where(drawn, gold, -np.inf)]))

    fitted = _fitted(f, known[:-1].T)
    fitted = np.where(known[:-1, 0] > 0, np.clip(fitted, low[:-1], high[:-1]), 0.0)
    scores = fitted + np.where(drawn, (r - fitted) / probability, 0.0)
    return scores, known[-1], before[-1], np.array([low[-1], high[-1]])


def _fitted(f: FloatArray, known: FloatArray) -> FloatArray:
    """Predict from what the sums of earlier rows say; with few labels, from their mean alone."""
    count, weight, sum_f, sum_r, sum_ff, sum_fr = known
    mean_f, mean_r = _ratio(sum_f, weight), _ratio(sum_r, weight)
    spread, joint = sum_ff - mean_f * sum_f, sum_fr - mean_f * sum_r
    # What rounding leaves of a constant prediction is no spread.
    slope = np.where(spread > 1e-9 * sum_ff, _ratio(joint, spread), 0.0)
    enough = count >= 2 * MINIMA["rows_per_coefficient"].count
    slope = np.where(enough, slope, 0.0) * count / (count + _SHRINKAGE)
    return mean_r + slope * (f - mean_f)


def _running(start: FloatArray, rows: FloatArray) -> FloatArray:
    """Add rows one by one, so that sums do not depend on how rows were batched."""
    return np.cumsum(np.concatenate([start[None], rows]), axis=0)


def _ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


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
