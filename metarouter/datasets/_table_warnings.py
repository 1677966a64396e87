"""What in a table can be read but looks like a mistake: one sentence each, without a full stop."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["constant_features", "doubts_about_labels"]

_SENTINELS = (-9999.0, -999.0, -99.0, 99.0, 999.0, 9999.0)
_FEWEST_PAIRS = 20


def doubts_about_labels(
    gold: NDArray[np.float64], preference: NDArray[np.float64], columns: Mapping[str, str]
) -> tuple[str, ...]:
    """Say what is odd about labels, NaN where there is none.

    Sentinels far outside the other values; labels that never vary; gold and preference labels
    of the same queries that disagree in sign (correlation below 0 by two standard errors); and
    columns that look exchanged: many fine-grained preference labels beside few gold labels in
    {-1, 0, 1} are as expected, the reverse is not.
    """
    doubts: list[str] = []
    for role, values in (("gold", gold), ("preference", preference)):
        known = values[~np.isnan(values)]
        doubts += _sentinels(known, columns.get(role, role))
        if known.size > 1 and np.ptp(known) == 0:
            doubts.append(f"all {known.size} {role} labels are {known[0]:g}")
    both = ~np.isnan(gold) & ~np.isnan(preference)
    if both.sum() >= _FEWEST_PAIRS and np.ptp(gold[both]) > 0 and np.ptp(preference[both]) > 0:
        r = float(np.corrcoef(gold[both], preference[both])[0, 1])
        if r < -2 / np.sqrt(both.sum()):
            doubts.append(
                f"gold and preference labels of the same {int(both.sum())} queries are correlated "
                f"{r:.2f}: is one of them the alternative's minus the primary's"
            )
    if _looks_exchanged(gold[~np.isnan(gold)], preference[~np.isnan(preference)]):
        doubts.append(
            "the gold labels are many and in {-1, 0, 1}, the preference labels few and finely "
            "graded: are the two columns exchanged"
        )
    return tuple(doubts)


def constant_features(X: NDArray[np.float64], names: Sequence[str]) -> tuple[str, ...]:
    """Name the features that tell queries apart in no way."""
    if len(X) < 2:
        return ()
    constant = [name for name, flat in zip(names, np.ptp(X, axis=0) == 0, strict=True) if flat]
    shown = ", ".join(map(repr, constant[:4])) + (", ..." if len(constant) > 4 else "")
    return (f"features with one value in every row: {shown}",) if constant else ()


def _sentinels(known: NDArray[np.float64], column: str) -> list[str]:
    found = []
    for value in _SENTINELS:
        others = known[known != value]
        times = known.size - others.size
        if times and others.size and abs(value) > 10 * max(np.abs(others).max(), 1.0):
            found.append(
                f"column {column!r} holds {value:g} in {times} rows, far from all other values: "
                "if it stands for a missing label, leave those cells empty"
            )
    return found


def _looks_exchanged(gold: NDArray[np.float64], preference: NDArray[np.float64]) -> bool:
    if min(gold.size, preference.size) < _FEWEST_PAIRS or gold.size < 3 * preference.size:
        return False
    return bool(np.isin(gold, (-1, 0, 1)).all()) and np.unique(preference).size > 10
