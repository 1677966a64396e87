"""Routed queries come in: what they must fulfil is checked before anything is changed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from metarouter.exceptions import DataError
from metarouter.utils.columns import as_routed
from metarouter.utils.features import validate_matrix

FloatArray = NDArray[np.float64]

_LARGEST = 1e100  # squares of larger numbers could overflow
_SMALLEST = 1e-12  # of a chance, for the same reason


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
        One sentence that names the column, the rows and the mend.
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
    return Batch(
        primary=primary,
        cost_primary=None if cost_primary is None else _cost(cost_primary, "cost_primary", n),
        cost_alternative=(
            None if cost_alternative is None else _cost(cost_alternative, "cost_alternative", n)
        ),
        prediction=(
            np.full(n, np.nan) if prediction is None else _column(prediction, "prediction", n)
        ),
        gold=None if gold is None else _column(gold, "gold", n),
        probability=None if gold_probability is None else _probability(gold_probability, n),
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
    if known is not None and known.names is not None and hasattr(features, "columns"):
        missing = [name for name in known.names if name not in features.columns]
        if missing:
            raise DataError(
                f"features lack {len(missing)} of the {known.count} columns that were monitored "
                f"before (first: {missing[0]!r}): give the same columns."
            )
        features = features[list(known.names)]
    width = np.shape(features)[1]
    if known is not None and width != known.count:
        raise DataError(
            f"features has {width} columns, but {known.count} were monitored before: give the same."
        )
    matrix = validate_matrix(memory, features, reset=known is None).astype(np.float64)
    if len(matrix) != n:
        raise DataError(
            f"features has {len(matrix)} rows but there are {n} queries: give one each."
        )
    _refuse_huge(matrix, "features", n)
    names = getattr(memory, "feature_names_in_", None)
    return matrix, FeatureNames(
        int(matrix.shape[1]), None if names is None else tuple(str(name) for name in names)
    )


def _column(values: ArrayLike, name: str, n: int) -> FloatArray:
    """Return floats of shape (n,), NaN allowed; one number stands for all."""
    try:
        column = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError(
            f"{name} holds values that are not numbers: give one number per query."
        ) from None
    if column.ndim == 0:
        column = np.full(n, float(column))
    if column.shape != (n,):
        raise DataError(
            f"{name} has shape {column.shape} but there are {n} queries: give one each."
        )
    _refuse_huge(column, name, n)
    return column


def _refuse_huge(values: FloatArray, name: str, n: int) -> None:
    rows = (np.abs(values) > _LARGEST).reshape(n, -1).any(axis=1)
    if rows.any():
        raise DataError(
            f"{name} is infinite or beyond {_LARGEST:g} for {int(rows.sum())} of {n} queries "
            f"(first: row {int(np.argmax(rows))}): give numbers of a usual size."
        )


def _cost(values: ArrayLike, name: str, n: int) -> FloatArray:
    column = _column(values, name, n)
    bad = ~(column >= 0)
    if bad.any():
        raise DataError(
            f"{name} is missing or negative for {int(bad.sum())} of {n} queries (first: row "
            f"{int(np.argmax(bad))}): give every query a cost from 0 up."
        )
    return column


def _probability(values: ArrayLike, n: int) -> FloatArray:
    column = _column(values, "gold_probability", n)
    bad = ~((column >= _SMALLEST) & (column <= 1))
    if bad.any():
        raise DataError(
            f"gold_probability is not above 0 (at least {_SMALLEST:g}) and at most 1 for "
            f"{int(bad.sum())} of {n} queries (first: row {int(np.argmax(bad))}): give the chance "
            "with which each query could be drawn, whether it was or not."
        )
    return column
