"""What is believed of the coefficients before any data, checked at the edge."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameter

__all__ = ["check_prior_mean", "check_prior_precision"]

Array = NDArray[np.float64]


def check_prior_mean(value: Any, n_arms: int, n_outcomes: int, width: int) -> Array:
    """Return the prior mean of every coefficient, shape (n_arms, n_outcomes, width).

    Parameters
    ----------
    value : None, or array of shape (width,), (n_arms, width) or (n_arms, n_outcomes, width)
        The first two are the quality's; cost and latency then have mean zero.
    n_arms, n_outcomes, width : int

    Raises
    ------
    DataError
    """
    mean = np.zeros((n_arms, n_outcomes, width))
    if value is None:
        return mean
    given = _numbers("prior_mean", value)
    if given.shape == mean.shape:
        return given
    if given.shape not in ((width,), (n_arms, width)):
        raise DataError(
            f"prior_mean has shape {given.shape}; give ({width},), {(n_arms, width)} or "
            f"{mean.shape}: features (the intercept last, where there is one) in the last axis."
        )
    mean[:, 0] = given
    return mean


def check_prior_precision(value: Any, n_arms: int, width: int) -> float | Array:
    """Return the prior precision as `GaussianPosterior` takes it.

    Raises
    ------
    DataError
        If it is not positive (definite), or of another shape.
    """
    if np.ndim(value) == 0:
        check_parameter("prior_precision", value, lambda v: v > 0, "a number above 0")
        return float(value)
    given = _numbers("prior_precision", value)
    if given.shape == (n_arms, width, width):
        lowest = np.linalg.eigvalsh(given).min()
        if not np.allclose(given, given.swapaxes(1, 2)) or lowest <= 0:
            raise DataError(
                "prior_precision holds a matrix that is not symmetric and positive definite; give "
                "one per arm that is."
            )
        return (given + given.swapaxes(1, 2)) / 2
    if given.shape not in ((width,), (n_arms, width)):
        raise DataError(
            f"prior_precision has shape {given.shape}; give a number, ({width},), "
            f"{(n_arms, width)} or {(n_arms, width, width)}."
        )
    if given.min() <= 0:
        raise DataError(f"prior_precision holds {given.min():g}; give numbers above 0.")
    return given


def _numbers(name: str, value: Any) -> Array:
    try:
        given = np.array(value, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} is no table of numbers; give an array.") from None
    if not np.isfinite(given).all():
        raise DataError(f"{name} is not finite; give finite numbers.")
    return given
