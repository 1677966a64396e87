"""The DR-learner of the shift."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import numpy as np

from metarouter.nuisance import Nuisances
from metarouter.overlap import PropensityPolicy
from metarouter.shift._pseudo_outcomes import doubly_robust, require_positive
from metarouter.shift.base import NuisanceShiftLearner, regress_in_overlap
from metarouter.utils.validation import TrainingData


class DRLearner(NuisanceShiftLearner):
    """Shift by regression of a doubly robust pseudo-outcome (Kennedy 2023; Meta-Router eq. S4).

    Consistent if either p or the source outcomes are.

    Parameters
    ----------
    outcome : regressor, optional
        Learner of mu_1 = psi and mu_0 = eta; an extremely randomised forest by default.
    propensity : classifier, "constant" or None
        Learner of p(s) = P(gold | s); "constant" says that the gold queries were drawn at random.
        None is an extremely randomised forest.
    final : regressor, optional
        Learner of the shift; by default an extremely randomised forest whose leaves hold the
        information of at least five labels of the rarer source.
    cv : int, splitter or iterable of (train, test), default=5
        Folds of the nuisances, stratified by source and group-aware.
    pooled_outcome : bool, default=False
        Fit one outcome model on (s, t), as econml does, instead of one per source.
    method : {"cv", "oob"}, default="cv"
        Folds, or the out-of-bag predictions of bootstrapped forests.
    policy : PropensityPolicy, optional
    nuisances : Nuisances, optional
        Nuisances to share with other learners; fitted ones are taken as they are.
    random_state : int, RandomState or None
    n_jobs : int, optional

    Attributes
    ----------
    nuisances_ : Nuisances
        Cross-fitted p, mu_1 and mu_0.
    final_ : regressor
        The fitted shift.

    References
    ----------
    .. [1] Kennedy (2023), Towards optimal doubly robust estimation of heterogeneous causal
       effects.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> rng = np.random.default_rng(0)
    >>> X, is_gold = rng.normal(size=(400, 2)), rng.random(400) < 0.3
    >>> y = X[:, 0] + np.where(is_gold, 0, 1 + X[:, 1]) + 0.1 * rng.normal(size=400)
    >>> line = LinearRegression()
    >>> shift = DRLearner(line, "constant", line, random_state=0).fit(X, y, is_gold=is_gold)
    >>> bool(abs(shift.predict([[0.0, 1.0]])[0] + 2) < 0.2)
    True
    """

    required_nuisances = ("propensity", "gold_outcome", "preference_outcome")

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "pooled_outcome": ["boolean"],
    }

    def __init__(
        self,
        outcome: Any = None,
        propensity: Any = None,
        final: Any = None,
        cv: Any = 5,
        *,
        pooled_outcome: bool = False,
        method: Literal["cv", "oob"] = "cv",
        policy: PropensityPolicy | None = None,
        nuisances: Nuisances | None = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        super().__init__(
            outcome,
            propensity,
            final,
            cv,
            method=method,
            policy=policy,
            nuisances=nuisances,
            random_state=random_state,
            n_jobs=n_jobs,
        )
        self.pooled_outcome = pooled_outcome

    @property
    def _pooled_outcome(self) -> bool:
        return self.pooled_outcome

    def _regress(self, data: TrainingData, nuisances: Nuisances, final: Any) -> Any:
        inside = nuisances.overlap_.in_overlap
        require_positive(nuisances.propensity_[inside], data.is_gold[inside], "a DR-learner")
        with np.errstate(divide="ignore"):  # outside the overlap, whose rows are left out below
            pseudo_outcome = doubly_robust(
                data.y,
                data.is_gold,
                nuisances.propensity_,
                nuisances.gold_outcome_,
                nuisances.preference_outcome_,
            )
        return regress_in_overlap(final, data, nuisances, pseudo_outcome, weight=None)
