"""Delimited text as people export it: any separator, decimal commas, other encodings."""

from __future__ import annotations

import codecs
import csv
import io
import re
import sys
import warnings
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from metarouter.datasets._table_checks import columns_are_distinct
from metarouter.exceptions import DataError

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MISSING", "Dialect", "encoding_of", "read_delimited", "sniff_dialect", "whole_fields"]

# What an empty cell of numbers may look like. In a column of text every word is a word.
MISSING = ("", "NA", "N/A", "n/a", "#N/A", "NaN", "nan", "NULL", "null", "None")

_SEPARATORS = (",", ";", "\t", "|")
_SAMPLE = 1 << 16
_BYTE_ORDER_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_COMMA_DECIMAL = re.compile(r"[+-]?(\d+|\d{1,3}(\.\d{3})+),\d+(e[+-]?\d+)?", re.IGNORECASE)
_POINT_DECIMAL = re.compile(r"[+-]?\d*\.\d+(e[+-]?\d+)?", re.IGNORECASE)


@dataclass(frozen=True)
class Dialect:
    """How a delimited text separates its cells and writes its numbers."""

    separator: str
    decimal: str = "."

    def note(self, usual: str) -> tuple[str, ...]:
        """Say what was assumed, where it is not what the file's ending says."""
        said = []
        if self.separator != usual:
            said.append(f"cells are separated by {_SHOWN.get(self.separator, self.separator)!r}")
        if self.decimal != ".":
            said.append("numbers have decimal commas")
        return (f"read as a table where {' and '.join(said)}",) if said else ()


_SHOWN = {"\t": "tab"}


def encoding_of(start: bytes, named: str | None) -> str:
    """Return the encoding that a byte order mark tells, else the one that was named, else UTF-8.

    Raises
    ------
    DataError
        If no encoding has the name.
    """
    for mark, encoding in _BYTE_ORDER_MARKS:
        if start.startswith(mark):
            return encoding
    if named is None:
        return "utf-8"
    try:
        return codecs.lookup(named).name
    except LookupError:
        raise DataError(
            f"encoding={named!r} is not known; name one such as 'utf-8', 'latin-1' or 'utf-16'."
        ) from None


@contextmanager
def whole_fields() -> Iterator[None]:
    """Let the csv module read fields of any length for a while."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def sniff_dialect(text: str, usual: str) -> Dialect:
    r"""Tell separator and decimal sign from the first lines.

    Parameters
    ----------
    text : str
        The text, or its beginning.
    usual : str
        The separator that the file's ending names; taken unless another one fits better.

    Examples
    --------
    >>> sniff_dialect("prompt;score\nWhy?;0,5\n", ",")
    Dialect(separator=';', decimal=',')
    """
    lines = text[:_SAMPLE].splitlines(keepends=True)
    if len(text) > _SAMPLE and len(lines) > 1:
        lines.pop()  # it may be cut
    order = (usual, *(other for other in _SEPARATORS if other != usual))
    tables = {separator: _cells(lines, separator) for separator in order}
    fits = {s: _fit(rows) for s, rows in tables.items()}
    separator = max(order, key=lambda s: fits[s])
    return Dialect(separator, _decimal(tables[separator]) if separator != "," else ".")


def _cells(lines: list[str], separator: str) -> list[list[str]]:
    with whole_fields():
        try:
            return [row for row in csv.reader(lines, delimiter=separator) if row]
        except csv.Error:
            return []


def _fit(rows: list[list[str]]) -> tuple[float, bool]:
    """Share of rows as wide as the header; a table of one column fits no separator."""
    width = len(rows[0]) if rows else 0
    if width < 2:
        return 0.0, False
    return sum(len(row) == width for row in rows) / len(rows), True


def _decimal(rows: list[list[str]]) -> str:
    cells = [cell.strip() for row in rows[1:] for cell in row]
    commas = any(_COMMA_DECIMAL.fullmatch(cell) for cell in cells)
    return "," if commas and not any(_POINT_DECIMAL.fullmatch(cell) for cell in cells) else "."


def read_delimited(
    text: str, source: str, dialect: Dialect, as_text: Collection[str]
) -> pd.DataFrame:
    """Read delimited text as a frame.

    Parameters
    ----------
    text : str
        All of the file.
    source : str
        What the file is called in an error.
    dialect : Dialect
    as_text : collection of str
        Columns whose cells stay as they are written: ``01`` is no number and ``null`` is a word.

    Raises
    ------
    DataError
        If a column stands twice, or a row has more cells than there are columns. A shorter row is
        one whose last cells are empty.
    """
    import pandas as pd

    text, settings = _one_line_end(text)
    settings |= {"sep": dialect.separator, "decimal": dialect.decimal}
    if dialect.decimal == ",":
        settings["thousands"] = "."
    try:
        # pandas renames repeated columns in silence, so the header is looked at first.
        header = pd.read_csv(
            io.StringIO(text),
            header=None,
            nrows=1,
            dtype=str,
            keep_default_na=False,
            **settings,
        )
        columns = [str(name) for name in header.iloc[0]]
        columns_are_distinct(columns, source)
        return _whole_rows(
            text,
            source,
            keep_default_na=False,
            na_values={name: [""] if name in as_text else list(MISSING) for name in columns},
            dtype={name: str for name in as_text if name in columns},
            index_col=False,
            **settings,
        )
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).strip().splitlines()[0].rstrip(".")
        raise _ragged(source, _first_long_row(text, dialect.separator) or reason) from error


def _one_line_end(text: str) -> tuple[str, dict[str, Any]]:
    """Lines end in a line feed; a bare carriage return among them belongs to its cell."""
    if "\n" in text and "\r" in text:
        unix = text.replace("\r\n", "\n")
        if "\r" in unix:
            return unix, {"lineterminator": "\n"}
    return text, {}


def _whole_rows(text: str, source: str, *, sep: str, **settings: Any) -> pd.DataFrame:
    import pandas as pd

    with warnings.catch_warnings():
        # pandas cuts the cells beyond the header, and only warns of it, be they empty or not.
        warnings.simplefilter("error", pd.errors.ParserWarning)
        try:
            return pd.read_csv(io.StringIO(text), sep=sep, **settings)
        except pd.errors.ParserWarning:
            cut = _first_long_row(text, sep)
            if cut:
                raise _ragged(source, cut) from None
        warnings.simplefilter("ignore", pd.errors.ParserWarning)
        return pd.read_csv(io.StringIO(text), sep=sep, **settings)


def _ragged(source: str, reason: str) -> DataError:
    return DataError(
        f"{source} cannot be read as a delimited table ({reason}): give every row the columns of "
        "the header, and quote text that holds separators."
    )


def _first_long_row(text: str, separator: str) -> str:
    """Name the first row with a value beyond the header's last column; nothing if none has."""
    with whole_fields():
        rows: Iterable[list[str]] = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
        try:
            filled = (row for row in rows if row)
            width = len(next(filled))
            for number, row in enumerate(filled):
                if any(row[width:]):
                    return f"row {number} has {len(row)} cells, the header {width}"
        except csv.Error as error:
            return str(error)
    return ""
