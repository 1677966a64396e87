"""The EP-learner of the shift."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import StratifiedKFold

from metarouter.nuisance import Nuisances
from metarouter.overlap import PropensityPolicy
from metarouter.shift._pseudo_outcomes import require_positive
from metarouter.shift._sieve import cosine_basis, sieve_coefficients
from metarouter.shift.base import NuisanceShiftLearner, regress_in_overlap
from metarouter.utils.parameters import several, whole
from metarouter.utils.validation import TrainingData

# As in the authors' experiments: none, and 1, 2, 3, 4 basis functions per feature.
BASIS_PER_FEATURE = (0, 1, 2, 3, 4)
LABELS_PER_BASIS_FUNCTION = 5
FOLDS_OUT_OF_BAG = 5


class EPLearner(NuisanceShiftLearner):
    """Shift by an efficient plug-in: debiased outcome models, then their difference regressed.

    The two outcome models are corrected along a sieve, by one weighted regression of what they have
    left over, so that their plain difference is as good a pseudo-outcome as the doubly robust
    one, without dividing single labels by small propensities (van der Laan, Carone & Luedtke 2024).

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
    n_basis : int, iterable of int or None, default=None
        Basis functions of the sieve beside a constant. Of several numbers the one is taken whose
        correction fits left-out labels best. None tries 0, d, 2d, 3d and 4d for d features, as far
        as there are five labels of the rarer source for each basis function.
    interaction_order : int, default=2
        Features in one basis function, at most.
    pooled_outcome : bool, default=False
        Fit one outcome model on (s, t) instead of one per source.
    method : {"cv", "oob"}, default="cv"
        Folds, or the out-of-bag predictions of bootstrapped forests.
    policy : PropensityPolicy, optional
    nuisances : Nuisances, optional
        Nuisances to share with other learners; fitted ones are taken as they are. They are those of
        a `DRLearner`.
    random_state : int, RandomState or None
    n_jobs : int, optional

    Attributes
    ----------
    nuisances_ : Nuisances
        Cross-fitted p, mu_1 and mu_0.
    sieve_coefficients_ : ndarray of shape (1 + size,)
        beta, of the constant and the chosen number of basis functions.
    final_ : regressor
        The fitted shift.

    Notes
    -----
    With the cosine basis phi of the features and a = 1 on gold and -1 on preference rows, beta
    minimises ``sum (o - mu_t - a phi' beta)^2 / P(t | s)``. Then mu_1* = mu_1 + phi' beta,
    mu_0* = mu_0 - phi' beta, and mu_1* - mu_0* = mu_1 - mu_0 + 2 phi' beta is regressed on s. The
    authors choose the size of the sieve by cross-validating the final regression; here the
    correction alone is validated, by its own loss, so that the final regression is fitted once.

    References
    ----------
    .. [1] van der Laan, Carone & Luedtke (2024), Combining T-learning and DR-learning: a framework
       for oracle-efficient estimation of causal contrasts.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> rng = np.random.default_rng(0)
    >>> X, is_gold = rng.normal(size=(400, 2)), rng.random(400) < 0.3
    >>> y = X[:, 0] + np.where(is_gold, 0, 1 + X[:, 1]) + 0.1 * rng.normal(size=400)
    >>> line = LinearRegression()
    >>> shift = EPLearner(line, "constant", line, random_state=0).fit(X, y, is_gold=is_gold)
    >>> bool(abs(shift.predict([[0.0, 1.0]])[0] + 2) < 0.2)
    True
    """

    required_nuisances = ("propensity", "gold_outcome", "preference_outcome")

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "n_basis": [whole(0), several(whole(0)), None],
        "interaction_order": [whole()],
        "pooled_outcome": ["boolean"],
    }

    def __init__(
        self,
        outcome: Any = None,
        propensity: Any = None,
        final: Any = None,
        cv: Any = 5,
        *,
        n_basis: int | Iterable[int] | None = None,
        interaction_order: int = 2,
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
        self.n_basis = n_basis
        self.interaction_order = interaction_order
        self.pooled_outcome = pooled_outcome

    @property
    def _pooled_outcome(self) -> bool:
        return self.pooled_outcome

    def _regress(self, data: TrainingData, nuisances: Nuisances, final: Any) -> Any:
        inside = nuisances.overlap_.in_overlap
        rows = data.take(inside)
        gold_outcome = nuisances.gold_outcome_[inside]
        preference_outcome = nuisances.preference_outcome_[inside]
        propensity = nuisances.propensity_[inside]
        require_positive(propensity, rows.is_gold, "an EP-learner")

        sizes = self._sizes(rows)
        basis = cosine_basis(rows.X, sizes[-1], self.interaction_order)
        weight = 1 / np.where(rows.is_gold, propensity, 1 - propensity)
        self.sieve_coefficients_ = sieve_coefficients(
            basis,
            rows.y - np.where(rows.is_gold, gold_outcome, preference_outcome),
            rows.is_gold,
            weight if rows.sample_weight is None else weight * rows.sample_weight,
            sizes,
            [fold[inside] for fold in _left_out(nuisances, data)],
        )
        correction = basis[:, : len(self.sieve_coefficients_)] @ self.sieve_coefficients_
        pseudo_outcome = np.zeros(len(data.y))
        pseudo_outcome[inside] = gold_outcome - preference_outcome + 2 * correction
        return regress_in_overlap(final, data, nuisances, pseudo_outcome, weight=None)

    def _sizes(self, rows: TrainingData) -> list[int]:
        if self.n_basis is not None:
            return sorted(set(np.atleast_1d(np.asarray(self.n_basis)).tolist()))
        n_gold = int(rows.is_gold.sum())
        rarer = min(n_gold, len(rows.y) - n_gold)
        largest = max(rarer // LABELS_PER_BASIS_FUNCTION - 1, 0)
        return sorted({min(k * rows.X.shape[1], largest) for k in BASIS_PER_FEATURE})


def _left_out(nuisances: Nuisances, data: TrainingData) -> list[NDArray[np.bool_]]:
    """Return the folds of the nuisances as masks; with out-of-bag nuisances, folds by source."""
    tests = [test for _, test in nuisances.folds_]
    if not tests:
        rarer = min(int(data.is_gold.sum()), int((~data.is_gold).sum()))
        splitter = StratifiedKFold(
            max(2, min(FOLDS_OUT_OF_BAG, rarer)), shuffle=True, random_state=0
        )
        tests = [test for _, test in splitter.split(data.X, data.is_gold)]
    return [np.isin(np.arange(len(data.y)), test) for test in tests]
