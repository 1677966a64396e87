"""Tables in the layout in which RouterBench is published."""

from __future__ import annotations

import ast
import json
import os
import pickle
from collections.abc import Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from metarouter.datasets import _table_checks as checks
from metarouter.datasets._model_matrix import ModelMatrix
from metarouter.datasets._table_files import read_frame
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.names import nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["read_routerbench"]

_COST = "|total_cost"


@validated()
def read_routerbench(
    source: str | os.PathLike[str] | pd.DataFrame,
    *,
    X: ArrayLike | None = None,
    encoder: Any = None,
    tasks: str | Iterable[str] | None = None,
    allow_pickle: bool = False,
) -> ModelMatrix:
    r"""Read the scores and costs of many models, in the layout of RouterBench.

    The columns are ``sample_id``, ``prompt``, ``eval_name``, and for every model its score in
    ``MODEL`` and its cost in ``MODEL|total_cost``; others, such as ``MODEL|model_response`` and
    ``oracle_model_to_route_to``, are not read.

    Parameters
    ----------
    source : str, path-like or DataFrame
        A CSV, TSV, Parquet, JSON-lines or pickle file, or a frame.
    X : array-like of shape (n_rows, n_features), optional
        Features of the rows, in the order of the table.
    encoder : transformer, optional
        Makes features of the prompts where `X` is not given. One that is fitted is used as it is;
        a clone of any other is fitted on the prompts that are kept. By default a
        `metarouter.encoding.TfidfEncoder` with seed 0.
    tasks : str or iterable of str, optional
        Values of ``eval_name`` to keep; ``*`` stands for any letters, as in ``"mmlu-*"``.
    allow_pickle : bool, default=False
        Whether a pickle may be read: it can run any code of whoever wrote it.

    Returns
    -------
    ModelMatrix
        `task` is ``eval_name``; turns of a conversation are parted by an empty line; queries with
        one prompt form a group.

    Raises
    ------
    DataError
        If the table is malformed, by column and rows: a file that cannot be read, a
        model without scores or costs, a cell that is empty, no number, infinite or (a cost)
        negative, an identifier that stands twice, a task that is not there.

    References
    ----------
    Hu et al. (2024), RouterBench, arXiv:2403.12031.

    Examples
    --------
    >>> import pandas as pd
    >>> frame = pd.DataFrame(
    ...     {
    ...         "sample_id": ["mbpp.1", "mtbench.7"],
    ...         "prompt": ["Add two numbers.", '["Write a poem.", "Shorten it."]'],
    ...         "eval_name": ["mbpp", "mtbench"],
    ...         "large": [1.0, 0.9],
    ...         "large|total_cost": [0.002, 0.003],
    ...     }
    ... )
    >>> matrix = read_routerbench(frame)
    >>> matrix.models, matrix.text[1]
    (('large',), 'Write a poem.\n\nShorten it.')
    """
    frame, name = _open(source, allow_pickle=allow_pickle)
    models = _models(frame, name)
    for column, role in (("prompt", "text"), ("eval_name", "tasks")):
        checks.column_exists(frame, column, role, name)
    _require_distinct_samples(frame, name)
    features = _given_features(X, encoder, len(frame), name)
    rows = _rows_of_tasks(frame, tasks, name)
    kept = frame.iloc[rows].reset_index(drop=True)
    text = _prompts(kept, name)
    scores = [_numbers(kept, model, "scores", name) for model in models]
    costs = [_numbers(kept, model + _COST, "costs", name) for model in models]
    for model, cost in zip(models, costs, strict=True):
        checks.costs_are_not_negative(cost, model + _COST, name)
    return ModelMatrix(
        X=_encoded(text, encoder) if features is None else features[rows],
        quality=np.column_stack(scores),
        cost=np.column_stack(costs),
        models=tuple(models),
        task=kept["eval_name"].to_numpy(dtype=object),
        text=text,
        groups=text,
        name=name,
    )


def _open(
    source: str | os.PathLike[str] | pd.DataFrame, *, allow_pickle: bool
) -> tuple[pd.DataFrame, str]:
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        is_pickle = path.suffix.lower() in (".pkl", ".pickle")
        frame = _read_pickle(path, allow_pickle) if is_pickle else read_frame(path, ["prompt"])
        name = path.name
    elif hasattr(source, "iloc") and hasattr(source, "columns"):
        frame, name = source, "the table"
    else:
        raise DataError(
            f"A table cannot be read from a {type(source).__name__}: give a path or a DataFrame."
        )
    checks.columns_are_distinct(frame.columns, name)
    checks.table_has_rows(frame, name)
    return frame, name


