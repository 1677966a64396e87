"""Whether there are enough rows for a claim, and how many would do."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from metarouter.datasets import TrainingRows
from metarouter.inference._limits import MINIMA
from metarouter.inference._verdict import scarce
from metarouter.inference.intervals import as_units

__all__ = ["Counts", "Lack", "count_labels", "lack_of", "lack_of_either"]


class Counts(NamedTuple):
    """Labels of either source, queries with both, independent units."""

    gold: int
    preference: int
    paired: int
    units: int


class Lack(NamedTuple):
    """How many labels would do, and the sentence that says so."""

    needed: int
    reason: str


def count_labels(rows: TrainingRows) -> Counts:
    """Count the labels that have a positive weight."""
    is_gold = np.asarray(rows.is_gold, dtype=bool)
    taken = np.ones(len(is_gold), dtype=bool)
    if rows.sample_weight is not None:
        taken = np.asarray(rows.sample_weight) > 0
    query = np.asarray(rows.query)
    paired = np.intersect1d(query[taken & is_gold], query[taken & ~is_gold])
    units = as_units(query[taken] if rows.groups is None else np.asarray(rows.groups)[taken])
    return Counts(
        gold=int((taken & is_gold).sum()),
        preference=int((taken & ~is_gold).sum()),
        paired=len(paired),
        units=int(taken.sum()) if units is None else int(units.max()) + 1,
    )


def lack_of(counts: Counts, *needs: tuple[str, int]) -> Lack | None:
    """Return the first minimum that is not met, or None.

    Parameters
    ----------
    counts : Counts
        Of which the number of units is always checked.
    *needs : tuple of str and int
        Name of a minimum in `MINIMA`, and the rows that are there.
    """
    for name, there in (*needs, ("clusters", counts.units)):
        minimum = MINIMA[name]
        if minimum.missing(there):
            return Lack(
                minimum.count,
                f"{scarce(there, minimum.what)} to judge this; {minimum.count} would do. "
                f"{minimum.why}",
            )
    return None


def lack_of_either(counts: Counts, gold: str = "gold_rows") -> Lack | None:
    """Return what is missing where labels of both sources are needed, or None.

    Parameters
    ----------
    counts : Counts
    gold : {"gold_rows", "gold_rows_held_out"}
        The minimum of gold labels.
    """
    return lack_of(counts, (gold, counts.gold), ("preference_rows", counts.preference))
