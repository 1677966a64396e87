"""Sums of columns, kept for the whole stream and for every window of it."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class BlockSums:
    """Sums over all rows so far, over each full window, and over the one that is being filled.

    Rows are added one by one, so that sums are the same to the bit however rows were batched.

    Parameters
    ----------
    size : int
        Rows of a window.
    total, block : ndarray of shape (k,)
        Sums of all rows, and of those in the open window; column 0 counts rows.
    finished : ndarray of shape (n_windows, k)
        Sums of each full window.

    Examples
    --------
    >>> sums = BlockSums.empty(1, size=2).after(np.array([[1.0], [3.0], [5.0]]))
    >>> sums.total, sums.block, sums.finished
    (array([3., 9.]), array([1., 5.]), array([[2., 4.]]))
    """

    size: int
    total: FloatArray
    block: FloatArray
    finished: FloatArray

    @classmethod
    def empty(cls, n_columns: int, size: int) -> BlockSums:
        """Hold nothing yet."""
        width = n_columns + 1
        return cls(size, np.zeros(width), np.zeros(width), np.empty((0, width)))

    @property
    def n(self) -> int:
        """Rows so far."""
        return int(self.total[0])

    def after(self, rows: FloatArray) -> BlockSums:
        """Add rows, shape (n, k - 1), in the order in which they came."""
        counted = np.column_stack([np.ones(len(rows)), rows])
        open_rows, finished = self.block, [*self.finished]
        room = self.size - int(self.block[0])
        for part in np.split(counted, np.arange(room, len(counted), self.size)):
            open_rows = _running(open_rows, part)
            if open_rows[0] == self.size:
                finished.append(open_rows)
                open_rows = np.zeros_like(open_rows)
        return replace(
            self,
            total=_running(self.total, counted),
            block=open_rows,
            finished=np.reshape(finished, (-1, len(self.total))),
        )

    def path(self) -> FloatArray:
        """Return the sums from the start to the end of each full window, and to now."""
        ends = np.cumsum(self.finished, axis=0)
        return ends if self.block[0] == 0 else np.concatenate([ends, self.total[None]])


def _running(start: FloatArray, rows: FloatArray) -> FloatArray:
    return np.asarray(np.cumsum(np.concatenate([start[None], rows]), axis=0)[-1])
