"""Rows of a table as they are written: read in batches, and written again with columns added.

What a user's file holds in its other cells is copied to the letter: numbers of any length, ``007``,
``NA``, keys that stand twice, blank lines.
"""

from __future__ import annotations

import csv
import io
import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.datasets._delimited import MISSING, encoding_of, sniff_dialect, whole_fields
from metarouter.datasets._exports import frame_of_export, records_of_export
from metarouter.datasets._table_checks import columns_are_distinct
from metarouter.datasets._table_files import (
    COMPRESSED,
    SEPARATORS,
    decoded,
    format_of,
    json_value,
    open_bytes,
    read_frame,
    whole_characters,
)
from metarouter.exceptions import DataError
from metarouter.utils.files import atomic_path

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Rows", "open_rows", "with_columns", "write_frame"]

_BATCH = 5_000
_SAMPLE = 1 << 16
_BLOCK = 1 << 18  # characters
# Stands for a carriage return inside a cell while the csv module, which would refuse it, reads.
_RETURN = "\ue00d"


class Rows(ABC):
    """A table that is read in batches, and written again with more columns."""

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        self.path, self.encoding = path, encoding

    @abstractmethod
    def columns(self) -> list[str]:
        """Return the names of the columns."""

    @abstractmethod
    def batches(self, names: Sequence[str], size: int = _BATCH) -> Iterator[pd.DataFrame]:
        """Yield some columns, `size` rows at a time, under the numbers of their rows."""

    @abstractmethod
    def write(self, out: Path, added: Mapping[str, Iterable[Any]]) -> None:
        """Write all rows to a file of the same format, whole or not at all.

        Parameters
        ----------
        out : Path
        added : dict of str to iterable
            Columns to add, one value per row; None leaves a cell empty.
        """


