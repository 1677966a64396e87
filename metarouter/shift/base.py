"""What all learners of the shift have in common."""

from __future__ import annotations

import warnings
from abc import ABCMeta, abstractmethod
from copy import copy
from dataclasses import replace
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.utils.validation import check_is_fitted

from metarouter.base_learners import default_final, with_fewer_trees
from metarouter.fitting import fit_model, predict_mean
from metarouter.nuisance import Nuisances
from metarouter.overlap import Overlap, OverlapWarning, PropensityPolicy
from metarouter.utils.parameters import CLASSIFIER, REGRESSOR, one_of
from metarouter.utils.random import seed_of, seeded
from metarouter.utils.validation import (
    TrainingData,
    require_both_sources,
    validate_features,
    validate_training,
)

FloatArray = NDArray[np.float64]


class ShiftLearner(BaseEstimator, metaclass=ABCMeta):
    """Base of the learners of the shift Delta(s) = psi(s) - eta(s).

    Subclasses implement ``_fit_shift(data)`` and ``_predict_shift(X)`` on validated arrays. When
    every label is gold there is no bias to learn and a learned shift is zero everywhere.

    Attributes
    ----------
    in_overlap_ : array of bool of shape (n,)
        Which training rows lie within the overlap of both sources: all, unless a propensity policy
        has trimmed some.
    """

    needs_both_sources: ClassVar[bool] = True

    def fit(
        self,
        X: Any,
        y: ArrayLike,
        is_gold: ArrayLike | None = None,
        *,
        sample_weight: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> ShiftLearner:
        """Learn the shift.

        Parameters
        ----------
        X : array-like of shape (n, d)
            Query features, one row per label.
        y : array-like of shape (n,)
            Quality gains, gold and preference labels on one scale (see ``GainScaler``).
        is_gold : array-like of bool of shape (n,), optional
            Source of each label; None means that all are gold: a learned shift is then zero.
        sample_weight : array-like of shape (n,), optional
        groups : array-like of shape (n,), optional
            Rows with one value share a fold.

        Raises
        ------
        DataError
            If the data are malformed, or one source is missing.
        """
        data = validate_training(self, X, y, is_gold, sample_weight, groups)
        self.in_overlap_ = np.ones(len(data.y), dtype=bool)
        self.is_zero_ = is_gold is None and self.needs_both_sources
        if self.is_zero_:
            return self
        if self.needs_both_sources:
            require_both_sources(data.is_gold)
        self._fit_shift(data)
        return self

    def predict(self, X: Any) -> FloatArray:
        """Return Delta-hat, shape (n,): what to add to a preference label."""
        check_is_fitted(self)
        X = validate_features(self, X)
        return self._predict_shift(X) if len(X) and not self.is_zero_ else np.zeros(len(X))

    def find_overlap(self, data: TrainingData) -> NDArray[np.bool_]:
        """Say which rows would lie within the overlap, shape (n,), without using their labels.

        The scale of the labels is set within the overlap (Meta-Router, section 5), and so before a
        shift can be learned from them.
        """
        return np.ones(len(data.y), dtype=bool)

    def without(self, data: TrainingData, left_out: NDArray[np.bool_]) -> ShiftLearner:
        """Return a copy of this fitted learner that has not learned from some rows.

        Parameters
        ----------
        data : TrainingData
            What this learner was fitted on.
        left_out : array of bool of shape (n,)

        Returns
        -------
        ShiftLearner
            Predicts arrays; its attributes are those of the whole fit but for what predicts.
        """
        rest = data.take(~left_out)
        learner: ShiftLearner = clone(self)
        return learner.fit(
            rest.X, rest.y, rest.is_gold, sample_weight=rest.sample_weight, groups=rest.groups
        )

    def _without_names(self) -> Self:
        """Return a shallow copy that predicts arrays without a warning."""
        learner = copy(self)
        learner.__dict__.pop("feature_names_in_", None)
        return learner

    @abstractmethod
    def _fit_shift(self, data: TrainingData) -> None: ...

    @abstractmethod
    def _predict_shift(self, X: NDArray[Any]) -> FloatArray: ...


class NuisanceShiftLearner(ShiftLearner):
    """A shift learner that regresses a pseudo-outcome built from cross-fitted nuisances.

    Parameters
    ----------
    outcome : regressor, optional
        Learner of the outcome nuisances; an extremely randomised forest by default.
    propensity : classifier, "constant" or None
        Learner of p(s); "constant" says that the gold queries were drawn at random.
    final : regressor, optional
        Learner of the shift; by default an extremely randomised forest whose leaves hold the
        information of at least five labels of the rarer source.
    cv : int, splitter or iterable, default=5
    method : {"cv", "oob"}, default="cv"
    policy : PropensityPolicy, optional
    nuisances : Nuisances, optional
        Nuisances to share with other learners. If they are fitted they are taken as they are;
        the nuisance parameters above are then not used.
    random_state : int, RandomState or None
    n_jobs : int, optional
        Workers of the pool of folds times nuisances.
    """

    required_nuisances: ClassVar[tuple[str, ...]]

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "outcome": [REGRESSOR, None],
        "propensity": [CLASSIFIER, one_of("constant"), None],
        "final": [REGRESSOR, None],
        "cv": ["cv_object"],
        "method": [one_of("cv", "oob")],
        "policy": [PropensityPolicy, None],
        "nuisances": [Nuisances, None],
        "random_state": ["random_state"],
        "n_jobs": ["n_jobs", None],
    }

    def __init__(
        self,
        outcome: Any = None,
        propensity: Any = None,
        final: Any = None,
        cv: Any = 5,
        *,
        method: Literal["cv", "oob"] = "cv",
        policy: PropensityPolicy | None = None,
        nuisances: Nuisances | None = None,
        random_state: int | np.random.RandomState | None = None,
        n_jobs: int | None = None,
    ) -> None:
        self.outcome = outcome
        self.propensity = propensity
        self.final = final
        self.cv = cv
        self.method = method
        self.policy = policy
        self.nuisances = nuisances
        self.random_state = random_state
        self.n_jobs = n_jobs

    @abstractmethod
    def _regress(self, data: TrainingData, nuisances: Nuisances, final: Any) -> Any:
        """Fit the final regressor on the pseudo-outcome, on rows within the overlap."""

    def _fit_shift(self, data: TrainingData) -> None:
        seed = seed_of(self.random_state)
        self.nuisances_ = self._fit_nuisances(data, seed)
        self.in_overlap_ = self.nuisances_.overlap_.in_overlap
        final = self._seeded_final(data, seed)
        self.final_ = self._regress(data, self.nuisances_, final)

    def _predict_shift(self, X: NDArray[Any]) -> FloatArray:
        return predict_mean(self.final_, X)

    def without(self, data: TrainingData, left_out: NDArray[np.bool_]) -> ShiftLearner:
        """Return a copy whose final regression has not seen some rows.

        The nuisances, which predict every row out of sample, are not fitted again; a forest has
        fewer trees.
        """
        nuisances = copy(self.nuisances_)
        overlap = nuisances.overlap_
        nuisances.overlap_ = replace(overlap, in_overlap=overlap.in_overlap & ~left_out)
        learner = self._without_names()
        final = self._seeded_final(data.take(~left_out), seed_of(self.random_state))
        learner.final_ = learner._regress(data, nuisances, with_fewer_trees(final))
        return learner

    def find_overlap(self, data: TrainingData) -> NDArray[np.bool_]:
        """Say which rows would lie within the overlap, shape (n,), without using their labels."""
        nuisances = self._seeded_nuisances(seed_of(self.random_state))
        if not nuisances.__sklearn_is_fitted__():
            if nuisances.policy is None or not nuisances.policy.trims:
                return super().find_overlap(data)
            with warnings.catch_warnings():
                # Said when the shift itself is learned.
                warnings.simplefilter("ignore", OverlapWarning)
                nuisances.fit_validated(data, ("propensity",))
        # Nuisances of other data are refused when the shift is learned.
        known: Overlap | None = getattr(nuisances, "overlap_", None)
        if known is None or len(known.in_overlap) != len(data.y):
            return super().find_overlap(data)
        return known.in_overlap

    def _fit_nuisances(self, data: TrainingData, seed: int) -> Nuisances:
        nuisances = self._seeded_nuisances(seed)
        if nuisances.__sklearn_is_fitted__():
            nuisances.require(data, self.required_nuisances)
            return nuisances
        return nuisances.fit_validated(data, self.required_nuisances)

    def _seeded_nuisances(self, seed: int) -> Nuisances:
        """Return shared nuisances, fitted or not, or else unfitted ones of this learner's own."""
        if self.nuisances is not None:
            shared = clone(self.nuisances)
            return shared if shared.__sklearn_is_fitted__() else seeded(shared, seed)
        return Nuisances(
            outcome=self.outcome,
            propensity=self.propensity,
            pooled_outcome=self._pooled_outcome,
            cv=self.cv,
            method=self.method,
            policy=self.policy,
            random_state=seed,
            n_jobs=self.n_jobs,
        )

    @property
    def _pooled_outcome(self) -> bool:
        return False

    def _seeded_final(self, data: TrainingData, seed: int) -> Any:
        if self.final is not None:
            return seeded(self.final, seed)
        return default_final(int(data.is_gold.sum()), len(data.y), seed, self.n_jobs)


def regress_in_overlap(
    final: Any,
    data: TrainingData,
    nuisances: Nuisances,
    pseudo_outcome: FloatArray,
    weight: FloatArray | None,
) -> Any:
    """Fit the final regressor on the rows within the overlap."""
    inside = nuisances.overlap_.in_overlap
    if data.sample_weight is not None:
        weight = data.sample_weight if weight is None else weight * data.sample_weight
    return fit_model(
        final, data.X[inside], pseudo_outcome[inside], None if weight is None else weight[inside]
    )
