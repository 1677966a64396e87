"""Files that a user's table may stand in: CSV, Parquet, JSON lines."""

from __future__ import annotations

import csv
import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarouter.datasets._table_promises import columns_are_distinct
from metarouter.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SUFFIXES", "read_frame"]

SUFFIXES = (".csv", ".tsv", ".parquet", ".jsonl", ".ndjson")

# What an empty cell of numbers may look like. In the text column every word is a word.
_MISSING = ["", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None"]


def read_frame(path: Path, text: str | None) -> pd.DataFrame:
    """Read the file as a frame, or say in one sentence why that cannot be.

    Parameters
    ----------
    path : Path
        The file.
    text : str or None
        The column that holds text, where words like ``null`` are not taken as missing.

    Raises
    ------
    DataError
        If the file does not exist, has a suffix that is not known, is empty, truncated or not
        encoded as UTF-8, names a column twice, or has a row with more cells than there are
        columns. A shorter row is one whose last cells are empty.
    """
    if not path.is_file():
        raise DataError(f"There is no file {path}: check the path.")
    suffix = path.suffix.lower()
    if suffix not in SUFFIXES:
        raise DataError(
            f"{path} has the suffix {suffix!r}, which is not read: save the table as one of "
            f"{', '.join(SUFFIXES)}."
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes): write the table anew.")
    if suffix == ".parquet":
        return _read_parquet(path)
    try:
        return (
            _read_delimited(path, "\t" if suffix == ".tsv" else ",", text)
            if suffix in (".csv", ".tsv")
            else _read_json_lines(path)
        )
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not encoded as UTF-8 (byte 0x{error.object[error.start]:02x} at position "
            f"{error.start}): save it as UTF-8."
        ) from error


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        columns_are_distinct(pq.read_schema(path).names, path.name)
        return pd.read_parquet(path)
    except (pa.ArrowException, OSError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise DataError(
            f"{path} cannot be read as Parquet ({reason}): it is truncated or of another format, "
            "write it anew."
        ) from error


def _read_delimited(path: Path, separator: str, text: str | None) -> pd.DataFrame:
    import pandas as pd

    try:
        # pandas renames repeated columns in silence, so the header is looked at first.
        header = pd.read_csv(
            path, sep=separator, header=None, nrows=1, dtype=str, keep_default_na=False
        )
        columns = [str(name) for name in header.iloc[0]]
        columns_are_distinct(columns, path.name)
        return _read_whole_rows(
            path,
            sep=separator,
            keep_default_na=False,
            na_values={name: [""] if name == text else _MISSING for name in columns},
            dtype=None if text is None else {text: str},
            index_col=False,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        _refuse_other_separator(path, separator)
        raise _not_delimited(path, _first_long_row(path, separator) or reason) from error


def _read_whole_rows(path: Path, *, sep: str, **settings: Any) -> pd.DataFrame:
    import pandas as pd

    with warnings.catch_warnings():
        # pandas cuts the cells beyond the header, and only warns of it, be they empty or not.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(path, sep=sep, **settings)
        except pd.errors.ParserWarning:
            cut = _first_long_row(path, sep)
            if cut:
                _refuse_other_separator(path, sep)
                raise _not_delimited(path, cut) from None
        warnings.simplefilter("ignore", pd.errors.ParserWarning)
        return pd.read_csv(path, sep=sep, **settings)


def _not_delimited(path: Path, reason: str) -> DataError:
    return DataError(
        f"{path} cannot be read as a delimited table ({reason}): give every row the columns of the "
        "header, and quote text that holds separators."
    )


def _refuse_other_separator(path: Path, separator: str) -> None:
    """Say so where it is not ragged rows, but another separator, that breaks a table."""
    with open(path, encoding="utf-8-sig") as file:
        header = file.readline()
    for other, shown in ((";", "';'"), ("\t", "tabs"), ("|", "'|'")):
        if other != separator and separator not in header and other in header:
            expected = "tabs" if separator == "\t" else f"{separator!r}"
            raise DataError(
                f"{path} is separated by {shown}, where {expected} is expected: write it anew with "
                f"{expected}."
            ) from None


def _first_long_row(path: Path, separator: str) -> str:
    """Name the first row with a value beyond the header's last column; nothing if none has."""
    with open(path, encoding="utf-8-sig", newline="") as file:
        rows = (row for row in csv.reader(file, delimiter=separator) if row)
        try:
            width = len(next(rows))
            for number, row in enumerate(rows):
                if any(row[width:]):
                    return f"row {number} has {len(row)} cells, the header {width}"
        except (csv.Error, StopIteration):
            pass
    return ""


def _read_json_lines(path: Path) -> pd.DataFrame:
    import pandas as pd

    rows: list[dict[str, Any]] = []
    with open(path, encoding="utf-8-sig") as file:
        for number, line in enumerate(file, start=1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except json.JSONDecodeError as error:
                raise DataError(
                    f"Line {number} of {path} is not JSON ({error.msg}): write one object per line."
                ) from error
            if not isinstance(row, dict):
                raise DataError(
                    f"Line {number} of {path} holds a {type(row).__name__}, not an object: write "
                    "one object per line."
                )
            rows.append(row)
    return pd.DataFrame(rows)