class DelimitedRows(Rows):
    """Rows of a delimited text."""

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        super().__init__(path, encoding)
        with _text_of(path, encoding, newline="") as text:
            start = text.read(_SAMPLE)
        self.line_end = "\n" if "\n" in start or "\r" not in start else "\r"
        self.dialect = sniff_dialect(start, SEPARATORS[format_of(path)])

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        header = next((cells for cells, _ in self._records() if cells), [])
        columns_are_distinct(header, self.path.name)
        return header

    def batches(self, names: Sequence[str], size: int = _BATCH) -> Iterator[pd.DataFrame]:
        """Yield some columns, `size` rows at a time, under the numbers of their rows."""
        places = [self.columns().index(name) for name in names]
        width = max(places, default=-1) + 1
        with self._read(keep=False) as (lines, reader):
            picked = (
                [cells[k] for k in places]
                if len(cells) >= width
                else [cells[k] if k < len(cells) else "" for k in places]
                for cells in islice(filter(None, reader), 1, None)
            )
            for frame in _frames(picked, names, size):
                yield frame.replace(_RETURN, "\r", regex=True) if lines.mended else frame

    def numbers(self, cells: pd.Series) -> pd.Series:
        """Return cells as numbers, NaN where they are empty; as they are if some are no number."""
        import pandas as pd

        if self.dialect.decimal == ".":
            numbers = pd.to_numeric(cells, errors="coerce")
            if not numbers.isna().any():
                return numbers
        given = cells.where(~cells.isin(MISSING), np.nan)
        if self.dialect.decimal == ",":
            given = given.str.replace(".", "", regex=False).str.replace(",", ".", regex=False)
        numbers = pd.to_numeric(given, errors="coerce")
        return numbers if (numbers.isna() == given.isna()).all() else cells

    def write(self, out: Path, added: Mapping[str, Iterable[Any]]) -> None:
        """Write all rows with one more cell per added column."""
        width, separator = len(self.columns()), self.dialect.separator
        rows = zip(*(self._cells(values) for values in added.values()), strict=True)
        more = map(separator.join, chain([[self._cell(name) for name in added]], rows))
        with _written(out, self.path, self.encoding) as text:
            for cells, raw in self._records():
                if len(cells) == width and raw.endswith("\n") and not raw.endswith("\r\n"):
                    text.write(f"{raw[:-1]}{separator}{next(more)}\n")
                    continue
                if not cells:
                    text.write(raw)
                    continue
                body = raw.rstrip("\r\n")
                end = raw[len(body) :]
                if len(cells) > width and not any(cells[width:]):
                    body = self._line(cells[:width])
                empty = separator * max(width - len(cells), 0)
                text.write(f"{body}{separator}{empty}{next(more)}{end}")

    def _line(self, cells: Sequence[Any]) -> str:
        line = io.StringIO()
        csv.writer(line, delimiter=self.dialect.separator, lineterminator="").writerow(cells)
        return line.getvalue()

    def _cells(self, values: Iterable[Any]) -> Iterator[str]:
        """Yield values as the csv module would write them, mostly at a tenth of its price."""
        known, left = lru_cache(typed=True)(self._cell), iter(values)
        while block := list(islice(left, _BATCH)):
            only_floats = self.dialect.decimal == "." and set(map(type, block)) == {float}
            yield from map(repr if only_floats else known, block)

    def _cell(self, value: Any) -> str:
        if value is None or value == "":
            return ""
        if isinstance(value, float | np.floating):
            value = repr(float(value)).replace(".", self.dialect.decimal)
        text = str(value)
        return text if text.isalnum() else self._line([text])

    def _records(self) -> Iterator[tuple[list[str], str]]:
        """Yield the cells of every record, none for a blank line, and its lines as written."""
        with self._read(keep=True) as (lines, reader):
            take, before = lines.kept.popleft, 0
            for cells in reader:
                now = reader.line_num
                written = (
                    take() if now == before + 1 else "".join(take() for _ in range(before, now))
                )
                before = now
                if lines.mended and "\r" in written:
                    cells = [cell.replace(_RETURN, "\r") for cell in cells]
                yield cells, written

    @contextmanager
    def _read(self, *, keep: bool) -> Iterator[tuple[_Lines, Any]]:
        with _text_of(self.path, self.encoding, self.line_end) as text, whole_fields():
            lines = _Lines(text, keep=keep)
            yield lines, csv.reader(chain.from_iterable(lines), delimiter=self.dialect.separator)


class _Lines:
    """Lines of a text for the csv module, in blocks; `kept` holds them as they are written."""

    def __init__(self, text: io.TextIOBase, *, keep: bool) -> None:
        self._text, self._keep = text, keep
        self.kept: deque[str] = deque()
        self.mended = False

    def __iter__(self) -> Iterator[list[str]]:
        while block := self._text.readlines(_BLOCK):
            if self._keep:
                self.kept.extend(block)
            whole = "".join(block)
            if whole.count("\r") > whole.count("\r\n"):
                self.mended = True
                block = [_without_returns(line) for line in block]
            yield block


def _without_returns(line: str) -> str:
    body = line.rstrip("\r\n")
    return body.replace("\r", _RETURN) + line[len(body) :]


