"""Tables of published sets: the columns needed, joined to the embeddings of their queries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from metarouter.datasets._labelled_queries import LabelledQueries
from metarouter.datasets._model_matrix import ModelMatrix
from metarouter.exceptions import DataError
from metarouter.utils.names import nearest

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["model_matrix", "pair_queries", "read_columns", "read_embeddings"]


def read_columns(path: Path, columns: list[str] | None = None) -> pd.DataFrame:
    """Read a Parquet file, all columns or some, or say in one sentence why it cannot be read."""
    import pandas as pd
    import pyarrow as pa

    try:
        return pd.read_parquet(path, columns=columns)
    except (pa.ArrowException, OSError, KeyError) as error:
        raise DataError(
            f"{path} cannot be read as Parquet ({_first_line(error)}): fetch the file anew."
        ) from error


def read_embeddings(folder: Path, ids: pd.Series) -> NDArray[np.float32]:
    """Return the embeddings of the queries `ids`, as float32 of shape (n, 384)."""
    table = read_columns(folder / "embeddings.parquet").set_index("id")
    unknown = ~ids.isin(table.index)
    if unknown.any():
        raise DataError(
            f"{folder / 'embeddings.parquet'} lacks {int(unknown.sum())} of {len(ids)} queries "
            f"(first: {ids[unknown].iloc[0]!r}): fetch the files anew."
        )
    return table.loc[ids].to_numpy(dtype=np.float32)


def pair_queries(
    folder: Path,
    pair: tuple[str, str],
    judge: str,
    *,
    groups: Callable[[pd.DataFrame], pd.Series] | None = None,
    notes: tuple[str, ...] = (),
) -> LabelledQueries:
    """Read the rows of one pair of models, with the verdicts of one judge.

    Parameters
    ----------
    folder : Path
        The folder of a published set; its table is named like the folder.
    pair : (str, str)
        The primary and the alternative model.
    judge : str
        Column of the preference labels, with or without its prefix ``judge_``.
    groups : callable, optional
        Gives each row of the table its group.
    notes : tuple of str, default=()
        What a reader must know.

    Raises
    ------
    DataError
        If the pair or the judge is not in the table.
    """
    name = folder.name
    table = read_columns(folder / f"{name}.parquet")
    judge = _judge_column(table, judge, name)
    table = _rows_of_pair(table, pair, name)
    labelled = table["gold"].notna() & table[judge].notna()
    dropped = int((~labelled).sum())
    if dropped:
        notes += (f"{dropped} of {len(table)} rows dropped: no verdict of {judge}",)
        table = table[labelled]
    return LabelledQueries(
        X=read_embeddings(folder, table["id"]),
        gold=table["gold"].to_numpy(dtype=float),
        preference=table[judge].to_numpy(dtype=float),
        text=table["prompt"].to_numpy(dtype=object),
        groups=None if groups is None else groups(table).to_numpy(dtype=object),
        domain=table["category"].to_numpy(dtype=object),
        name=name,
        notes=(f"{pair[0]} over {pair[1]}, judged by {judge}", *notes),
        feature_names=[f"e{k}" for k in range(384)],
    )


def model_matrix(
    folder: Path,
    table: pd.DataFrame,
    *,
    text: str = "prompt",
    group_by_text: bool = False,
    notes: tuple[str, ...] = (),
) -> ModelMatrix:
    """Build the matrix of ``score__MODEL`` and, where there are any, of costs and latencies.

    Parameters
    ----------
    folder : Path
        The folder of a published set.
    table : DataFrame
        Rows of its table that are to be kept.
    text : str, default="prompt"
        The column that was embedded.
    group_by_text : bool, default=False
        Whether queries of one wording form a group.
    notes : tuple of str, default=()
        What a reader must know.
    """
    models = tuple(c.removeprefix("score__") for c in table.columns if c.startswith("score__"))

    def recorded(kind: str) -> NDArray[np.float64] | None:
        if f"{kind}__{models[0]}" not in table.columns:
            return None
        return table[[f"{kind}__{model}" for model in models]].to_numpy(dtype=float)

    return ModelMatrix(
        X=read_embeddings(folder, table["id"]),
        quality=table[[f"score__{model}" for model in models]].to_numpy(dtype=float),
        cost=recorded("cost"),
        models=models,
        task=table["task"].to_numpy(dtype=object),
        text=table[text].to_numpy(dtype=object),
        groups=table[text].to_numpy(dtype=object) if group_by_text else None,
        name=folder.name,
        notes=notes,
        latency=recorded("latency"),
    )


def _judge_column(table: pd.DataFrame, judge: str, name: str) -> str:
    judges = [column for column in table.columns if column.startswith("judge_")]
    for column in (judge, f"judge_{judge}"):
        if column in judges:
            return column
    raise DataError(
        f"{name} has no judge {judge!r}{nearest(judge, judges)}: choose one of {', '.join(judges)}."
    )


def _rows_of_pair(table: pd.DataFrame, pair: tuple[str, str], name: str) -> pd.DataFrame:
    if len(pair) != 2:
        raise DataError(f"The pair {pair!r} must name two models: the primary, the alternative.")
    primary, alternative = pair
    rows = table[(table["model_primary"] == primary) & (table["model_alternative"] == alternative)]
    if rows.empty:
        known = table[["model_primary", "model_alternative"]].drop_duplicates()
        pairs = "; ".join(f"{p} {a}" for p, a in known.itertuples(index=False))
        raise DataError(
            f"{name} has no pair with {primary!r} over {alternative!r}: choose one of {pairs}."
        )
    return rows


def _first_line(error: BaseException) -> str:
    return str(error).strip().splitlines()[0].rstrip(".") if str(error).strip() else "no reason"
