"""Means over the rounds of a study, with the two standard errors that they may have."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Literal, NamedTuple

from metarouter.evaluation._intervals import (
    corrected_error,
    monte_carlo_error,
    student_quantile,
)
from metarouter.exceptions import MetaRouterError
from metarouter.utils.columns import FloatArray, as_level, check_reference

__all__ = ["ALL_PAIRS", "Interval", "OverRounds", "over_rounds", "pairs_of"]

ALL_PAIRS = "all pairs"
Interval = Literal["corrected", "monte_carlo"]


class OverRounds(NamedTuple):
    """A mean over rounds, its interval, and both standard errors."""

    mean: FloatArray
    low: FloatArray
    high: FloatArray
    se: FloatArray
    se_corrected: FloatArray


def over_rounds(
    values: FloatArray, test_to_train: float, level: float, interval: Interval
) -> OverRounds:
    """Average over rounds.

    Parameters
    ----------
    values : ndarray of shape (n_rounds, ...)
    test_to_train : float
        Test queries per training query.
    level : float
    interval : {"corrected", "monte_carlo"}
        Which standard error the interval rests on.

    Raises
    ------
    MetaRouterError
        If the level or the interval is unknown.
    """
    if interval not in ("corrected", "monte_carlo"):
        raise MetaRouterError(f"interval is {interval!r}: choose 'corrected' or 'monte_carlo'.")
    se, se_corrected = monte_carlo_error(values), corrected_error(values, test_to_train)
    mean = values.mean(axis=0)
    error = se if interval == "monte_carlo" else se_corrected
    margin = student_quantile(as_level(level), len(values)) * error
    return OverRounds(mean, mean - margin, mean + margin, se, se_corrected)


def pairs_of(routers: Sequence[str], reference: str | None) -> list[tuple[str, str]]:
    """Return who is compared with whom: all with the reference, or "all pairs"."""
    if reference == ALL_PAIRS:
        return list(combinations(routers, 2))
    if reference is None:
        reference = "pooled" if "pooled" in routers else routers[0]
    check_reference(reference, list(routers))
    return [(name, reference) for name in routers if name != reference]