class JsonRows(Rows):
    """Rows of JSON: one object per line, or an array of objects."""

    def is_export(self) -> bool:
        """Whether labels stand inside of what each object holds, as tools export them."""
        first = next((value for value, _ in self._records() if value is not None), None)
        return first is not None and bool(records_of_export([first])[1])

    def columns(self) -> list[str]:
        """Return the names of the columns, in the order in which they first come."""
        return list(dict.fromkeys(name for value, _ in self._records() for name in value or ()))

    def batches(self, names: Sequence[str], size: int = _BATCH) -> Iterator[pd.DataFrame]:
        """Yield some columns, `size` rows at a time, under the numbers of their rows."""
        rows = (value for value, _ in self._records() if value is not None)
        cells_of = ([whole_characters(value.get(name)) for name in names] for value in rows)
        yield from _frames(cells_of, names, size)

    def write(self, out: Path, added: Mapping[str, Iterable[Any]]) -> None:
        """Write all objects with one more entry per added column."""
        values = zip(*added.values(), strict=True)
        with _written(out, self.path, self.encoding) as text:
            for value, raw in self._records():
                if value is None:
                    text.write(raw)
                    continue
                body = raw.rstrip()
                more = dict(zip(added, map(_plain, next(values)), strict=True))
                entries = json.dumps(more, ensure_ascii=False)[1:-1]
                comma = ", " if value else ""
                text.write(f"{body[:-1].rstrip()}{comma}{entries}}}{raw[len(body) :]}")

    def _records(self) -> Iterator[tuple[dict[str, Any] | None, str]]:
        """Yield every object and what stands for it; what lies between objects comes with None."""
        if format_of(self.path) == ".json":
            yield from self._entries()
            return
        with _text_of(self.path, self.encoding, "\n") as text:
            for number, line in enumerate(text, start=1):
                if not line.strip():
                    yield None, line
                    continue
                where = f"Line {number} of {self.path}"
                yield json_value(line, where, "write one object per line"), line

    def _entries(self) -> Iterator[tuple[dict[str, Any] | None, str]]:
        with _text_of(self.path, self.encoding, newline="") as stream:
            text = stream.read()
        json_value(text, str(self.path), "write an array of objects", kind=list)
        decoder, at, last = json.JSONDecoder(), text.index("[") + 1, 0
        while (at := _skip(text, at, " \t\r\n,")) < len(text) and text[at] != "]":
            value, end = decoder.raw_decode(text, at)
            if not isinstance(value, dict):
                raise DataError(
                    f"{self.path} holds a {type(value).__name__} where an object is expected: "
                    "write one object per query."
                )
            yield None, text[last:at]
            yield value, text[at:end]
            at = last = end
        yield None, text[last:]


class ParquetRows(Rows):
    """Rows of a Parquet file, or of a folder of them."""

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        names = list(self._dataset().schema.names)
        columns_are_distinct(names, self.path.name)
        return names

    def batches(self, names: Sequence[str], size: int = _BATCH) -> Iterator[pd.DataFrame]:
        """Yield some columns, `size` rows at a time, under the numbers of their rows."""
        import pandas as pd

        start = 0
        for batch in self._dataset().to_batches(columns=list(names), batch_size=size):
            frame = batch.to_pandas().reset_index(drop=True)
            frame.index = pd.RangeIndex(start, start + len(frame))
            start += len(frame)
            if len(frame):
                yield frame

    def write(self, out: Path, added: Mapping[str, Iterable[Any]]) -> None:
        """Write all rows, their types as they were, with the added columns."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        dataset = self._dataset()
        more = {name: pa.array(list(values)) for name, values in added.items()}
        schema = dataset.schema
        for name, values in more.items():
            schema = schema.append(pa.field(name, values.type))
        start = 0
        with atomic_path(out) as temporary, pq.ParquetWriter(temporary, schema) as writer:
            for batch in dataset.to_batches():
                part = [values.slice(start, len(batch)) for values in more.values()]
                writer.write_batch(pa.record_batch([*batch.columns, *part], schema=schema))
                start += len(batch)

    def _dataset(self) -> Any:
        import pyarrow as pa
        import pyarrow.dataset as ds

        try:
            return ds.dataset(self.path, format="parquet")
        except (pa.ArrowException, OSError):
            read_frame(self.path)  # says in one sentence what is wrong
            raise


class FrameRows(Rows):
    """Rows of a file that is read whole, such as a spreadsheet."""

    def __init__(self, path: Path, encoding: str | None = None) -> None:
        super().__init__(path, encoding)
        self.frame, _ = frame_of_export(read_frame(path))

    def columns(self) -> list[str]:
        """Return the names of the columns."""
        return [str(name) for name in self.frame.columns]

    def batches(self, names: Sequence[str], size: int = _BATCH) -> Iterator[pd.DataFrame]:
        """Yield some columns, all rows at once."""
        yield self.frame[list(names)]

    def write(self, out: Path, added: Mapping[str, Iterable[Any]]) -> None:
        """Write the frame with the added columns."""
        write_frame(with_columns(self.frame, added), out)


_FORMATS: dict[str, type[Rows]] = {
    **dict.fromkeys(SEPARATORS, DelimitedRows),
    **dict.fromkeys((".json", ".jsonl", ".ndjson"), JsonRows),
    ".parquet": ParquetRows,
    ".xlsx": FrameRows,
}


def open_rows(path: Path, encoding: str | None = None) -> Rows:
    """Open a table whose rows will be written again.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    rows = _FORMATS[format_of(path)](path, encoding)
    if isinstance(rows, JsonRows) and rows.is_export():
        return FrameRows(path, encoding)
    return rows


