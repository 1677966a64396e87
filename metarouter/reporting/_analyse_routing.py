"""Measure what routers gain on labels that they have not seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from metarouter.datasets import LabelledQueries
from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference import (
    DoublyRobustGains,
    LabelPlan,
    compare_all_pairs,
    cost_quality_band,
    doubly_robust_gains,
    efficiency_gain_band,
    plan_labels,
    rank_weighted_effects,
    toc_band,
)
from metarouter.nuisance import Nuisances
from metarouter.reporting._held_out_routers import HeldOutRouters
from metarouter.reporting._routing_analysis import (
    ReportSettings,
    RoutingResults,
    Unanswered,
)
from metarouter.reporting.certified_router import CertifiedRouter
from metarouter.utils.style import router_label

_Result = TypeVar("_Result")


def attempt(compute: Callable[[], _Result]) -> _Result | Unanswered:
    """Compute, or take down why the labels do not allow it."""
    try:
        return compute()
    except BudgetError:
        raise
    except MetaRouterError as error:
        return Unanswered(str(error))


def nuisances_of(settings: ReportSettings) -> Nuisances:
    """Return the recipe of the nuisances, unfitted."""
    return Nuisances(
        outcome=settings.regressor,
        propensity="constant" if settings.propensity == "constant" else None,
        cv=settings.folds,
        method=settings.method,
        random_state=settings.seed,
        n_jobs=settings.n_jobs,
    )


def routing_results(
    queries: LabelledQueries,
    held_out: HeldOutRouters,
    settings: ReportSettings,
    certified: CertifiedRouter | Unanswered,
) -> RoutingResults:
    """Measure the recommended router, and compare all.

    Parameters
    ----------
    queries : LabelledQueries
    held_out : HeldOutRouters
        What the routers predict for queries that they have not seen.
    settings : ReportSettings
    certified : CertifiedRouter or Unanswered
        The router with its threshold, as it will be deployed.

    Returns
    -------
    RoutingResults
    """
    tested = queries.subset(held_out.fold >= 0)
    all_ranks = {name: rank[held_out.fold >= 0] for name, rank in held_out.ranks().items()}
    rows = tested.has_gold
    ranks = {name: rank[rows] for name, rank in all_ranks.items()}
    gold, rank = tested.gold[rows], ranks[settings.router]
    seeded: dict[str, Any] = {"level": settings.level, "random_state": settings.seed}
    on_gold = seeded | {
        "sample_weight": None if tested.weight is None else tested.weight[rows],
        "groups": None if tested.groups is None else tested.groups[rows],
    }
    psi_hat = held_out.gains[settings.router][held_out.fold >= 0]
    scores = None if rows.all() else attempt(lambda: _scores(tested, settings, psi_hat))
    effects = rank_weighted_effects(gold, rank, **on_gold)
    return RoutingResults(
        n_gold=int(rows.sum()),
        n_queries=tested.n_queries,
        gain=efficiency_gain_band(gold, rank, **on_gold),
        toc=toc_band(gold, rank, **on_gold),
        others={
            name: efficiency_gain_band(gold, other, method="influence", **on_gold)
            for name, other in ranks.items()
            if name != settings.router
        },
        cost_quality=_cost_quality(tested, rank, on_gold),
        effects=effects,
        scores=scores,
        effects_everywhere=scores
        if scores is None or isinstance(scores, Unanswered)
        else rank_weighted_effects(scores, all_ranks[settings.router], **seeded),
        pairs=compare_all_pairs(
            gold, {router_label(name): other for name, other in ranks.items()}, **on_gold
        ),
        certified=certified,
        area_plan=attempt(
            lambda: _area_plan(tested, settings, all_ranks[settings.router], scores, effects)
        ),
    )


def _scores(queries: LabelledQueries, settings: ReportSettings, psi_hat: Any) -> DoublyRobustGains:
    drawn = settings.propensity == "constant"
    return doubly_robust_gains(
        queries,
        nuisances_of(settings).set_params(method="cv"),
        gold_outcome=psi_hat,
        propensity=queries.n_gold / queries.n_queries if drawn else None,
        level=settings.level,
        random_state=settings.seed,
        n_jobs=settings.n_jobs,
    )


def _cost_quality(queries: LabelledQueries, rank: Any, on_gold: dict[str, Any]) -> Any:
    if queries.cost_primary is None or queries.cost_alternative is None:
        return None
    rows = queries.has_gold
    primary, alternative = queries.cost_primary[rows], queries.cost_alternative[rows]
    return attempt(
        lambda: cost_quality_band(
            queries.gold[rows],
            rank,
            primary - alternative,
            alternative_cost=alternative,
            **on_gold,
        )
    )


def _area_plan(
    tested: LabelledQueries, settings: ReportSettings, rank: Any, scores: Any, effects: Any
) -> LabelPlan:
    area = effects.effect("area")
    width = (area.upper - area.lower) / 2
    if not width > 0:
        raise DataError(effects.reason)
    return plan_labels(
        scores if isinstance(scores, DoublyRobustGains) else tested,
        quantity="area",
        psi_hat=rank,
        half_width=width / 2,
        gold_price=settings.gold_price,
        preference_price=settings.preference_price,
        nuisances=nuisances_of(settings),
        level=settings.level,
        random_state=settings.seed,
        n_jobs=settings.n_jobs,
    )
