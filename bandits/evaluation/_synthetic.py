"""Synthetic outcomes of models, whose truth is known: the best model depends on the query."""

from __future__ import annotations

import numpy as np

from metarouter.datasets import ModelMatrix

__all__ = ["synthetic_matrix"]

# Log odds of a right answer to a query at the centre, and price of a query of mean length.
_MODELS = {
    "nano": (-0.4, 0.02),
    "small": (0.0, 0.05),
    "coder": (0.2, 0.15),
    "tutor": (0.3, 0.15),
    "large": (1.0, 0.4),
    "giant": (1.4, 0.8),
}


def synthetic_matrix(n_queries: int = 20_000, *, n_features: int = 8, seed: int = 0) -> ModelMatrix:
    """Make queries, and what six models do on them.

    An answer is right, quality 1, with a probability whose log odds are linear in the features;
    every model has a direction of its own. Costs grow with the length of the query, which is
    another matter than its features.

    Parameters
    ----------
    n_queries : int
    n_features : int
    seed : int

    Returns
    -------
    ModelMatrix

    Examples
    --------
    >>> matrix = synthetic_matrix(100)
    >>> matrix.X.shape, matrix.quality.shape
    ((100, 8), (100, 6))
    """
    rng = np.random.default_rng(seed)
    centre, price = np.array(list(_MODELS.values())).T
    direction = rng.normal(size=(len(centre), n_features))
    X = rng.normal(size=(n_queries, n_features)) / np.sqrt(n_features)
    right = 1.0 / (1.0 + np.exp(-(centre + 3.0 * X @ direction.T)))
    length = rng.gamma(4.0, 0.25, size=(n_queries, 1))
    return ModelMatrix(
        X=X,
        quality=(rng.random(right.shape) < right).astype(np.float64),
        cost=price * length,
        models=tuple(_MODELS),
        task=np.full(n_queries, "synthetic"),
        text=np.array([f"query {k}" for k in range(n_queries)], dtype=object),
        name="synthetic",
        notes=("outcomes are drawn from logits that are linear in eight features",),
    )
