"""What a fitted router sorts queries by."""

from __future__ import annotations

from typing import Any

import numpy as np

from metarouter.utils.columns import FloatArray

__all__ = ["routing_score"]


def routing_score(model: Any, X: Any) -> FloatArray:
    """Score queries by ``decision_function`` where there is one, else by psi-hat.

    The decision function of a ``ThresholdRouter`` is the gain minus the priced extra cost.

    Parameters
    ----------
    model : fitted router or regressor
    X : array-like of shape (n, d)

    Returns
    -------
    ndarray of shape (n,)
    """
    if hasattr(model, "decision_function"):
        return np.asarray(model.decision_function(X), dtype=np.float64)
    return np.asarray(model.predict(X), dtype=np.float64)
