"""What of a fitted router is worth storing."""

from __future__ import annotations

import copy
import warnings
from typing import Any

from sklearn.base import BaseEstimator

from metarouter.nuisance import Nuisances
from metarouter.overlap_region import OverlapRegion
from metarouter.routing.meta_router import MetaRouter
from metarouter.shift import EconMLShift, KnownShift
from metarouter.shift.base import ShiftLearner

__all__ = ["lean"]


def lean(router: Any) -> Any:
    """Copy a fitted router without what it remembers of single training rows.

    Estimators are copied, their arrays are shared with the original.

    Parameters
    ----------
    router : estimator
        Fitted; it is not changed.

    Returns
    -------
    estimator
        Predicts the same.
    """
    return _slim(router, {})


def _slim(node: Any, copies: dict[int, Any]) -> Any:
    if isinstance(node, list | tuple):
        slim_items = [_slim(item, copies) for item in node]
        # Named tuples and other kinds of sequence hold no estimators.
        return type(node)(slim_items) if type(node) in (list, tuple) else node
    if not isinstance(node, BaseEstimator) or isinstance(node, type):
        return node
    if id(node) not in copies:
        slim = object.__new__(type(node))
        copies[id(node)] = slim
        state = _worth_storing(node)
        slim.__dict__.update({name: _slim(value, copies) for name, value in state.items()})
    return copies[id(node)]


def _worth_storing(estimator: BaseEstimator) -> dict[str, Any]:
    state = dict(vars(estimator))
    if "_metadata_request" in state:
        state["_metadata_request"] = _without_owner(state["_metadata_request"], estimator)
    if isinstance(estimator, MetaRouter) and _is_foreign(estimator.shift):
        warnings.warn(
            f"The shift of this router ({type(estimator.shift).__name__}) is not stored; the saved "
            "router predicts the same gain, and has no shift_.",
            UserWarning,
            stacklevel=2,
        )
        state["shift"] = None
        state.pop("shift_", None)
    if isinstance(estimator, OverlapRegion):
        for per_row in ("ratio_", "in_region_", "weight_"):
            state.pop(per_row, None)
    if isinstance(estimator, ShiftLearner):
        for per_row in ("nuisances_", "in_overlap_"):
            state.pop(per_row, None)
        if isinstance(state.get("nuisances"), Nuisances):
            # Fitted nuisances are data about the training rows; their recipe is not.
            state["nuisances"] = Nuisances(**state["nuisances"].get_params(deep=False))
    return state


def _is_foreign(shift: Any) -> bool:
    return isinstance(shift, EconMLShift) or (
        isinstance(shift, KnownShift) and callable(shift.shift)
    )


def _without_owner(requests: Any, estimator: BaseEstimator) -> Any:
    # The owner serves messages only, a name does for that; an estimator that contains itself cannot
    # be stored.
    plain = copy.copy(requests)
    name = type(estimator).__name__
    plain.__dict__ = {
        key: copy.copy(value) for key, value in vars(requests).items() if key != "owner"
    }
    for request in vars(plain).values():
        request.owner = name
    plain.owner = name
    return plain