def with_columns(frame: pd.DataFrame, added: Mapping[str, Iterable[Any]]) -> pd.DataFrame:
    """Return a frame with more columns, one value per row."""
    return frame.assign(**{name: list(values) for name, values in added.items()})


def write_frame(frame: pd.DataFrame, out: Path) -> None:
    """Write a frame in the format that the ending of `out` names, whole or not at all."""
    suffix = _ending(out)
    with atomic_path(out) as temporary:
        if suffix == ".parquet":
            frame.to_parquet(temporary, index=False)
        elif suffix in SEPARATORS:
            frame.to_csv(temporary, sep=SEPARATORS[suffix], index=False, compression=_codec(out))
        elif suffix == ".xlsx":
            frame.to_excel(temporary, index=False)
        else:
            frame.to_json(
                temporary,
                orient="records",
                lines=suffix != ".json",
                force_ascii=False,
                double_precision=15,
                compression=_codec(out),
            )


def same_format(path: Path, out: Path) -> bool:
    """Whether rows of `path` can be copied to `out` as they are written."""
    kinds = [_FORMATS.get(suffix) for suffix in (format_of(path), _ending(out))]
    if kinds[0] is JsonRows:
        return (format_of(path) == ".json") == (_ending(out) == ".json") and kinds[1] is JsonRows
    if kinds[0] is DelimitedRows:
        return SEPARATORS[format_of(path)] == SEPARATORS.get(_ending(out))
    return kinds[0] is kinds[1]


def _ending(path: Path) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes] or [""]
    return suffixes[-2] if suffixes[-1] in COMPRESSED and len(suffixes) > 1 else suffixes[-1]


def _codec(path: Path) -> Any:
    return COMPRESSED.get(path.suffix.lower())


def _frames(rows: Iterator[list[Any]], names: Sequence[str], size: int) -> Iterator[pd.DataFrame]:
    import pandas as pd

    start = 0
    while batch := list(islice(rows, size)):
        index = pd.RangeIndex(start, start + len(batch))
        yield pd.DataFrame(batch, columns=list(names), index=index, dtype=object)
        start += len(batch)


@contextmanager
def _text_of(path: Path, encoding: str | None, newline: str) -> Iterator[io.TextIOWrapper]:
    with open_bytes(path) as start:
        name = encoding_of(start.read(4), encoding)
    with open_bytes(path) as stream, decoded(path, encoding):
        yield io.TextIOWrapper(stream, encoding=name, newline=newline)


@contextmanager
def _written(out: Path, source: Path, encoding: str | None) -> Iterator[io.TextIOWrapper]:
    """Open a file of text that appears whole or not at all, encoded as the source is."""
    with open_bytes(source) as start:
        name = encoding_of(start.read(4), encoding)
    with atomic_path(out) as temporary, temporary.open("wb") as plain:
        import pyarrow as pa

        codec = _codec(out)
        stream: Any = pa.CompressedOutputStream(plain, codec) if codec else plain
        with io.TextIOWrapper(stream, encoding=name, newline="") as text:
            yield text


def _skip(text: str, at: int, letters: str) -> int:
    while at < len(text) and text[at] in letters:
        at += 1
    return at


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value
