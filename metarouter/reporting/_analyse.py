"""Analyse a table of labels: checks, bias, and what routers gain on labels they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, cast

import numpy as np

from metarouter.datasets import LabelledQueries
from metarouter.evaluation import default_routers
from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference import (
    LIMITS,
    MINIMA,
    DoublyRobustGains,
    HeldOutPredictions,
    LabelOptions,
    LabelPlan,
    MeanShiftTest,
    SortedGroupEffects,
    best_linear_projection,
    check_data,
    compare_all_pairs,
    cost_quality_band,
    doubly_robust_gains,
    efficiency_gain_band,
    mean_shift_test,
    plan_labels,
    rank_weighted_effects,
    sorted_group_effects,
    toc_band,
)
from metarouter.inference._limits import scarce
from metarouter.inference.labels import LabelTable, scaled_labels
from metarouter.judging import JudgeProfile
from metarouter.nuisance import ALL_NUISANCES
from metarouter.overlap_region import OverlapRegion
from metarouter.reporting._document import Unanswered
from metarouter.reporting._held_out_routers import (
    FIRST_TRAINING_FOLDS,
    HeldOutRouters,
    held_out_routers,
)
from metarouter.reporting._routing_analysis import (
    ReportSettings,
    RoutingAnalysis,
    RoutingResults,
)
from metarouter.reporting.certified_router import CertifiedRouter, certify_router
from metarouter.routing import GivenCost, ThresholdRouter
from metarouter.utils.arguments import validated
from metarouter.utils.groups import count_groups
from metarouter.utils.style import router_label

_Result = TypeVar("_Result")


def attempt(compute: Callable[[], _Result]) -> _Result | Unanswered:
    """Compute, or take down why the labels do not allow it; a wrong setting is no such reason."""
    try:
        return compute()
    except MetaRouterError as error:
        if isinstance(error, BudgetError) or error.parameter is not None:
            raise
        return Unanswered(str(error))


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
    """
    inside, level, router = held_out.fold >= 0, settings.level, settings.router
    tested = queries.subset(inside)
    all_ranks = {name: rank[inside] for name, rank in held_out.ranks().items()}
    rows = tested.has_gold
    ranks = {name: rank[rows] for name, rank in all_ranks.items()}
    gold, rank = tested.gold[rows], ranks[router]
    on_gold: dict[str, Any] = {
        "level": level,
        "random_state": settings.seed,
        "sample_weight": None if tested.weight is None else tested.weight[rows],
        "groups": None if tested.groups is None else tested.groups[rows],
    }
    effects = rank_weighted_effects(gold, rank, **on_gold)
    scores: DoublyRobustGains | Unanswered | None = None
    everywhere: Any = None
    if not rows.all():
        psi_hat = held_out.gains[router][inside]
        scores = everywhere = attempt(lambda: _scores(tested, settings, psi_hat))
    if isinstance(scores, DoublyRobustGains):
        everywhere = rank_weighted_effects(
            scores, all_ranks[router], level=level, random_state=settings.seed
        )
    return RoutingResults(
        n_gold=int(rows.sum()),
        n_queries=tested.n_queries,
        gain=efficiency_gain_band(gold, rank, **on_gold),
        toc=toc_band(gold, rank, **on_gold),
        others={
            name: efficiency_gain_band(gold, other, method="influence", **on_gold)
            for name, other in ranks.items()
            if name != router
        },
        cost_quality=_cost_quality(tested, rank, on_gold),
        effects=effects,
        scores=scores,
        effects_everywhere=everywhere,
        pairs=compare_all_pairs(
            gold, {router_label(name): other for name, other in ranks.items()}, **on_gold
        ),
        certified=certified,
        area_plan=attempt(
            lambda: _area_plan(
                tested if scores is None or isinstance(scores, Unanswered) else scores,
                settings,
                all_ranks[router],
                effects,
            )
        ),
    )


def _scores(queries: LabelledQueries, settings: ReportSettings, psi_hat: Any) -> DoublyRobustGains:
    drawn = settings.propensity == "constant"
    options = settings.options
    return doubly_robust_gains(
        queries,
        options.pop("nuisances").set_params(method="cv"),
        gold_outcome=psi_hat,
        propensity=queries.n_gold / queries.n_queries if drawn else None,
        **options,
    )


def _cost_quality(queries: LabelledQueries, rank: Any, on_gold: dict[str, Any]) -> Any:
    if queries.cost_primary is None or queries.cost_alternative is None:
        return None
    rows = queries.has_gold
    alternative = queries.cost_alternative[rows]
    extra = queries.cost_primary[rows] - alternative
    return attempt(
        lambda: cost_quality_band(
            queries.gold[rows], rank, extra, alternative_cost=alternative, **on_gold
        )
    )


