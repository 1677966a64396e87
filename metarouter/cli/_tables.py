"""Users' tables: columns chosen by patterns, and tables written back with what was added."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarouter.datasets._table_files import SUFFIXES, read_frame
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.utils.files import atomic_path
from metarouter.utils.names import nearest

if TYPE_CHECKING:
    import pandas as pd

    from metarouter.datasets import LabelledQueries

__all__ = [
    "SUFFIXES",
    "pick_columns",
    "read_labelled",
    "read_user_table",
    "with_named_columns",
    "write_user_table",
]

_DELIMITERS = {".csv": ",", ".tsv": "\t"}


def read_labelled(
    table: Path,
    *,
    text: str | None,
    features: Sequence[str],
    **columns: Any,
) -> LabelledQueries:
    """Read a table of labelled queries whose features are named by text, columns or patterns.

    Raises
    ------
    DataError
        If the table cannot be read as such.
    MetaRouterError
        If neither or both of text and features are named.
    """
    from metarouter.datasets import read_table

    if text is None and not features:
        known = ", ".join(repr(str(name)) for name in read_frame(table, None).columns)
        raise MetaRouterError(
            f"Which columns of {table.name} describe the queries? Name a column of text with "
            f"--text, or columns of numbers with --features; it has {known}."
        )
    if text is not None and features:
        raise MetaRouterError(
            "Both --text and --features are given: name a column of text or columns of numbers."
        )
    chosen = pick_columns(read_frame(table, None), features, table.name) if features else None
    read = read_table(table, text=text, features=chosen, allow_unlabelled=True, **columns)
    return _labelled(read, columns)


def _labelled(queries: LabelledQueries, columns: dict[str, Any]) -> LabelledQueries:
    """Leave out queries without a label; refuse a table where one kind of label is absent."""
    for kind, number in (("gold", queries.n_gold), ("preference", queries.n_preference)):
        if number == 0:
            raise DataError(
                f"Column {columns[kind]!r} of {queries.name} holds no {kind} label, or is not "
                f"there, but both kinds of labels are needed: name another with --{kind}."
            )
    bare = ~(queries.has_gold | queries.has_preference)
    if not bare.any():
        return queries
    note = f"{int(bare.sum())} of {bare.size} queries left out: they carry no label"
    return replace(queries.subset(~bare), notes=(*queries.notes, note))


def pick_columns(frame: pd.DataFrame, patterns: Sequence[str], source: str) -> list[str]:
    """Return the columns that the patterns name, in the order of the table.

    Parameters
    ----------
    frame : DataFrame
    patterns : sequence of str
        Names of columns, or patterns such as ``e*``.
    source : str
        What the table is called in an error.

    Raises
    ------
    DataError
        If a pattern names no column.

    Examples
    --------
    >>> import pandas as pd
    >>> pick_columns(pd.DataFrame(columns=["id", "e0", "e1"]), ["e*"], "the table")
    ['e0', 'e1']
    """
    known = [str(name) for name in frame.columns]
    chosen: set[str] = set()
    for pattern in patterns:
        found = [pattern] if pattern in known else [c for c in known if fnmatchcase(c, pattern)]
        if not found:
            shown = ", ".join(repr(name) for name in known[:12]) + (", ..." * (len(known) > 12))
            raise DataError(
                f"{source} has no column {pattern!r} for the features{nearest(pattern, known)}: "
                f"name some of its {len(known)} columns ({shown})."
            )
        chosen.update(found)
    return [name for name in known if name in chosen]


def with_named_columns(queries: LabelledQueries) -> LabelledQueries:
    """Return the queries with their features as a frame, which a router remembers."""
    if hasattr(queries.X, "columns"):
        return queries
    import pandas as pd

    return replace(queries, X=pd.DataFrame(queries.X, columns=queries.feature_names))


def read_user_table(path: Path, *, as_written: bool) -> pd.DataFrame:
    """Read a table to be written again; `as_written` keeps every cell of a CSV to the letter."""
    import pandas as pd

    separator = _DELIMITERS.get(path.suffix.lower())
    checked = read_frame(path, None)
    if not as_written or separator is None:
        return checked
    return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, index_col=False)


def write_user_table(frame: pd.DataFrame, path: Path) -> None:
    """Write a table in the format that the ending of `path` names, whole or not at all."""
    suffix = path.suffix.lower()
    with atomic_path(path) as temporary:
        if suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        elif suffix in _DELIMITERS:
            frame.to_csv(temporary, sep=_DELIMITERS[suffix], index=False)
        else:
            frame.to_json(
                temporary, orient="records", lines=True, force_ascii=False, double_precision=15
            )
