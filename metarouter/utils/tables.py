"""Results that print as text, markdown and LaTeX."""

from __future__ import annotations

import math
import re
import textwrap
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

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

    Subclasses give ``to_frame``, ``_title``, ``_facts`` and ``_notes``.
    """

    def summary(self) -> str:
        """Return a title, the settings, the table and its notes as text."""
        notes = [line for note in self._notes() for line in textwrap.wrap(note, _WIDTH)]
        # A number that is not known is a dash wherever it stands.
        facts = {name: re.sub(r"[+-]?\bnan\b", "–", text) for name, text in self._facts().items()}
        return text_table(self._title(), self._written(), facts=facts, notes=notes)

    def __str__(self) -> str:
        return self.summary()

    @abstractmethod
    def _title(self) -> str: ...

    @abstractmethod
    def _facts(self) -> dict[str, str]: ...

    @abstractmethod
    def _notes(self) -> tuple[str, ...]: ...


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
        return str(value)
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
