"""The precision of one arm: a plain sum, to which rows are added many at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import blas

__all__ = ["Precision"]

Array = NDArray[np.float64]

WAITING = 64  # rows that are added together


class Precision:
    """The sum lambda I + sum x x' (lower triangle).

    No decision reads it, and adding an outer product fetches all its d^2 numbers from the main
    memory. Single rows therefore wait until many can be added at once, or the sum is asked for.

    Parameters
    ----------
    total : ndarray of shape (d, d)
        What is summed up already.
    """

    def __init__(self, total: Array) -> None:
        self._total: Array = np.asfortranarray(total)
        self._waiting: list[Array] = []

    def total(self) -> Array:
        """Return the sum over all rows, shape (d, d)."""
        if self._waiting:
            rows = np.array(self._waiting)
            self._waiting = []
            self.add(rows)
        return self._total

    def add(self, X: Array) -> None:
        """Add rows, shape (n, d), at once."""
        blas.dsyrk(1.0, X.T, beta=1.0, c=self._total, lower=1, overwrite_c=1)

    def add_later(self, x: Array) -> None:
        """Add a row, shape (d,), that nobody will change."""
        self._waiting.append(x)
        if len(self._waiting) == WAITING:
            self.total()

    def __getstate__(self) -> Array:
        return self.total()

    def __setstate__(self, total: Array) -> None:
        self._total, self._waiting = total.copy(order="F"), []
