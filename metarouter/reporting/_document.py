"""What a report says, before it becomes HTML, markdown, LaTeX or JSON.

A document is sections of blocks: paragraphs, lists, findings with verdicts, tables and figures. The
blocks hold plain text and numbers; how these look is for the renderers alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from metarouter.inference import Verdict
from metarouter.reporting._cells import Cell


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
