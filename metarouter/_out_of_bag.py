"""Out-of-bag predictions of a bootstrapped forest."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from metarouter.exceptions import DataError

__all__ = ["mean_out_of_bag"]


def mean_out_of_bag(forest: Any, X: Any, method: str) -> NDArray[np.float64]:
    """Average a method of the trees over those that did not see a row.

    Parameters
    ----------
    forest : fitted forest with ``bootstrap=True``
    X : array of shape (n, d)
        The very rows, in order, that the forest was fitted on.
    method : {"predict", "predict_proba"}
        Of several columns the last one is taken.

    Returns
    -------
    ndarray of shape (n,)

    Raises
    ------
    DataError
        If some row is in every tree's bag.
    """
    X = np.ascontiguousarray(X, dtype=np.float32)
    total, n_trees = np.zeros(len(X)), np.zeros(len(X))
    for tree, in_bag in zip(forest.estimators_, forest.estimators_samples_, strict=True):
        out = np.ones(len(X), dtype=bool)
        out[in_bag] = False
        prediction = getattr(tree, method)(X[out], check_input=False)
        total[out] += prediction if prediction.ndim == 1 else prediction[:, -1]
        n_trees[out] += 1
    if not n_trees.all():
        raise DataError(
            f"{int((n_trees == 0).sum())} of {len(X)} rows are in the bag of every tree, so they "
            "have no out-of-bag prediction; use more trees (100 are enough) or method='cv'."
        )
    return total / n_trees
