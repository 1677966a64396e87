"""Analyse a table of labels: checks, bias, and what routers gain on labels they have not seen."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar, cast

import numpy as np

from metarouter.datasets import LabelledQueries
from metarouter.evaluation import default_routers
from metarouter.exceptions import BudgetError, DataError, MetaRouterError
from metarouter.inference import (
    DECISION_THRESHOLDS,
    MINIMUM_SAMPLE_SIZES,
    AllPairs,
    BestLinearProjection,
    CalibrationTest,
    CertifiedThreshold,
    Constraint,
    CostQualityBand,
    CurveBand,
    Diagnostics,
    DoublyRobustGains,
    HeldOutPredictions,
    LabelOptions,
    LabelPlan,
    MeanShiftTest,
    RankWeightedEffects,
    SortedGroupEffects,
    best_linear_projection,
    check_data,
    compare_all_pairs,
    cost_quality_band,
    doubly_robust_gains,
    efficiency_gain_band,
    max_share,
    mean_shift_test,
    plan_labels,
    rank_weighted_effects,
    sorted_group_effects,
    toc_band,
)
from metarouter.inference._limits import scarce
from metarouter.inference.guarantees import as_constraints
from metarouter.inference.labels import (
    FIRST_TRAINING_FOLDS,
    HeldOutRouters,
    LabelTable,
    held_out_routers,
    scaled_labels,
)
from metarouter.judging import JudgeProfile
from metarouter.nuisance import ALL_NUISANCES, Nuisances
from metarouter.overlap_region import OverlapRegion
from metarouter.reporting._claims import META_ROUTERS
from metarouter.reporting._document import Unanswered
from metarouter.reporting.certified_router import CertifiedRouter, certify_router
from metarouter.routing import GivenCost, ThresholdRouter
from metarouter.utils.arguments import validated
from metarouter.utils.groups import count_groups
from metarouter.utils.parameters import renamed_parameters
from metarouter.utils.style import router_label

DEFAULT_SHARE = 0.5  # of the queries, where no constraint is named
_MOST_FEATURES = 20  # of a projection that can still be read


@dataclass(frozen=True, kw_only=True)
class ReportSettings:
    """How a table is analysed.

    Parameters
    ----------
    router : str, default="adaptive"
        The router that is recommended, chosen before looking: one of those of
        `metarouter.evaluation.default_routers`, or ``"adaptive"``.
    regressor : regressor, optional
        Learner of every outcome, gain and shift; an extremely randomised forest by default.
    propensity : {"constant", "estimated"}, default="estimated"
        "constant" where the queries with gold labels were drawn at random.
    scaling : {"variance", "max", "wasserstein"} or None, default="variance"
    method : {"cv", "oob"}, default="cv"
        How nuisances are predicted out of sample.
    folds : int, default=5
    level : float, default=0.95
        Of every interval and band.
    models : (str, str), default=("alternative", "primary")
    constraints : sequence of Constraint, or dict of str to float, optional
        What the threshold must keep: constraints, or limits under the names of
        `metarouter.inference.certify_threshold` (``max_share``, ``max_cost``, ``min_gain``, ...).
        Without any, at most half of the queries may go to the primary model.
    delta : float, default=0.1
        Probability with which the constraints may be broken.
    gold_price, preference_price : float, default=1.0 and 0.01
        Of one label, for the plan.
    seed : int, default=0
    n_jobs : int, optional
    described_by : str, default="features of the table"
        How queries became numbers, in words.
    command : str, default=""
        The command that made the report.
    deploy : tuple of str, default=()
        The commands that deploy the recommended threshold.
    """

    router: str = "adaptive"
    regressor: Any = None
    propensity: str = "estimated"
    scaling: Any = "variance"
    method: Literal["cv", "oob"] = "cv"
    folds: int = 5
    level: float = 0.95
    models: tuple[str, str] = ("alternative", "primary")
    constraints: Constraint | Iterable[Constraint] | Mapping[str, float] = ()
    delta: float = 0.1
    gold_price: float = 1.0
    preference_price: float = 0.01
    seed: int = 0
    n_jobs: int | None = None
    described_by: str = "features of the table"
    command: str = ""
    deploy: tuple[str, ...] = ()

    @property
    def options(self) -> dict[str, Any]:
        """Keywords of estimates and plans; the nuisances are not fitted."""
        shared: dict[str, Any] = {"random_state": self.seed, "n_jobs": self.n_jobs}
        nuisances = Nuisances(
            outcome=self.regressor,
            propensity="constant" if self.propensity == "constant" else None,
            cv=self.folds,
            method=self.method,
            **shared,
        )
        return {"nuisances": nuisances, "level": self.level, **shared}

    @property
    def prices(self) -> dict[str, Any]:
        """Prices of labels, as plans take them."""
        return {"gold_price": self.gold_price, "preference_price": self.preference_price}

    @property
    def threshold_constraints(self) -> tuple[Constraint, ...]:
        """The constraints as objects, or that on the share where none is given.

        Raises
        ------
        BudgetError
            If a limit is out of range.
        """
        return as_constraints(self.constraints or max_share(DEFAULT_SHARE))


_with_former_name = renamed_parameters(demands="constraints")
ReportSettings.__init__ = _with_former_name(ReportSettings.__init__)  # type: ignore[method-assign]


@dataclass(frozen=True)
class RoutingResults:
    """What routers gain on gold labels that they have not seen.

    Parameters
    ----------
    n_gold, n_queries : int
        Gold labels, and queries, that were held out.
    gain, toc : CurveBand
        Of the recommended router.
    others : dict of str to CurveBand
        Efficiency gains of the other routers.
    cost_quality : CostQualityBand, Unanswered or None
        None where there are no costs.
    effects : RankWeightedEffects
        On the gold labels.
    effects_everywhere : RankWeightedEffects, Unanswered or None
        On the doubly robust scores of all queries; None where every query has a gold label.
    scores : DoublyRobustGains, Unanswered or None
    pairs : AllPairs
    certified : CertifiedRouter or Unanswered
        The router that learned from some of the queries, with a threshold certified on the others.
    area_plan : LabelPlan or Unanswered
        Labels that would halve the interval of the area.
    """

    n_gold: int
    n_queries: int
    gain: CurveBand
    toc: CurveBand
    others: Mapping[str, CurveBand]
    cost_quality: CostQualityBand | Unanswered | None
    effects: RankWeightedEffects
    effects_everywhere: RankWeightedEffects | Unanswered | None
    scores: DoublyRobustGains | Unanswered | None
    pairs: AllPairs
    certified: CertifiedRouter | Unanswered
    area_plan: LabelPlan | Unanswered

    @property
    def threshold(self) -> CertifiedThreshold | Unanswered:
        """The threshold of the certified router."""
        found = self.certified
        return found if isinstance(found, Unanswered) else found.threshold


@dataclass(frozen=True)
class RoutingAnalysis:
    """A table of labels, analysed.

    Parameters
    ----------
    queries : LabelledQueries
    settings : ReportSettings
    diagnostics : Diagnostics
    mean_shifts : dict of str to MeanShiftTest or Unanswered
        By method: "paired", "aipw", "overlap", "difference".
    shift_plan : LabelPlan or Unanswered
        Labels that would find a mean shift of a tenth of a standard deviation.
    projection : BestLinearProjection or Unanswered
    sorted_groups : SortedGroupEffects or Unanswered
    held_out : HeldOutRouters or Unanswered
        What the routers predict for queries that they have not seen.
    routing : RoutingResults or Unanswered
    judges : tuple of JudgeProfile, default=()
        What is known of those who gave the preference labels.
    overlap_region : OverlapRegion, Unanswered or None
        Where both sources have queries; None where gold queries were drawn at random.
    """

    queries: LabelledQueries = field(repr=False)
    settings: ReportSettings
    diagnostics: Diagnostics
    mean_shifts: Mapping[str, MeanShiftTest | Unanswered]
    shift_plan: LabelPlan | Unanswered
    projection: BestLinearProjection | Unanswered
    sorted_groups: SortedGroupEffects | Unanswered
    held_out: HeldOutRouters | Unanswered = field(repr=False)
    routing: RoutingResults | Unanswered
    judges: tuple[JudgeProfile, ...] = ()
    overlap_region: OverlapRegion | Unanswered | None = None

    @property
    def calibrations(self) -> dict[str, CalibrationTest]:
        """Calibration tests of Delta-hat and psi-hat, by effect."""
        tests = (self.diagnostics.shift_calibration, self.diagnostics.gain_calibration)
        return {test.effect: test for test in tests if test is not None}


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
        router of the settings is certified on two fifths of the queries; it weighs the costs of
        both models where these are known.
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
        If a limit of a constraint is out of range.
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
    settings = settings or ReportSettings()
    _ = settings.threshold_constraints  # a limit out of range is refused before anything is fitted
    if settings.folds < FIRST_TRAINING_FOLDS + 1:
        raise MetaRouterError(
            f"folds={settings.folds} leaves no queries to test routers on: the first "
            f"{FIRST_TRAINING_FOLDS} only train, so give at least {FIRST_TRAINING_FOLDS + 1}."
        )
    _check_features(queries)
    shared = _shared_options(queries, settings)
    held_out = attempt(predictions, queries, settings)
    of_labels = attempt(_of_labels, held_out, queries, settings)
    diagnostics = check_data(
        queries,
        model=of_labels if _tell_queries_apart(of_labels) else None,
        # Where every query carries both labels nothing can differ between the sources.
        benchmark=None if queries.n_paired == queries.n_queries else "auto",
        **shared,
    )
    main, rows, region = diagnostics.mean_shift, queries.training_rows(), None
    if settings.propensity != "constant":
        region = attempt(OverlapRegion(random_state=settings.seed).fit, rows.X, rows.is_gold)
    return RoutingAnalysis(
        queries=queries,
        settings=settings,
        diagnostics=diagnostics,
        judges=tuple(judges),
        mean_shifts={
            method: main
            if method == main.method
            else attempt(mean_shift_test, queries, method=method, **shared)
            for method in ("paired", "aipw", "overlap", "difference")
        },
        shift_plan=attempt(_shift_plan, queries, settings, shared, main),
        projection=attempt(_projection, queries, shared),
        sorted_groups=attempt(sorted_group_effects, queries, of_labels, **shared),
        held_out=held_out,
        routing=attempt(_routing_results, queries, held_out, settings, certified=certified),
        overlap_region=region,
    )


_Result = TypeVar("_Result")


def attempt(compute: Callable[..., _Result], *given: Any, **options: Any) -> _Result | Unanswered:
    """Compute, or take down why the labels do not allow it; a wrong setting is no such reason.

    What rests on an open question, given by position, is open for the same reason.
    """
    for answer in given:
        if isinstance(answer, Unanswered):
            return answer
    try:
        return compute(*given, **options)
    except MetaRouterError as error:
        if isinstance(error, BudgetError) or error.parameter is not None:
            raise
        return Unanswered(str(error))


def _check_features(queries: LabelledQueries) -> None:
    """Refuse queries that are all alike: bands without width would seem certain of something."""
    n, d = queries.X.shape
    if (np.asarray(queries.X) == np.asarray(queries.X)[:1]).all():
        raise DataError(
            f"The features of {queries.name} tell no queries apart: each of the {d} has one value "
            f"in all {n} rows; describe the queries by something that varies."
        )


def _shared_options(queries: LabelledQueries, settings: ReportSettings) -> dict[str, Any]:
    """Return what all checks share: one set of nuisances, fitted once where labels allow it."""
    options = settings.options | {"scaling": settings.scaling}
    if min(queries.n_gold, queries.n_preference) >= MINIMUM_SAMPLE_SIZES["gold_rows"].count:
        table = LabelTable(queries, cast(LabelOptions, options))
        options["nuisances"] = table.nuisances(*ALL_NUISANCES)
    return options


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
    for router in routers.values():
        router.set_params(random_state=settings.seed, n_jobs=settings.n_jobs)
    return routers


def predictions(queries: LabelledQueries, settings: ReportSettings) -> HeldOutRouters:
    """Predict labels by routers that have not seen them; one factor scales all folds."""
    minimum = MINIMUM_SAMPLE_SIZES["gold_rows_held_out"]
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
    name = settings.router if settings.router in META_ROUTERS else META_ROUTERS[0]
    query = queries.training_rows().query
    factor = scaled_labels(queries, settings.scaling).factor
    shift, gain = held_out.shifts[name], factor * held_out.gains[name]
    return HeldOutPredictions(shift[query], gain[query], held_out.fold[query], held_out.scheme)


def _tell_queries_apart(found: HeldOutPredictions | Unanswered) -> bool:
    """Whether there are predicted differences that could be checked."""
    if isinstance(found, Unanswered):
        return False
    folds = [found.fold == number for number in np.unique(found.fold[found.fold >= 0])]
    return all(
        any(np.ptp(column[fold]) > 1e-9 for fold in folds) for column in (found.shift, found.gain)
    )


def _shift_plan(
    queries: LabelledQueries, settings: ReportSettings, shared: dict[str, Any], test: MeanShiftTest
) -> LabelPlan:
    sd = test.unit if np.isfinite(test.unit) and test.unit > 0 else 1.0
    difference = DECISION_THRESHOLDS["mean_shift"].passes * sd
    return plan_labels(
        queries, quantity="mean_shift", difference=difference, **settings.prices, **shared
    )


def _projection(queries: LabelledQueries, shared: dict[str, Any]) -> BestLinearProjection:
    """Project the shift on domains, else on the length of texts, else on features if few."""
    on: Any = None
    if queries.domain is not None and count_groups(queries.domain) > 1:
        on = "domain"
    elif queries.text is not None:
        import pandas as pd

        letters = [max(1, len(str(text))) for text in queries.text]
        on = pd.DataFrame({"doublings of the query's length": np.log2(letters)})
    elif queries.X.shape[1] > _MOST_FEATURES:
        raise MetaRouterError(
            f"A projection on all {queries.X.shape[1]} features could not be read: name a column "
            "of domains to see the shift in each."
        )
    return best_linear_projection(queries, on, **shared)


def _routing_results(
    queries: LabelledQueries,
    held_out: HeldOutRouters,
    settings: ReportSettings,
    *,
    certified: CertifiedRouter | Unanswered | None,
) -> RoutingResults:
    """Measure the recommended router on queries that it has not seen, and compare all."""
    inside, router = held_out.fold >= 0, settings.router
    tested = queries.subset(inside)
    all_ranks = {name: rank[inside] for name, rank in held_out.ranks().items()}
    rows = tested.has_gold
    ranks = {name: rank[rows] for name, rank in all_ranks.items()}
    gold, rank = tested.gold[rows], ranks[router]
    seeded: dict[str, Any] = {"level": settings.level, "random_state": settings.seed}
    on_gold = seeded | {
        "sample_weight": None if tested.weight is None else tested.weight[rows],
        "groups": None if tested.groups is None else tested.groups[rows],
    }
    effects = rank_weighted_effects(gold, rank, **on_gold)
    scores = everywhere = None
    if not rows.all():
        scores = attempt(_scores, tested, settings, held_out.gains[router][inside])
        everywhere = attempt(rank_weighted_effects, scores, all_ranks[router], **seeded)
    pilot = scores if isinstance(scores, DoublyRobustGains) else tested
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
        certified=attempt(_certified, queries, settings) if certified is None else certified,
        area_plan=attempt(_area_plan, pilot, settings, all_ranks[router], effects),
    )


def _scores(queries: LabelledQueries, settings: ReportSettings, psi_hat: Any) -> DoublyRobustGains:
    drawn = settings.propensity == "constant"
    return doubly_robust_gains(
        queries,
        gold_outcome=psi_hat,
        propensity=queries.n_gold / queries.n_queries if drawn else None,
        **replace(settings, method="cv").options,
    )


def _cost_quality(
    queries: LabelledQueries, rank: Any, on_gold: dict[str, Any]
) -> CostQualityBand | Unanswered | None:
    if queries.cost_primary is None or queries.cost_alternative is None:
        return None
    rows = queries.has_gold
    primary, alternative = queries.cost_primary[rows], queries.cost_alternative[rows]
    options = {"alternative_cost": alternative, **on_gold}
    return attempt(cost_quality_band, queries.gold[rows], rank, primary - alternative, **options)


def _certified(queries: LabelledQueries, settings: ReportSettings) -> CertifiedRouter:
    """Certify the router of the settings, which weighs costs where there are some."""
    costs: Any = {name: getattr(queries, name) for name in ("cost_primary", "cost_alternative")}
    known = all(column is not None for column in costs.values())
    model = _routers(settings, settings.scaling)[settings.router]
    return certify_router(
        ThresholdRouter(model, cost=GivenCost() if known else None, models=settings.models),
        queries,
        settings.threshold_constraints,
        delta=settings.delta,
        level=settings.level,
        nuisances=replace(settings, method="cv").options["nuisances"],
        gold_at_random=settings.propensity == "constant",
        cost_inputs=costs if known else None,
        random_state=settings.seed,
    )


def _area_plan(
    pilot: Any, settings: ReportSettings, rank: Any, effects: RankWeightedEffects
) -> LabelPlan:
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
