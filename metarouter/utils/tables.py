"""Results that print as text, markdown and LaTeX."""

from __future__ import annotations

import math
import re
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Printed", "Tabular", "escaped", "text_table", "thinned"]

_WIDTH = 96
_PRINTED_ROWS = 11
_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    # At the start of a row or an item these would be taken for part of the command before them.
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}


class Tabular(ABC):
    """Base of results that are a frame; subclasses give ``to_frame``.

    Where the frame is not what one prints, as with the rounds of a study, they give ``_table``.
    """

    @abstractmethod
    def to_frame(self) -> pd.DataFrame:
        """Return the numbers, one row per estimate."""

    def to_markdown(self, *, decimals: int = 4) -> str:
        """Return the table as markdown, numbers to the right.

        Parameters
        ----------
        decimals : int, default=4
        """
        frame = self._written(decimals)
        marks = ["---:" if right else ":---" for right in self._to_the_right()]
        lines = [list(frame.columns), marks, *frame.to_numpy().tolist()]
        escaped = [[str(cell).replace("|", "\\|") for cell in line] for line in lines]
        return "\n".join(f"| {' | '.join(line)} |" for line in escaped)

    def to_latex(self, *, decimals: int = 4) -> str:
        """Return the table as a LaTeX tabular, for the package booktabs.

        Parameters
        ----------
        decimals : int, default=4
        """
        frame = self._written(decimals)
        columns = "".join("r" if right else "l" for right in self._to_the_right())
        rows = [" & ".join(escaped(cell) for cell in line) for line in frame.to_numpy().tolist()]
        head = " & ".join(escaped(name) for name in frame.columns)
        body = [rf"{row} \\" for row in rows]
        return "\n".join(
            [
                rf"\begin{{tabular}}{{{columns}}}",
                r"\toprule",
                rf"{head} \\",
                r"\midrule",
                *body,
                r"\bottomrule",
                r"\end{tabular}",
            ]
        )

    def _table(self) -> pd.DataFrame:
        return self.to_frame()

    def _to_the_right(self) -> list[bool]:
        return [dtype.kind in "fiu" for dtype in self._table().dtypes]

    def _written(self, decimals: int = 4) -> pd.DataFrame:
        """Write every number as it is to be read."""
        frame = self._table().astype(object)
        for name in frame.columns:
            frame[name] = [_cell(str(name), value, decimals) for value in frame[name]]
        return frame


class Printed(Tabular):
    """Base of results: a frame, and what is said above and below it.

    Subclasses declare the class attributes below. In texts ``{self.name}`` stands for an attribute
    of the result, written as in an f-string, and texts that come out empty are left out. Where a
    declaration is not enough, they override ``to_frame``, ``_title``, ``_facts`` or ``_notes``.

    Attributes
    ----------
    _TITLE : str
    _COLUMNS : str
        Columns of the frame in their order, as ``"head=attribute, head=attribute"``; the attribute
        alone where it is its own head. Attributes may be dotted. A column whose value is None is
        left out. Columns that are all single numbers or texts make one row.
    _ROWS : str
        Attribute that holds one object per row, whose attributes are the cells; "" where the
        attributes of the result are the columns.
    _FACTS : dict of str to str
        Printed above the table.
    _NOTES : tuple of str
        Printed below the table.
    _IS_CURVE : bool
        Whether some eleven rows are enough in print.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass
    ... class Means(Printed):
    ...     name: tuple[str, ...]
    ...     value: tuple[float, ...]
    ...     level: float
    ...     _TITLE = "Means"
    ...     _COLUMNS = "model=name, mean=value"
    ...     _FACTS = {"level": "{self.level:g}"}
    >>> print(Means(("a", "b"), (0.5, 0.25), 0.95))
       Means
    ============
    level: 0.95
    ------------
    model   mean
    ------------
        a 0.5000
        b 0.2500
    ============
    """

    _TITLE: ClassVar[str] = ""
    _COLUMNS: ClassVar[str] = ""
    _ROWS: ClassVar[str] = ""
    _FACTS: ClassVar[Mapping[str, str]] = {}
    _NOTES: ClassVar[tuple[str, ...]] = ()
    _IS_CURVE: ClassVar[bool] = False

    def to_frame(self) -> pd.DataFrame:
        """Return the numbers, one row per estimate."""
        import pandas as pd

        named = [text.strip().rpartition("=") for text in self._COLUMNS.split(",")]
        cells = {head or path: attrgetter(path) for head, _, path in named}
        if self._ROWS:
            rows = getattr(self, self._ROWS)
            return pd.DataFrame({head: [_plain(of(r)) for r in rows] for head, of in cells.items()})
        columns = {head: _plain(of(self)) for head, of in cells.items() if of(self) is not None}
        single = all(isinstance(column, int | float | str) for column in columns.values())
        return pd.DataFrame([columns] if single else columns)

    def summary(self) -> str:
        """Return a title, the settings, the table and its notes as text."""
        notes = [line for note in self._notes() for line in textwrap.wrap(note, _WIDTH)]
        # A number that is not known is a dash wherever it stands.
        facts = {name: re.sub(r"[+-]?\bnan\b", "–", text) for name, text in self._facts().items()}
        return text_table(self._title(), self._written(), facts=facts, notes=notes)

    def __str__(self) -> str:
        return self.summary()

    def _title(self) -> str:
        return self._TITLE.format(self=self)

    def _facts(self) -> dict[str, str]:
        filled = {name: text.format(self=self) for name, text in self._FACTS.items()}
        return {name: text for name, text in filled.items() if text}

    def _notes(self) -> tuple[str, ...]:
        return tuple(filter(None, (text.format(self=self) for text in self._NOTES)))

    def _written(self, decimals: int = 4) -> pd.DataFrame:
        frame = super()._written(decimals)
        return thinned(frame) if self._IS_CURVE else frame


