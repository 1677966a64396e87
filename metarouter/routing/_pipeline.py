"""A threshold router may stand alone or at the end of a pipeline."""

from __future__ import annotations

import copy
from typing import Any

from sklearn.pipeline import Pipeline

from metarouter.exceptions import MetaRouterError
from metarouter.routing.threshold_router import ThresholdRouter

__all__ = ["final_estimator", "split_router", "with_w"]


def final_estimator(router: Any) -> Any:
    """Return the last step of a pipeline, and any other router itself."""
    return router.steps[-1][1] if isinstance(router, Pipeline) else router


def split_router(router: Any, X: Any) -> tuple[Any, ThresholdRouter]:
    """Encode `X` with the steps before the router, and give the router itself."""
    last = _last(router)
    if isinstance(router, Pipeline) and len(router.steps) > 1:
        return router[:-1].transform(X), last
    return X, last


def with_w(router: Any, w: float) -> Any:
    """Copy `router` with another w; the fitted parts are shared, not copied."""
    return _with(router, "w", w)


def with_cost(router: Any, cost: Any) -> Any:
    """Copy `router` with another cost model; the fitted parts are shared, not copied."""
    return _with(router, "cost", cost)


def _with(router: Any, name: str, value: Any) -> Any:
    last = copy.copy(_last(router))
    setattr(last, name, value)
    if not isinstance(router, Pipeline):
        return last
    tuned = copy.copy(router)
    tuned.steps = [*router.steps[:-1], (router.steps[-1][0], last)]
    return tuned


def _last(router: Any) -> ThresholdRouter:
    last = final_estimator(router)
    if not isinstance(last, ThresholdRouter):
        raise MetaRouterError(
            f"router is a {type(last).__name__}, but only a ThresholdRouter has a threshold, or a "
            "Pipeline that ends in one; wrap the model as ThresholdRouter(model)."
        )
    return last
