"""Debiased gain scores: one number per query whose mean is the mean gold gain."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import MINIMA

FloatArray = NDArray[np.float64]

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
        """Know nothing yet."""
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
