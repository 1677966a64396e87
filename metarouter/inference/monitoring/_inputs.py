"""Settings and routed queries come in: both are checked before anything is changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference.guarantees import Constraint, constraint_of
from metarouter.routing._cost_model import is_real
from metarouter.utils.columns import as_bounds, as_level, as_routed
from metarouter.utils.features import as_floats, validate_matrix
from metarouter.utils.parameters import check_whole

FloatArray = NDArray[np.float64]

N_ALARMS = 4  # embeddings, predictions, cost, quality
WATCHED_CONSTRAINTS = ("max_share", "max_cost", "min_saving", "min_gain", "max_loss")
_LARGEST = 1e100  # squares of larger numbers could overflow
_SMALLEST = 1e-12  # of a chance, for the same reason


def limits_of(
    constraints: Constraint | Iterable[Constraint], named: Mapping[str, float | None]
) -> dict[str, float | None]:
    """Gather constraints that are given as objects and by name into limits by name.

    Raises
    ------
    BudgetError
        If one is given twice, or cannot be watched.
    """
    limits = dict(named)
    for constraint in (constraints,) if isinstance(constraints, Constraint) else constraints:
        name = getattr(constraint, "name", type(constraint).__name__)
        if name not in WATCHED_CONSTRAINTS:
            raise BudgetError(
                f"{name} cannot be watched; give some of {', '.join(WATCHED_CONSTRAINTS)}."
            )
        if limits[name] is not None:
            raise BudgetError(f"{name} is given twice; give each constraint once.")
        limits[name] = constraint.limit
    return limits


@dataclass(frozen=True)
class MonitorSettings:
    """Settings of `RouterMonitor`, fixed before it sees a query.

    Raises
    ------
    MetaRouterError
        If one of them is out of its range.
    """

    max_share: float | None
    max_cost: float | None
    min_saving: float | None
    min_gain: float | None
    max_loss: float | None
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
        self.constraints()
        for name in ("gain_bounds", "cost_bounds"):
            object.__setattr__(self, name, as_bounds(name, getattr(self, name)))
        if not (is_real(self.alarm_level) and 0 < self.alarm_level <= 0.5):
            raise MetaRouterError(
                f"alarm_level is {self.alarm_level}: give the chance of a false alarm that you "
                "accept, above 0 and at most 0.5."
            )
        for name, least in (("window", 10), ("horizon", 10), ("burn_in", 20), ("n_components", 1)):
            check_whole(name, getattr(self, name), least)

    def constraints(self) -> dict[str, Constraint]:
        """Return the constraints that were given, by name."""
        limits = {name: getattr(self, name) for name in WATCHED_CONSTRAINTS}
        return {
            name: constraint_of(name, limit) for name, limit in limits.items() if limit is not None
        }

    @property
    def level_per_alarm(self) -> float:
        """Chance of a false alarm of each alarm, which add up to `alarm_level` (Bonferroni)."""
        return self.alarm_level / N_ALARMS

    @property
    def alpha(self) -> float:
        """Chance that a confidence sequence ever fails."""
        return 1.0 - self.level


@dataclass(frozen=True)
class Batch:
    """Checked columns of n queries in the order in which they came; None where not monitored."""

    primary: NDArray[np.bool_]
    cost_primary: FloatArray | None
    cost_alternative: FloatArray | None
    prediction: FloatArray
    gold: FloatArray | None
    probability: FloatArray | None


@dataclass(frozen=True)
class FeatureNames:
    """How many features a query has, and their names if they came in a frame."""

    count: int
    names: tuple[str, ...] | None


def as_batch(
    routed_to_primary: ArrayLike,
    cost_primary: ArrayLike | None,
    cost_alternative: ArrayLike | None,
    prediction: ArrayLike | None,
    gold: ArrayLike | None,
    gold_probability: ArrayLike | None,
) -> Batch:
    """Check the columns of a batch.

    Raises
    ------
    DataError
        If a column is malformed, or lacks the one that it goes with.
    """
    primary = as_routed(routed_to_primary)
    n = len(primary)
    if (cost_primary is None) != (cost_alternative is None):
        raise DataError(
            "Costs are given for one model only: give cost_primary and cost_alternative, what each "
            "query costs (or would have cost) with either."
        )
    if (gold is None) != (gold_probability is None):
        raise DataError(
            "gold and gold_probability go together: give both, the labels (NaN for queries that "
            "were not drawn) and the chance with which each query was drawn."
        )
    chance = _column(gold_probability, "gold_probability", n)
    if chance is not None:
        _refuse(
            ~((chance >= _SMALLEST) & (chance <= 1)),
            f"gold_probability is not above 0 (at least {_SMALLEST:g}) and at most 1",
            "give the chance with which each query could be drawn, whether it was or not",
        )
    predicted = _column(prediction, "prediction", n)
    return Batch(
        primary,
        _cost(cost_primary, "cost_primary", n),
        _cost(cost_alternative, "cost_alternative", n),
        np.full(n, np.nan) if predicted is None else predicted,
        _column(gold, "gold", n),
        chance,
    )


def as_features(
    features: Any, n: int, known: FeatureNames | None
) -> tuple[FloatArray, FeatureNames]:
    """Check features of shape (n, d), which must have the columns of those before them.

    Raises
    ------
    DataError
        If they are not numbers, or not the columns or the number of rows that are expected.
    """
    if hasattr(features, "toarray"):
        raise DataError("features are sparse: give a dense array, such as components of an SVD.")
    if np.ndim(features) != 2:
        raise DataError(
            f"features has shape {np.shape(features)}: give one row of numbers per query."
        )
    memory: Any = BaseEstimator()
    if known is not None:
        memory.n_features_in_ = known.count
        if known.names is not None:
            memory.feature_names_in_ = np.array(known.names, dtype=object)
            if hasattr(features, "columns"):
                missing = [name for name in known.names if name not in features.columns]
                if missing:
                    raise DataError(
                        f"features lack {len(missing)} of the {known.count} columns that were "
                        f"monitored before (first: {missing[0]!r}): give the same columns."
                    )
                features = features[list(known.names)]
        width = np.shape(features)[1]
        if width != known.count:
            raise DataError(
                f"features has {width} columns, but {known.count} were monitored before: give the "
                "same."
            )
    matrix = validate_matrix(memory, features, reset=known is None).astype(np.float64)
    if len(matrix) != n:
        raise DataError(
            f"features has {len(matrix)} rows but there are {n} queries: give one each."
        )
    _refuse_huge(matrix, "features")
    names = getattr(memory, "feature_names_in_", None)
    return matrix, FeatureNames(
        int(matrix.shape[1]), None if names is None else tuple(str(name) for name in names)
    )


def _column(values: ArrayLike | None, name: str, n: int) -> FloatArray | None:
    """Return floats of shape (n,), NaN allowed, if there are any; one number stands for all."""
    if values is None:
        return None
    column = as_floats(
        name, values, f"{name} holds values that are not numbers: give one number per query."
    )
    if column.ndim == 0:
        column = np.full(n, float(column))
    if column.shape != (n,):
        raise DataError(
            f"{name} has shape {column.shape} but there are {n} queries: give one each."
        )
    _refuse_huge(column, name)
    return column


def _cost(values: ArrayLike | None, name: str, n: int) -> FloatArray | None:
    cost = _column(values, name, n)
    if cost is not None:
        wrong = f"{name} is missing or negative"
        _refuse(~(cost >= 0), wrong, "give every query a cost from 0 up")
    return cost


def _refuse_huge(values: FloatArray, name: str) -> None:
    rows = (np.abs(values) > _LARGEST).reshape(len(values), -1).any(axis=1)
    _refuse(rows, f"{name} is infinite or beyond {_LARGEST:g}", "give numbers of a usual size")


def _refuse(rows: Any, wrong: str, mend: str) -> None:
    if rows.any():
        raise DataError(
            f"{wrong} for {int(rows.sum())} of {rows.size} queries (first: row "
            f"{int(np.argmax(rows))}): {mend}."
        )
