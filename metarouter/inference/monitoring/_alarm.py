"""An alarm for drift, of whatever scores it is fed with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.inference.monitoring._conformal import (
    JUMPS,
    log_mean,
    merge_sorted,
    online_p_values,
    play,
    starting_capital,
    varied_before,
)

__all__ = ["DriftAlarm"]

FloatArray = NDArray[np.float64]

_NO_BET = 0.5


@dataclass(frozen=True)
class DriftAlarm:
    """Evidence that scores stopped coming as they came before.

    One conformal test martingale per score and rate of jumping, and their mean. While rows come as
    they came before, that of one score ever exceeds 1 / level with a chance of at most `level`
    (Ville's inequality), exactly and at any number of rows. Of the mean over several scores this
    is not proven: each is a martingale with respect to its own p-values, and those of one score
    need not be uniform given those of another (Choe and Ramdas 2024, Combining evidence across
    filtrations). Its expectation is 1 at every row, and its false alarms stayed within the level
    in our study (``docs/monitoring.md``). While a score has had one value only, nothing is bet on
    it: its p-values would be ties split at random and nothing else.

    Parameters
    ----------
    level : float
        Chance of a false alarm, ever.
    every : int
        Rows between two entries of `path`.
    past : tuple of ndarray
        All earlier values of each score, sorted.
    capital, log_capital : ndarray
        Of each martingale.
    random : dict
        State of the generator that splits ties.
    n : int
        Rows that were tested.
    evidence, largest : float
        Log of the mean martingale now, and at its largest.
    lowest, lowest_at : float and int
        Where it was lowest, from which it rose.
    raised_at, onset : int or None
        The row that raised the alarm, and the row after which evidence had only risen.
    path : tuple of float
        Log evidence after every so many rows.
    """

    level: float
    every: int
    past: tuple[FloatArray, ...]
    capital: FloatArray
    log_capital: FloatArray
    random: dict[str, Any]
    n: int = 0
    evidence: float = 0.0
    largest: float = 0.0
    lowest: float = 0.0
    lowest_at: int = 0
    raised_at: int | None = None
    onset: int | None = None
    path: tuple[float, ...] = ()

    @classmethod
    def silent(
        cls,
        n_scores: int,
        *,
        level: float,
        every: int,
        seed: int | tuple[int, ...],
        past: FloatArray | None = None,
    ) -> DriftAlarm:
        """Start without evidence.

        Parameters
        ----------
        n_scores : int
        level : float
        every : int
        seed : int or tuple of int
        past : ndarray of shape (m, n_scores), optional
            Scores of a reference: drift away from it counts from the first row on.
        """
        known = np.empty((0, n_scores)) if past is None else np.sort(past, axis=0)
        return cls(
            level=level,
            every=every,
            past=tuple(known.T),
            capital=starting_capital(n_scores),
            log_capital=np.zeros((n_scores, len(JUMPS))),
            random=dict(np.random.default_rng(seed).bit_generator.state),
        )

    @property
    def p_value(self) -> float:
        """Anytime-valid p-value against exchangeability: 1 over the largest evidence."""
        return float(np.exp(-max(self.largest, 0.0)))

    def after(self, scores: FloatArray) -> DriftAlarm:
        """Take in rows in the order in which they came.

        Parameters
        ----------
        scores : ndarray of shape (n, n_scores)
        """
        if not len(scores):
            return self
        rng = np.random.default_rng()
        rng.bit_generator.state = self.random
        ties = rng.random(scores.shape)
        columns = list(zip(self.past, scores.T, ties.T, strict=True))
        p_values = np.column_stack(
            [
                np.where(varied_before(past, new), online_p_values(past, new, tie), _NO_BET)
                for past, new, tie in columns
            ]
        )

        capital, logs = play(self.capital, self.log_capital, p_values)
        return replace(
            self,
            past=tuple(merge_sorted(past, new) for past, new, _ in columns),
            capital=capital,
            log_capital=logs[-1],
            random=dict(rng.bit_generator.state),
            **self._followed(log_mean(logs)),
        )

    def _followed(self, evidence: FloatArray) -> dict[str, Any]:
        """Follow the evidence row by row."""
        rows = self.n + np.arange(1, len(evidence) + 1)
        lows = np.minimum.accumulate(np.concatenate([[self.lowest], evidence]))
        fell = evidence < lows[:-1]
        low_at = np.maximum.accumulate(np.where(fell, rows, self.lowest_at))
        raised_at, onset = self.raised_at, self.onset
        loud = np.flatnonzero(evidence >= -np.log(self.level))
        if raised_at is None and loud.size:
            raised_at, onset = int(rows[loud[0]]), int(low_at[loud[0]])
        return {
            "n": int(rows[-1]),
            "evidence": float(evidence[-1]),
            "largest": max(self.largest, float(evidence.max())),
            "lowest": float(lows[-1]),
            "lowest_at": int(low_at[-1]),
            "raised_at": raised_at,
            "onset": onset,
            "path": (*self.path, *evidence[rows % self.every == 0].tolist()),
        }
