"""The features of a query that models' scores are linear in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

__all__ = ["QueryFeatures"]


@dataclass(frozen=True)
class QueryFeatures:
    """Centred features, or their leading principal components, of mean square length 1, and a one.

    With this length a slope of standard deviation tau moves a score by tau from query to query.

    Parameters
    ----------
    centre : ndarray of shape (d,)
    projection : ndarray of shape (d, m)
    """

    centre: FloatArray
    projection: FloatArray

    @classmethod
    def learn(cls, X: NDArray[Any], n_components: int | None) -> QueryFeatures:
        """Learn from training queries, shape (n, d)."""
        X = np.asarray(X, dtype=np.float64)
        centre = X.mean(axis=0)
        scatter = (X - centre).T @ (X - centre) / len(X)
        projection = np.eye(X.shape[1])
        if n_components is not None and n_components < X.shape[1]:
            projection = np.linalg.eigh(scatter)[1][:, : -n_components - 1 : -1]
            # An eigenvector has no sign of its own: its largest entry is made positive.
            largest = np.abs(projection).argmax(axis=0)
            projection = projection * np.sign(projection[largest, np.arange(n_components)])
        length = np.sqrt(np.trace(projection.T @ scatter @ projection))
        return cls(centre, projection / (length if length > 0 else 1.0))

    def __call__(self, X: NDArray[Any]) -> FloatArray:
        """Return features of shape (n, m + 1), the first of which is 1."""
        features = (np.asarray(X, dtype=np.float64) - self.centre) @ self.projection
        return np.column_stack([np.ones(len(features)), features])
