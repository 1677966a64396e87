"""Learn a router from a user's table, check it on queries it has not seen, and save it."""

from __future__ import annotations

from typing import Any

from sklearn.pipeline import Pipeline

from metarouter.cli._choices import Learner, Propensity, Shift
from metarouter.cli._fit_summary import print_fit_summary
from metarouter.cli._learners import encoder_of, nuisance_method, scaling_of, shift_of
from metarouter.cli._out_of_fold import OutOfFold, predict_out_of_fold
from metarouter.cli._tables import with_named_columns
from metarouter.cli.console import console
from metarouter.cli.fit import FitSettings
from metarouter.cli.outputs import output_file
from metarouter.datasets import LabelledQueries
from metarouter.datasets._labelled_queries import TrainingRows
from metarouter.exceptions import BudgetError, DataError
from metarouter.reporting._held_out_routers import too_few_to_cross_fit
from metarouter.routing import (
    AdaptiveMetaRouter,
    MetaRouter,
    ThresholdRouter,
    TunedThreshold,
    UnitCost,
    save_router,
    tune_threshold,
)
from metarouter.routing._budget import one_budget

__all__ = ["fit_router", "new_router", "run_fit"]


def run_fit(settings: FitSettings) -> None:
    """Read, fit, check, tune, save and report."""
    _check_budget(settings)
    output_file(settings.out, suffixes=(".skops",))
    queries = with_named_columns(settings.read(settings.table))
    _check_labels(queries, settings.folds)
    rows = queries.training_rows()
    unfitted = new_router(settings, rows)
    router = fit_router(unfitted, rows)

    held_out, why_not = None, "switched off by --no-check"
    if settings.check:
        why_not = too_few_to_cross_fit(queries, settings.folds)
        if not why_not:
            held_out = predict_out_of_fold(queries, settings.folds, settings.seed, unfitted)
    tuned = None
    if settings.max_share is not None:
        tuned = _tune(router, queries, held_out, settings.max_share)
        router = tuned.apply(router)
    save_router(router, settings.out)
    print_fit_summary(
        console(), router, queries, rows, held_out, tuned, why_not=why_not, out=settings.out
    )


def new_router(settings: FitSettings, rows: TrainingRows) -> Any:
    """Return the unfitted router: an encoder where queries are text, then the threshold rule."""
    method = nuisance_method(settings.method, Learner.forest, grouped=rows.groups is not None)
    nuisances = {
        "propensity": "constant" if settings.propensity is Propensity.constant else None,
        "cv": settings.folds,
        "method": method,
        "n_jobs": settings.n_jobs,
    }
    model: Any = MetaRouter(
        shift=shift_of(settings.shift, **nuisances),
        scaling=scaling_of(settings.scaling),
        random_state=settings.seed,
        n_jobs=settings.n_jobs,
    )
    if settings.shift is Shift.adaptive:
        model = AdaptiveMetaRouter(random_state=settings.seed, n_jobs=settings.n_jobs)
    router = ThresholdRouter(
        model,
        cost=UnitCost(),
        w=0.0 if settings.w is None else settings.w,
        models=(settings.alternative, settings.primary),
    )
    if settings.text is None:
        return router
    return Pipeline([("encoder", encoder_of(settings.encoder, settings.seed)), ("router", router)])


def fit_router(unfitted: Any, rows: TrainingRows) -> Any:
    """Fit a router, or a pipeline that ends in one, on rows of both sources."""
    given = {
        "is_gold": rows.is_gold,
        "sample_weight": rows.sample_weight,
        "groups": rows.groups,
    }
    prefix = "router__" if isinstance(unfitted, Pipeline) else ""
    return unfitted.fit(rows.X, rows.y, **{f"{prefix}{name}": v for name, v in given.items()})


def _check_budget(settings: FitSettings) -> None:
    if settings.w is not None and settings.max_share is not None:
        raise BudgetError("Both --w and --max-share are given: give one of them.")
    if settings.max_share is not None:
        one_budget({"max_share": settings.max_share})


def _check_labels(queries: LabelledQueries, folds: int) -> None:
    """Refuse a label without a second one of its kind: nothing can be learned from it."""
    for kind, there in (("gold", queries.n_gold), ("preference", queries.n_preference)):
        if there == 1:
            raise DataError(
                f"1 {kind} label is too few to fit a router; give at least {folds}, one for each "
                "of the --folds."
            )


def _tune(
    router: Any, queries: LabelledQueries, held_out: OutOfFold | None, max_share: float
) -> TunedThreshold:
    """Tune w on predictions of routers that have not seen the query, where there are any."""
    if held_out is None:
        return tune_threshold(router, queries.X, max_share=max_share)
    return held_out.tune(max_share)