def _area_plan(pilot: Any, settings: ReportSettings, rank: Any, effects: Any) -> LabelPlan:
    area = effects.effect("area")
    width = (area.upper - area.lower) / 2
    if not width > 0:
        raise DataError(effects.reason)
    return plan_labels(
        pilot,
        quantity="area",
        psi_hat=rank,
        half_width=width / 2,
        **settings.prices,
        **settings.options,
    )


_MOST_FEATURES = 20
_META_ROUTERS = ("dr_learner", "r_learner")
_MEAN_SHIFTS: tuple[Any, ...] = ("paired", "aipw", "overlap", "difference")


@validated()
def analyse(
    queries: LabelledQueries,
    settings: ReportSettings | None = None,
    *,
    certified: CertifiedRouter | Unanswered | None = None,
    judges: Sequence[JudgeProfile] = (),
) -> RoutingAnalysis:
    """Check a table of labels, estimate the bias, and measure what routing gains.

    Parameters
    ----------
    queries : LabelledQueries
        With features as numbers, and labels of both sources.
    settings : ReportSettings, optional
    certified : CertifiedRouter or Unanswered, optional
        The router that will be deployed, with its threshold, of `certify_router`. By default the
        router of the settings, at unit cost, is certified on two fifths of the queries.
    judges : sequence of JudgeProfile, default=()
        What is known of those who gave the preference labels, of `metarouter.judging`.

    Returns
    -------
    RoutingAnalysis
        Questions for which there are too few labels are INCONCLUSIVE or `Unanswered`, and say how
        many would do.

    Raises
    ------
    DataError
        If labels are malformed, a source has no label at all, or no feature varies.
    BudgetError
        If a demand on the threshold is out of range.
    MetaRouterError
        If there are fewer than three folds.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> from metarouter.datasets import make_judged_queries
    >>> queries = make_judged_queries(400, 6, gold_share=0.3, random_state=0)
    >>> found = analyse(queries, ReportSettings(regressor=Ridge(), propensity="constant"))
    >>> print(found.diagnostics.overlap.verdict, found.routing.n_gold)
    PASS 75
    """
    settings = ReportSettings() if settings is None else settings
    _ = settings.constraints  # a limit out of range is refused before anything is fitted
    if settings.folds < FIRST_TRAINING_FOLDS + 1:
        raise MetaRouterError(
            f"folds={settings.folds} leaves no queries to test routers on: the first "
            f"{FIRST_TRAINING_FOLDS} only train, so give at least {FIRST_TRAINING_FOLDS + 1}."
        )
    _some_feature_varies(queries)
    shared = _shared(queries, settings)
    held_out = attempt(lambda: predictions(queries, settings))
    of_labels = None
    if not isinstance(held_out, Unanswered):
        of_labels = _of_labels(held_out, queries, settings)
    diagnostics = check_data(
        queries,
        model=of_labels if _tell_queries_apart(of_labels) else None,
        # Where every query carries both labels nothing can differ between the sources.
        benchmark=None if queries.n_paired == queries.n_queries else "auto",
        **shared,
    )
    main, rows = diagnostics.mean_shift, queries.training_rows()
    region: OverlapRegion | Unanswered | None = None
    if settings.propensity != "constant":
        region = attempt(
            lambda: OverlapRegion(random_state=settings.seed).fit(rows.X, rows.is_gold)
        )
    groups: SortedGroupEffects | Unanswered
    routing: RoutingResults | Unanswered
    if isinstance(held_out, Unanswered):
        groups = routing = held_out
    else:
        predicted = held_out
        groups = attempt(lambda: sorted_group_effects(queries, of_labels, **shared))
        chosen: CertifiedRouter | Unanswered = (
            attempt(lambda: _certified(queries, settings)) if certified is None else certified
        )
        routing = attempt(lambda: routing_results(queries, predicted, settings, chosen))
    return RoutingAnalysis(
        queries=queries,
        settings=settings,
        diagnostics=diagnostics,
        judges=tuple(judges),
        mean_shifts={
            method: main
            if method == main.method
            else attempt(partial(mean_shift_test, queries, method=method, **shared))
            for method in _MEAN_SHIFTS
        },
        shift_plan=attempt(lambda: _shift_plan(queries, settings, shared, main)),
        projection=attempt(
            lambda: best_linear_projection(queries, _projected_on(queries), **shared)
        ),
        sorted_groups=groups,
        held_out=held_out,
        routing=routing,
        overlap_region=region,
    )


def _some_feature_varies(queries: LabelledQueries) -> None:
    """Refuse queries that are all alike: bands without width would seem certain of something."""
    n, d = queries.X.shape
    if (np.asarray(queries.X) == np.asarray(queries.X)[:1]).all():
        raise DataError(
            f"The features of {queries.name} tell no queries apart: each of the {d} has one value "
            f"in all {n} rows; describe the queries by something that varies."
        )


