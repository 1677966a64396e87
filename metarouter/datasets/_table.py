"""A user's own table of labelled queries."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from metarouter.datasets import _table_promises as promises
from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._table_files import read_frame
from metarouter.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_table"]

_LABELS = ("gold", "preference")


def read_table(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    text: str | None = None,
    features: Sequence[str] | None = None,
    gold: str = "gold",
    preference: str = "preference",
    group: str | None = None,
    domain: str | None = None,
    weight: str | None = None,
    cost_primary: str | None = None,
    cost_alternative: str | None = None,
    allow_unlabelled: bool = False,
) -> LabelledQueries:
    """Read labelled queries from a table: one row per query.

    Parameters
    ----------
    source : str, path-like or DataFrame
        A CSV, TSV, Parquet or JSON-lines file (``.csv .tsv .parquet .jsonl .ndjson``), or a
        frame.
    text : str, optional
        The column that holds the queries as text.
    features : sequence of str, optional
        The columns of features. When left out, these are all columns that have no other role,
        unless `text` is named.
    gold, preference : str, default="gold", "preference"
        The columns of labels: the quality of the primary's answer minus that of the
        alternative's. A cell may be empty, and one of the columns may be absent.
    group, domain, weight, cost_primary, cost_alternative : str, optional
        Columns of these roles. When left out, a column of the very name ``group``, ``domain``,
        and so on is taken where there is one.
    allow_unlabelled : bool, default=False
        Whether rows without any label are kept, as in a table of queries to route.

    Returns
    -------
    LabelledQueries
        `X` holds the features as floats, with `feature_names`; without features it is a frame
        of the one text column, for a pipeline that begins with an encoder.

    Raises
    ------
    DataError
        If the table breaks one of the promises in `metarouter.datasets._table_promises`, or the
        file cannot be read.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame(
    ...     {"length": [3.0, 5.0, 8.0], "gold": [0.5, None, None], "preference": [1, -1, 0]}
    ... )
    >>> queries = read_table(frame)
    >>> queries.feature_names, queries.n_gold, queries.n_preference
    (['length'], 1, 3)
    """
    frame, name = _open(source, text)
    roles = _roles(
        frame,
        name,
        text=text,
        group=group,
        domain=domain,
        weight=weight,
        cost_primary=cost_primary,
        cost_alternative=cost_alternative,
    )
    roles |= _label_roles(frame, name, gold, preference, needed=not allow_unlabelled)
    promises.roles_are_distinct(roles, name)
    columns = _feature_columns(frame, name, roles, features)
    labels = {role: _labels(frame, roles, role, name) for role in _LABELS}
    if not allow_unlabelled:
        promises.every_row_is_labelled(labels["gold"], labels["preference"], name)
    return LabelledQueries(
        X=_features(frame, columns, name) if columns else frame[[text]].reset_index(drop=True),
        gold=labels["gold"],
        preference=labels["preference"],
        text=_texts(frame, roles, name),
        groups=_values(frame, roles, "group", name),
        domain=_values(frame, roles, "domain", name),
        weight=_weights(frame, roles, name),
        cost_primary=_costs(frame, roles, "cost_primary", name),
        cost_alternative=_costs(frame, roles, "cost_alternative", name),
        name=name,
        notes=tuple(f"no column of {role} labels" for role in _LABELS if role not in roles),
        feature_names=columns or [str(text)],
    )


def _open(
    source: str | os.PathLike[str] | pd.DataFrame, text: str | None
) -> tuple[pd.DataFrame, str]:
    if isinstance(source, (str, os.PathLike)):
        path = Path(source)
        frame, name = read_frame(path, text), path.name
    elif hasattr(source, "iloc") and hasattr(source, "columns"):
        frame, name = source.set_axis([str(c) for c in source.columns], axis=1), "the table"
    else:
        raise DataError(
            f"A table cannot be read from a {type(source).__name__}: give a path or a DataFrame."
        )
    promises.columns_are_distinct(frame.columns, name)
    promises.table_has_rows(frame, name)
    return frame, name


def _roles(frame: pd.DataFrame, name: str, **asked: str | None) -> dict[str, str]:
    """Give the columns that were asked for, and those that bear the name of a role."""
    roles = {}
    for role, column in asked.items():
        if column is not None:
            promises.column_exists(frame, column, role, name)
            roles[role] = column
        elif role != "text" and role in frame.columns and role not in asked.values():
            roles[role] = role
    return roles


def _label_roles(
    frame: pd.DataFrame, name: str, gold: str, preference: str, *, needed: bool
) -> dict[str, str]:
    """Give the columns of labels; one that goes by its default name may be absent."""
    asked = {"gold": gold, "preference": preference}
    for role, column in asked.items():
        if column != role:
            promises.column_exists(frame, column, f"{role} labels", name)
    roles = {role: column for role, column in asked.items() if column in frame.columns}
    if needed:
        promises.some_column_holds_labels(frame, list(roles), name)
    return roles


def _feature_columns(
    frame: pd.DataFrame, name: str, roles: dict[str, str], features: Sequence[str] | None
) -> list[str]:
    if features is None:
        free = [str(column) for column in frame.columns if column not in roles.values()]
        for role in _LABELS:
            if role not in roles:
                promises.column_is_not_misspelt(role, free, name)
        columns = [] if "text" in roles else free
    else:
        columns = list(features)
        promises.columns_are_distinct(columns, f"The list of features of {name}")
    for column in columns:
        promises.column_exists(frame, column, "features", name)
        promises.roles_are_distinct({**roles, "features": column}, name)
    if "text" not in roles:
        promises.some_column_holds_features(columns, name)
    return columns


def _labels(
    frame: pd.DataFrame, roles: dict[str, str], role: str, name: str
) -> NDArray[np.float64]:
    if role not in roles:
        return np.full(len(frame), np.nan)
    values = promises.values_are_numbers(frame, roles[role], f"{role} labels", name)
    promises.nothing_is_infinite(values, roles[role], f"{role} labels", name)
    return values


def _texts(frame: pd.DataFrame, roles: dict[str, str], name: str) -> NDArray[np.object_] | None:
    if "text" not in roles:
        return None
    return promises.every_query_has_its_text(frame, roles["text"], name)


def _numbers(frame: pd.DataFrame, column: str, role: str, name: str) -> NDArray[np.float64]:
    values = promises.values_are_numbers(frame, column, role, name)
    promises.nothing_is_infinite(values, column, role, name)
    promises.nothing_is_missing(np.isnan(values), column, role, name)
    return values


def _features(frame: pd.DataFrame, columns: Sequence[str], name: str) -> NDArray[np.float64]:
    return np.column_stack([_numbers(frame, column, "features", name) for column in columns])


def _values(
    frame: pd.DataFrame, roles: dict[str, str], role: str, name: str
) -> NDArray[Any] | None:
    if role not in roles:
        return None
    values = frame[roles[role]]
    promises.nothing_is_missing(np.asarray(values.isna()), roles[role], role, name)
    return np.asarray(values.to_numpy(dtype=object))


def _weights(frame: pd.DataFrame, roles: dict[str, str], name: str) -> NDArray[np.float64] | None:
    if "weight" not in roles:
        return None
    values = _numbers(frame, roles["weight"], "weights", name)
    promises.weights_are_positive(values, roles["weight"], name)
    return values


def _costs(
    frame: pd.DataFrame, roles: dict[str, str], role: str, name: str
) -> NDArray[np.float64] | None:
    if role not in roles:
        return None
    values = _numbers(frame, roles[role], "costs", name)
    promises.costs_are_not_negative(values, roles[role], name)
    return values
