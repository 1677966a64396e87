"""What is looked at in an embedding to see whether queries have changed."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from metarouter.inference.monitoring._alarm import DriftAlarm

__all__ = ["EmbeddingDrift", "EmbeddingMap"]

FloatArray = NDArray[np.float64]


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

    @property
    def n_scores(self) -> int:
        """Number of scores of a query."""
        return len(self.axes) + 2

    def scores(self, X: FloatArray) -> FloatArray:
        """Return scores of shape (n, n_scores)."""
        centred = np.ascontiguousarray(X - self.mean)
        # Row by row: products of matrices round differently for different numbers of rows, and
        # equal queries must have equal scores in whichever batch they come.
        along = np.array([self.axes @ row for row in centred]).reshape(len(X), len(self.axes))
        within = (along**2).sum(axis=1)
        beyond = (centred**2).sum(axis=1) - ((along * self.spread) ** 2).sum(axis=1)
        # What rounding leaves where the components span everything is no distance.
        floor = 1e-9 * (centred**2).sum(axis=1)
        return np.column_stack([along, within, np.where(beyond > floor, beyond, 0.0)])


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
    waiting: FloatArray
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
        learned = EmbeddingMap.learn(X[order[:half]], self.n_components)
        return replace(
            self, map=learned, alarm=self._silent(learned, learned.scores(X[order[half:]]))
        )

    def after(self, X: FloatArray) -> EmbeddingDrift:
        """Take in queries, shape (n, d), in the order in which they came."""
        if self.map is not None and self.alarm is not None:
            return replace(self, alarm=self.alarm.after(self.map.scores(X)))
        missing = self.rows_to_come
        seen = np.concatenate([self.waiting, X[:missing]]) if len(self.waiting) else X[:missing]
        if len(seen) < self.burn_in:
            return replace(self, waiting=seen)
        learned = EmbeddingMap.learn(seen, self.n_components)
        ready = replace(
            self,
            waiting=seen[:0],
            map=learned,
            alarm=self._silent(learned),
            skipped=len(seen),
        )
        return ready.after(X[missing:]) if len(X) > missing else ready

    def _silent(self, learned: EmbeddingMap, past: FloatArray | None = None) -> DriftAlarm:
        return DriftAlarm.silent(
            learned.n_scores, level=self.level, every=self.every, seed=self.seed, past=past
        )
