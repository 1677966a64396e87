"""A linear mixed model of paired comparisons from two sources, fitted by marginal likelihood.

A model's score is theta_k(s) = a_k + b_k' f(s), and a label compares two of them::

    gold        o = theta_k(s) - theta_l(s) + e_1
    preference  o = rho (theta_k(s) - theta_l(s)) - (delta_k(s) - delta_l(s)) + e_0

with delta_k(s) = c_k + d_k' f(s) the part of the judge's bias that belongs to model k (Meta-Router,
A.2: Delta_kl = delta_k - delta_l), and rho the judge's sensitivity, which takes the place of the
constant of Remark 1. All coefficients are normal with mean 0; the variances of a, b, c, d, of the
two errors, and rho, maximise the marginal likelihood. So a judge whose bias is small is trusted and
one whose bias is large is not, which is the autoregressive co-kriging of Kennedy & O'Hagan (2000),
with scores of models in place of one surface. Every term is a difference of two models' terms, so
that swapping the models of a pair swaps the sign, by construction.

What the rows have to say enters through one Gram matrix per source: everything after that costs
the same for a thousand rows and for a million.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import cho_solve, cholesky, lapack
from scipy.optimize import minimize

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]

__all__ = ["ContrastFit", "ContrastRows", "VarianceComponents", "contrast_gram", "fit_contrasts"]

# Bounds of standard deviations, in units of the labels' own.
_SMALLEST, _LARGEST = 1e-4, 30.0
_LARGEST_SENSITIVITY = 10.0

# Widths of the priors of log standard deviations and of rho in units of the spread of the labels:
# weak, so that a handful of labels neither rules a part out nor believes in nothing else.
_LOG_WIDTH = 1.5
_SENSITIVITY_WIDTH = 0.3


class ContrastRows(NamedTuple):
    """Comparisons of one source.

    Attributes
    ----------
    features : ndarray of shape (n, m)
        f(s) with a leading column of ones.
    first, second : ndarray of int, shape (n,)
        Columns of the models that are compared.
    y : ndarray of shape (n,)
    weight : ndarray of shape (n,)
        Precisions relative to each other.
    """

    features: FloatArray
    first: IntArray
    second: IntArray
    y: FloatArray
    weight: FloatArray


class Gram(NamedTuple):
    """What one source's comparisons say: Z'WZ, Z'Wy, y'Wy and their number.

    Coefficients are ordered by model, then by feature.
    """

    matrix: FloatArray
    vector: FloatArray
    total: float
    n: float


@dataclass(frozen=True)
class VarianceComponents:
    """Standard deviations of the parts of scores and bias, and of the errors of the labels.

    Attributes
    ----------
    score_level, score_slope : float
        Of a_k, and of the part of theta_k that depends on the query, in units of gold labels.
    bias_level, bias_slope : float
        Of c_k, and of the part of delta_k that depends on the query, in units of preference labels.
    gold_noise, preference_noise : float
        Of the two errors, each in its own units.
    sensitivity : float
        rho: what a unit of gold gain is worth to the judge.
    """

    score_level: float
    score_slope: float
    bias_level: float
    bias_slope: float
    gold_noise: float
    preference_noise: float
    sensitivity: float


class ContrastFit(NamedTuple):
    """Posterior of the scores and of the bias.

    Attributes
    ----------
    scores : ndarray of shape (n_models, m)
        Posterior means of (a_k, b_k).
    bias : ndarray of shape (n_models, m)
        Posterior means of (c_k, d_k); zero where there is one source.
    covariance : ndarray of shape (n_models * m, n_models * m)
        Of the scores.
    components : VarianceComponents
    log_likelihood : float
        Marginal, at the components.
    """

    scores: FloatArray
    bias: FloatArray
    covariance: FloatArray
    components: VarianceComponents
    log_likelihood: float


def contrast_gram(rows: ContrastRows, n_models: int) -> Gram:
    """Sum up comparisons, pair by pair, without the design matrix."""
    m = rows.features.shape[1]
    matrix = np.zeros((n_models, m, n_models, m))
    vector = np.zeros((n_models, m))
    pair = rows.first * n_models + rows.second
    for code in np.unique(pair):
        a, b = divmod(int(code), n_models)
        here = pair == code
        features, weight = rows.features[here], rows.weight[here, None]
        block = features.T @ (weight * features)
        moment = (weight * features).T @ rows.y[here]
        matrix[a, :, a] += block
        matrix[b, :, b] += block
        matrix[a, :, b] -= block
        matrix[b, :, a] -= block
        vector[a] += moment
        vector[b] -= moment
    size = n_models * m
    total = float(np.sum(rows.weight * rows.y**2))
    return Gram(matrix.reshape(size, size), vector.ravel(), total, float(len(rows.y)))


class _Posterior(NamedTuple):
    mean: FloatArray
    covariance: FloatArray
    log_likelihood: float
    gradient: FloatArray


def fit_contrasts(
    gold: Gram | None,
    preference: Gram | None,
    n_models: int,
    *,
    loadings: FloatArray | None = None,
    start: VarianceComponents | None = None,
    max_iter: int = 60,
) -> ContrastFit:
    """Fit the variance components by marginal likelihood, and the coefficients given them.

    Parameters
    ----------
    gold, preference : Gram or None
        One of them may be absent: then there is no bias, and scores are in the units of the other.
    n_models : int
    loadings : ndarray of shape (n_models, rank), optional
        Restrict the slopes to b_k = sum_r loadings[k, r] g_r, so that the scores have low rank.
    start : VarianceComponents, optional
        Where the search begins.
    max_iter : int, default=60
        Steps of L-BFGS.
    """
    model = _Model(gold, preference, n_models, loadings)
    best = minimize(
        model.loss,
        model.start(start),
        jac=True,
        method="L-BFGS-B",
        bounds=model.bounds(),
        options={"maxiter": max_iter, "ftol": 1e-7},
    )
    return model.result(best.x)


class _Model:
    """The marginal likelihood of both sources, as a function of log standard deviations and rho."""

    def __init__(
        self,
        gold: Gram | None,
        preference: Gram | None,
        n_models: int,
        loadings: FloatArray | None,
    ) -> None:
        self.both = gold is not None and preference is not None
        self.gold, self.preference = gold, preference
        known = next(gram for gram in (gold, preference) if gram is not None)
        self.n_models, self.m = n_models, len(known.vector) // n_models
        # Level or slope, for each coefficient.
        self.bias_is_level = np.tile(np.arange(self.m) == 0, n_models)
        self.map = None if loadings is None else _low_rank_map(loadings, self.m)
        self.is_level = self.bias_is_level
        if self.map is not None:
            self.is_level = np.arange(self.map.shape[1]) < n_models
        self.only = self._reduced(gold if preference is None else preference)
        self.spread = [_spread(gram) for gram in (gold, preference)]
        self.centre = self.start(None)
        self.width = np.full(len(self.centre), _LOG_WIDTH)
        if self.both:
            self.width[6] = _SENSITIVITY_WIDTH

    def _reduced(self, gram: Gram | None) -> Gram | None:
        if gram is None or self.map is None:
            return gram
        return gram._replace(
            matrix=self.map.T @ gram.matrix @ self.map, vector=self.map.T @ gram.vector
        )

    def start(self, given: VarianceComponents | None) -> FloatArray:
        gold, preference = self.spread
        if not self.both:
            spread = gold if self.preference is None else preference
            return np.log(np.array([0.3, 0.3, 0.9]) * spread)
        if given is not None:
            logs = np.log(
                [
                    max(given.score_level, 1e-3 * gold),
                    max(given.score_slope, 1e-3 * gold),
                    max(given.bias_level, 1e-3 * preference),
                    max(given.bias_slope, 1e-3 * preference),
                    given.gold_noise,
                    given.preference_noise,
                ]
            )
            return np.append(logs, given.sensitivity * gold / preference)
        sizes = np.array([0.3 * gold, 0.3 * gold, 0.3 * preference, 0.2 * preference])
        return np.concatenate([np.log(sizes), np.log([0.9 * gold, 0.9 * preference]), [0.4]])

    def bounds(self) -> list[tuple[float, float]]:
        gold, preference = self.spread
        if not self.both:
            spread = gold if self.preference is None else preference
            return [_bounds(spread)] * 3
        scales = [gold, gold, preference, preference, gold, preference]
        return [*map(_bounds, scales), (-_LARGEST_SENSITIVITY, _LARGEST_SENSITIVITY)]

    def loss(self, x: FloatArray) -> tuple[float, FloatArray]:
        posterior = self.posterior(x)
        off = (x - self.centre) / self.width
        return (
            -posterior.log_likelihood + 0.5 * float(off @ off),
            -posterior.gradient + off / self.width,
        )

    def posterior(self, x: FloatArray) -> _Posterior:
        return self._of_both(x) if self.both else self._of_one(x)

    def result(self, x: FloatArray) -> ContrastFit:
        posterior = self.posterior(x)
        p = len(self.is_level)
        scores, covariance = posterior.mean[:p], posterior.covariance[:p, :p]
        if self.map is not None:
            scores, covariance = self.map @ scores, self.map @ covariance @ self.map.T
        scores = scores.reshape(self.n_models, self.m)
        bias = posterior.mean[p:].reshape(-1, self.m) if self.both else np.zeros_like(scores)
        sd = [float(value) for value in np.exp(x[: 6 if self.both else 3])]
        if not self.both:
            noises = [sd[2], np.nan] if self.preference is None else [np.nan, sd[2]]
            sd = [*sd[:2], 0.0, 0.0, *noises]
        rho = float(x[6]) * self.spread[1] / self.spread[0] if self.both else 1.0
        components = VarianceComponents(sd[0], sd[1], sd[2], sd[3], sd[4], sd[5], rho)
        return ContrastFit(scores, bias, covariance, components, posterior.log_likelihood)

    def _of_one(self, x: FloatArray) -> _Posterior:
        level, slope, noise = np.exp(x)
        gram = self.only
        assert gram is not None
        prior = np.where(self.is_level, level**2, slope**2)
        precision = gram.matrix / noise**2
        mean, covariance, log_determinant = _solve(precision, gram.vector / noise**2, prior)
        squares = mean**2 + np.diag(covariance)
        errors = _expected_errors(gram, mean, covariance)
        likelihood = -0.5 * (
            gram.n * np.log(noise**2)
            + log_determinant
            + gram.total / noise**2
            - mean @ gram.vector / noise**2
        )
        gradient = np.array(
            [
                np.sum((squares / prior - 1)[self.is_level]),
                np.sum((squares / prior - 1)[~self.is_level]),
                errors / noise**2 - gram.n,
            ]
        )
        return _Posterior(mean, covariance, float(likelihood), gradient)

    def _of_both(self, x: FloatArray) -> _Posterior:
        gold, judged = self.gold, self.preference
        assert gold is not None
        assert judged is not None
        score_level, score_slope, bias_level, bias_slope, noise_1, noise_0 = np.exp(x[:6])
        unit = self.spread[1] / self.spread[0]
        rho = x[6] * unit
        of_scores, in_bias = self._reduced(gold), self.bias_is_level
        assert of_scores is not None
        p = len(of_scores.vector)
        # The judge's Gram matrix, seen from (scores, bias), (scores, scores) and (bias, bias).
        cross = judged.matrix if self.map is None else self.map.T @ judged.matrix
        square = cross if self.map is None else cross @ self.map
        of_judge = judged.vector if self.map is None else self.map.T @ judged.vector

        prior = np.concatenate(
            [
                np.where(self.is_level, score_level**2, score_slope**2),
                np.where(in_bias, bias_level**2, bias_slope**2),
            ]
        )
        w_1, w_0 = 1 / noise_1**2, 1 / noise_0**2
        precision = np.empty((len(prior), len(prior)))
        precision[:p, :p] = w_1 * of_scores.matrix + rho**2 * w_0 * square
        precision[:p, p:] = -rho * w_0 * cross
        precision[p:, :p] = precision[:p, p:].T
        precision[p:, p:] = w_0 * judged.matrix
        vector = np.concatenate(
            [w_1 * of_scores.vector + rho * w_0 * of_judge, -w_0 * judged.vector]
        )
        mean, covariance, log_determinant = _solve(precision, vector, prior)
        theta, delta = mean[:p], mean[p:]
        share = (mean**2 + np.diag(covariance)) / prior - 1
        tt = float(theta @ square @ theta + np.sum(square * covariance[:p, :p]))
        td = float(theta @ cross @ delta + np.sum(cross * covariance[:p, p:]))
        dd = float(delta @ judged.matrix @ delta + np.sum(judged.matrix * covariance[p:, p:]))
        errors_1 = _expected_errors(of_scores, theta, covariance[:p, :p])
        explained = rho * (of_judge @ theta) - judged.vector @ delta
        errors_0 = judged.total - 2 * explained + rho**2 * tt - 2 * rho * td + dd
        likelihood = -0.5 * (
            gold.n * np.log(noise_1**2)
            + judged.n * np.log(noise_0**2)
            + log_determinant
            + w_1 * gold.total
            + w_0 * judged.total
            - mean @ vector
        )
        gradient = np.array(
            [
                np.sum(share[:p][self.is_level]),
                np.sum(share[:p][~self.is_level]),
                np.sum(share[p:][in_bias]),
                np.sum(share[p:][~in_bias]),
                w_1 * errors_1 - gold.n,
                w_0 * errors_0 - judged.n,
                unit * w_0 * (of_judge @ theta - rho * tt + td),
            ]
        )
        return _Posterior(mean, covariance, float(likelihood), gradient)


def _low_rank_map(loadings: FloatArray, m: int) -> FloatArray:
    """Matrix that takes (levels, factors) to coefficients by model and feature."""
    n_models, rank = loadings.shape
    matrix = np.zeros((n_models, m, n_models + rank * (m - 1)))
    matrix[np.arange(n_models), 0, np.arange(n_models)] = 1.0
    for r in range(rank):
        columns = n_models + r * (m - 1) + np.arange(m - 1)
        matrix[:, np.arange(1, m), columns] = loadings[:, [r]]
    return matrix.reshape(n_models * m, -1)


def _solve(
    precision: FloatArray, vector: FloatArray, prior: FloatArray
) -> tuple[FloatArray, FloatArray, float]:
    """Posterior mean and covariance, and log |I + D^(1/2) A D^(1/2)| for a diagonal prior D."""
    root = np.sqrt(prior)
    scaled = root[:, None] * precision * root
    scaled[np.diag_indices_from(scaled)] += 1.0
    factor = cholesky(scaled, lower=True, overwrite_a=True, check_finite=False)
    mean = root * cho_solve((factor, True), root * vector, check_finite=False)
    log_determinant = 2 * float(np.log(np.diag(factor)).sum())
    # LAPACK inverts in place, and leaves the upper triangle alone.
    lower = np.tril(lapack.dpotri(factor, lower=1, overwrite_c=1)[0])
    covariance = lower + np.tril(lower, -1).T
    covariance *= root[:, None] * root
    return mean, covariance, log_determinant


def _expected_errors(gram: Gram, mean: FloatArray, covariance: FloatArray) -> float:
    return float(
        gram.total
        - 2 * gram.vector @ mean
        + mean @ gram.matrix @ mean
        + np.sum(gram.matrix * covariance)
    )


def _spread(gram: Gram | None) -> float:
    """Root mean square of the labels, the unit of what is searched for."""
    return 1.0 if gram is None or not gram.total else float(np.sqrt(gram.total / gram.n))


def _bounds(scale: float) -> tuple[float, float]:
    return float(np.log(_SMALLEST * scale)), float(np.log(_LARGEST * scale))
