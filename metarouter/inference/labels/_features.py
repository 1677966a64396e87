"""The few features that a shift is projected on."""

from __future__ import annotations

from typing import Any

import numpy as np

from metarouter.datasets import LabelledQueries, TrainingRows
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference.intervals import FloatArray
from metarouter.inference.labels._labels import row_count
from metarouter.utils.features import as_floats
from metarouter.utils.groups import as_labels, group_codes

_MOST_FEATURES = 20


def chosen_features(data: Any, rows: TrainingRows, features: Any) -> tuple[FloatArray, list[str]]:
    """Return the features to project on, shape (n_rows, k), and their names.

    Parameters
    ----------
    data : LabelledQueries or TrainingRows
    rows : TrainingRows
        One row per label of `data`.
    features : None, "domain", list of names or positions, or array-like of shape (n, k)
        None takes all columns of `X`, if they are at most 20. An array has one row per query of
        LabelledQueries, one per label of TrainingRows.

    Raises
    ------
    MetaRouterError
        If a column is unknown, or there are too many to choose none.
    DataError
        If values are missing or are no numbers.
    """
    names = column_names(data)
    X = np.asarray(rows.X)
    if features is None:
        if X.shape[1] > _MOST_FEATURES:
            raise MetaRouterError(
                f"X has {X.shape[1]} features, too many for a projection that is to be read; "
                "choose some by features=, or give your own columns."
            )
        return _numbers(X, names), names
    if isinstance(features, str):
        return _domain_columns(data, rows) if features == "domain" else _pick(X, names, [features])
    if _is_list_of_names(features):
        return _pick(X, names, list(features))
    return _given(data, rows, features)


def column_names(data: Any) -> list[str]:
    """Return the names of the columns of `X`, or x0, x1, ... where there are none."""
    columns = getattr(data.X, "columns", None)
    names = columns if columns is not None else getattr(data, "feature_names", None)
    return [str(name) for name in names] if names is not None else _numbered(np.shape(data.X)[1])


def _numbered(n: int) -> list[str]:
    return [f"x{k}" for k in range(n)]


def _is_list_of_names(features: Any) -> bool:
    return isinstance(features, list | tuple) and all(
        isinstance(item, str | int | np.integer) and not isinstance(item, bool) for item in features
    )


def _pick(X: Any, names: list[str], wanted: list[Any]) -> tuple[FloatArray, list[str]]:
    positions = []
    for item in wanted:
        known = item in names if isinstance(item, str) else 0 <= item < len(names)
        if not known:
            raise MetaRouterError(
                f"features names {item!r}, but X has {len(names)} columns "
                f"({', '.join(names[:5])}{', ...' if len(names) > 5 else ''}); choose among them."
            )
        positions.append(names.index(item) if isinstance(item, str) else int(item))
    chosen = [names[k] for k in positions]
    return _numbers(X[:, positions], chosen), chosen


def _domain_columns(data: Any, rows: TrainingRows) -> tuple[FloatArray, list[str]]:
    if not isinstance(data, LabelledQueries) or data.domain is None:
        raise MetaRouterError(
            "features='domain' needs LabelledQueries with a domain; name a domain column when the "
            "table is read, or choose other features."
        )
    domain = group_codes(data.domain[rows.query])  # told apart by value: "1" and 1 are two
    _, first, counts = np.unique(domain, return_index=True, return_counts=True)
    values = data.domain[rows.query][first].tolist()
    names = [str(value) for value in values]
    if len(set(names)) < len(names):
        names = [repr(value) for value in values]
    # The commonest is compared with.
    levels = sorted(range(len(names)), key=lambda k: (-counts[k], names[k]))
    if len(levels) < 2:
        raise MetaRouterError(f"all rows are of the domain {names[0]!r}; choose other features.")
    columns = np.column_stack([domain == level for level in levels[1:]]).astype(float)
    return columns, [f"{names[level]} - {names[levels[0]]}" for level in levels[1:]]


def _given(data: Any, rows: TrainingRows, features: Any) -> tuple[FloatArray, list[str]]:
    columns = getattr(features, "columns", None)
    table = as_labels("features", features)
    table = table[:, None] if table.ndim == 1 else table
    n, unit = row_count(data)
    if table.ndim != 2 or len(table) != n:
        raise DataError(
            f"features has shape {np.shape(features)}, but there are {n} {unit}; give one row of "
            "numbers for each."
        )
    names = _numbered(table.shape[1]) if columns is None else [str(name) for name in columns]
    rowwise = table[rows.query] if isinstance(data, LabelledQueries) else table
    return _numbers(rowwise, names), names


def _numbers(table: Any, names: list[str]) -> FloatArray:
    numbers = as_floats(
        "features",
        table,
        f"features hold values that are no numbers (columns {', '.join(names[:5])}); encode "
        "categories as 0/1 columns, or use features='domain'.",
    )
    bad = ~np.isfinite(numbers)
    if bad.any():
        column = int(np.argmax(bad.any(axis=0)))
        raise DataError(
            f"features is missing or infinite in {int(bad[:, column].sum())} of {len(numbers)} "
            f"rows of {names[column]!r}; fill in the values, or leave the column out."
        )
    return numbers