def _shared(queries: LabelledQueries, settings: ReportSettings) -> dict[str, Any]:
    """Return what all checks share: one set of nuisances, fitted once where labels allow it."""
    options = settings.options | {"scaling": settings.scaling}
    if min(queries.n_gold, queries.n_preference) >= MINIMA["gold_rows"].count:
        table = LabelTable(queries, cast(LabelOptions, options))
        options["nuisances"] = table.nuisances(*ALL_NUISANCES)
    return options


def _certified(queries: LabelledQueries, settings: ReportSettings) -> CertifiedRouter:
    """Certify the router of the settings, which weighs costs where there are some."""
    model = _routers(settings, settings.scaling)[settings.router]
    columns = {"cost_primary": queries.cost_primary, "cost_alternative": queries.cost_alternative}
    costs = {name: column for name, column in columns.items() if column is not None}
    known = len(costs) == len(columns)
    return certify_router(
        ThresholdRouter(model, cost=GivenCost() if known else None, models=settings.models),
        queries,
        settings.constraints,
        delta=settings.delta,
        level=settings.level,
        nuisances=settings.recipe.set_params(method="cv"),
        gold_at_random=settings.propensity == "constant",
        cost_inputs=costs if known else None,
        random_state=settings.seed,
    )


def _routers(settings: ReportSettings, scaling: Any = None) -> dict[str, Any]:
    """Return unfitted routers by name; without scaling, for labels on one scale."""
    routers = default_routers(
        settings.regressor,
        final=settings.regressor,
        propensity="constant" if settings.propensity == "constant" else None,
        cv=settings.folds,
        method=settings.method,
        scaling=scaling,
        calibrate=True,
        adaptive=True,
    )
    return {
        name: router.set_params(random_state=settings.seed, n_jobs=settings.n_jobs)
        for name, router in routers.items()
    }


def _tell_queries_apart(held_out: HeldOutPredictions | None) -> bool:
    """Whether there are predicted differences that could be checked."""
    if held_out is None:
        return False
    taken = held_out.fold[held_out.fold >= 0]
    return all(
        any(np.ptp(column[held_out.fold == number]) > 1e-9 for number in np.unique(taken))
        for column in (held_out.shift, held_out.gain)
    )


def predictions(queries: LabelledQueries, settings: ReportSettings) -> HeldOutRouters:
    """Predict labels by routers that have not seen them.

    One factor brings all gold labels to the preference scale, whatever the fold: the checks of
    the predictions use the same.
    """
    minimum = MINIMA["gold_rows_held_out"]
    for kind, there in (("gold", queries.n_gold), ("preference", queries.n_preference)):
        if minimum.missing(there):
            raise DataError(
                f"{scarce(there, f'{kind} labels')} to fit routers on some and to check them on "
                f"others; {minimum.count} would do."
            )
    factor = scaled_labels(queries, settings.scaling).factor
    scaled = replace(queries, gold=factor * queries.gold)
    found = held_out_routers(
        scaled, _routers(settings), settings.folds, settings.seed, scheme="forward"
    )
    return replace(found, gains={name: gain / factor for name, gain in found.gains.items()})


def _of_labels(
    held_out: HeldOutRouters, queries: LabelledQueries, settings: ReportSettings
) -> HeldOutPredictions:
    """Return the predictions of the learner of the bias, one per label, on the preference scale."""
    # The bias is looked for by a learner of it, whichever router is recommended.
    name = settings.router if settings.router in _META_ROUTERS else _META_ROUTERS[0]
    query = queries.training_rows().query
    factor = scaled_labels(queries, settings.scaling).factor
    return HeldOutPredictions(
        held_out.shifts[name][query],
        factor * held_out.gains[name][query],
        held_out.fold[query],
        held_out.scheme,
    )


def _projected_on(queries: LabelledQueries) -> Any:
    if queries.domain is not None and count_groups(queries.domain) > 1:
        return "domain"
    if queries.text is not None:
        import pandas as pd

        letters = [max(1, len(str(text))) for text in queries.text]
        return pd.DataFrame({"doublings of the query's length": np.log2(letters)})
    if queries.X.shape[1] > _MOST_FEATURES:
        raise MetaRouterError(
            f"A projection on all {queries.X.shape[1]} features could not be read: name a column "
            "of domains to see the shift in each."
        )
    return None


def _shift_plan(
    queries: LabelledQueries,
    settings: ReportSettings,
    shared: dict[str, Any],
    test: MeanShiftTest,
) -> LabelPlan:
    sd = test.unit if np.isfinite(test.unit) and test.unit > 0 else 1.0
    difference = LIMITS["mean_shift"].passes * sd
    return plan_labels(
        queries, quantity="mean_shift", difference=difference, **settings.prices, **shared
    )
