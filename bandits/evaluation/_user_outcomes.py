"""A user's own table of what several models did on each query."""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bandits.evaluation._study_data import StudyTable
from bandits.evaluation.study_result import ALL
from metarouter.datasets import ModelMatrix, read_frame
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.names import pick_columns, require_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["OutcomeColumns", "read_outcomes"]


_ONE_TASK = "table"
_FEWEST_ROWS = 10
# RouterBench names a column of scores as the model, one of costs MODEL|total_cost.
_OF_ROUTERBENCH = ("*", "*|total_cost")


@dataclass(frozen=True, kw_only=True)
class OutcomeColumns:
    """Which columns of a table hold what; ``*`` stands for the name of a model.

    Parameters
    ----------
    quality, cost, latency : str, default="quality_*", "cost_*", "latency_*"
        Quality of the answer from 0 to 1, cost of the call, seconds of waiting. Costs and latencies
        may be absent, though not both. A quality of ``*`` takes the columns that have a cost or a
        latency; the columns of RouterBench (``MODEL``, ``MODEL|total_cost``) are found.
    text : str, optional
        Column of the queries as text, which becomes TF-IDF vectors.
    features : sequence of str, default=()
        Columns of features, or patterns such as ``e*``; instead of text.
    task : str, optional
        Column that says where a query comes from.
    second : float, default=0.0
        Cost of one second of waiting, in the unit of the costs.
    """

    quality: str = "quality_*"
    cost: str = "cost_*"
    latency: str = "latency_*"
    text: str | None = None
    features: tuple[str, ...] = ()
    task: str | None = None
    second: float = 0.0


@validated()
def read_outcomes(path: Path, columns: OutcomeColumns, *, random_state: int = 0) -> StudyTable:
    """Read a table with one row per query, and one column per model and outcome.

    Parameters
    ----------
    path : Path
    columns : OutcomeColumns
    random_state : int
        Of the encoder of text.

    Returns
    -------
    StudyTable
        All tasks are learned from; the pair is the best model on average and the cheapest one.

    Raises
    ------
    DataError
        If columns are missing or malformed, or a quality lies outside 0 and 1.
    """
    frame, source = read_frame(path, () if columns.text is None else (columns.text,)), path.name
    columns = _as_named(frame, columns)
    quality = _of_models(frame, columns.quality, source)
    if columns.quality == "*":
        # Every column would be a model: those are, that have costs or latencies.
        known = _of_models(frame, columns.cost, source) | _of_models(frame, columns.latency, source)
        quality = {name: values for name, values in quality.items() if name in known}
    if len(quality) < 2:
        raise DataError(
            f"{source} has {len(quality)} columns {columns.quality!r}: give one per model, of at "
            "least 2, or say with --quality how they are called."
        )
    if len(frame) < _FEWEST_ROWS:
        raise DataError(
            f"{source} has {len(frame)} rows, of which some are learned from and others tested on: "
            f"give at least {_FEWEST_ROWS}."
        )
    models = tuple(quality)
    table = _stacked(quality, models, columns.quality, source)
    if table.min() < 0 or table.max() > 1:
        raise DataError(
            f"Qualities of {source} go from {table.min():g} to {table.max():g}: bring them to 0 to "
            "1, so that they can be weighed against costs."
        )
    cost = _cost(frame, models, columns, source)
    if (cost < 0).any() or not cost.any():
        raise DataError(f"Costs of {source} are negative, or all 0: give costs of at least 0.")
    if np.ptp(cost.mean(axis=0)) == 0:
        raise DataError(
            f"All models of {source} cost the same on average, so that quality alone decides: give "
            "costs that differ."
        )
    task = np.full(len(frame), path.stem if path.stem != ALL else _ONE_TASK)
    if columns.task is not None:
        task = _column(frame, columns.task, source).astype(str).to_numpy()
    if ALL in task:
        raise DataError(
            f"Column {columns.task!r} of {source} names a task {ALL!r}, which stands for all tasks "
            "together: call it otherwise."
        )
    X, text = _described(frame, columns, source, random_state)
    matrix = ModelMatrix(
        X=X, quality=table, cost=cost, models=models, task=task, text=text, name=path.stem
    )
    cheapest = models[int(cost.mean(axis=0).argmin())]
    others = [name for name in models if name != cheapest]
    best = max(others, key=lambda name: table[:, models.index(name)].mean())
    tasks = tuple(dict.fromkeys(task.tolist()))
    return StudyTable(matrix, tasks, (), (best, cheapest))


