"""Settings and routed queries come in: both are checked before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from metarouter.exceptions import BudgetError, DataError
from metarouter.inference.guarantees import Constraint, as_constraints, constraint_of
from metarouter.inference.intervals import FloatArray
from metarouter.utils.columns import as_bounds, as_level, as_routed
from metarouter.utils.features import as_floats, validate_matrix
from metarouter.utils.parameters import check_argument, check_whole, number

N_ALARMS = 4  # embeddings, predictions, cost, quality
WATCHED_CONSTRAINTS = ("max_share", "max_cost", "min_saving", "min_gain", "max_loss")
_COSTS, _DRAW = ("cost_primary", "cost_alternative"), ("gold", "gold_probability")
_LARGEST = 1e100  # squares of larger numbers could overflow
_SMALLEST = 1e-12  # of a chance, for the same reason


def limits_of(
    constraints: Constraint | Iterable[Constraint], named: Mapping[str, float | None]
) -> dict[str, float]:
    """Return limits by name, of constraints that are given as objects and by name.

    Raises BudgetError if one is given twice, or cannot be watched.
    """
    limits = {name: limit for name, limit in named.items() if limit is not None}
    gathered = as_constraints(constraints, limits) if constraints or limits else ()
    for constraint in gathered:
        if constraint.name not in WATCHED_CONSTRAINTS:
            raise BudgetError(
                f"{constraint.name} cannot be watched; give some of "
                f"{', '.join(WATCHED_CONSTRAINTS)}."
            )
    return {constraint.name: constraint.limit for constraint in gathered}


@dataclass(frozen=True, kw_only=True)
class MonitorSettings:
    """Settings of `RouterMonitor`, which names them; MetaRouterError if one is out of its range."""

    max_share: float | None = None
    max_cost: float | None = None
    min_saving: float | None = None
    min_gain: float | None = None
    max_loss: float | None = None
    level: float
    alarm_level: float
    window: int
    horizon: int
    burn_in: int
    n_components: int
    seed: int
    gain_bounds: tuple[float, float] | None = None
    cost_bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        as_level(self.level)
        for name in WATCHED_CONSTRAINTS:
            if getattr(self, name) is not None:
                constraint_of(name, getattr(self, name))
        for name in ("gain_bounds", "cost_bounds"):
            object.__setattr__(self, name, as_bounds(name, getattr(self, name)))
        check_argument("alarm_level", self.alarm_level, [number(above=0, at_most=0.5)])
        for name, least in (("window", 10), ("horizon", 10), ("burn_in", 20), ("n_components", 1)):
            check_whole(name, getattr(self, name), least)


@dataclass(frozen=True)
class FeatureNames:
    """How many features a query has, and their names if they came in a frame."""

    count: int
    names: tuple[str, ...] | None


def as_batch(
    routed_to_primary: ArrayLike, **columns: ArrayLike | None
) -> tuple[NDArray[np.bool_], dict[str, FloatArray]]:
    """Return decisions, shape (n,), and by name the columns that are given, shape (n,) each.

    Predictions are NaN where there are none. Raises DataError if a column is malformed, or lacks
    the one that it goes with.
    """
    primary = as_routed(routed_to_primary)
    n = len(primary)
    batch = {name: _column(name, one, n) for name, one in columns.items() if one is not None}
    for first, second in (_COSTS, _DRAW):
        if (first in batch) != (second in batch):
            raise DataError(f"{first} and {second} go together: give both, or neither.")
    for name in _COSTS:
        wrong = ~(batch.get(name, np.zeros(n)) >= 0)
        _refuse(wrong, f"{name} is missing or negative", "give every query a cost from 0 up")
    chance = batch.get("gold_probability", np.ones(n))
    _refuse(
        ~((chance >= _SMALLEST) & (chance <= 1)),
        f"gold_probability is not above 0 (at least {_SMALLEST:g}) and at most 1",
        "give the chance with which each query could be drawn, whether it was or not",
    )
    return primary, {"prediction": np.full(n, np.nan)} | batch


def as_features(
    features: Any, n: int | None = None, known: FeatureNames | None = None
) -> tuple[FloatArray, FeatureNames]:
    """Return features of shape (n, d), which must have the columns of those before them, if any.

    Raises DataError if they are not numbers, or not the columns or rows that are expected.
    """
    if hasattr(features, "toarray") or np.ndim(features) != 2:
        raise DataError(
            f"features is a {type(features).__name__} of shape {np.shape(features)}: give a dense "
            "table, one row of numbers per query."
        )
    seen: Any = BaseEstimator()
    if known is not None:
        seen.n_features_in_ = known.count
        if known.names is not None:
            seen.feature_names_in_ = np.array(known.names, dtype=object)
            if hasattr(features, "columns"):
                missing = [name for name in known.names if name not in features.columns]
                if missing:
                    raise DataError(
                        f"features lack {len(missing)} of the {known.count} columns that were "
                        f"monitored before (first: {missing[0]!r}): give the same columns."
                    )
                features = features[list(known.names)]
        if np.shape(features)[1] != known.count:
            raise DataError(
                f"features has {np.shape(features)[1]} columns, but {known.count} were monitored "
                "before: give the same."
            )
    matrix = validate_matrix(seen, features, reset=known is None).astype(np.float64)
    if n is not None and len(matrix) != n:
        raise DataError(
            f"features has {len(matrix)} rows but there are {n} queries: give one each."
        )
    _refuse_huge("features", matrix)
    names = tuple(str(name) for name in getattr(seen, "feature_names_in_", ()))
    return matrix, FeatureNames(matrix.shape[1], names or None)


def _column(name: str, values: ArrayLike, n: int) -> FloatArray:
    """Return floats of shape (n,), NaN allowed; one number stands for all."""
    column = as_floats(
        name, values, f"{name} holds values that are not numbers: give one number per query."
    )
    if column.ndim == 0:
        column = np.full(n, float(column))
    if column.shape != (n,):
        raise DataError(
            f"{name} has shape {column.shape} but there are {n} queries: give one each."
        )
    _refuse_huge(name, column)
    return column


def _refuse_huge(name: str, values: FloatArray) -> None:
    rows = (np.abs(values) > _LARGEST).reshape(len(values), -1).any(axis=1)
    _refuse(rows, f"{name} is infinite or beyond {_LARGEST:g}", "give numbers of a usual size")


def _refuse(rows: Any, wrong: str, mend: str) -> None:
    if rows.any():
        raise DataError(
            f"{wrong} for {int(rows.sum())} of {rows.size} queries (first: row "
            f"{int(np.argmax(rows))}): {mend}."
        )
