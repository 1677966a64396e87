"""Cross-fitted nuisances: gamma, p, mu_1 and mu_0, fitted once and shared by all learners."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, ClassVar, Literal

import joblib
import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold, check_cv
from sklearn.utils.validation import check_is_fitted

from metarouter._nuisance_checks import (
    require_folds,
    require_forest,
    require_partition,
    require_weight,
)
from metarouter._nuisance_fits import ON_FOLD, OUT_OF_BAG, constant_propensity
from metarouter.base_learners import default_classifier, default_regressor
from metarouter.exceptions import MetaRouterError
from metarouter.fitting import run_jobs
from metarouter.overlap import Overlap, PropensityPolicy
from metarouter.utils.parameters import CLASSIFIER, REGRESSOR, check_parameters, one_of
from metarouter.utils.random import seed_of, seeded
from metarouter.utils.validation import TrainingData, require_both_sources, validate_training

FloatArray = NDArray[np.float64]
Rows = NDArray[Any]

ALL_NUISANCES = ("marginal_outcome", "propensity", "gold_outcome", "preference_outcome")


class Nuisances(BaseEstimator):
    """The regressions that an R- or DR-learner needs, predicted out of sample.

    Parameters
    ----------
    outcome : regressor, optional
        Learner of gamma, mu_1 and mu_0; an extremely randomised forest by default.
    propensity : classifier, "constant" or None
        Learner of p(s); "constant" says that the gold queries were drawn at random, so that p is
        the gold share. None is an extremely randomised forest.
    pooled_outcome : bool, default=False
        Fit one outcome model on (s, t), as econml does, instead of one per source.
    cv : int, splitter or iterable of (train, test), default=5
        Folds; an int gives folds stratified by source that keep ``groups`` together.
    method : {"cv", "oob"}, default="cv"
        "oob" fits every nuisance once and predicts training rows out of bag, instead of folds. It
        needs bootstrapped forests and cannot keep groups together.
    policy : PropensityPolicy, optional
    random_state : int, RandomState or None
    n_jobs : int, optional
        Workers of the one pool of folds times nuisances. The same seed gives the same numbers
        for every ``n_jobs``.

    Attributes
    ----------
    marginal_outcome_, gold_outcome_, preference_outcome_ : arrays of shape (n,)
        Out-of-sample gamma(s), mu_1(s), mu_0(s), in the units of the labels.
    propensity_ : array of shape (n,)
        Out-of-sample p(s), after the policy.
    overlap_ : Overlap
        What the policy did.
    folds_ : list of (train, test) position arrays; empty for ``method="oob"``
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "outcome": [REGRESSOR, None],
        "propensity": [CLASSIFIER, one_of("constant"), None],
        "pooled_outcome": ["boolean"],
        "cv": ["cv_object"],
        "method": [one_of("cv", "oob")],
        "policy": [PropensityPolicy, None],
        "random_state": ["random_state"],
        "n_jobs": ["n_jobs", None],
    }

    def __init__(
        self,
        *,
        outcome: Any = None,
        propensity: Any = None,
        pooled_outcome: bool = False,
        cv: Any = 5,
        method: Literal["cv", "oob"] = "cv",
        policy: PropensityPolicy | None = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.outcome = outcome
        self.propensity = propensity
        self.pooled_outcome = pooled_outcome
        self.cv = cv
        self.method = method
        self.policy = policy
        self.random_state = random_state
        self.n_jobs = n_jobs

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Nuisances:
        """Cross-fit all four nuisances.

        Parameters
        ----------
        X : array-like of shape (n, d)
        y : array-like of shape (n,)
            Labels of both sources, on one scale.
        is_gold : array-like of bool of shape (n,), optional
            Source of each label; None means that all are gold: then there is no bias to learn, and
            no nuisance is fitted.
        sample_weight : array-like of shape (n,), optional
        groups : array-like of shape (n,), optional
            Rows with one value, for example the two labels of one query, share a fold.

        Raises
        ------
        DataError
            If a source is missing, has fewer rows (groups) than there are folds, or weighs nothing
            in a fold.
        MetaRouterError
            If a parameter is out of its range, or a learner lacks what is asked of it.
        """
        data = validate_training(self, X, y, is_gold, sample_weight, groups)
        if is_gold is None:
            self._data_hash = data_hash(data)
            return self
        return self.fit_validated(data, ALL_NUISANCES)

    def fit_validated(self, data: TrainingData, names: Iterable[str]) -> Nuisances:
        """Cross-fit the named nuisances on arrays that were validated before."""
        require_both_sources(data.is_gold)
        check_parameters(self)
        seed = seed_of(self.random_state)
        outcome = seeded(default_regressor() if self.outcome is None else self.outcome, seed)
        propensity = self._seeded_propensity(seed)
        self.folds_ = self._folds(data, seed)
        self._data_hash = data_hash(data)

        plan = _plan(names, pooled=self.pooled_outcome)
        learners = {name: propensity if name == "propensity" else outcome for name in plan}
        results: dict[str, FloatArray] = {}
        if learners.get("propensity") == "constant":
            del learners["propensity"]
            results["propensity"] = constant_propensity(data)
        results |= self._predict_out_of_sample(learners, data)
        self._store(results, data)
        return self

    def require(self, data: TrainingData, names: Iterable[str]) -> None:
        """Check that these nuisances belong to ``data`` and that the named ones are there."""
        check_is_fitted(self)
        if data_hash(data) != self._data_hash:
            raise MetaRouterError(
                f"the nuisances were fitted on other data than these {len(data.y)} rows; fit them "
                "on the same X, labels (after scaling), sources, weights and groups."
            )
        missing = [name for name in names if not hasattr(self, f"{name}_")]
        if missing:
            raise MetaRouterError(f"the nuisances lack {', '.join(missing)}; fit them with fit().")

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_data_hash")

    def __sklearn_clone__(self) -> Nuisances:
        """Return fitted nuisances as they are: they are data then, not a recipe."""
        return self if self.__sklearn_is_fitted__() else super().__sklearn_clone__()

    def _seeded_propensity(self, seed: int) -> Any:
        if isinstance(self.propensity, str):
            return self.propensity
        if self.propensity is None:
            return seeded(default_classifier(), seed)
        return seeded(self.propensity, seed)

    def _folds(self, data: TrainingData, seed: int) -> list[tuple[Rows, Rows]]:
        if self.method == "oob":
            if data.groups is not None and len(np.unique(data.groups)) < len(data.groups):
                raise MetaRouterError(
                    "method='oob' cannot keep the rows of a group together; use method='cv'."
                )
            return []
        if isinstance(self.cv, int | np.integer):
            require_folds(data, int(self.cv))
            kind = StratifiedKFold if data.groups is None else StratifiedGroupKFold
            splitter = kind(int(self.cv), shuffle=True, random_state=seed)
        else:
            splitter = check_cv(self.cv)
        folds = list(splitter.split(data.X, data.is_gold, data.groups))
        require_partition(folds, data)
        require_weight(folds, data)
        return folds

    def _predict_out_of_sample(
        self, learners: dict[str, Any], data: TrainingData
    ) -> dict[str, FloatArray]:
        if self.method == "oob":
            for learner in learners.values():
                require_forest(learner)
            jobs = [partial(OUT_OF_BAG[name], learners[name], data) for name in learners]
            return dict(zip(learners, run_jobs(jobs, self.n_jobs), strict=True))
        jobs = [
            partial(ON_FOLD[name], learners[name], data, train, test)
            for name in learners
            for train, test in self.folds_
        ]
        parts = iter(run_jobs(jobs, self.n_jobs))
        return {name: _assemble(self.folds_, parts) for name in learners}

    def _store(self, results: dict[str, FloatArray], data: TrainingData) -> None:
        if "pooled_outcome" in results:
            both = results.pop("pooled_outcome")
            results["preference_outcome"], results["gold_outcome"] = both[:, 0], both[:, 1]
        if "propensity" in results:
            policy = self.policy or PropensityPolicy()
            self.overlap_: Overlap = policy.apply(
                results["propensity"], data.is_gold, data.sample_weight
            )
            results["propensity"] = self.overlap_.propensity
        for name, values in results.items():
            setattr(self, f"{name}_", values)


def data_hash(data: TrainingData) -> str:
    """Return a digest of training data, to recognise it later without keeping it."""
    return str(joblib.hash(tuple(data)))


def _plan(names: Iterable[str], *, pooled: bool) -> list[str]:
    by_source = ("gold_outcome", "preference_outcome")
    plan = ["pooled_outcome" if pooled and name in by_source else name for name in names]
    return list(dict.fromkeys(plan))


def _assemble(folds: list[tuple[Rows, Rows]], parts: Iterator[FloatArray]) -> FloatArray:
    tests, predictions = zip(*((test, next(parts)) for _, test in folds), strict=True)
    return np.concatenate(predictions)[np.argsort(np.concatenate(tests))]
