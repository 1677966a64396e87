"""Principal components of query features, before a study."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.decomposition import PCA
from threadpoolctl import threadpool_limits

from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.columns import FloatArray
from metarouter.utils.features import as_floats

__all__ = ["reduce_dimension"]

# Up to this many columns the eigenvectors of the covariance are cheaper than the singular vectors
# of the table.
_FEW_COLUMNS = 1000


@validated()
def reduce_dimension(X: Any, d: int) -> FloatArray:
    """Project query features on their first ``d`` principal components.

    The components are computed on all queries, training and test together, as in Meta-Router
    section 4.1. They use no label, so no evaluation leaks into training; but a router in use must
    project new queries on components that it knows: put a ``PCA`` step into its pipeline.

    Parameters
    ----------
    X : array-like of shape (n, n_features)
        Features of all queries.
    d : int
        Number of components.

    Returns
    -------
    ndarray of shape (n, d)
        Scores of the components, the same at every call.

    Raises
    ------
    DataError
        If the features are not finite numbers, or ``d`` is not between 1 and their rank at most.

    Examples
    --------
    >>> reduce_dimension([[0.0, 0.0], [1.0, 2.0], [2.0, 4.0]], 1).shape
    (3, 1)
    """
    features = as_floats(
        "X", X, "X holds values that are not numbers: encode text as vectors first."
    )
    if features.ndim != 2 or not features.size or not np.isfinite(features).all():
        raise DataError(
            f"X has shape {features.shape} and {int((~np.isfinite(features)).sum())} values that "
            "are not finite: give a table of finite numbers."
        )
    most = min(features.shape)
    if not 1 <= d <= most:
        raise DataError(
            f"d is {d}, but X has {features.shape[0]} queries with {features.shape[1]} features: "
            f"give a number from 1 to {most}."
        )
    solver = "covariance_eigh" if features.shape[1] <= _FEW_COLUMNS else "full"
    # The last bits of a matrix product depend on the number of threads, and a study that was begun
    # with one number of threads must be able to go on with another.
    with threadpool_limits(limits=1):
        return np.ascontiguousarray(PCA(n_components=d, svd_solver=solver).fit_transform(features))
