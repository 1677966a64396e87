"""What an interval or a band says about a claim, and how many gold labels would settle it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from metarouter.inference._limits import MINIMA, Verdict, rows_needed
from metarouter.inference._verdict import about, scarce
from metarouter.inference.curves import ScoredQueries
from metarouter.inference.intervals import FloatArray, Limits

__all__ = ["Finding", "above_zero", "somewhere_above_zero", "too_few_queries"]


class Finding(NamedTuple):
    """A verdict with its reason, and the gold labels that would settle an open one."""

    verdict: Verdict
    needed: int | None
    reason: str


def too_few_queries(queries: ScoredQueries) -> Finding | None:
    """Return INCONCLUSIVE where intervals would not hold their level, else None."""
    least, what, there = MINIMA["gold_rows"].count, "gold labels", queries.n_gold
    if queries.units is not None and queries.n_gold_units < MINIMA["clusters"].count:
        least, there = MINIMA["clusters"].count, queries.n_gold_units
        what = "independent groups with gold labels"
    if there >= least:
        return None
    return Finding(
        Verdict.INCONCLUSIVE,
        least,
        f"{scarce(there, what)} for an interval that holds its level; {least} would do.",
    )


def above_zero(what: str, value: float, margin: float, n: int) -> Finding:
    """Judge the claim that an estimate is above zero."""
    if value > margin:
        return Finding(Verdict.PASS, None, f"{what} is above zero.")
    if value < -margin:
        return Finding(Verdict.FAIL, None, f"{what} is below zero.")
    needed = rows_needed(n, margin, value)
    return Finding(Verdict.INCONCLUSIVE, needed, f"The interval contains zero. {_would(needed, n)}")


def somewhere_above_zero(usage: FloatArray, value: FloatArray, limits: Limits, n: int) -> Finding:
    """Judge the claim that a curve lies above zero somewhere, by a band for all of it."""
    above, below, margin = limits.lower > 0, limits.upper < 0, value - limits.lower
    if above.any():
        words = f"The band lies above zero {_between(usage, above)}"
        if not below.any():
            return Finding(Verdict.PASS, None, f"{words}.")
        return Finding(Verdict.CAUTION, None, f"{words}, but below zero {_between(usage, below)}.")
    if below.any():
        return Finding(Verdict.FAIL, None, f"The band lies below zero {_between(usage, below)}.")
    with np.errstate(divide="ignore", invalid="ignore"):
        best = int(np.argmax(np.where(margin > 0, value / margin, -np.inf)))
    needed = rows_needed(n, float(margin[best]), float(value[best]))
    place = f" at a share of {100 * usage[best]:.3g}%"
    words = f"The band contains zero all along. {_would(needed, n, place)}"
    return Finding(Verdict.INCONCLUSIVE, needed, words)


def _between(usage: FloatArray, where: NDArray[np.bool_]) -> str:
    places = np.flatnonzero(where)
    first, last = usage[places[0]], usage[places[-1]]
    if first == last:
        return f"at usage {first:.2f}"
    gaps = "" if where[places[0] : places[-1]].all() else ", with gaps"
    return f"at usages from {first:.2f} to {last:.2f}{gaps}"


def _would(needed: int | None, n: int, place: str = "") -> str:
    if needed is None:
        return (
            f"The estimate is not above zero, so that more labels promise nothing; {n} are there."
        )
    return (
        f"If the estimate{place} is right, {about(needed, n)} gold labels would settle it; {n} are "
        "there."
    )
