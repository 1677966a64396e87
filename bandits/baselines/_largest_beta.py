"""Which of several independent Beta variables, each less something, is the largest."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy.special import betainc, betaln, xlog1py, xlogy

__all__ = ["probabilities_of_largest"]

Array = NDArray[np.float64]

_CELLS = np.linspace(0.0, 1.0, 33)
_NOTHING = 50.0  # nats below the peak, where nothing is left of an integrand
_LEAST = -650.0  # nats; near e^-700 distribution functions lose their digits
_PANELS = 16
_PRECISION = 1e-8  # of an integral, by an estimate that is far above the error
_HALVINGS = 40
_LANDMARKS = np.array([-6.0, 0.0, 6.0])  # standard deviations from the mean of another arm
# Gauss and Kronrod rules of 7 and 15 nodes on [-1, 1].
_KRONROD = np.array([
    0.991455371120812639206854697526329, 0.949107912342758524526189684047851,
    0.864864423359769072789712788640926, 0.741531185599394439863864773280788,
    0.586087235467691130294144691693013, 0.405845151377397166906606412076961,
    0.207784955007898467600689403773245, 0.0,
])  # fmt: skip
_OF_KRONROD = np.array([
    0.022935322010529224963732008058970, 0.063092092629978553290700663189204,
    0.104790010322250183839876322541518, 0.140653259715525918745189590510238,
    0.169004726639267902826583426598550, 0.190350578064785409913256402421014,
    0.204432940075298892414161999234649, 0.209482141084727828012999174891714,
])  # fmt: skip
_OF_GAUSS = np.array([
    0.0, 0.129484966168869693270611432679082, 0.0, 0.279705391489276667901467771423780,
    0.0, 0.381830050505118944950369775488975, 0.0, 0.417959183673469387755102040816327,
])  # fmt: skip
_NODES = np.concatenate([-_KRONROD, _KRONROD[-2::-1]])
_WEIGHTS = np.stack(
    [np.concatenate([half, half[-2::-1]]) for half in (_OF_KRONROD, _OF_GAUSS)], axis=1
)


def probabilities_of_largest(
    success: Array, failure: Array, less: Array, arms: NDArray[np.intp]
) -> Array:
    """Return P(arm k has the largest theta_k - less_k) for some arms, shape (len(arms),).

    P(k) is the integral of f_k(t) prod_{j != k} F_j(t - less_k + less_j) over t. Densities of Beta
    variables with parameters of at least 1 are log-concave, hence so are their distribution
    functions and the integrand: it has one peak, which is found however far out in the tails it
    lies, and is integrated around it by adaptive Gauss-Kronrod rules. Every probability above
    1e-280 has a relative error of less than 1e-6, for parameters up to 1e6 at least; smaller ones
    may be returned as 0.

    Parameters
    ----------
    success, failure : ndarray of shape (n_arms,)
        Parameters of at least 1.
    less : ndarray of shape (n_arms,)
        From 0 to infinity; 0 for one arm at least.
    arms : ndarray of int

    Examples
    --------
    >>> fresh, known = (1.0, 1.0), (9996.0, 6.0)
    >>> success, failure = np.array([fresh, known]).T
    >>> probabilities_of_largest(success, failure, np.zeros(2), np.arange(2)).round(9).tolist()
    [0.00059988, 0.99940012]
    """
    chances = [_probability(success, failure, less, int(k)) for k in arms]
    return np.minimum(chances, 1.0)  # the quadrature may end a rounding error above


def _probability(success: Array, failure: Array, less: Array, k: int) -> float:
    if not less[k] < 1.0:  # an arm with nothing taken away is never below 0
        return 0.0
    others = np.flatnonzero(np.arange(len(less)) != k)
    others = others[less[others] - less[k] < 1.0]
    a, b, shift = success[others, None], failure[others, None], less[others, None] - less[k]
    constant = betaln(success[k], failure[k])

    def log_integrand(t: Array) -> Array:
        below = betainc(a, b, np.clip(t + shift, 0.0, 1.0))
        with np.errstate(divide="ignore"):
            of_others = np.log(below).sum(axis=0)
        own = xlogy(success[k] - 1.0, t) + xlog1py(failure[k] - 1.0, -t) - constant
        return np.asarray(own + of_others)

    low, high = max(0.0, float(-shift.min(initial=0.0))), 1.0
    for _ in range(_HALVINGS):
        grid = low + (high - low) * _CELLS
        values = log_integrand(grid)
        peak = values.max()
        if peak == -np.inf:
            return 0.0
        kept = np.flatnonzero(values > peak - _NOTHING)
        first, last = max(kept[0] - 1, 0), min(kept[-1] + 1, len(grid) - 1)
        low, high = grid[first], grid[last]
        if last - first > len(grid) // 2:
            break
    if peak < _LEAST:
        return 0.0
    # Where another arm's distribution function rises, a rule may not step over it; beyond 1 it
    # stays 1, and where that begins is no place for the inside of a rule.
    mean = a / (a + b)
    deviation = np.sqrt(mean * (1.0 - mean) / (a + b + 1.0))
    marks = np.append(np.ravel(mean + deviation * _LANDMARKS - shift), 1.0 - shift)
    marks = marks[(marks > low) & (marks < high)]
    edges = np.union1d(np.linspace(low, high, _PANELS + 1), marks)
    return float(np.exp(peak)) * _integral(lambda t: np.exp(log_integrand(t) - peak), edges)


def _integral(integrand: Callable[[Array], Array], edges: Array) -> float:
    """Integrate by halving the panels whose rules of 7 and 15 nodes disagree."""
    start, stop, done = edges[:-1], edges[1:], 0.0
    for _ in range(_HALVINGS):
        half = (stop - start) / 2
        nodes = start[:, None] + half[:, None] * (1.0 + _NODES)
        fine, coarse = (integrand(nodes.ravel()).reshape(nodes.shape) @ _WEIGHTS).T * half
        rough = np.abs(fine - coarse) > _PRECISION * (done + fine.sum())
        done += float(fine[~rough].sum())
        if not rough.any():
            break
        middle = (start + half)[rough]
        start, stop = (
            np.concatenate([start[rough], middle]),
            np.concatenate([middle, stop[rough]]),
        )
    else:
        done += float(fine[rough].sum())
    return done