def _cost(
    frame: pd.DataFrame, models: tuple[str, ...], columns: OutcomeColumns, source: str
) -> NDArray[np.float64]:
    """Return costs, waiting included."""
    cost = _of_models(frame, columns.cost, source)
    waiting = _of_models(frame, columns.latency, source)
    if not cost and not (waiting and columns.second > 0):
        raise DataError(
            f"{source} has no columns {columns.cost!r}: give one per model, or say with --cost how "
            f"they are called, or what waiting is worth with --cost-per-second."
        )
    total = np.zeros((len(frame), len(models)))
    if cost:
        total += _stacked(cost, models, columns.cost, source)
    if columns.second > 0:
        total += columns.second * _stacked(waiting, models, columns.latency, source)
    return total


def _described(
    frame: pd.DataFrame, columns: OutcomeColumns, source: str, random_state: int
) -> tuple[Any, NDArray[np.object_]]:
    if columns.text is not None:
        from metarouter.encoding import TfidfEncoder

        texts = _column(frame, columns.text, source).astype(str)
        X = TfidfEncoder(random_state=random_state).fit_transform(texts.to_frame())
        return np.asarray(X), texts.to_numpy(dtype=object)
    names = pick_columns(frame.columns, columns.features, source)
    if not names:
        raise DataError(
            f"Nothing describes the queries of {source}: name a column with --text, or columns of "
            "numbers with --features."
        )
    X = _stacked({name: frame[name] for name in names}, tuple(names), "features", source)
    # Rows of equal features are one query, and stay on one side of a split.
    return X, np.array([row.tobytes().hex() for row in X], dtype=object)


def _as_named(frame: pd.DataFrame, columns: OutcomeColumns) -> OutcomeColumns:
    """Return the patterns of RouterBench where its columns are there, and ours are not."""
    names = list(map(str, frame.columns))
    as_ours = fnmatch.filter(names, columns.quality)
    if as_ours or not fnmatch.filter(names, _OF_ROUTERBENCH[1]):
        return columns
    quality, cost = _OF_ROUTERBENCH
    return replace(columns, quality=quality, cost=cost)


def _of_models(frame: pd.DataFrame, pattern: str, source: str) -> dict[str, pd.Series]:
    if pattern.count("*") != 1:
        raise DataError(f"{pattern!r} has no one * that stands for the name of a model.")
    start, end = pattern.split("*")
    size = len(start) + len(end)
    return {
        name[len(start) : len(name) - len(end)]: frame[name]
        for name in map(str, frame.columns)
        if name.startswith(start) and name.endswith(end) and len(name) > size
    }


def _stacked(
    columns: dict[str, pd.Series], names: tuple[str, ...], what: str, source: str
) -> NDArray[np.float64]:
    import pandas as pd

    missing = [name for name in names if name not in columns]
    if missing:
        raise DataError(
            f"{source} has no column of {missing[0]!r} among {what!r}: give one for every model."
        )
    table = np.column_stack(
        [np.asarray(pd.to_numeric(columns[name], errors="coerce"), dtype=float) for name in names]
    )
    wrong = ~np.isfinite(table)
    if wrong.any():
        row, column = np.argwhere(wrong)[0]
        raise DataError(
            f"{source} holds no number for {names[column]!r} ({what}) in row {row}, and in "
            f"{int(wrong.sum()) - 1} more cells: give every outcome of every model, or leave out "
            "these rows."
        )
    return table


def _column(frame: pd.DataFrame, name: str, source: str) -> pd.Series:
    require_column(name, frame.columns, source)
    return frame[name]
