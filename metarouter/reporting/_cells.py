"""What stands in the cells of a report's tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

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
