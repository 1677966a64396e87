"""What RouterDC contrasts, on arrays or tensors alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Contrast", "contrast_of", "cosine", "embed"]


class Contrast(NamedTuple):
    """The arms of every query that are pulled near and pushed away."""

    positive: Any  # (n, n_top) positions of the best arms
    is_good: Any  # (n, n_top) whether they are any good
    negative: Any  # (n, n_last) positions of the worst arms
    is_bad: Any  # (n, n_last) whether they are bad indeed


def embed(X: Any, parameters: Any) -> Any:
    """Return the representations of queries, shape (n, n_components), of arrays or tensors."""
    hidden = (X @ parameters["hidden"] + parameters["hidden_bias"]).clip(min=0)
    return hidden @ parameters["output"] + parameters["output_bias"]


def cosine(left: Any, right: Any) -> Any:
    """Return the cosines of all pairs of rows, of arrays or tensors."""
    return _unit(left) @ _unit(right).T


def contrast_of(
    utility: NDArray[np.float64], n_top: int, n_last: int, rng: np.random.Generator
) -> Contrast:
    """Choose the arms that each query is contrasted with.

    Parameters
    ----------
    utility : ndarray of shape (n, n_arms)
    n_top, n_last : int
        Arms of equal utility stand in random order.

    Returns
    -------
    Contrast
        A positive arm counts where its utility is above 0, a negative one where it is at most
        0.5, as in the authors' code.
    """
    order = np.lexsort((rng.random(utility.shape), -utility), axis=1)
    positive, negative = order[:, :n_top], order[:, -n_last:]
    return Contrast(
        positive,
        np.take_along_axis(utility, positive, axis=1) > 0.0,
        negative,
        np.take_along_axis(utility, negative, axis=1) <= 0.5,
    )


def _unit(rows: Any) -> Any:
    # Clipped before the root, whose slope at 0 is infinite.
    length = (rows**2).sum(-1).clip(min=1e-16) ** 0.5
    return rows / length[:, None]
