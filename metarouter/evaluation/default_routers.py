"""The routers of Meta-Router, section 4.1."""

from __future__ import annotations

from typing import Any, Literal

from metarouter.base_learners import default_regressor
from metarouter.fitting import is_bagged_forest
from metarouter.routing.adaptive_meta_router import AdaptiveMetaRouter
from metarouter.routing.meta_router import MetaRouter
from metarouter.scaling import ScalingMethod
from metarouter.shift import ConstantShift, DRLearner, RLearner, ZeroShift
from metarouter.utils.arguments import validated
from metarouter.utils.parameters import CLASSIFIER, REGRESSOR, one_of

__all__ = ["default_routers"]


@validated(
    regressor=[REGRESSOR, None],
    final=[REGRESSOR, None],
    propensity=[CLASSIFIER, one_of("constant"), None],
    cv=["cv_object"],
)
def default_routers(
    regressor: Any = None,
    *,
    final: Any = None,
    propensity: Any = "constant",
    cv: Any = 5,
    method: Literal["oob", "cv"] | None = None,
    scaling: ScalingMethod | None = "variance",
    linear_scaling: bool = True,
    calibrate: bool = False,
    adaptive: bool = False,
) -> dict[str, Any]:
    """Return the routers that section 4.1 compares, unfitted, by their names in the house.

    The oracle is not among them, since it sees gold labels that the others do not;
    ``MonteCarloStudy`` adds it. Random routing is a line, not a model.

    Parameters
    ----------
    regressor : regressor, optional
        Learner of every outcome and of the gain, the paper's class H; an extremely randomised
        forest by default.
    final : regressor, optional
        Learner of the shift in the two meta-routers; the learners' own default if None. The paper
        uses its H here too.
    propensity : classifier or "constant", default="constant"
        Learner of P(gold | s). In a Monte Carlo study gold queries are drawn at random.
    cv : int or splitter, default=5
        Folds of the nuisances, for ``method="cv"``.
    method : {"oob", "cv"}, optional
        Out-of-bag predictions or folds. By default out of bag if ``regressor`` is a bootstrapped
        forest. Out-of-bag predictions cannot keep groups together: use "cv" where rows share a
        source.
    scaling : {"variance", "max", "wasserstein"} or None, default="variance"
        How gold labels are brought to the scale of preference labels.
    linear_scaling : bool, default=True
        Include the router of figure 3, which corrects by the difference of the two means.
    calibrate : bool, default=False
        Calibrate the gains against gold labels. Curves and areas do not depend on it, and it costs
        fits; where a threshold on the gain is set, or gains are shown, it is wanted.
    adaptive : bool, default=False
        Include the `AdaptiveMetaRouter`, which is not the paper's and has learners of its own.

    Returns
    -------
    dict of str to estimator
        ``pooled``, ``preference_only``, ``gold_only``, ``linear_scaling``, ``r_learner``,
        ``dr_learner``, and ``adaptive`` if asked for.

    Examples
    --------
    >>> list(default_routers(linear_scaling=False))
    ['pooled', 'preference_only', 'gold_only', 'r_learner', 'dr_learner']
    """
    learner_of_all = default_regressor() if regressor is None else regressor
    if method is None:
        method = "oob" if is_bagged_forest(learner_of_all) else "cv"
    learner: dict[str, Any] = {
        "outcome": regressor,
        "propensity": propensity,
        "final": final,
        "cv": cv,
        "method": method,
    }

    def router(**parameters: Any) -> MetaRouter:
        return MetaRouter(regressor=regressor, scaling=scaling, calibrate=calibrate, **parameters)

    routers: dict[str, Any] = {
        "pooled": router(shift=ZeroShift()),
        "preference_only": router(sources="preference"),
        "gold_only": router(sources="gold"),
        "linear_scaling": router(shift=ConstantShift()),
        "r_learner": router(shift=RLearner(**learner)),
        "dr_learner": router(shift=DRLearner(**learner)),
    }
    if not linear_scaling:
        del routers["linear_scaling"]
    if adaptive:
        routers["adaptive"] = AdaptiveMetaRouter()
    return routers
