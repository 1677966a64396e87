"""Alarms for drift: conformal test martingales, and the scores of embeddings that they watch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.inference.intervals import FloatArray

SLOPES = np.array([-1.6, -0.8, 0.0, 0.8, 1.6])
JUMPS = np.array([1e-4, 1e-3, 1e-2])
_BLOCK = 128


def online_p_values(past: FloatArray, scores: FloatArray, ties: FloatArray) -> FloatArray:
    """Return for each score the share of those up to it that are larger, ties split at random.

    Parameters
    ----------
    past : ndarray of shape (m,)
        Earlier scores, sorted.
    scores : ndarray of shape (n,)
        New scores, in the order in which they came.
    ties : ndarray of shape (n,)
        Uniform random numbers.

    Returns
    -------
    ndarray of shape (n,)
        Independent and uniform if scores are exchangeable (Vovk, Gammerman & Shafer 2005,
        theorem 8.2).

    Examples
    --------
    >>> online_p_values(np.array([1.0, 2.0]), np.array([3.0, 0.0]), np.array([0.9, 0.0]))
    array([0.3 , 0.75])
    """
    p_values = np.empty(len(scores))
    for start in range(0, len(scores), _BLOCK):
        rows = slice(start, start + _BLOCK)
        block = scores[rows]
        so_far = np.tri(len(block), dtype=bool)
        left, right = (np.searchsorted(past, block, side) for side in ("left", "right"))
        larger = len(past) - right + ((block > block[:, None]) & so_far).sum(axis=1)
        equal = right - left + ((block == block[:, None]) & so_far).sum(axis=1)
        count = len(past) + np.arange(1, len(block) + 1)
        p_values[rows] = (larger + ties[rows] * equal) / count
        past = merge_sorted(past, block)
    return p_values


def merge_sorted(past: FloatArray, new: FloatArray) -> FloatArray:
    """Sort new scores into those that are sorted already."""
    new = np.sort(new)
    return np.insert(past, np.searchsorted(past, new), new)


def starting_capital(*shape: int) -> FloatArray:
    """Return capital of 1, spread evenly over the slopes; the last axes are jumps and slopes."""
    return np.full((*shape, len(JUMPS), len(SLOPES)), 1.0 / len(SLOPES))


def simple_jumper(
    capital: FloatArray, log_capital: FloatArray, p_values: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Bet against the uniformity of p-values, row after row.

    The composite simple jumper: capital sits on bets 1 + slope (p - 1/2), and before each bet a
    share of it jumps to all slopes evenly, so that a change is met by fresh capital at any time.

    Parameters
    ----------
    capital, log_capital : ndarray of shape (..., n_jumps, n_slopes) and (..., n_jumps)
        Of each jumper before the first row: its shares, which add up to 1, and its log.
    p_values : ndarray of shape (n, ...)
        One row of p-values after the other.

    Returns
    -------
    capital, log_capital : ndarray of the same shapes
        After the last row.
    log_mean : ndarray of shape (n, ...)
        After each row, the log of the mean of all jumpers, which bet on the same p-values.

    References
    ----------
    Vovk, Petej, Nouretdinov, Ahlberg, Carlsson & Gammerman (2021), Retrain or not retrain:
    conformal test martingales for change-point detection.
    """
    growth = np.empty((len(p_values), *log_capital.shape))
    for row, p in enumerate(p_values[..., None, None]):
        jumped = (1.0 - JUMPS)[:, None] * capital + (JUMPS / len(SLOPES))[:, None]
        won = jumped * (1.0 + SLOPES * (p - 0.5))
        factor = won.sum(axis=-1)
        capital, growth[row] = won / factor[..., None], np.log(factor)
    logs = np.cumsum(np.concatenate([log_capital[None], growth]), axis=0)[1:]
    return capital, logs[-1], np.logaddexp.reduce(logs, axis=-1) - np.log(len(JUMPS))


def log_evidence(log_capital: FloatArray) -> FloatArray:
    """Return the log of the evidence of several scores: their largest capital over their number.

    Parameters
    ----------
    log_capital : ndarray of shape (..., n_scores)

    Notes
    -----
    If M_k is a martingale that starts at 1, whatever the filtration, it ever reaches K c with a
    chance of at most 1 / (K c) (Ville's inequality). So the largest of K of them, over K, ever
    reaches c with a chance of at most 1 / c, however they depend on each other.

    The mean of the M_k is never smaller, but no martingale where each M_k has a filtration of its
    own (Choe and Ramdas 2024, Combining evidence across filtrations).
    """
    return np.asarray(log_capital.max(axis=-1) - np.log(log_capital.shape[-1]))