def _plain(value: Any) -> Any:
    """Write verdicts as text, and what is not there as no text."""
    return "" if value is None else str(value) if isinstance(value, Enum) else value


def text_table(
    title: str,
    frame: pd.DataFrame,
    *,
    facts: Mapping[str, str],
    notes: Sequence[str] = (),
    decimals: int = 4,
) -> str:
    """Lay out a title, facts, a table and footnotes.

    Parameters
    ----------
    title : str
    frame : DataFrame
        Printed without its index.
    facts : dict of str to str
        Printed above the table, two per line.
    notes : sequence of str
        Printed below the table.
    decimals : int, default=4

    Returns
    -------
    str
    """
    body = frame.to_string(index=False, float_format=lambda value: f"{value:.{decimals}f}")
    lines = body.splitlines()
    width = max(len(line) for line in [*lines, title, *notes])
    pairs = [f"{name}: {value}" for name, value in facts.items()]
    half = (width + 1) // 2
    if any(len(pair) >= half for pair in pairs):
        laid_out = pairs
    else:
        laid_out = [
            "".join(pair.ljust(half) for pair in pairs[i : i + 2]).rstrip()
            for i in range(0, len(pairs), 2)
        ]
    double, single = "=" * width, "-" * width
    head = [title.center(width).rstrip(), double, *laid_out, single, lines[0], single]
    return "\n".join([*head, *lines[1:], double, *notes])


def thinned(frame: pd.DataFrame) -> pd.DataFrame:
    """Keep about eleven rows of a curve, evenly spaced, for print."""
    if len(frame) <= 2 * _PRINTED_ROWS:
        return frame
    return frame.iloc[np.unique(np.linspace(0, len(frame) - 1, _PRINTED_ROWS).round().astype(int))]


def _cell(column: str, value: Any, decimals: int) -> str:
    if not isinstance(value, float):
        return " ".join(str(value).splitlines())  # a row is one line, whatever a name holds
    if math.isnan(value):
        return "–"
    if column.startswith("p_value") and value < 10.0**-decimals:
        return f"<{10.0**-decimals:.{decimals}f}"
    if column == "df":
        return f"{value:.1f}"
    return f"{value:.0f}" if value.is_integer() and abs(value) >= 10 else f"{value:.{decimals}f}"


def escaped(value: Any) -> str:
    """Write text so that LaTeX prints it."""
    return "".join(_LATEX.get(letter, letter) for letter in str(value))
