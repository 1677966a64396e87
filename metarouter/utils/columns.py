"""Checks of what evaluations are given, made once at the edge."""

from __future__ import annotations

from collections.abc import Mapping
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.features import as_floats
from metarouter.utils.groups import as_labels, group_codes

FloatArray = NDArray[np.float64]


def as_finite_column(values: ArrayLike, name: str) -> FloatArray:
    """Return `values` as floats of shape (n,), or say what keeps them from being that."""
    column = as_floats(
        name, values, f"{name} holds values that are not numbers: give one number per query."
    )
    if column.ndim == 2 and column.shape[1] == 1:
        column = column[:, 0]
    if column.ndim != 1:
        raise DataError(f"{name} has shape {column.shape}: give one number per query.")
    if column.size == 0:
        raise DataError(f"{name} is empty: give at least one query.")
    n_nan, n_infinite = int(np.isnan(column).sum()), int(np.isinf(column).sum())
    if n_nan:
        raise DataError(
            f"{name} is NaN for {n_nan} of {column.size} queries: evaluate on queries that have it."
        )
    if n_infinite:
        raise DataError(
            f"{name} is infinite for {n_infinite} of {column.size} queries: give finite numbers."
        )
    return column


def as_weight(sample_weight: ArrayLike | None, n: int) -> FloatArray:
    """Return weights of shape (n,), all one when there are none."""
    if sample_weight is None:
        return np.ones(n)
    weight = as_finite_column(sample_weight, "sample_weight")
    check_same_length("sample_weight", weight.size, "gold_gain", n)
    if (weight < 0).any() or not weight.any():
        raise DataError(
            f"sample_weight is negative for {int((weight < 0).sum())} and positive for "
            f"{int((weight > 0).sum())} of {n} queries: give weights from zero up, not all zero."
        )
    return weight


def as_routed(routed_to_primary: ArrayLike) -> NDArray[np.bool_]:
    """Return the decisions as booleans of shape (n,)."""
    column = as_finite_column(routed_to_primary, "routed_to_primary")
    if not np.isin(column, (0.0, 1.0)).all():
        raise DataError(
            f"routed_to_primary holds {int((~np.isin(column, (0.0, 1.0))).sum())} of "
            f"{column.size} values other than 0 and 1: give one yes or no per query."
        )
    return column.astype(bool)


def as_groups(groups: ArrayLike | None, n: int) -> NDArray[np.intp] | None:
    """Return group numbers of shape (n,), or None when every query stands for itself."""
    if groups is None:
        return None
    labels = as_labels("groups", groups)
    check_same_length("groups", labels.shape[0] if labels.ndim else 0, "gold_gain", n)
    number = group_codes(labels)
    if number.max() == 0:
        raise DataError(
            f"groups puts all {n} queries into one group, which leaves no way to measure "
            "uncertainty: give at least two groups, or none."
        )
    return number


def as_grid(grid: ArrayLike | None) -> FloatArray:
    """Return usage ratios in increasing order, by default 0, 0.01, ..., 1."""
    if grid is None:
        return np.linspace(0.0, 1.0, 101)
    usage = as_finite_column(grid, "grid")
    if usage.min() < 0 or usage.max() > 1 or (np.diff(usage) <= 0).any():
        raise DataError(
            f"grid runs from {usage.min():g} to {usage.max():g}: give increasing usage ratios "
            "between 0 and 1."
        )
    return usage


def as_level(level: float) -> float:
    """Return a confidence level strictly between 0 and 1."""
    if not (isinstance(level, Real) and 0 < level < 1):
        raise MetaRouterError(
            f"level is {level}: give a confidence level between 0 and 1.", parameter="level"
        )
    return float(level)


def as_bounds(name: str, bounds: Any) -> tuple[float, float] | None:
    """Return the ends that a quantity cannot leave as floats, or None where none are known."""
    if bounds is None:
        return None
    ends: Any = bounds if np.size(bounds) == 2 else (np.nan, np.nan)
    low, high = ends
    if not (all(isinstance(end, Real) for end in ends) and -np.inf < low < high < np.inf):
        raise MetaRouterError(f"{name} is {bounds!r}; give two finite numbers, (lowest, highest).")
    return float(low), float(high)


def check_within(
    name: str, bounds: tuple[float, float] | None, values: FloatArray, mend: str
) -> None:
    """Refuse values that leave the bounds that were given for them."""
    if bounds is None:
        return
    outside = (values < bounds[0]) | (values > bounds[1])
    if outside.any():
        raise DataError(
            f"{int(outside.sum())} of {values.size} values lie outside {name}={bounds!r} (first: "
            f"{values[outside][0]:g}): {mend}"
        )


def check_same_length(name: str, size: int, other: str, other_size: int) -> None:
    """Refuse two columns that cannot describe the same queries."""
    if size != other_size:
        raise DataError(
            f"{name} has {size} entries but {other} has {other_size}: give one per query in both."
        )


def check_routers(routers: Mapping[str, Any]) -> None:
    """Refuse an empty or wrongly shaped collection of routers."""
    if not isinstance(routers, Mapping) or not routers:
        raise MetaRouterError(
            f"Routers came as {type(routers).__name__} with nothing to evaluate: give a dict "
            "from at least one router name to its router or scores."
        )


def check_reference(reference: str, names: list[str]) -> None:
    """Refuse a reference that is not one of the routers."""
    if reference not in names:
        raise MetaRouterError(
            f"The reference {reference!r} is not among the routers: choose one of "
            f"{', '.join(names)}."
        )