def lowest_so_far(
    trajectory: FloatArray, lowest: FloatArray, lowest_at: NDArray[np.intp], n: int
) -> tuple[FloatArray, NDArray[np.intp]]:
    """Follow how low something was, and after which row it was last lower than ever.

    Returns both after each of m more rows, shape (m, ...). Its `trajectory` has that shape too;
    `lowest` and `lowest_at`, of shape (...,), are both after the n rows before.
    """
    lows = np.minimum.accumulate(np.concatenate([lowest[None], trajectory]))
    rows = np.arange(n + 1, n + 1 + len(trajectory)).reshape(-1, *[1] * lowest.ndim)
    fell = np.where(trajectory < lows[:-1], rows, lowest_at)
    return lows[1:], np.maximum.accumulate(fell)


@dataclass(frozen=True)
class DriftAlarm:
    """Evidence that scores stopped coming as they came before.

    One conformal test martingale per score, and the largest of them over their number. While rows
    come as they came before, this ever reaches 1 / level with a chance of at most `level`, exactly,
    at any number of rows, and however the scores depend on each other (`log_evidence`).

    "As they came before" is exchangeability (see `RouterMonitor`). Scores must be one and the same
    function of every row, which was fixed without these rows, and ties are split at random.

    A score that has had one value only is bet on, but its capital is not counted before it varies:
    its p-values are ties split at random and nothing else. (Not to bet would be no martingale: that
    a score is about to vary is not known from its p-values.)

    Parameters
    ----------
    level, every : float and int
        Chance of a false alarm, ever, and rows between two entries of `path`.
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
    def at_start(
        cls, past: FloatArray, *, level: float, every: int, seed: int | tuple[int, ...]
    ) -> DriftAlarm:
        """Start without evidence, after scores of a reference, shape (m, n_scores), if any.

        Drift away from these counts from the first row on.
        """
        n_scores = past.shape[1]
        at_start = -float(np.log(n_scores))
        return cls(
            level=level,
            every=every,
            past=tuple(np.sort(past, axis=0).T),
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

    def trajectory(self) -> FloatArray:
        """Return rows and log10 of the evidence: at the start, now, and at every entry between."""
        rows = self.every * np.arange(len(self.path))
        found = np.column_stack([rows, self.path])
        if self.n > rows[-1]:
            found = np.append(found, [[self.n, self.evidence]], axis=0)
        return found / [1.0, np.log(10.0)]

    def after(self, scores: FloatArray) -> DriftAlarm:
        """Take in scores of shape (n, n_scores), in the order in which their rows came."""
        if not len(scores):
            return self
        rng = np.random.default_rng()
        rng.bit_generator.state = self.random
        ties = rng.random(scores.shape)
        columns = list(zip(self.past, scores.T, ties.T, strict=True))
        p_values = np.column_stack([online_p_values(*column) for column in columns])
        capital, logs, log_mean = simple_jumper(self.capital, self.log_capital, p_values)
        # The capital of a score counts in rows before which it has had two values.
        ends = [past[[0, -1]] if past.size else new[[0, 0]] for past, new, _ in columns]
        before = np.vstack([np.transpose(ends), scores[:-1]])
        varied = np.logical_or.accumulate(before != before[0])[1:]
        log_capital = np.where(varied, log_mean, 0.0)
        lowest, lowest_at = lowest_so_far(log_capital, self.lowest, self.lowest_at, self.n)
        evidence, rows = log_evidence(log_capital), self.n + np.arange(1, len(scores) + 1)
        raised_at, onset = self.raised_at, self.onset
        enough = evidence >= -np.log(self.level)
        if raised_at is None and enough.any():
            first = int(enough.argmax())
            raised_at = int(rows[first])
            onset = int(lowest_at[first, log_capital[first].argmax()])
        return replace(
            self,
            past=tuple(merge_sorted(past, new) for past, new, _ in columns),
            capital=capital,
            log_capital=logs,
            random=dict(rng.bit_generator.state),
            evidence=float(evidence[-1]),
            largest=max(self.largest, float(evidence.max())),
            lowest=lowest[-1],
            lowest_at=lowest_at[-1],
            path=(*self.path, *evidence[rows % self.every == 0].tolist()),
            n=int(rows[-1]),
            raised_at=raised_at,
            onset=onset,
        )


@dataclass(frozen=True)
class EmbeddingMap:
    """Scores of an embedding: its leading principal components, and two distances.

    The distances are that from the mean along the components, in their standard deviations, and
    that from the plane they span. A shift of the mean shows in the components, a new kind of query
    in the distances.

    Parameters
    ----------
    mean : ndarray of shape (d,)
    axes : ndarray of shape (k, d)
        Components, each divided by its standard deviation.
    spread : ndarray of shape (k,)
        Those standard deviations.
    """

    mean: FloatArray
    axes: FloatArray
    spread: FloatArray

    @classmethod
    def learn(cls, X: FloatArray, n_components: int) -> EmbeddingMap:
        """Learn mean and components of reference queries, shape (m, d)."""
        mean = X.mean(axis=0)
        _, size, axes = np.linalg.svd(X - mean, full_matrices=False)
        spread = size / np.sqrt(max(len(X) - 1, 1))
        kept = min(n_components, int((size > 1e-9 * max(size[0], 1e-300)).sum()))
        return cls(mean, axes[:kept] / spread[:kept, None], spread[:kept])

    def scores(self, X: FloatArray) -> FloatArray:
        """Return the k + 2 scores of queries, shape (n, d)."""
        centred = np.ascontiguousarray(X - self.mean)
        # Row by row: products of matrices round differently for different numbers of rows, and
        # equal queries must have equal scores in whichever batch they come.
        along = np.array([self.axes @ row for row in centred]).reshape(len(X), len(self.axes))
        within = (along**2).sum(axis=1)
        size = (centred**2).sum(axis=1)
        beyond = size - ((along * self.spread) ** 2).sum(axis=1)
        # What rounding leaves where the components span everything is no distance.
        return np.column_stack([along, within, np.where(beyond > 1e-9 * size, beyond, 0.0)])


@dataclass(frozen=True)
class EmbeddingDrift:
    """The alarm for embeddings, with the map that it looks through.

    Without reference queries the first `burn_in` of the stream are used to learn the map, and only
    later ones are tested.

    Parameters
    ----------
    burn_in, n_components, seed, every : int
    level : float
    waiting : ndarray of shape (b, d)
        Queries from which the map is yet to be learned.
    map : EmbeddingMap or None
    alarm : DriftAlarm or None
    skipped : int
        Queries of the stream that went into the map and are not tested.
    """

    burn_in: int
    n_components: int
    seed: int
    every: int
    level: float
    waiting: FloatArray = field(default_factory=lambda: np.empty((0, 0)))
    map: EmbeddingMap | None = None
    alarm: DriftAlarm | None = None
    skipped: int = 0

    @property
    def rows_to_come(self) -> int:
        """Queries that are still to come before any is tested."""
        return self.burn_in - len(self.waiting) if self.map is None else 0

    def referring_to(self, X: FloatArray) -> EmbeddingDrift:
        """Compare the stream with reference queries, shape (m, d), from its first row on.

        The map is learned from a random half of them. The others, which it has not seen, are
        exchangeable with queries of the stream that come as the reference did.
        """
        order = np.random.default_rng([self.seed, 1]).permutation(len(X))
        half = len(X) // 2
        return self._learned(X[order[:half]], X[order[half:]])

    def after(self, X: FloatArray) -> EmbeddingDrift:
        """Take in queries, shape (n, d), in the order in which they came."""
        if self.map is not None and self.alarm is not None:
            return replace(self, alarm=self.alarm.after(self.map.scores(X)))
        missing = self.rows_to_come
        waiting = np.concatenate([self.waiting.reshape(-1, X.shape[1]), X[:missing]])
        if len(waiting) < self.burn_in:
            return replace(self, waiting=waiting)
        started = replace(self._learned(waiting, X[:0]), skipped=len(waiting))
        return started.after(X[missing:])

    def _learned(self, X: FloatArray, others: FloatArray) -> EmbeddingDrift:
        """Learn the map from some queries, and compare the stream with others, if there are any."""
        learned = EmbeddingMap.learn(X, self.n_components)
        alarm = DriftAlarm.at_start(
            learned.scores(others), level=self.level, every=self.every, seed=self.seed
        )
        return replace(self, waiting=X[:0], map=learned, alarm=alarm)
