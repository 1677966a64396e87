"""An alarm for drift, of whatever scores it is fed with."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.inference.monitoring._conformal import (
    JUMPS,
    log_capital_of_scores,
    log_evidence,
    lowest_so_far,
    merge_sorted,
    online_p_values,
    play,
    starting_capital,
    varied_before,
)

__all__ = ["DriftAlarm"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class DriftAlarm:
    """Evidence that scores stopped coming as they came before.

    One conformal test martingale per score, and the largest of them over their number. While rows
    come as they came before, this ever reaches 1 / level with a chance of at most `level`, exactly,
    at any number of rows, and however the scores depend on each other (`log_evidence`).

    "As they came before" is exchangeability: every order of the rows is as likely as any other, as
    for independent rows of one distribution. Scores must be one and the same function of every
    row, which was fixed without these rows, and ties are split by random numbers of our own.

    A score that has had one value only is bet on, but its capital is not counted before it varies:
    its p-values are ties split at random and nothing else. (Not to bet would be no martingale: that
    a score is about to vary is not known from its p-values.)

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
        Log of the evidence now, and at its largest.
    lowest, lowest_at : ndarray of shape (n_scores,)
        Log of the capital of each score where it was lowest, and after how many rows.
    raised_at, onset : int or None
        The row that raised the alarm, and the row from which the capital of its score rose.
    path : tuple of float
        Log evidence at the start, and after every so many rows.
    """

    level: float
    every: int
    past: tuple[FloatArray, ...]
    capital: FloatArray
    log_capital: FloatArray
    random: dict[str, Any]
    evidence: float
    largest: float
    lowest: FloatArray
    lowest_at: NDArray[np.intp]
    path: tuple[float, ...]
    n: int = 0
    raised_at: int | None = None
    onset: int | None = None

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
        at_start = -float(np.log(n_scores))
        return cls(
            level=level,
            every=every,
            past=tuple(known.T),
            capital=starting_capital(n_scores),
            log_capital=np.zeros((n_scores, len(JUMPS))),
            random=dict(np.random.default_rng(seed).bit_generator.state),
            evidence=at_start,
            largest=at_start,
            lowest=np.zeros(n_scores),
            lowest_at=np.zeros(n_scores, dtype=np.intp),
            path=(at_start,),
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
        p_values = np.column_stack([online_p_values(*column) for column in columns])
        varied = np.column_stack([varied_before(past, new) for past, new, _ in columns])
        capital, logs = play(self.capital, self.log_capital, p_values)
        return replace(
            self,
            past=tuple(merge_sorted(past, new) for past, new, _ in columns),
            capital=capital,
            log_capital=logs[-1],
            random=dict(rng.bit_generator.state),
            **self._followed(np.where(varied, log_capital_of_scores(logs), 0.0)),
        )

    def _followed(self, log_capital: FloatArray) -> dict[str, Any]:
        """Follow the capital of each score, shape (n, n_scores), and the evidence."""
        evidence = log_evidence(log_capital)
        rows = self.n + np.arange(1, len(evidence) + 1)
        lowest, lowest_at = lowest_so_far(log_capital, self.lowest, self.lowest_at, self.n)
        raised_at, onset = self.raised_at, self.onset
        loud = np.flatnonzero(evidence >= -np.log(self.level))
        if raised_at is None and loud.size:
            raised_at = int(rows[loud[0]])
            onset = int(lowest_at[loud[0], log_capital[loud[0]].argmax()])
        return {
            "n": int(rows[-1]),
            "evidence": float(evidence[-1]),
            "largest": max(self.largest, float(evidence.max())),
            "lowest": lowest[-1],
            "lowest_at": lowest_at[-1],
            "raised_at": raised_at,
            "onset": onset,
            "path": (*self.path, *evidence[rows % self.every == 0].tolist()),
        }
