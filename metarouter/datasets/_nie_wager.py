"""The four simulation set-ups of Nie & Wager (2021), as queries with two kinds of labels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray

from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._truth import Truth
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated

__all__ = ["make_nie_wager"]

_FEWEST_FEATURES = 5


class _Design(NamedTuple):
    """Baseline b, propensity e and effect tau at the rows of X, each (n,)."""

    baseline: NDArray[np.float64]
    propensity: NDArray[np.float64]
    effect: NDArray[np.float64]


@validated()
def make_nie_wager(
    setup: str,
    n: int = 500,
    d: int = 6,
    sigma: float = 1.0,
    random_state: int | Generator | None = None,
) -> LabelledQueries:
    """Make one draw of a simulation set-up of Nie & Wager (2021), section 6.

    The outcome is ``b(X) + (W - 0.5) tau(X) + sigma N(0, 1)`` with ``W | X`` Bernoulli(e(X)). A
    treated row (W = 1) is a query with a gold label, an untreated one a query with a preference
    label, and the effect tau is the shift Delta. Every query carries exactly one label.

    Parameters
    ----------
    setup : {"A", "B", "C", "D"}
        A: difficult nuisances, easy effect. B: a randomised trial. C: easy propensity, difficult
        baseline, constant effect. D: unrelated arms.
    n : int, default=500
        Number of queries.
    d : int, default=6
        Number of features, at least 5.
    sigma : float, default=1.0
        Standard deviation of the noise.
    random_state : int, Generator or None, default=None
        Seed of the draw.

    Returns
    -------
    LabelledQueries
        With ``truth.delta`` = tau, ``truth.propensity`` = e, ``truth.psi`` = b + tau / 2 and
        ``truth.eta`` = b - tau / 2.

    Raises
    ------
    DataError
        If the set-up is unknown or a size is out of range.

    References
    ----------
    Nie & Wager (2021), Quasi-oracle estimation of heterogeneous treatment effects, Biometrika
    108(2), 299-319.

    Examples
    --------
    >>> data = make_nie_wager("C", n=200, random_state=0)
    >>> data.n_gold + data.n_preference, data.n_paired
    (200, 0)
    >>> bool((data.truth.delta == 1).all())
    True
    """
    _check_arguments(setup, n, d, sigma)
    rng = np.random.default_rng(random_state)
    X = rng.uniform(size=(n, d)) if setup == "A" else rng.standard_normal((n, d))
    design = _DESIGNS[setup](X)
    psi = design.baseline + design.effect / 2
    eta = design.baseline - design.effect / 2
    is_gold = rng.uniform(size=n) < design.propensity
    outcome = np.where(is_gold, psi, eta) + sigma * rng.standard_normal(n)
    return LabelledQueries(
        X=X,
        gold=np.where(is_gold, outcome, np.nan),
        preference=np.where(is_gold, np.nan, outcome),
        truth=Truth(psi, eta, design.effect, design.propensity),
        name=f"nie_wager_{setup}",
        notes=(f"simulated, set-up {setup} of Nie & Wager (2021)",),
        feature_names=[f"x{k + 1}" for k in range(d)],
    )


def _difficult_nuisances(X: NDArray[np.float64]) -> _Design:
    wave = np.sin(np.pi * X[:, 0] * X[:, 1])
    return _Design(
        baseline=wave + 2 * (X[:, 2] - 0.5) ** 2 + X[:, 3] + 0.5 * X[:, 4],
        propensity=np.clip(wave, 0.1, 0.9),
        effect=(X[:, 0] + X[:, 1]) / 2,
    )


def _randomised_trial(X: NDArray[np.float64]) -> _Design:
    return _Design(
        baseline=np.maximum(np.maximum(0, X[:, 0] + X[:, 1]), X[:, 2])
        + np.maximum(0, X[:, 3] + X[:, 4]),
        propensity=np.full(len(X), 0.5),
        effect=X[:, 0] + np.logaddexp(0, X[:, 1]),
    )


def _constant_effect(X: NDArray[np.float64]) -> _Design:
    return _Design(
        baseline=2 * np.logaddexp(0, X[:, 0] + X[:, 1] + X[:, 2]),
        propensity=1 / (1 + np.exp(X[:, 1] + X[:, 2])),
        effect=np.ones(len(X)),
    )


def _unrelated_arms(X: NDArray[np.float64]) -> _Design:
    treated = np.maximum(X[:, 0] + X[:, 1] + X[:, 2], 0)
    control = np.maximum(X[:, 3] + X[:, 4], 0)
    return _Design(
        baseline=(treated + control) / 2,
        propensity=1 / (1 + np.exp(-X[:, 0]) + np.exp(-X[:, 1])),
        effect=treated - control,
    )


_DESIGNS = {
    "A": _difficult_nuisances,
    "B": _randomised_trial,
    "C": _constant_effect,
    "D": _unrelated_arms,
}


def _check_arguments(setup: str, n: int, d: int, sigma: float) -> None:
    if setup not in _DESIGNS:
        raise DataError(f"There is no set-up {setup!r}: choose one of {', '.join(_DESIGNS)}.")
    if n < 1:
        raise DataError(f"n is {n}: ask for at least 1 query.")
    if d < _FEWEST_FEATURES:
        raise DataError(f"d is {d}: the set-ups use {_FEWEST_FEATURES} features at least.")
    if not (np.isfinite(sigma) and sigma >= 0):
        raise DataError(f"sigma is {sigma}: give a finite number of at least 0.")
