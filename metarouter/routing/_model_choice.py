"""Which of many models is worth its price, for one setting of the dial."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError
from metarouter.routing.preference_reward import off_simplex, reward
from metarouter.utils.parameters import check_parameter

FloatArray = NDArray[np.float64]

__all__ = ["choose_models"]

_TIE_TOLERANCE = 1e-9
_WANTED = "(w_quality, w_cost) or (w_quality, w_cost, w_latency)"


def choose_models(
    scores: FloatArray,
    models: Sequence[str],
    cost: Any,
    latency: Any,
    preference: ArrayLike | None,
    caps: tuple[float | None, float | None],
) -> NDArray[np.intp]:
    """Return the column of the model of largest reward, shape (n,); among equals the cheapest.

    Parameters
    ----------
    scores : ndarray of shape (n, n_models)
    models : sequence of str
    cost, latency : array-like of shape (n_models,) or (n, n_models), dict, DataFrame or None
    preference : weights or None
    caps : (float or None, float or None)
        Cost and latency that count as 1; the largest by default.

    Raises
    ------
    DataError
    """
    costs = None if cost is None else _charges("cost", cost, models, len(scores))
    waits = None if latency is None else _charges("latency", latency, models, len(scores))
    weights = _weights(preference, has_cost=costs is not None, has_latency=waits is not None)
    cost_cap, latency_cap = _cap("cost", caps[0], costs), _cap("latency", caps[1], waits)
    value = reward(scores, costs, weights, cost_cap, waits, latency_cap)
    best = value.max(axis=1, keepdims=True)
    tied = value >= best - _TIE_TOLERANCE * np.maximum(np.abs(best), 1.0)
    price = np.zeros_like(value) if costs is None else costs
    return np.where(tied, price, np.inf).argmin(axis=1)


def _charges(name: str, given: Any, models: Sequence[str], n_rows: int) -> FloatArray:
    by_name = getattr(given, "columns", given if isinstance(given, Mapping) else None)
    if by_name is not None:
        missing = [model for model in models if model not in by_name]
        if missing:
            raise DataError(f"{name} has no entry for {missing[0]!r}; give one for every model.")
        columns = [np.asarray(given[model]) for model in models]
        given = np.stack(columns, axis=-1)
    try:
        values = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"{name} holds something that is not a number; give numbers.") from None
    if values.shape not in ((len(models),), (n_rows, len(models))):
        raise DataError(
            f"{name} has shape {values.shape}; give one number per model, ({len(models)},), or one "
            f"per query and model, ({n_rows}, {len(models)})."
        )
    if not np.isfinite(values).all() or (values < 0).any():
        raise DataError(f"{name} is negative, NaN or infinite; give numbers of at least 0.")
    return np.broadcast_to(values, (n_rows, len(models)))


def _weights(preference: ArrayLike | None, *, has_cost: bool, has_latency: bool) -> FloatArray:
    """Weights of quality, cost and latency, shape (3,)."""
    known = np.array([True, has_cost, has_latency])
    if preference is None:
        return known / known.sum()
    try:
        given = np.asarray(preference, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(f"preference is {preference!r}; give {_WANTED}.") from None
    if given.shape not in ((2,), (3,)):
        raise DataError(f"preference has shape {given.shape}; give {_WANTED}.")
    if off_simplex(given[None]).any():
        raise DataError(
            f"preference is ({', '.join(f'{weight:g}' for weight in given)}); give weights of at "
            "least 0 that sum to 1."
        )
    weights = np.zeros(3)
    weights[: len(given)] = given
    for name, weight, there in zip(("cost", "latency"), weights[1:], known[1:], strict=True):
        if weight > 0 and not there:
            raise DataError(f"preference weighs {name}, but no {name} is given; pass {name}=.")
    return weights


def _cap(name: str, cap: float | None, values: FloatArray | None) -> float:
    if cap is None:
        return (0.0 if values is None else float(values.max(initial=0.0))) or 1.0
    check_parameter(f"{name}_cap", cap, lambda v: v > 0, f"the {name} that counts as 1, above 0")
    return float(cap)
