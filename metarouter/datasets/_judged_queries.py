"""Simulated queries whose psi, eta, Delta and propensity are known exactly."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import expit, logit, ndtr

from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._truth import Truth
from metarouter.datasets._votes import cast_votes, normalising_scale
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated

__all__ = ["check_switches", "make_judged_queries"]

_MEAN_GAIN = 0.3  # the primary is the better model, by a third of a standard deviation of psi
_FEWEST_FEATURES = 6


@validated()
def make_judged_queries(
    n_queries: int = 2000,
    n_features: int = 20,
    *,
    bias: float = 0.5,
    heterogeneity: float = 0.5,
    overlap: float = 1.0,
    noise: float = 1.0,
    gold_share: float = 0.1,
    pairing: float = 0.0,
    preference_levels: int | None = None,
    random_state: int | Generator | None = None,
) -> LabelledQueries:
    """Make queries with gold and preference labels and a known truth.

    Parameters
    ----------
    n_queries : int, default=2000
        Number of queries.
    n_features : int, default=20
        Number of features, at least 6; the first six matter, the others are noise.
    bias : float, default=0.5
        The mean of Delta is ``-bias``, in standard deviations of psi: a positive bias is a judge
        that over-prefers the primary model.
    heterogeneity : float, default=0.5
        Standard deviation of Delta around its mean, in standard deviations of psi.
    overlap : float, default=1.0
        In (0, 1]. At 1 the gold labels are placed at random; below 1 the odds of a gold label
        change by ``exp(1 / overlap - 1)`` per standard deviation of an index that psi depends on.
    noise : float, default=1.0
        Standard deviation of the noise of gold labels and of continuous preference labels, in
        standard deviations of psi.
    gold_share : float, default=0.1
        In (0, 1]: expected share of queries with a gold label.
    pairing : float, default=0.0
        In [0, 1]: share of the gold-labelled queries that carry a preference label too. With
        ``gold_share=1, pairing=1`` every query carries both.
    preference_levels : {None, 3}, default=None
        None makes continuous preference labels; 3 makes votes in {-1, 0, 1}.
    random_state : int, Generator or None, default=None
        Seed of the queries and labels.

    Returns
    -------
    LabelledQueries
        With `truth`. Continuous labels of both kinds share one unit, the standard deviation of
        psi, and ``truth.gold_scale`` is 1. Votes have a unit of their own: then `psi`, `eta` and
        `delta` are in that of the votes, and ``truth.gold_scale`` is c = sd(y) / sd(r) in the
        population.

    Raises
    ------
    DataError
        If a switch lies outside its range.

    Notes
    -----
    Features x are independent standard normals. With u(.) a standard normal bent to a uniform of
    variance 1::

        psi   = 0.3 + sqrt(.40) x1 + sqrt(.25) sin(2 x2) / sd + sqrt(.20) (|x3| - mean) / sd
                + sqrt(.15) x4 x5
        Delta = -bias + heterogeneity u((x1 - x6) / sqrt(2))
        p     = expit(a + (1 / overlap - 1) (x1 + x3) / sqrt(2)),  E p = gold_share
        gold  = psi + noise e1,   preference = psi - Delta + noise e0

    so psi is wavy and interacts while Delta is a smooth function of one index: the case in which
    learning the shift is easier than learning the gain. Votes have mean
    ``clip(c (psi - Delta), -1, 1)``, so the shift is c Delta wherever a vote can have that mean.

    Examples
    --------
    >>> data = make_judged_queries(n_queries=500, bias=0.0, heterogeneity=0.0, random_state=0)
    >>> bool((data.truth.delta == 0).all())
    True
    >>> bool((data.truth.propensity == 0.1).all())
    True
    """
    check_switches(
        n_queries=n_queries,
        n_features=n_features,
        bias=bias,
        heterogeneity=heterogeneity,
        overlap=overlap,
        noise=noise,
        gold_share=gold_share,
        pairing=pairing,
        preference_levels=preference_levels,
    )
    rng = np.random.default_rng(random_state)
    X = rng.standard_normal((n_queries, n_features))
    gain, shift = _gain(X), _shift(X, bias, heterogeneity)
    propensity = _propensity(X, overlap, gold_share)
    errors = rng.standard_normal((2, n_queries))
    if preference_levels is None:
        scale, psi, eta = 1.0, gain, gain - shift
        preference = eta + noise * errors[0]
    else:
        scale = _gold_scale(bias, heterogeneity, noise)
        psi, eta = scale * gain, np.clip(scale * (gain - shift), -1.0, 1.0)
        preference = cast_votes(eta, errors[0])
    notes = ["simulated, with known psi, eta, Delta and propensity"]
    if preference_levels is not None:
        always = int((np.abs(eta) >= 1).sum())
        notes.append(f"on {always} of {n_queries} queries the judge always gives the same vote")
    is_gold = rng.uniform(size=n_queries) < propensity
    is_preference = ~is_gold | (rng.uniform(size=n_queries) < pairing)
    return LabelledQueries(
        X=X,
        gold=np.where(is_gold, gain + noise * errors[1], np.nan),
        preference=np.where(is_preference, preference, np.nan),
        truth=Truth(
            psi=psi,
            eta=eta,
            delta=scale * shift if preference_levels is None else psi - eta,
            propensity=propensity / (1 + pairing * propensity),
            gold_scale=scale,
        ),
        name="judged_queries",
        notes=tuple(notes),
        feature_names=[f"x{k + 1}" for k in range(n_features)],
    )


def _gain(X: NDArray[np.float64]) -> NDArray[np.float64]:
    """Give psi, with mean 0.3 and variance 1."""
    wave = np.sin(2 * X[:, 1]) / np.sqrt((1 - np.exp(-8)) / 2)
    fold = (np.abs(X[:, 2]) - np.sqrt(2 / np.pi)) / np.sqrt(1 - 2 / np.pi)
    gain = np.sqrt(0.4) * X[:, 0] + np.sqrt(0.25) * wave + np.sqrt(0.2) * fold
    return np.asarray(_MEAN_GAIN + gain + np.sqrt(0.15) * X[:, 3] * X[:, 4])


def _shift(X: NDArray[np.float64], bias: float, heterogeneity: float) -> NDArray[np.float64]:
    """Give Delta, with mean -bias and standard deviation |heterogeneity|."""
    index = (X[:, 0] - X[:, 5]) / np.sqrt(2)
    # Adding 0.0 keeps the shift of an unbiased judge from being printed as -0.
    return np.asarray(-bias + heterogeneity * np.sqrt(12) * (ndtr(index) - 0.5) + 0.0)


def _propensity(X: NDArray[np.float64], overlap: float, gold_share: float) -> NDArray[np.float64]:
    if overlap == 1 or gold_share == 1:
        return np.full(X.shape[0], float(gold_share))
    slope = 1 / overlap - 1
    return np.asarray(
        expit(_intercept(slope, gold_share) + slope * (X[:, 0] + X[:, 2]) / np.sqrt(2))
    )


@lru_cache(maxsize=128)
def _intercept(slope: float, gold_share: float) -> float:
    """Find the intercept at which a standard normal index gives the wished share on average."""
    quantiles = np.linspace(-8, 8, 4001)
    density = np.exp(-(quantiles**2) / 2)
    density /= density.sum()

    def excess(intercept: float) -> float:
        return float(density @ expit(intercept + slope * quantiles)) - gold_share

    widest = abs(float(logit(gold_share))) + 8 * slope + 1
    return float(brentq(excess, -widest, widest))


@lru_cache(maxsize=128)
def _gold_scale(bias: float, heterogeneity: float, noise: float) -> float:
    X = np.random.default_rng(0).standard_normal((100_000, _FEWEST_FEATURES))
    unbiased, shift = _gain(X), _shift(X, bias, heterogeneity)

    def vote_mean(scale: float) -> NDArray[np.float64]:
        return np.clip(scale * (unbiased - shift), -1.0, 1.0)

    return normalising_scale(vote_mean, float(np.sqrt(1 + noise**2)))


def check_switches(**switches: float | None) -> None:
    """Refuse switches of a generator outside their range.

    Raises
    ------
    DataError
    """
    allowed: dict[str, tuple[Callable[[Any], bool], str]] = {
        "n_queries": (lambda v: v >= 1, "a whole number of at least 1"),
        "n_features": (lambda v: v >= _FEWEST_FEATURES, f"at least {_FEWEST_FEATURES}"),
        "bias": (np.isfinite, "a finite number"),
        "heterogeneity": (np.isfinite, "a finite number"),
        "overlap": (lambda v: 0 < v <= 1, "above 0 and at most 1"),
        "noise": (lambda v: np.isfinite(v) and v >= 0, "finite and at least 0"),
        "gold_share": (lambda v: 0 < v <= 1, "above 0 and at most 1"),
        "pairing": (lambda v: 0 <= v <= 1, "between 0 and 1"),
        "preference_levels": (lambda v: v is None or v == 3, "None or 3"),
    }
    for name, value in switches.items():
        holds, wanted = allowed[name]
        if not holds(value):
            raise DataError(f"{name} is {value}, but it must be {wanted}.")