def _read_pickle(path: Path, allow_pickle: bool) -> pd.DataFrame:
    import pandas as pd

    if not allow_pickle:
        raise DataError(
            f"{path} is a pickle, and reading one can run any code of whoever wrote it: save the "
            "table as Parquet, or pass allow_pickle=True if you trust where it comes from."
        )
    if not path.is_file():
        raise DataError(f"There is no file {path}: check the path.")
    try:
        frame = pd.read_pickle(path)
    except (pickle.UnpicklingError, EOFError, ImportError, AttributeError, ValueError) as error:
        raise DataError(
            f"{path} cannot be read as a pickle ({type(error).__name__}): it is truncated or of "
            "another version of pandas, fetch it anew or save the table as Parquet."
        ) from error
    if not isinstance(frame, pd.DataFrame):
        raise DataError(f"{path} holds a {type(frame).__name__}, not a table: give a DataFrame.")
    return frame


def _models(frame: pd.DataFrame, name: str) -> list[str]:
    columns = [str(column) for column in frame.columns]
    priced = [column.removesuffix(_COST) for column in columns if column.endswith(_COST)]
    for model in priced:
        checks.column_exists(frame, model, f"scores beside '{model}{_COST}'", name)
    for column in columns:
        if column.endswith("|model_response"):
            model = column.removesuffix("|model_response")
            checks.column_exists(frame, model + _COST, f"costs of {model!r}", name)
    if not priced:
        raise DataError(
            f"{name} has {len(columns)} columns but none that ends in '{_COST}': give every model "
            f"a column of scores, MODEL, and one of costs, MODEL{_COST}."
        )
    return [column for column in columns if column in set(priced)]


def _require_distinct_samples(frame: pd.DataFrame, name: str) -> None:
    checks.column_exists(frame, "sample_id", "identifiers", name)
    checks.nothing_is_missing(
        np.asarray(frame["sample_id"].isna()), "sample_id", "identifiers", name
    )
    repeated = np.asarray(frame["sample_id"].duplicated())
    if repeated.any():
        row = int(repeated.argmax())
        raise DataError(
            f"Column 'sample_id' of {name} repeats an earlier value in {int(repeated.sum())} of "
            f"{len(repeated)} rows (first: {frame['sample_id'].iloc[row]!r} in row {row}): "
            "keep one row of each."
        )


def _rows_of_tasks(
    frame: pd.DataFrame, tasks: str | Iterable[str] | None, name: str
) -> NDArray[np.intp]:
    values = frame["eval_name"]
    checks.nothing_is_missing(np.asarray(values.isna()), "eval_name", "tasks", name)
    if tasks is None:
        return np.arange(len(frame))
    known = [str(value) for value in values.unique()]
    wanted: set[str] = set()
    for task in [tasks] if isinstance(tasks, str) else tasks:
        found = {value for value in known if fnmatchcase(value, task)}
        if not found:
            raise DataError(
                f"{name} has no task {task!r}{nearest(task, known)}: choose among its {len(known)} "
                f"values of 'eval_name' ({', '.join(map(repr, known[:8]))}"
                f"{', ...' if len(known) > 8 else ''})."
            )
        wanted |= found
    return np.flatnonzero(values.astype(str).isin(wanted))


def _prompts(frame: pd.DataFrame, name: str) -> NDArray[np.object_]:
    flat = frame.assign(prompt=[_joined(cell) for cell in frame["prompt"]])
    return checks.every_query_has_its_text(flat, "prompt", name)


def _joined(cell: Any) -> Any:
    """Return the turns of a conversation as one text; anything else as it is."""
    turns = cell.tolist() if isinstance(cell, np.ndarray) else cell
    if isinstance(turns, str) and turns.startswith("["):
        turns = _parsed(turns)
    if isinstance(turns, list | tuple) and all(isinstance(turn, str) for turn in turns):
        return "\n\n".join(turns)
    return cell


def _parsed(text: str) -> Any:
    # The published files write lists now as JSON does, now as Python does.
    for read in (json.loads, ast.literal_eval):
        try:
            return read(text)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
    return text


def _numbers(frame: pd.DataFrame, column: str, role: str, name: str) -> NDArray[np.float64]:
    values = checks.values_are_numbers(frame, column, role, name)
    checks.nothing_is_infinite(values, column, role, name)
    checks.nothing_is_missing(np.isnan(values), column, role, name)
    return values


def _given_features(
    X: ArrayLike | None, encoder: Any, n_rows: int, name: str
) -> NDArray[np.float64] | None:
    if X is None:
        return None
    if encoder is not None:
        raise DataError("X and encoder are both given: leave one out.")
    try:
        features = np.asarray(X, dtype=np.float64)
    except (TypeError, ValueError):
        raise DataError("X holds something that is not a number: give numbers.") from None
    if features.ndim != 2 or len(features) != n_rows:
        raise DataError(
            f"X has shape {features.shape}, but {name} has {n_rows} rows: give one row of features "
            "per row of the table, in its order."
        )
    return features


def _encoded(text: NDArray[np.object_], encoder: Any) -> NDArray[np.float64]:
    if encoder is None:
        from metarouter.encoding import TfidfEncoder

        encoder = TfidfEncoder(random_state=0)
    try:
        check_is_fitted(encoder)
    except NotFittedError:
        return np.asarray(clone(encoder).fit_transform(text))
    return np.asarray(encoder.transform(text))
