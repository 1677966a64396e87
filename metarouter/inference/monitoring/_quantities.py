"""What is summed and estimated, with confidence sequences that hold after every query at once.

They need the sums alone, in any order.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import MINIMUM_SAMPLE_SIZES, Minimum
from metarouter.inference.intervals import (
    FloatArray,
    bounded_limits,
    mean_half_width,
    reach_of_scores,
    share_limits,
)


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
        Rows: answered by the alternative, by the primary model. Columns: count, weight, weight f,
        weight r, weight f^2, weight f r of the gold labels so far.
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
        return cls(np.zeros((2, 6)), np.zeros((2, 2)), np.array([[np.inf, -np.inf]] * 2))

    def score(
        self,
        primary: NDArray[np.bool_],
        prediction: FloatArray,
        gold: FloatArray,
        probability: FloatArray,
    ) -> tuple[FloatArray, GainScores]:
        """Return the scores of new queries, and what is known after them.

        All are of shape (n,). Predictions and gold labels are NaN where there is none, which was
        drawn with a `probability`.
        """
        scores = np.empty(len(primary))
        sums, seen, reach = self.sums.copy(), self.seen.copy(), self.reach.copy()
        for model in (0, 1):
            rows = primary == bool(model)
            f, r, p = prediction[rows], gold[rows], probability[rows]
            there, drawn = ~np.isnan(f), ~np.isnan(r)
            before = _running(seen[model], np.column_stack([there, np.where(there, f, 0.0)]))
            f = np.where(there, f, _ratio(before[:-1, 1], before[:-1, 0]))
            low = np.append(reach[model, :1], np.where(drawn, r, np.inf))
            high = np.append(reach[model, 1:], np.where(drawn, r, -np.inf))
            low, high = np.minimum.accumulate(low), np.maximum.accumulate(high)
            r = np.where(drawn, r, 0.0)
            weight = np.where(drawn, (1.0 - p) / p**2, 0.0)
            columns = [drawn, weight, weight * f, weight * r, weight * f**2, weight * f * r]
            known = _running(sums[model], np.column_stack(columns))
            fitted = np.clip(_fitted(f, known[:-1].T), low[:-1], high[:-1])
            fitted = np.where(known[:-1, 0] > 0, fitted, 0.0)
            scores[rows] = fitted + np.where(drawn, (r - fitted) / p, 0.0)
            sums[model], seen[model], reach[model] = known[-1], before[-1], (low[-1], high[-1])
        return scores, GainScores(sums, seen, reach)


def _fitted(f: FloatArray, known: FloatArray) -> FloatArray:
    """Predict from what the sums of earlier rows say; with few labels, from their mean alone."""
    count, weight, sum_f, sum_r, sum_ff, sum_fr = known
    mean_f, mean_r = _ratio(sum_f, weight), _ratio(sum_r, weight)
    spread, joint = sum_ff - mean_f * sum_f, sum_fr - mean_f * sum_r
    # What rounding leaves of a constant prediction is no spread.
    slope = np.where(spread > 1e-9 * sum_ff, _ratio(joint, spread), 0.0)
    enough = count >= 2 * MINIMUM_SAMPLE_SIZES["rows_per_coefficient"].count
    slope = np.where(enough, slope, 0.0) * count / (count + _SHRINKAGE)
    return mean_r + slope * (f - mean_f)


def _running(start: FloatArray, rows: FloatArray) -> FloatArray:
    """Add rows one by one, so that sums do not depend on how rows were batched."""
    return np.cumsum(np.concatenate([start[None], rows]), axis=0)


def _ratio(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.divide(a, b, out=np.zeros_like(a), where=b > 0)


_MOST_SKEWNESS = 0.45
_ROUNDING = 1e-5  # what it leaves of the standard deviation of a constant, over its size


class Powers(NamedTuple):
    """Sums of numbers, of their squares and of their cubes, shape (m,) each."""

    total: FloatArray
    squares: FloatArray
    cubes: FloatArray


class Mixture(NamedTuple):
    """A share, and the quantity if no row or every row were in it, shape (m,) each."""

    share: FloatArray
    at_none: FloatArray
    at_all: FloatArray


class Parts(NamedTuple):
    """What the interval for a quantity is made of.

    Parameters
    ----------
    value, sd, size : ndarray of shape (m,)
        Estimate, standard deviation of one row, and size of one.
    evidence : ndarray of shape (m,)
        Rows, or labels, of which an asymptotic interval needs some.
    mixture : Mixture or None
        What the quantity would be if nothing but the share varied.
    tails : tuple of Powers
        Of numbers of whose skewness an asymptotic interval bears only so much.
    """

    value: FloatArray
    sd: FloatArray
    size: FloatArray
    evidence: FloatArray
    mixture: Mixture | None = None
    tails: tuple[Powers, ...] = ()


def _mean(
    n: FloatArray, powers: Powers, evidence: FloatArray, mixture: Mixture | None = None
) -> Parts:
    """Mean of n numbers."""
    mean = powers.total / n
    spread = np.maximum(powers.squares - n * mean**2, 0.0) / (n - 1.0)
    size = np.sqrt(powers.squares / n)
    return Parts(mean, np.sqrt(spread), size, evidence, mixture, (powers,))


def usage_parts(sums: FloatArray) -> dict[str, Parts]:
    """Return the share sent, from a count and its sum, shape (2, m): exact, a mixture of itself."""
    n, sent = sums
    none, all_of_it = np.zeros_like(n), np.ones_like(n)
    return {"share": Parts(sent / n, none, none, n, Mixture(sent / n, none, all_of_it))}


def cost_columns(
    primary: NDArray[np.bool_], cost_primary: FloatArray, cost_alternative: FloatArray
) -> FloatArray:
    """Return what is summed of costs: those paid, of either model, squares, products, a cube."""
    paid = np.where(primary, cost_primary, cost_alternative)
    costs = np.column_stack([paid, cost_primary, cost_alternative])
    return np.column_stack([costs, costs**2, costs[:, :1] * costs[:, 1:], paid**3])


def cost_parts(sums: FloatArray) -> dict[str, Parts]:
    """Return cost, saving and extra cost, from a count and sums of `cost_columns`, shape (10, m).

    At the mean prices each is a mixture by the share sent, weighted by prices.
    """
    n, paid, primary, alternative = sums[:4]
    extra = primary - alternative
    share = np.divide(paid - alternative, extra, out=np.zeros_like(paid), where=extra != 0)
    powers = Powers(paid, sums[4], sums[9])

    def relative(sign: float, other: FloatArray, squares: FloatArray, cross: FloatArray) -> Parts:
        """Cost paid over that of always calling one model, less 1: a linearised ratio of means."""
        ratio = np.where(other > 0, paid / other, np.nan)
        residual = powers.squares - 2 * ratio * cross + ratio**2 * squares
        # The residuals have mean zero, up to what rounding leaves.
        sd = np.sqrt(np.maximum(residual, 0.0) / (n - 1.0)) * n / other
        at_none, at_all = (sign * cost / other - sign for cost in (alternative, primary))
        mixture = Mixture(share, at_none, at_all)
        size = np.sqrt(powers.squares * n) / other
        return Parts(sign * ratio - sign, sd, size, n, mixture, (powers,))

    return {
        "saving": relative(-1.0, primary, sums[5], sums[7]),
        "extra_cost": relative(1.0, alternative, sums[6], sums[8]),
        "cost": _mean(n, powers, n, Mixture(share, alternative / n, primary / n)),
    }


def quality_columns(
    primary: NDArray[np.bool_], drawn: NDArray[np.bool_], probability: FloatArray, score: FloatArray
) -> FloatArray:
    """Return what is summed of debiased gain scores, and of the draw of gold labels."""
    expected = np.where(drawn, 1.0 / probability, 0.0)
    sent = np.where(primary, score, 0.0)
    draws = (drawn, expected, expected**2, primary, score, score**2, sent, sent * score)
    return np.column_stack([*draws, drawn & primary, score**3, sent**3])


def quality_parts(sums: FloatArray) -> dict[str, Parts]:
    """Return gain, loss, efficiency gain and draw, from sums of `quality_columns`, shape (12, m).

    The mean score of the queries that were sent is the gain, that of the others the loss. The
    efficiency gain of Meta-Router is the covariance of decision and gain, by its influence
    function. Labels drawn are counted as one over their chances.
    """
    n, labels, expected, expected_squares, primary, score, squares = sums[:7]
    sent, sent_squares, labels_sent, cubes, sent_cubes = sums[7:]
    gain = Powers(sent, sent_squares, sent_cubes)
    loss = Powers(score - sent, squares - sent_squares, cubes - sent_cubes)
    labels_else = labels - labels_sent

    share, mean = primary / n, score / n
    value = sent / n - share * mean
    # (a - share)^2 (s - mean)^2, with a^2 = a.
    own = sent_squares / n - 2 * mean * sent / n + mean**2 * share
    spread = (1 - 2 * share) * own + share**2 * (squares / n - mean**2) - value**2
    sd = np.sqrt(np.maximum(spread, 0.0) * n / (n - 1.0))
    fewest, size = np.minimum(labels_sent, labels_else), np.sqrt(squares / n)

    by_labels = Mixture(labels / n, np.zeros_like(n), expected / labels)
    drawn = _mean(n, Powers(expected, expected_squares, expected), labels, by_labels)
    return {
        "gain": _mean(n, gain, labels_sent),
        "loss": _mean(n, loss, labels_else),
        "efficiency_gain": Parts(value, sd, size, fewest, None, (gain, loss)),
        "drawn": drawn._replace(tails=()),  # no cubes are summed, and none are asked for
    }


def skewness_of_mean(n: FloatArray, powers: Powers) -> FloatArray:
    """Skewness of a mean, from sums of powers."""
    total, squares, cubes = powers
    mean = total / n
    second = np.maximum(squares - n * mean**2, 0.0)
    third = cubes - 3 * mean * squares + 2 * n * mean**3
    return np.abs(np.nan_to_num(third / second**1.5))


@dataclass(frozen=True)
class Quantity:
    """Something that is estimated from sums.

    Parameters
    ----------
    name : str
        As printed.
    kept : {"usage", "cost", "quality"}
        Which sums it is made of.
    constraint : str, default=""
        The setting that limits it.
    bounds : str, default=""
        The setting that bounds single gains or costs, where it is their mean.
    """

    name: str
    kept: Literal["usage", "cost", "quality"]
    constraint: str = ""
    bounds: str = ""


PARTS = {"usage": usage_parts, "cost": cost_parts, "quality": quality_parts}
MINIMUM_OF = {  # rows or labels that an interval needs
    "usage": Minimum(0, "queries", "Sequences for shares are exact at any number of them."),
    "cost": MINIMUM_SAMPLE_SIZES["monitored_costs"],
    "quality": MINIMUM_SAMPLE_SIZES["monitored_gold"],
}

QUANTITIES = {
    "share": Quantity("usage ratio (PMUR)", "usage", "max_share"),
    "saving": Quantity("saving against always-primary", "cost", "min_saving"),
    "extra_cost": Quantity("extra cost over always-alternative", "cost"),
    "cost": Quantity("cost per query", "cost", "max_cost", "cost_bounds"),
    "gain": Quantity("gold gain over always-alternative", "quality", "min_gain", "gain_bounds"),
    "loss": Quantity("gold loss against always-primary", "quality", "max_loss", "gain_bounds"),
    "efficiency_gain": Quantity("efficiency gain over random routing", "quality"),
    "drawn": Quantity("gold labels drawn over those expected", "quality"),
}


class Estimates(NamedTuple):
    """Estimates with confidence sequences, and the rows that are missing to have them."""

    value: FloatArray
    lower: FloatArray
    upper: FloatArray
    missing: NDArray[np.intp]


@np.errstate(divide="ignore", invalid="ignore")
def estimates(
    name: str,
    sums: FloatArray,
    alpha: float | FloatArray,
    horizon: float,
    bounds: tuple[float, float] | None = None,
    least_probability: float = 1.0,
) -> Estimates:
    """Return estimates of a quantity, and confidence sequences, from rows of sums.

    An asymptotic interval knows only of the variation that was seen: it would have no width where
    all queries went to one model at one price, whatever the next query may bring. It is therefore
    never narrower than the exact sequence for the share that the quantity is a function of.

    Where there are fewer rows than a claim needs, or numbers that do not vary and so cannot tell
    how far they may be off, estimate and ends are NaN: no number is given without its uncertainty.
    Nor where a few rare and large values decide: the mean of n values of which a share p is large
    has the skewness (n p)^(-1/2), and above 0.45 it rests on five of them or fewer. None of that
    is asked of numbers whose bounds are known.

    Parameters
    ----------
    name : str
        One of `QUANTITIES`.
    sums : ndarray of shape (m, k)
        A count, and sums of the columns that it is made of.
    alpha, horizon : float
        See `mean_half_width`.
    bounds : pair of float, optional
        Of single gains or costs, where the quantity has them.
    least_probability : float, default=1.0
        Smallest chance of a gold label.
    """
    quantity, n = QUANTITIES[name], sums[:, 0]
    value, sd, size, evidence, mixture, tails = PARTS[quantity.kept](sums.T)[name]
    if bounds is not None:
        low, high = bounds
        reach, ends = (max(0.0, -low), max(0.0, high)), bounds
        if quantity.kept == "quality":  # of scores; a query that the other model answered adds 0
            reach, ends = reach_of_scores(bounds, least_probability), (min(low, 0), max(high, 0))
        exact = bounded_limits(*tails[0][:2], n, alpha, reach, high - low)
        lower, upper = (np.clip(end, *ends) for end in exact)
        return Estimates(value, lower, upper, np.zeros(len(n), dtype=np.intp))
    missing = np.maximum(0, MINIMUM_OF[quantity.kept].count - evidence).astype(np.intp)
    half = mean_half_width(n, np.where(sd > _ROUNDING * size, sd, 0.0), alpha, horizon)
    lower, upper = value - half, value + half
    if mixture is not None:
        share, at_none, at_all = mixture
        limits = share_limits(n * np.clip(share, 0.0, 1.0), n, alpha, horizon)
        far = [at_none + (at_all - at_none) * end for end in limits]
        lower, upper = np.minimum(lower, np.minimum(*far)), np.maximum(upper, np.maximum(*far))
    known = (missing == 0) & (upper - lower > _ROUNDING**2 * size)
    for tail in tails:
        known &= ~(skewness_of_mean(n, tail) > _MOST_SKEWNESS)
    value, lower, upper = (np.where(known, found, np.nan) for found in (value, lower, upper))
    return Estimates(value, lower, upper, missing)
