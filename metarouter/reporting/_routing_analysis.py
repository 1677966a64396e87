"""What an analysis of a table of labels has found."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from metarouter.datasets import LabelledQueries
from metarouter.inference import (
    AllPairs,
    BestLinearProjection,
    CalibrationTest,
    CertifiedThreshold,
    Constraint,
    CostQualityBand,
    CurveBand,
    Diagnostics,
    DoublyRobustGains,
    LabelPlan,
    MeanShiftTest,
    RankWeightedEffects,
    SortedGroupEffects,
    max_share,
)
from metarouter.inference.guarantees import as_constraints
from metarouter.judging import JudgeProfile
from metarouter.nuisance import Nuisances
from metarouter.overlap_region import OverlapRegion
from metarouter.reporting._document import Unanswered
from metarouter.reporting._held_out_routers import HeldOutRouters
from metarouter.reporting.certified_router import CertifiedRouter

DEFAULT_SHARE = 0.5  # of the queries, where nothing is demanded of the threshold


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
    demands : sequence of Constraint, or dict of str to float, optional
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
    demands: Constraint | Iterable[Constraint] | Mapping[str, float] = ()
    delta: float = 0.1
    gold_price: float = 1.0
    preference_price: float = 0.01
    seed: int = 0
    n_jobs: int | None = None
    described_by: str = "features of the table"
    command: str = ""
    deploy: tuple[str, ...] = ()

    @property
    def recipe(self) -> Nuisances:
        """The nuisances, unfitted."""
        return Nuisances(
            outcome=self.regressor,
            propensity="constant" if self.propensity == "constant" else None,
            cv=self.folds,
            method=self.method,
            random_state=self.seed,
            n_jobs=self.n_jobs,
        )

    @property
    def options(self) -> dict[str, Any]:
        """What estimates and plans are told, in their own names."""
        known = {"level": self.level, "random_state": self.seed, "n_jobs": self.n_jobs}
        return {"nuisances": self.recipe, **known}

    @property
    def prices(self) -> dict[str, Any]:
        """Prices of labels, as plans take them."""
        return {"gold_price": self.gold_price, "preference_price": self.preference_price}

    @property
    def constraints(self) -> tuple[Constraint, ...]:
        """What the threshold must keep.

        Raises
        ------
        BudgetError
            If a limit is out of range.
        """
        return as_constraints(self.demands or max_share(DEFAULT_SHARE))


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
