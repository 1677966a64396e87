"""Files that a table may stand in: delimited text, JSON, Parquet, spreadsheets."""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from metarouter.datasets._delimited import encoding_of, read_delimited, sniff_dialect
from metarouter.datasets._table_checks import columns_are_distinct
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "COMPRESSED",
    "SEPARATORS",
    "SUFFIXES",
    "TableFile",
    "decoded",
    "format_of",
    "json_value",
    "open_bytes",
    "read_frame",
    "read_table_file",
    "whole_characters",
]

SEPARATORS = {".csv": ",", ".tsv": "\t", ".txt": "\t"}
SUFFIXES = (*SEPARATORS, ".parquet", ".json", ".jsonl", ".ndjson", ".xlsx")
COMPRESSED = {".gz": "gzip", ".zst": "zstd"}
_SURROGATE = re.compile("[\ud800-\udfff]")


class TableFile(NamedTuple):
    """What a file holds, and what was assumed while it was read."""

    frame: pd.DataFrame
    notes: tuple[str, ...]


@validated()
def read_frame(
    path: Path, as_text: Collection[str] = (), encoding: str | None = None
) -> pd.DataFrame:
    """Read a file as a frame.

    Parameters
    ----------
    path : Path
        A file (``.csv .tsv .parquet .json .jsonl .xlsx``; text also as ``.gz`` or ``.zst``), or a
        folder of Parquet files.
    as_text : collection of str, default=()
        Columns that hold text or names: ``01`` is not the number 1 there.
    encoding : str, optional
        Encoding of a file of text; by default UTF-8, or what its byte order mark tells.

    Returns
    -------
    DataFrame

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    return read_table_file(path, as_text, encoding).frame


def read_table_file(
    path: Path, as_text: Collection[str] = (), encoding: str | None = None
) -> TableFile:
    """Read a file, or say in one sentence why that cannot be.

    Parameters
    ----------
    path : Path
        A file with one of the `SUFFIXES`, followed by ``.gz`` or ``.zst`` where a file of text is
        compressed, or a folder of Parquet files.
    as_text : collection of str, default=()
        Columns that hold text or names, in which words like ``null`` are not taken as missing
        and ``01`` is not the number 1.
    encoding : str, optional
        Encoding of a file of text; by default UTF-8, or what its byte order mark tells.

    Raises
    ------
    DataError
        If the file does not exist, has a suffix that is not known, is empty, truncated or of
        another encoding, names a column twice, or has a row with more cells than there are
        columns.
    """
    suffix = format_of(path)
    if suffix == ".parquet":
        return TableFile(_read_parquet(path), ())
    if suffix == ".xlsx":
        return TableFile(_read_spreadsheet(path, as_text), ())
    with open_bytes(path) as stream, decoded(path, encoding):
        data = stream.read()
        text = data.decode(encoding_of(data[:4], encoding))
    if suffix in SEPARATORS:
        dialect = sniff_dialect(text, SEPARATORS[suffix])
        frame = read_delimited(text, str(path), dialect, as_text)
        return TableFile(frame, dialect.note(SEPARATORS[suffix]))
    return _read_json(text, path, lines=suffix != ".json")


def format_of(path: Path) -> str:
    """Return the suffix that tells a file's format, without that of a compression.

    Raises
    ------
    DataError
        If the file does not exist, is empty, or has a suffix that is not known.
    """
    if path.is_dir() and any(path.rglob("*.parquet")):
        return ".parquet"
    if not path.is_file():
        raise DataError(f"There is no file {path}: check the path.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    suffix = suffixes[-1] if suffixes else ""
    if suffix in COMPRESSED and len(suffixes) > 1:
        suffix = suffixes[-2]
    if suffix not in SUFFIXES:
        raise DataError(
            f"{path} has the suffix {suffix!r}, which is not read: save the table as one of "
            f"{', '.join(SUFFIXES)} (text also as .gz or .zst)."
        )
    if path.stat().st_size == 0:
        raise DataError(f"{path} is empty (0 bytes): write the table anew.")
    return suffix


@contextmanager
def open_bytes(path: Path) -> Iterator[IO[bytes]]:
    """Open a file for reading, decompressed where its suffix says so.

    Raises
    ------
    DataError
        If it is not compressed as the suffix says, or truncated.
    """
    compression = COMPRESSED.get(path.suffix.lower())
    if compression is None:
        with path.open("rb") as file:
            yield file
        return
    import pyarrow as pa

    try:
        with pa.input_stream(str(path), compression=compression) as stream:
            yield stream
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} cannot be decompressed ({_first_line(error)}): it is truncated or not "
            f"compressed with {compression}, write it anew."
        ) from error


@contextmanager
def decoded(path: Path, encoding: str | None) -> Iterator[None]:
    """Say in one sentence where a file read inside is not of its encoding.

    Raises
    ------
    DataError
    """
    try:
        yield
    except UnicodeError as error:
        byte = ""
        if isinstance(error, UnicodeDecodeError):
            byte = f" (byte 0x{error.object[error.start]:02x})"
        raise DataError(
            f"{path} is not encoded as {(encoding or 'UTF-8').upper()}{byte}: save it as UTF-8, or "
            "name its encoding with encoding=."
        ) from None


def _read_parquet(path: Path) -> pd.DataFrame:
    import pandas as pd
    import pyarrow as pa
    import pyarrow.dataset as ds

    try:
        columns_are_distinct(ds.dataset(path, format="parquet").schema.names, path.name)
        return pd.read_parquet(path)
    except (pa.ArrowException, OSError) as error:
        raise DataError(
            f"{path} cannot be read as Parquet ({_first_line(error)}): it is truncated or of "
            "another format, write it anew."
        ) from error


def _read_spreadsheet(path: Path, as_text: Collection[str]) -> pd.DataFrame:
    import pandas as pd

    try:
        header = pd.read_excel(path, header=None, nrows=1)
        columns_are_distinct(
            [str(name) for name in header.iloc[0]] if len(header) else [], path.name
        )
        return pd.read_excel(path, dtype=dict.fromkeys(as_text, str), na_values=["N/A"])
    except ImportError:
        raise DataError(
            f"{path} is a spreadsheet, which needs the package openpyxl: install it with "
            "pip install 'metarouter[excel]', or save the table as .csv."
        ) from None
    except Exception as error:  # openpyxl raises many kinds for a damaged file
        if isinstance(error, DataError):
            raise
        raise DataError(
            f"{path} cannot be read as a spreadsheet ({_first_line(error)}): save it anew."
        ) from error


def _read_json(text: str, path: Path, *, lines: bool) -> TableFile:
    import pandas as pd

    if lines:
        rows = [
            json_value(line, f"Line {number} of {path}", "write one object per line")
            for number, line in enumerate(text.split("\n"), start=1)
            if line.strip()
        ]
    else:
        rows = json_value(text, str(path), "write an array of objects", kind=list)
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise DataError(
                f"Entry {number} of {path} holds a {type(row).__name__}, not an object: write one "
                "object per query."
            )
    whole = [{name: whole_characters(value) for name, value in row.items()} for row in rows]
    n_broken = sum(
        isinstance(value, str) and value != mended[name]
        for row, mended in zip(rows, whole, strict=True)
        for name, value in row.items()
    )
    note = f"{n_broken} cells hold half a character (a lone surrogate), read as U+FFFD"
    return TableFile(pd.DataFrame(whole), (note,) if n_broken else ())


def json_value(text: str, where: str, mend: str, kind: type = dict) -> Any:
    """Return the object, or the array, that a text of JSON holds.

    Raises
    ------
    DataError
        If it is not JSON, or of another kind.
    """
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply"
        raise DataError(f"{where} is not JSON ({reason}): {mend}.") from None
    if not isinstance(value, kind):
        article = "an object" if kind is dict else "an array"
        raise DataError(f"{where} holds a {type(value).__name__}, not {article}: {mend}.")
    return value


def whole_characters(text: Any) -> Any:
    """Replace halves of surrogate pairs, which no file can hold, by the replacement character."""
    return _SURROGATE.sub("\ufffd", text) if isinstance(text, str) else text


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__
