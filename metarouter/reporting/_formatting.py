"""Small things that all sections of a report say in one way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from metarouter.inference import Verdict
from metarouter.reporting._cells import Cell, Estimate, Limits
from metarouter.reporting._document import (
    Block,
    Column,
    Finding,
    Findings,
)
from metarouter.reporting._routing_analysis import Unanswered

GOLD = "gold units per query"
PREFERENCE = "preference units"


def columns(*heads: str | tuple[str, str]) -> tuple[Column, ...]:
    """Return heads of columns, each a name or a name with its unit."""
    return tuple(Column(head) if isinstance(head, str) else Column(*head) for head in heads)


def estimates(value: Any, low: Any, high: Any, **style: Any) -> list[Estimate]:
    """Return one estimate per entry of three arrays."""
    entries = zip(
        np.atleast_1d(value).tolist(),
        np.atleast_1d(low).tolist(),
        np.atleast_1d(high).tolist(),
        strict=True,
    )
    return [Estimate(*entry, **style) for entry in entries]


def limits(low: Any, high: Any, **style: Any) -> list[Limits]:
    """Return one interval per entry of two arrays."""
    ends = zip(np.atleast_1d(low).tolist(), np.atleast_1d(high).tolist(), strict=True)
    return [Limits(*pair, **style) for pair in ends]


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


def not_answered(*questions: Unanswered) -> tuple[Block, ...]:
    """Say that questions are open, and why."""
    return (Findings(tuple(_open(question.reason) for question in questions)),)


def _open(reason: str) -> Finding:
    return Finding(reason, Verdict.INCONCLUSIVE)


def counted(words: Iterable[str]) -> str:
    """Join words as in "a, b and c"."""
    listed = list(words)
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"
