"""What a report says, before it becomes HTML, markdown, LaTeX or JSON.

A document is sections of blocks: paragraphs, lists, findings with verdicts, tables and figures. The
blocks hold plain text and numbers; how these look is for the renderers alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import wraps
from itertools import groupby
from operator import attrgetter
from typing import Any, NamedTuple

import numpy as np

from metarouter.inference import Verdict

_UNKNOWN = "–"


@dataclass(frozen=True)
class Estimate:
    """A number with its interval: reports print no estimate without one.

    Parameters
    ----------
    value, low, high : float
        NaN where there are too few labels to tell.
    decimals : int, default=3
    signed : bool, default=False
        Write a plus before positive numbers, as befits differences.
    percent : bool, default=False
        Write shares as percentages; value, low and high remain shares.

    Examples
    --------
    >>> print(Estimate(0.287, 0.256, 0.318))
    0.287 (0.256 to 0.318)
    >>> print(Estimate(0.31, 0.28, 0.345, percent=True, decimals=1))
    31.0% (28.0% to 34.5%)
    >>> print(Estimate(float("nan"), 0.1, 0.2), Estimate(1.0, 1.0, 1.0))
    – 1.000 (exact)
    """

    value: float
    low: float
    high: float
    decimals: int = 3
    signed: bool = False
    percent: bool = False

    def __str__(self) -> str:
        ends = (self.value, self.low, self.high)
        value, low, high = (_written(x, self.decimals, self.signed, self.percent) for x in ends)
        if not self.is_known:
            return _UNKNOWN
        if self.low == self.value == self.high:
            return f"{value} (exact)"
        if math.isnan(self.high):
            return f"{value} (from {low})"
        return f"{value} (up to {high})" if math.isnan(self.low) else f"{value} ({low} to {high})"

    @property
    def is_known(self) -> bool:
        """Whether there are enough labels for the number to be printed."""
        return not (math.isnan(self.value) or (math.isnan(self.low) and math.isnan(self.high)))


def _written(value: float, decimals: int = 3, signed: bool = False, percent: bool = False) -> str:
    if not math.isfinite(value):
        return _UNKNOWN if math.isnan(value) else "no end"
    scaled = 100 * value if percent else value
    scaled = 0.0 if round(scaled, decimals) == 0 else scaled
    return f"{'+' if signed and scaled > 0 else ''}{scaled:.{decimals}f}{'%' if percent else ''}"


@dataclass(frozen=True)
class Limits:
    """An interval of a difference by itself, beside an estimate that stands in another column.

    Examples
    --------
    >>> print(Limits(-0.028, 0.114))
    -0.028 to +0.114
    """

    low: float
    high: float

    def __str__(self) -> str:
        if math.isnan(self.low) or math.isnan(self.high):
            return _UNKNOWN
        return f"{_written(self.low, signed=True)} to {_written(self.high, signed=True)}"


@dataclass(frozen=True)
class PValue:
    """A p value.

    Examples
    --------
    >>> print(PValue(0.0301), PValue(0.00001))
    0.030 <0.001
    >>> print(PValue(0.00001).in_a_sentence)
    p < 0.001
    """

    value: float

    def __str__(self) -> str:
        if math.isnan(self.value):
            return _UNKNOWN
        return "<0.001" if self.value < 0.001 else f"{self.value:.3f}"

    @property
    def in_a_sentence(self) -> str:
        """As a cell, with its name: "p = 0.030", "p < 0.001"."""
        written = str(self)
        return f"p < {written[1:]}" if written.startswith("<") else f"p = {written}"


# Plain numbers are known, as counts and prices are; what is estimated is an Estimate.
Cell = str | int | float | Estimate | Limits | PValue | Verdict


@dataclass(frozen=True)
class Column:
    """Head of a column, with the unit of its numbers."""

    name: str
    unit: str = ""

    @property
    def head(self) -> str:
        """Name and unit as they are printed."""
        return f"{self.name} ({self.unit})" if self.unit else self.name


class Verbatim(str):
    """Text to be copied letter by letter, such as a command."""

    __slots__ = ()


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Bullets:
    """A list of plain sentences."""

    items: tuple[str, ...]


@dataclass(frozen=True)
class Terms:
    """Names and what they mean, or settings and their values."""

    terms: Mapping[str, str]


@dataclass(frozen=True)
class Finding:
    """A sentence, with the verdict that it speaks of if there is one."""

    text: str
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Findings:
    """A list of findings."""

    items: tuple[Finding, ...]


@dataclass(frozen=True)
class Table:
    """Rows of cells under columns; the note says what a reader must know to read it."""

    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    note: str = ""

    def to_the_right(self, number: int) -> bool:
        """Whether a column holds numbers, and perhaps empty cells."""
        cells = [row[number] for row in self.rows if row[number] != ""]
        return bool(cells) and not any(isinstance(cell, str) for cell in cells)


@dataclass(frozen=True)
class Figure:
    """A picture, in words as well.

    Parameters
    ----------
    name : str
        Of the file, where the picture needs one.
    caption : str
    alt : str
        What is to be seen, for those who do not see it.
    draw : callable
        Draws on matplotlib axes.
    size : (float, float), default=(5.2, 3.5)
        In inches.
    data : dict of str to sequence of float
        The numbers that are drawn, as columns of one length.
    """

    name: str
    caption: str
    alt: str
    draw: Callable[[Any], Any] = field(repr=False)
    size: tuple[float, float] = (5.2, 3.5)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)


Block = Paragraph | Bullets | Terms | Findings | Table | Figure


@dataclass(frozen=True)
class Section:
    """A heading and what stands below it."""

    title: str
    blocks: tuple[Block, ...]
    sections: tuple[Section, ...] = ()

    @property
    def anchor(self) -> str:
        """Name by which links reach it, such as "is-there-bias-and-where"."""
        return re.sub(r"[^a-z0-9]+", "-", self.title.lower()).strip("-") or "section"

    def walk(self, depth: int = 1) -> Iterator[tuple[int, Section]]:
        """Yield the section and those below it with their depth, in the order of reading."""
        yield depth, self
        for below in self.sections:
            yield from below.walk(depth + 1)


@dataclass(frozen=True)
class Document:
    """A report: sections under a title."""

    title: str
    subtitle: str
    sections: tuple[Section, ...]

    def walk(self) -> Iterator[tuple[int, Section]]:
        """Yield every section with its depth, in the order of reading."""
        for part in self.sections:
            yield from part.walk()

    def figures(self) -> list[Figure]:
        """Return all figures, in the order of reading."""
        return [b for _, section in self.walk() for b in section.blocks if isinstance(b, Figure)]

    def tables(self) -> list[Table]:
        """Return all tables, in the order of reading."""
        return [b for _, section in self.walk() for b in section.blocks if isinstance(b, Table)]


GOLD = "gold units per query"
PREFERENCE = "preference units"


class Unanswered(NamedTuple):
    """A question that the labels cannot answer, and why."""

    reason: str
    verdict: Verdict = Verdict.INCONCLUSIVE


def table(
    caption: str,
    columns: Mapping[Any, Iterable[Cell] | str],
    note: str = "",
    *,
    of: Any = None,
    **style: Any,
) -> Table:
    """Lay out columns under their heads, each a name or a name with its unit.

    A column is its cells, or the attributes of the result `of` that `cells` makes them of.

    Examples
    --------
    >>> table("Ours", {"name": ["a", "b"], ("cost", "USD"): [1, 2]}).rows
    (('a', 1), ('b', 2))
    """
    heads = tuple(Column(head) if isinstance(head, str) else Column(*head) for head in columns)
    filled = [cells(of, c, **style) if isinstance(c, str) else c for c in columns.values()]
    return Table(caption, heads, tuple(zip(*filled, strict=True)), note)


def verdict_of(found: Any) -> Finding:
    """Say what a result says of its claim."""
    return Finding(found.reason, found.verdict)


def columns_of(found: Any, columns: str, at: Any = slice(None)) -> dict[str, list[Any]]:
    """Return attributes as columns, declared as in "usage, low=lower"; they may be dotted.

    They are arrays, or single values; the rows of a sequence of results follow each other.
    """
    results = found if isinstance(found, Sequence) else [found]
    named = [text.strip().rpartition("=") for text in columns.split(",")]

    def column(name: str) -> list[Any]:
        values = [np.asarray(attrgetter(name)(one), dtype=object) for one in results]
        return [cell for value in values for cell in np.atleast_1d(value)[at].tolist()]

    return {head or name: column(name) for head, _, name in named}


def cells(found: Any, columns: str, at: Any = slice(None), **style: Any) -> list[Any]:
    """Return a cell per row of `columns_of`: an estimate of three attributes, limits of two.

    A single attribute is a p value where its name says so, and else stands for itself. The style
    is that of `Estimate`.
    """
    named = columns_of(found, columns, at)
    rows = list(zip(*named.values(), strict=True))
    if len(named) == 3:
        return [Estimate(*row, **style) for row in rows]
    if len(named) == 2:
        return [Limits(*row) for row in rows]
    one = PValue if columns.startswith("p_") else lambda cell: "" if cell is None else cell
    return [one(cell) for (cell,) in rows]


def decimals_of(values: Any) -> int:
    """Return how many decimals, from 3 to 8, show three digits of the largest value.

    Examples
    --------
    >>> decimals_of([0.5, -0.2]), decimals_of(0.0012)
    (3, 5)
    """
    largest = float(np.nanmax(np.abs(values), initial=0.0))
    return 3 if not largest > 0 else int(np.clip(2 - np.floor(np.log10(largest)), 3, 8))


def has_limits(band: Any) -> bool:
    """Whether there were enough labels for a band."""
    return bool(np.isfinite(band.critical))


def percent(level: float) -> str:
    """Write a level, as in 95%."""
    return f"{100 * level:g}%"


Parts = Iterator[Block | Finding | Section]


def section(title: str) -> Callable[[Callable[..., Parts]], Callable[..., Section]]:
    """Make a section of what a generator yields: blocks, findings, and the sections below them.

    Where its first argument is `Unanswered`, the section says why.
    """

    def with_title(parts_of: Callable[..., Parts]) -> Callable[..., Section]:
        @wraps(parts_of)
        def written(found: Any, *context: Any) -> Section:
            is_open = isinstance(found, Unanswered)
            parts: Iterable[Any] = [verdict_of(found)] if is_open else parts_of(found, *context)
            blocks: list[Block] = []
            below: list[Section] = []
            for kind, group in groupby(parts, type):
                alike = tuple(group)
                if kind is Section:
                    below += alike
                else:
                    blocks += [Findings(alike)] if kind is Finding else alike
            return Section(title, tuple(blocks), tuple(below))

        return written

    return with_title


def counted(words: Iterable[str]) -> str:
    """Join words as in "a, b and c"."""
    listed = list(words)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
