"""Learn a router from a user's table, check it on queries it has not seen, and save it."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from metarouter.cli._budgets import check_constraints, constraints_of
from metarouter.cli._choices import Learner, Propensity, Shift
from metarouter.cli._costs import WeighedCosts, costs_of_table, needed_inputs
from metarouter.cli._fit_summary import FittedRouter, print_fit_summary
from metarouter.cli._learners import encoder_of, nuisance_method, scaling_of, shift_of
from metarouter.cli._out_of_fold import OutOfFold, predict_out_of_fold
from metarouter.cli._tables import with_named_columns
from metarouter.cli.console import console
from metarouter.cli.fit import FitSettings
from metarouter.cli.outputs import output_file
from metarouter.datasets import LabelledQueries
from metarouter.exceptions import BudgetError, DataError
from metarouter.inference.labels import too_few_to_cross_fit
from metarouter.nuisance import Nuisances
from metarouter.reporting.certified_router import CertifiedRouter, certify_router, fit_router
from metarouter.routing import (
    AdaptiveMetaRouter,
    MetaRouter,
    ThresholdRouter,
    TunedThreshold,
    UnitCost,
    save_router,
    tune_threshold,
)
from metarouter.utils.progress import stages

if TYPE_CHECKING:
    from metarouter.cli.report import ReportOptions

__all__ = ["certified_router", "new_router", "options_for_route", "run_fit"]


def run_fit(settings: FitSettings) -> None:
    """Read, fit, check, tune or certify, save and report."""
    delta = check_constraints(settings)
    settings.cost_model()
    output_file(settings.out, suffixes=(".skops",))
    # Trees use every core by themselves; threads of BLAS beside them only wait for each other.
    with stages() as begin, threadpool_limits(limits=1, user_api="blas"):
        fitted, why_not = _fitted(settings, delta, begin)
    print_fit_summary(
        console(),
        fitted,
        why_not=why_not,
        out=settings.out,
        route_options=options_for_route(settings),
    )


def _fitted(
    settings: FitSettings, delta: float | None, begin: Callable[[str], None]
) -> tuple[FittedRouter, str]:
    """Return the router, saved, and why it was not checked out of fold, if it was not."""
    begin("reading the table")
    queries = with_named_columns(
        settings.read(settings.table, gold_alone=True, **settings.columns())
    )
    costs = costs_of_table(settings, queries, needed=settings.max_cost is not None)
    _check_labels(queries, settings.folds)
    unfitted = new_router(settings, queries, costs)

    begin("fitting")
    certified = None
    if delta is not None:
        certified = certified_router(settings, unfitted, queries, costs, delta)
        rows = queries.subset(~certified.held_back).training_rows()
        router = certified.router
        if not certified.threshold.is_certified:
            raise BudgetError(f"No router is saved. {certified.threshold.reason}")
    else:
        rows = queries.training_rows()
        router = fit_router(unfitted, rows)
    held_out, why_not = None, "switched off by --no-check"
    if settings.check:
        why_not = too_few_to_cross_fit(queries, settings.folds)
        if not why_not:
            begin(f"checking on {settings.folds} folds")
            held_out = predict_out_of_fold(queries, settings.folds, settings.seed, unfitted)
    tuned = None
    if certified is None and (budget := constraints_of(settings)):
        tuned = _tune(router, queries, costs, held_out, budget)
        router = tuned.apply(router)
    save_router(router, settings.out)
    return FittedRouter(router, queries, rows, costs, held_out, tuned, certified), why_not


def certified_router(
    settings: FitSettings | ReportOptions,
    unfitted: Any,
    queries: LabelledQueries,
    costs: WeighedCosts | None,
    delta: float,
    constraints: dict[str, float] | None = None,
) -> CertifiedRouter:
    """Fit a router on some queries and certify it on the others, as the options say."""
    return certify_router(
        unfitted,
        queries,
        constraints or constraints_of(settings),
        delta=delta,
        level=getattr(settings, "level", 0.95),
        nuisances=Nuisances(
            propensity="constant" if settings.propensity is Propensity.constant else None,
            cv=settings.folds,
            random_state=settings.seed,
            n_jobs=settings.n_jobs,
        ),
        gold_at_random=settings.propensity is Propensity.constant,
        cost_inputs=None if costs is None else costs.inputs,
        random_state=settings.seed,
    )


def new_router(
    settings: FitSettings | ReportOptions, queries: LabelledQueries, costs: WeighedCosts | None
) -> Any:
    """Return the unfitted router: an encoder where queries are text, then the threshold rule."""
    grouped = queries.groups is not None or queries.n_paired > 0
    method = nuisance_method(settings.method, Learner.forest, grouped=grouped)
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
    if queries.n_preference == 0:
        model = MetaRouter(sources="gold", random_state=settings.seed, n_jobs=settings.n_jobs)
    elif settings.shift is Shift.adaptive:
        model = AdaptiveMetaRouter(random_state=settings.seed, n_jobs=settings.n_jobs)
    router = ThresholdRouter(
        model,
        cost=UnitCost() if costs is None else costs.model,
        w=getattr(settings, "w", None) or 0.0,
        models=(settings.alternative, settings.primary),
    )
    if settings.text is None:
        return router
    return Pipeline([("encoder", encoder_of(settings.encoder, settings.seed)), ("router", router)])


def _check_labels(queries: LabelledQueries, folds: int) -> None:
    """Refuse a label without a second one of its kind: nothing can be learned from it."""
    for kind, there in (("gold", queries.n_gold), ("preference", queries.n_preference)):
        if there == 1:
            raise DataError(
                f"1 {kind} label is too few to fit a router; give at least {folds}, one for each "
                "of the --folds."
            )


def _tune(
    router: Any,
    queries: LabelledQueries,
    costs: WeighedCosts | None,
    held_out: OutOfFold | None,
    budget: dict[str, float],
) -> TunedThreshold:
    """Tune w on predictions of routers that have not seen the query, where there are any."""
    inputs: dict[str, Any] = {} if costs is None else costs.inputs
    if held_out is None:
        return tune_threshold(router, queries.X, **budget, **inputs)
    return held_out.tune(budget, UnitCost() if costs is None else costs.model, inputs)


def options_for_route(settings: FitSettings | ReportOptions) -> str:
    """Return the options that tell `metarouter route` where costs stand, if any are weighed."""
    cost = settings.cost_model()
    asked = settings.columns_of(cost) if cost is not None else {}
    needed = [name for name in needed_inputs(cost) if name in asked]
    words = [word for name in needed for word in (f"--{name.replace('_', '-')}", asked[name])]
    return "".join(f" {shlex.quote(word)}" for word in words)
