"""A sheet that a person fills in with any spreadsheet, blinded and in random order.

Each row names its pair, its person and which answer stands first in a code that a person cannot
read, so that neither a lost seed nor sorted rows turn a verdict round.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from metarouter.datasets._table_files import read_table_file
from metarouter.exceptions import DataError
from metarouter.judging.annotations import pair_id, primary_is_first, shown_order
from metarouter.judging.calls import Pair

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["SheetVerdict", "read_sheet", "sheet_of"]

COLUMNS = ("item", "annotator", "query", "first", "second", "verdict")
_VERDICTS = {"1": 1, "1.0": 1, "2": -1, "2.0": -1, "0": 0, "0.0": 0}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


class SheetVerdict(NamedTuple):
    """A verdict towards the primary, as `Annotations.add` takes it."""

    pair: str
    annotator: str
    verdict: int
    primary_first: bool


def sheet_of(pairs: Sequence[Pair], annotator: str, seed: int = 0) -> pd.DataFrame:
    """Return the rows that a person is to fill in.

    Parameters
    ----------
    pairs : sequence of Pair
    annotator : str
    seed : int, default=0
        Of the orders in which pairs and answers are shown.

    Returns
    -------
    DataFrame
        With the columns ``item``, ``annotator``, ``query``, ``first``, ``second``, ``verdict``; the
        last is empty: 1 where the first answer is better, 2 where the second is, 0 where neither
        is. Text that a spreadsheet would take for a formula begins with an apostrophe.

    Examples
    --------
    >>> sheet = sheet_of([Pair("What is 2 + 2?", "4", "-4")], "ann")
    >>> sorted(sheet.loc[0, ["first", "second"]])
    ["'-4", '4']
    """
    import pandas as pd

    ids = [pair_id(pair) for pair in pairs]
    rows = []
    for k in shown_order(ids, annotator, seed):
        pair, name = pairs[k], ids[k]
        first = primary_is_first(name, annotator, seed)
        shown = (pair.primary, pair.alternative) if first else (pair.alternative, pair.primary)
        texts = [_plain(text) for text in (pair.question, *shown)]
        rows.append([f"{name}-{_code(name, annotator, first)}", annotator, *texts, None])
    return pd.DataFrame(rows, columns=list(COLUMNS))


def read_sheet(path: Path, pairs: Sequence[Pair]) -> list[SheetVerdict]:
    """Read what a person has filled in; rows without a verdict are passed over.

    Parameters
    ----------
    path : Path
        Of a sheet that `sheet_of` has written, in any format of tables.
    pairs : sequence of Pair
        Those of the table.

    Raises
    ------
    DataError
        If a column is missing, a row belongs to no pair of this table, or a verdict is none of
        1, 2 and 0.
    """
    frame = read_table_file(path, {"item", "annotator", "verdict"}).frame
    for column in ("item", "annotator", "verdict"):
        if column not in frame.columns:
            raise DataError(
                f"{path.name} has no column {column!r}: give a sheet that --template has written."
            )
    known = {pair_id(pair) for pair in pairs}
    verdicts = []
    cells = frame[["item", "annotator", "verdict"]].astype(object)
    cells = cells.where(cells.notna(), "")
    for number, (item, annotator, verdict) in enumerate(cells.itertuples(index=False)):
        said, person = str(verdict).strip(), str(annotator).strip()
        if not said:
            continue
        if said not in _VERDICTS:
            raise DataError(
                f"Row {number} of {path.name} has the verdict {said!r}: write 1 where the first "
                "answer is better, 2 where the second is, 0 where neither is."
            )
        pair, _, code = str(item).strip().partition("-")
        sides = {_code(pair, person, first): first for first in (True, False)}
        if pair not in known or code not in sides:
            raise DataError(
                f"Row {number} of {path.name} (item {str(item)!r}, annotator {person!r}) belongs "
                "to no pair of this table: leave these two columns as --template has written them."
            )
        first = sides[code]
        verdicts.append(SheetVerdict(pair, person, _VERDICTS[said] * (1 if first else -1), first))
    return verdicts


def _code(pair: str, annotator: str, primary_first: bool) -> str:
    side = "primary" if primary_first else "alternative"
    return hashlib.sha256(f"{pair}\x1f{annotator}\x1f{side}".encode()).hexdigest()[:8]


def _plain(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
