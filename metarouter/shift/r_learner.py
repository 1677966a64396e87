"""The R-learner of the shift."""

from __future__ import annotations

from typing import Any

from metarouter.nuisance import Nuisances
from metarouter.shift._pseudo_outcomes import residual_on_residual
from metarouter.shift.base import NuisanceShiftLearner, regress_in_overlap
from metarouter.utils.validation import TrainingData


class RLearner(NuisanceShiftLearner):
    """Shift by residual-on-residual regression (Nie & Wager 2021; Meta-Router eq. S3).

    Parameters
    ----------
    outcome : regressor, optional
        Learner of gamma(s) = E(o | s); an extremely randomised forest by default.
    propensity : classifier, "constant" or None
        Learner of p(s) = P(gold | s); "constant" says that the gold queries were drawn at random.
        None is an extremely randomised forest.
    final : regressor, optional
        Learner of the shift, which must take ``sample_weight``. The default is an extremely
        randomised forest whose leaves hold the information of at least five labels of the rarer
        source: the weights (t - p)^2 of the common source are tiny and its pseudo-outcomes huge,
        so that a leaf bounded by its number of rows alone can be pure noise.
    cv : int, splitter or iterable of (train, test), default=5
        Folds of the nuisances, stratified by source and group-aware.
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
        Cross-fitted gamma and p.
    final_ : regressor
        The fitted shift.

    References
    ----------
    .. [1] Nie & Wager (2021), Quasi-oracle estimation of heterogeneous treatment effects.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> rng = np.random.default_rng(0)
    >>> X, is_gold = rng.normal(size=(400, 2)), rng.random(400) < 0.3
    >>> y = X[:, 0] + np.where(is_gold, 0, 1 + X[:, 1]) + 0.1 * rng.normal(size=400)
    >>> line = LinearRegression()
    >>> shift = RLearner(line, "constant", line, random_state=0).fit(X, y, is_gold=is_gold)
    >>> bool(abs(shift.predict([[0.0, 1.0]])[0] + 2) < 0.2)
    True
    """

    required_nuisances = ("marginal_outcome", "propensity")

    def _regress(self, data: TrainingData, nuisances: Nuisances, final: Any) -> Any:
        outcome_residual = data.y - nuisances.marginal_outcome_
        source_residual = data.is_gold - nuisances.propensity_
        pseudo_outcome, weight = residual_on_residual(outcome_residual, source_residual)
        return regress_in_overlap(final, data, nuisances, pseudo_outcome, weight)
