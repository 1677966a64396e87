"""Rubrics: criteria with points, awarded whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated

__all__ = ["Criterion", "Rubric", "read_rubric"]


@dataclass(frozen=True)
class Criterion:
    """One thing to look for in an answer.

    Parameters
    ----------
    text : str
        What must be so for the points to be awarded.
    points : float
        Points awarded when it is so; negative for a penalty.
    """

    text: str
    points: float


@dataclass(frozen=True)
class Rubric:
    """Criteria by which one answer is graded by itself (Meta-Router, A.7).

    Parameters
    ----------
    criteria : tuple of Criterion
    reference : str, optional
        An answer that would be ideal.

    Examples
    --------
    >>> rubric = Rubric((Criterion("names the dose", 4), Criterion("invents a drug", -3)))
    >>> rubric.attainable, rubric.points([True, True]), rubric.share([True, True])
    (4.0, [4.0, -3.0], 0.25)
    """

    criteria: tuple[Criterion, ...]
    reference: str | None = None

    @property
    def attainable(self) -> float:
        """The points of an answer that meets every criterion and incurs no penalty."""
        return float(sum(c.points for c in self.criteria if c.points > 0))

    def points(self, met: Sequence[bool]) -> list[float]:
        """Return the points per criterion: all of them, or none."""
        return [float(c.points) if yes else 0.0 for c, yes in zip(self.criteria, met, strict=True)]

    def share(self, met: Sequence[bool]) -> float:
        """Return the total as a share of the attainable points.

        Queries with long and with short rubrics are so on one scale. Penalties may take it below
        zero.
        """
        return sum(self.points(met)) / self.attainable

    def as_text(self) -> str:
        """Return the criteria as a numbered list, as a judge reads them."""
        return "\n".join(
            f"criterion_{k} ({c.points:+g} points): {c.text}"
            for k, c in enumerate(self.criteria, start=1)
        )


@validated()
def read_rubric(source: Any, where: str, reference: str | None = None) -> Rubric:
    """Read a rubric from JSON.

    Parameters
    ----------
    source : str, list or dict
        A list of ``{"criterion": ..., "points": ...}`` (as in HealthBench), or an object with
        ``criteria``, such a list, and optionally ``total``, the attainable points, and
        ``reference``; as JSON text or already parsed.
    where : str
        What the rubric is called in an error.
    reference : str, optional
        An ideal answer; overrides the rubric's own.

    Returns
    -------
    Rubric

    Raises
    ------
    DataError
        If it is no such JSON, has no criterion that earns points, or says a total that its
        points do not add up to.

    Examples
    --------
    >>> rubric = read_rubric('[{"criterion": "names the dose", "points": 4}]', "the rubric")
    >>> rubric.criteria
    (Criterion(text='names the dose', points=4.0),)
    """
    given = _parsed(source, where)
    total = None
    if isinstance(given, Mapping):
        total = given.get("total")
        reference = reference or given.get("reference")
        given = given.get("criteria")
    if not isinstance(given, Sequence) or isinstance(given, str) or not given:
        raise DataError(
            f"{where} lists no criteria: write a JSON list of "
            '{"criterion": "...", "points": 5}, or an object with such a list as "criteria".'
        )
    criteria = tuple(_criterion(one, k, where) for k, one in enumerate(given, start=1))
    rubric = Rubric(criteria, reference)
    if rubric.attainable <= 0:
        raise DataError(
            f"{where} has no criterion with positive points, so that no answer can earn any: "
            "add one."
        )
    if total is not None and not _adds_up(criteria, total):
        raise DataError(
            f"{where} says a total of {total} points, but its positive points add up to "
            f"{rubric.attainable:g}: correct the points or the total."
        )
    return rubric


def _parsed(source: Any, where: str) -> Any:
    if not isinstance(source, str):
        return source
    try:
        return json.loads(source)
    except ValueError as error:
        raise DataError(f"{where} is not valid JSON ({error}): correct it.") from None


def _criterion(given: Any, number: int, where: str) -> Criterion:
    text = given.get("criterion", given.get("text")) if isinstance(given, Mapping) else None
    if not isinstance(text, str) or not text.strip():
        raise DataError(f'Criterion {number} of {where} has no text: give it a "criterion".')
    points = given.get("points")
    if isinstance(points, bool) or not isinstance(points, int | float) or not _usable(points):
        raise DataError(
            f"Criterion {number} of {where} has the points {points!r}: give a number other than 0, "
            "negative for a penalty."
        )
    return Criterion(" ".join(text.split()), float(points))


def _usable(points: float) -> bool:
    return points != 0 and abs(points) < float("inf")


def _adds_up(criteria: Sequence[Criterion], total: Any) -> bool:
    """Compare as decimals are written, so that 0.1 + 0.2 is 0.3."""
    try:
        said = Fraction(str(total))
    except ValueError:
        return False
    return said == sum(Fraction(str(c.points)) for c in criteria if c.points > 0)
