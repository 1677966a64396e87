"""Verdicts: what they compare, which is gravest, and how many rows would settle one."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from enum import StrEnum

_ONE = {"queries": "query", "labels": "label", "groups": "group", "rows": "row"}


class Verdict(StrEnum):
    """What the data say about a claim.

    Examples
    --------
    >>> print(Verdict.PASS)
    PASS
    """

    PASS = "PASS"
    CAUTION = "CAUTION"
    FAIL = "FAIL"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Limit:
    """Two bounds on a quantity: good up to the first, bad beyond the second.

    Parameters
    ----------
    passes, fails : float
        The quantity is good up to `passes` and bad beyond `fails`; when `fails` is the smaller
        of the two, more is better.
    what : str
        The quantity, with its unit.
    why : str
        One sentence that defends the bounds.

    Examples
    --------
    >>> share = Limit(0.05, 0.20, "share of rows", "An example.")
    >>> print(share.judge(0.01, 0.04), share.judge(0.25, 0.30), share.judge(0.01, 0.30))
    PASS FAIL INCONCLUSIVE
    >>> print(share.judge(0.03, 0.10))
    CAUTION
    """

    passes: float
    fails: float
    what: str
    why: str

    def judge(self, lower: float, upper: float) -> Verdict:
        """Compare an interval with the two bounds.

        The whole interval must be good for PASS and bad for FAIL; one that reaches from good to
        bad is INCONCLUSIVE; everything else is CAUTION.

        Parameters
        ----------
        lower, upper : float
            Ends of the confidence interval; NaN stands for an interval that could not be had.
        """
        if math.isnan(lower) or math.isnan(upper):
            return Verdict.INCONCLUSIVE
        sign = -1.0 if self.fails < self.passes else 1.0
        best, worst_end = sorted((sign * lower, sign * upper))
        if worst_end <= sign * self.passes:
            return Verdict.PASS
        if best > sign * self.fails:
            return Verdict.FAIL
        if best <= sign * self.passes and worst_end > sign * self.fails:
            return Verdict.INCONCLUSIVE
        return Verdict.CAUTION


@dataclass(frozen=True)
class Minimum:
    """The fewest rows with which a claim is judged at all.

    Parameters
    ----------
    count : int
    what : str
        What is counted.
    why : str
        One sentence that defends the count.
    """

    count: int
    what: str
    why: str

    def missing(self, n: int) -> int:
        """Return how many more are needed, 0 when `n` are enough."""
        return max(0, self.count - n)


def rows_needed(n: int, margin: float, wanted: float) -> int | None:
    """Return how many rows would shrink a margin of error to the wanted one.

    Margins shrink with the square root of the number of rows that carry the information.

    Parameters
    ----------
    n : int
        Rows that gave the margin.
    margin, wanted : float
        Half widths of intervals, in one unit.

    Returns
    -------
    int or None
        At least `n`; None where no number of rows would do.

    Examples
    --------
    >>> rows_needed(100, 0.2, 0.1)
    400
    """
    if not (math.isfinite(margin) and wanted > 0):
        return None
    return max(n, math.ceil(n * (margin / wanted) ** 2))


def about(needed: int | None, there: int) -> str:
    """Say how many rows are needed, no finer than such a number is known.

    Examples
    --------
    >>> about(78, 60)
    'about 78'
    >>> about(418_203, 5000)
    'about 420,000'
    >>> about(418_203, 60)
    'more than 100 times as many'
    >>> about(60, 60)
    'somewhat more'
    """
    if needed is None:
        return "an unknown number of"
    if needed <= there:
        return "somewhat more"
    if needed > 100 * there:
        return "more than 100 times as many"
    if needed <= 10_000:
        return f"about {needed}"
    return f"about {round(needed, 2 - len(str(needed))):,}"


def scarce(n: int, what: str) -> str:
    """Say that so many of something are too few.

    Examples
    --------
    >>> scarce(3, "gold labels"), scarce(1, "queries with both labels")
    ('3 gold labels are too few', '1 query with both labels is too few')
    """
    if n != 1:
        return f"{n} {what} are too few"
    one = re.sub("queries|labels|groups|rows", lambda many: _ONE[many[0]], what, count=1)
    return f"1 {one} is too few"


def worst(verdicts: list[Verdict]) -> Verdict:
    """Return the gravest of several verdicts.

    Examples
    --------
    >>> print(worst([Verdict.PASS, Verdict.INCONCLUSIVE, Verdict.CAUTION]))
    INCONCLUSIVE
    """
    order = (Verdict.PASS, Verdict.CAUTION, Verdict.INCONCLUSIVE, Verdict.FAIL)
    return max(verdicts, key=order.index, default=Verdict.INCONCLUSIVE)
