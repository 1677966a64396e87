"""What a report says, before it becomes HTML, markdown, LaTeX or JSON.

A document is sections of blocks: paragraphs, lists, findings with verdicts, tables and figures. The
blocks hold plain text and numbers; how these look is for the renderers alone.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import wraps
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
    unit : str, default=""
        What it is measured in, such as "gold units per query".
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
    unit: str = ""
    decimals: int = 3
    signed: bool = False
    percent: bool = False

    def __str__(self) -> str:
        if math.isnan(self.value) or (math.isnan(self.low) and math.isnan(self.high)):
            return _UNKNOWN
        if self.low == self.value == self.high:
            return f"{self._written(self.value)} (exact)"
        low, high = self._end(self.low), self._end(self.high)
        if math.isnan(self.high):
            return f"{self._written(self.value)} (from {low})"
        if math.isnan(self.low):
            return f"{self._written(self.value)} (up to {high})"
        return f"{self._written(self.value)} ({low} to {high})"

    @property
    def is_known(self) -> bool:
        """Whether there are enough labels for the number to be printed."""
        return str(self) != _UNKNOWN

    def _end(self, value: float) -> str:
        return "no end" if math.isinf(value) else self._written(value)

    def _written(self, value: float) -> str:
        if math.isnan(value):
            return _UNKNOWN
        scaled = 100 * value if self.percent else value
        scaled = 0.0 if round(scaled, self.decimals) == 0 else scaled
        sign = "+" if self.signed and scaled > 0 else ""
        return f"{sign}{scaled:.{self.decimals}f}{'%' if self.percent else ''}"


@dataclass(frozen=True)
class Limits:
    """An interval by itself, beside an estimate that stands in another column.

    Examples
    --------
    >>> print(Limits(-0.028, 0.114, signed=True))
    -0.028 to +0.114
    """

    low: float
    high: float
    unit: str = ""
    decimals: int = 3
    signed: bool = False

    def __str__(self) -> str:
        if math.isnan(self.low) or math.isnan(self.high):
            return _UNKNOWN
        ends = [Estimate(end, end, end, "", self.decimals, self.signed) for end in self]
        return " to ".join(str(end).partition(" ")[0] for end in ends)

    def __iter__(self) -> Iterator[float]:
        return iter((self.low, self.high))


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

    pairs: Mapping[str, str]


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
    """Rows of cells under columns.

    Parameters
    ----------
    caption : str
    columns : tuple of Column
    rows : tuple of tuple of Cell
    note : str, default=""
        What a reader must know to read it.
    """

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
        """Name by which links reach it."""
        return slug(self.title)


@dataclass(frozen=True)
class Document:
    """A report.

    Parameters
    ----------
    title, subtitle : str
    sections : tuple of Section
    """

    title: str
    subtitle: str
    sections: tuple[Section, ...]

    def walk(self) -> Iterator[tuple[int, Section]]:
        """Yield every section with its depth, in the order of reading."""
        yield from _walk(self.sections, 1)

    def figures(self) -> list[Figure]:
        """Return all figures, in the order of reading."""
        return [b for _, section in self.walk() for b in section.blocks if isinstance(b, Figure)]

    def tables(self) -> list[Table]:
        """Return all tables, in the order of reading."""
        return [b for _, section in self.walk() for b in section.blocks if isinstance(b, Table)]


def _walk(sections: tuple[Section, ...], depth: int) -> Iterator[tuple[int, Section]]:
    for section in sections:
        yield depth, section
        yield from _walk(section.sections, depth + 1)


def slug(title: str) -> str:
    """Write a title as a name for links.

    Examples
    --------
    >>> slug("Is there bias, and where?")
    'is-there-bias-and-where'
    """
    return re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-") or "section"


GOLD = "gold units per query"
PREFERENCE = "preference units"


class Unanswered(NamedTuple):
    """A question that the labels cannot answer, and why."""

    reason: str


def table(
    caption: str, columns: Mapping[str | tuple[str, str], Iterable[Cell]], note: str = ""
) -> Table:
    """Lay out columns under their heads, each a name or a name with its unit.

    Examples
    --------
    >>> table("Ours", {"name": ["a", "b"], ("cost", "USD"): [1, 2]}).rows
    (('a', 1), ('b', 2))
    """
    heads = tuple(Column(head) if isinstance(head, str) else Column(*head) for head in columns)
    return Table(caption, heads, tuple(zip(*columns.values(), strict=True)), note)


def verdict_of(found: Any) -> Findings:
    """Say what a result says of its claim."""
    return Findings((Finding(found.reason, found.verdict),))


def columns_of(found: Any, columns: str, at: Any = slice(None)) -> dict[str, list[Any]]:
    """Return attributes of a result as columns, declared as in "usage, low=lower".

    Parameters
    ----------
    found : object with arrays for attributes
    columns : str
        Attributes, with another name before them where the column has one.
    at : slice or list of int
        The rows that are wanted, by default all.
    """
    named = [text.strip().rpartition("=") for text in columns.split(",")]
    return {
        head or name: np.atleast_1d(getattr(found, name))[at].tolist() for head, _, name in named
    }


def estimates(found: Any, ends: str, at: Any = slice(None), **style: Any) -> list[Estimate]:
    """Return one estimate per row of three columns of a result, as "value, lower, upper"."""
    rows = zip(*columns_of(found, ends, at).values(), strict=True)
    return [Estimate(*row, **style) for row in rows]


def limits(found: Any, ends: str, at: Any = slice(None)) -> list[Limits]:
    """Return one signed interval per row of two columns of a result, as "lower, upper"."""
    rows = zip(*columns_of(found, ends, at).values(), strict=True)
    return [Limits(low, high, signed=True) for low, high in rows]


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


def needed_cell(needed: int | None) -> Cell:
    """Write how many labels would settle a verdict, or nothing."""
    return "" if needed is None else needed


Parts = Iterator[Block | Section]


def section(title: str) -> Callable[[Callable[..., Parts]], Callable[..., Section]]:
    """Make a section of what a generator yields: blocks, and the sections below them.

    Where its first argument is `Unanswered`, the section says why.
    """

    def with_title(parts_of: Callable[..., Parts]) -> Callable[..., Section]:
        @wraps(parts_of)
        def written(found: Any, *context: Any) -> Section:
            if isinstance(found, Unanswered):
                open_finding = Finding(found.reason, Verdict.INCONCLUSIVE)
                return Section(title, (Findings((open_finding,)),))
            blocks: list[Block] = []
            below: list[Section] = []
            for part in parts_of(found, *context):
                if isinstance(part, Section):
                    below.append(part)
                else:
                    blocks.append(part)
            return Section(title, tuple(blocks), tuple(below))

        return written

    return with_title


def counted(words: Iterable[str]) -> str:
    """Join words as in "a, b and c"."""
    listed = list(words)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
