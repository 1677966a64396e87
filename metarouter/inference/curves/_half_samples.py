"""Statistics of many random halves of the queries: their spread is the uncertainty of the whole.

Source: Yadlowsky, Fleming, Shah, Brunskill and Wager (2025), Evaluating treatment prioritization
rules via rank-weighted average treatment effects, section 3, after Politis and Romano (1994). A
half drawn without replacement misses the whole by as much as the whole misses the population:
the variance of the mean of m out of n units is s^2 (1 / m - 1 / n), which is s^2 / n at m = n / 2.
Nothing needs to be known about the statistic; ties, weights, thresholds that are estimated, and
ratios are handled because the statistic itself handles them.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import MetaRouterError
from metarouter.inference.intervals import FloatArray, Units

__all__ = ["Seed", "Statistic", "as_generator", "check_draws", "half_sample"]

Seed = int | np.random.Generator | None
Kept = NDArray[np.bool_]
Statistic = Callable[[Kept], FloatArray]

_CELLS = 2**16  # of one array per chunk: 0.5 MB, so that a chunk stays in the processor's cache
_FEWEST_DRAWS = 100


def half_sample(
    statistic: Statistic, n_rows: int, units: Units, *, n_draws: int, rng: np.random.Generator
) -> FloatArray:
    """Compute a statistic on many random halves of the units.

    Parameters
    ----------
    statistic : callable
        From booleans of shape (b, n_rows), which say what rows each half holds, to values of shape
        (b, m).
    n_rows : int
    units : ndarray of int of shape (n_rows,) or None
        Rows of one unit are kept or left out together.
    n_draws : int
    rng : Generator

    Returns
    -------
    ndarray of shape (n_draws, m)
        Deviations of the statistics of the halves from their mean.
    """
    n_units = n_rows if units is None else int(units.max()) + 1
    half = n_units // 2
    step = max(1, _CELLS // n_rows)
    parts = []
    for start in range(0, n_draws, step):
        kept = _halves(rng, min(step, n_draws - start), n_units, half)
        parts.append(statistic(kept if units is None else kept[:, units]))
    draws = np.concatenate(parts)
    # With an odd number of units the smaller half is drawn, which spreads a little more.
    deviation = (draws - draws.mean(axis=0)) * np.sqrt(half / (n_units - half))
    # What no half can change is known; last bits of floating point are no uncertainty.
    known = np.abs(deviation).max(axis=0) <= 1e-12 * np.abs(draws).max(axis=0)
    deviation[:, known] = 0.0
    return np.asarray(deviation)


def _halves(rng: np.random.Generator, n_draws: int, n_units: int, half: int) -> Kept:
    """Mark a random half of the units, row by row: those with the smallest of random keys."""
    key = rng.random((n_draws, n_units), dtype=np.float32)
    largest = np.partition(key, half - 1, axis=1)[:, half - 1 : half]
    return np.asarray(key <= largest)


def as_generator(random_state: Seed) -> np.random.Generator:
    """Return a random generator.

    Raises
    ------
    MetaRouterError
        If `random_state` is no seed.
    """
    try:
        return np.random.default_rng(random_state)
    except (TypeError, ValueError):
        raise MetaRouterError(
            f"random_state={random_state!r} is no seed; give a whole number from 0 up, a numpy "
            "Generator, or None."
        ) from None


def check_draws(n_draws: int) -> int:
    """Return a number of draws that quantiles can be read from."""
    if not isinstance(n_draws, int | np.integer) or n_draws < _FEWEST_DRAWS:
        raise MetaRouterError(
            f"n_draws is {n_draws!r}: give at least {_FEWEST_DRAWS}, for fewer do not show a "
            "quantile."
        )
    return int(n_draws)
