"""What a routed reward model is measured against (section 4.1, table 4), and two more."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import softmax
from sklearn.base import BaseEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted

from bandits._ties import argmax_with_ties, tied_for_best
from bandits.baselines._means import MeanOutcomes
from bandits.linear import LinUCB
from bandits.reward_models.bayesian_router import BayesianRouter
from bandits.reward_models.offline import OfflineRewardRouter
from metarouter.exceptions import DataError
from metarouter.utils.arguments import validated
from metarouter.utils.features import as_floats
from metarouter.utils.parameters import check_parameters, number

__all__ = ["LASER", "CalibratedPanel", "FrozenOffline", "Racing", "WeightedScore", "majority_vote"]

Array = NDArray[np.float64]


@validated()
def majority_vote(verdict: ArrayLike) -> tuple[Array, Array]:
    """Return the label that most models give, and the share of verdicts that agree with it.

    The share is the weight that UWO gives a pair in the DPO loss (section 4.1). N calls per pair.

    Parameters
    ----------
    verdict : array of shape (n, N)
        1, -1, 0 or NaN.

    Returns
    -------
    label, weight : ndarray of shape (n,)
        The label is 0 where votes are even.

    Examples
    --------
    >>> label, weight = majority_vote([[1.0, 1.0, -1.0], [1.0, -1.0, np.nan]])
    >>> label.tolist(), weight.round(2).tolist()
    ([1.0, 0.0], [0.67, 0.5])
    """
    table = _checked(verdict)
    label = np.sign(np.nansum(table, axis=1))
    known = np.maximum((~np.isnan(table)).sum(axis=1), 1)
    agree = np.nansum(0.5 + 0.5 * table * label[:, None], axis=1) / known
    return label, agree


class LASER(LinUCB):
    """One reward model per batch, by LinUCB on the mean of its contexts (Nguyen et al. 2024).

    Parameters
    ----------
    alpha : float, default=0.1
        As in LASER's code.
    **others
        As in `LinUCB`.

    Examples
    --------
    >>> router = LASER(0.1, arms=("a", "b"), random_state=0)
    >>> action, _ = router.partial_fit(np.eye(2), ["a", "b"], [1.0, 0.0]).sample(np.eye(2))
    >>> len(set(action))
    1
    """

    def __init__(
        self,
        alpha: float = 0.1,
        *,
        prior_precision: Any = 1.0,
        prior_mean: Any = None,
        fit_intercept: bool = True,
        discount: float = 1.0,
        prior: Any = None,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        latency_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            alpha,
            prior_precision=prior_precision,
            prior_mean=prior_mean,
            fit_intercept=fit_intercept,
            discount=discount,
            prior=prior,
            arms=arms,
            cost_cap=cost_cap,
            latency_cap=latency_cap,
            random_state=random_state,
        )

    def _choose(self, X: Array, preference: Array) -> tuple[NDArray[np.intp], Array]:
        arm, chance = super()._choose(*self._one(X, preference))
        return np.repeat(arm, len(X)), np.repeat(chance, len(X))

    def _probabilities(self, X: Array, preference: Array) -> Array:
        return np.repeat(super()._probabilities(*self._one(X, preference)), len(X), axis=0)

    def _one(self, X: Array, preference: Array) -> tuple[Array, Array]:
        mean = preference if preference.ndim == 1 else preference.mean(axis=0)
        return X.mean(axis=0, keepdims=True), mean


class Racing(MeanOutcomes):
    """Find the best single reward model by successive elimination (Even-Dar et al. 2006).

    Models in the race are called alike; one leaves when its mean reward lies below the best
    one's by more than both bounds, sqrt(log(4 N t^2 / delta) / (2 t)) after t rewards in [0, 1].

    Parameters
    ----------
    delta : float, default=0.1
        Probability that the best model is lost.
    arms, cost_cap, latency_cap, random_state
        As in `BanditRouter`. The race is about quality, whatever the preference.

    Examples
    --------
    >>> quality = np.tile([1.0, 0.0], (200, 1))
    >>> Racing(random_state=0).fit(np.ones((200, 1)), quality).predict_proba([[1.0]]).tolist()
    [[1.0, 0.0]]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"delta": [number(above=0, below=1)]}

    def __init__(
        self,
        delta: float = 0.1,
        *,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        latency_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            arms=arms, cost_cap=cost_cap, latency_cap=latency_cap, random_state=random_state
        )
        self.delta = delta

    def _choose(self, X: Array, preference: Array) -> tuple[NDArray[np.intp], Array]:
        racing = np.flatnonzero(self._racing())
        arm = racing[self._exploration.integers(len(racing), size=len(X))]
        return arm, np.full(len(X), 1.0 / len(racing))

    def _probabilities(self, X: Array, preference: Array) -> Array:
        racing = self._racing()
        return np.tile(racing / racing.sum(), (len(X), 1))

    def _racing(self) -> NDArray[np.bool_]:
        count = np.maximum(self.count_, 1.0)
        mean = self.total_[:, 0] / count
        reach = np.sqrt(np.log(4 * len(count) * count**2 / self.delta) / (2 * count))
        reach = np.where(self.count_ > 0, reach, np.inf)
        return np.asarray(mean + reach >= (mean - reach).max())


class WeightedScore(BayesianRouter):
    """Mix the softmax of offline scores and of online estimates by a fixed weight (table 4).

    The online router has the offline features and a prior mean of zero.

    Parameters
    ----------
    offline : fitted OfflineRewardRouter
    weight : float, default=0.5
        alpha, of the offline scores.
    prior_variance, noise_variance, arms, random_state
        As in `BayesianRouter`.
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {"weight": [number(at_least=0, at_most=1)]}

    def __init__(
        self,
        offline: OfflineRewardRouter | None = None,
        weight: float = 0.5,
        *,
        prior_variance: float | None = None,
        noise_variance: float = 0.1,
        arms: Iterable[Any] | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            offline,
            prior_scale="none",
            prior_variance=prior_variance,
            noise_variance=noise_variance,
            arms=arms,
            random_state=random_state,
        )
        self.weight = weight

    def _scores(self, X: Array, preference: Array) -> Array:
        offline, online = self._fitted_offline(), super()._scores(X, preference)
        scores = offline.transform_array(X) @ offline.embedding_.T
        position = [offline.arms_.index(name) for name in self.arms_]
        mixed = self.weight * softmax(scores[:, position], axis=1)
        return np.asarray(mixed + (1 - self.weight) * softmax(online, axis=1))

    def _choose(self, X: Array, preference: Array) -> tuple[NDArray[np.intp], Array]:
        scores = self._scores(X, preference)
        arm = argmax_with_ties(scores, self._ties.random(len(X)))
        return arm, 1.0 / tied_for_best(scores).sum(axis=1)

    def _probabilities(self, X: Array, preference: Array) -> Array:
        tied = tied_for_best(self._scores(X, preference))
        return np.asarray(tied / tied.sum(axis=1, keepdims=True))

    def _check_offline(self, n_features: int) -> None:
        super()._check_offline(n_features)
        missing = set(self.arms_) - set(self._fitted_offline().arms_)
        if missing:
            raise DataError(f"The offline router knows no {missing.pop()!r}; name its models only.")


class FrozenOffline:
    """The offline router as it is: nothing is learned online ("w/o online").

    Parameters
    ----------
    offline : fitted OfflineRewardRouter
    """

    def __init__(self, offline: OfflineRewardRouter) -> None:
        if not hasattr(offline, "weights_"):
            raise DataError("offline is no fitted OfflineRewardRouter; give one that has learned.")
        self.offline = offline
        self.arms_ = offline.arms_

    def sample(self, X: Any) -> tuple[NDArray[Any], Array]:
        """Return the best model of every pair, with certainty."""
        return self.predict(X), np.ones(len(X))

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the best model of every pair, shape (n,)."""
        return self.offline.predict(X)

    def partial_fit(self, X: Any, action: Any, quality: Any, *, propensity: Any = None) -> Self:
        """Learn nothing."""
        return self


class CalibratedPanel(BaseEstimator):
    """Which answer is better, by a logistic regression on the verdicts of all models.

    N calls per pair: the ceiling that one call is measured against. Verdicts enter with their
    sign, so that exchanging the answers exchanges the probabilities.

    Parameters
    ----------
    C : float, default=1.0
        Inverse ridge penalty.

    Examples
    --------
    >>> verdict = np.array([[1.0, -1.0], [-1.0, 1.0], [1.0, 1.0], [-1.0, -1.0]])
    >>> CalibratedPanel().fit(verdict, [1.0, -1.0, 1.0, -1.0]).predict(verdict).tolist()
    [1.0, -1.0, 1.0, -1.0]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "C": [number(above=0)],
    }

    def __init__(self, C: float = 1.0) -> None:
        self.C = C

    def fit(self, verdict: Any, label: Any) -> Self:
        """Learn from verdicts (n, N) in [-1, 1] or NaN, and labels 1 or -1; NaN rows are left out.

        Raises
        ------
        DataError
            If fewer than two labels are known, or verdicts are malformed.
        """
        check_parameters(self)
        table = self._table(verdict)
        y = as_floats("label", label, "label holds values that are not numbers; give 1 or -1.")
        if y.shape != (len(table),):
            raise DataError(f"label has shape {y.shape} but verdict has {len(table)} rows.")
        known = ~np.isnan(y)
        if not np.isin(y[known], (-1.0, 1.0)).all():
            raise DataError(
                "label holds something else than 1, -1 and NaN; give what was verified."
            )
        if known.sum() < 2:
            raise DataError("label holds fewer than two known labels; verify more pairs.")
        if not table[known].any():
            raise DataError("No model decides any pair with a known label; ask models that do.")
        # Either order of a pair is a row, so that no order is favoured and both labels occur.
        both = np.vstack([table[known], -table[known]])
        labels = np.concatenate([y[known], -y[known]])
        model = LogisticRegression(C=self.C, fit_intercept=False).fit(both, labels)
        self.coef_ = model.coef_[0]
        self.n_features_in_ = table.shape[1]
        return self

    def decision_function(self, verdict: Any) -> Array:
        """Return the log-odds that the first answer is better, shape (n,)."""
        check_is_fitted(self, "coef_")
        table = self._table(verdict)
        if table.shape[1] != self.n_features_in_:
            raise DataError(
                f"verdict has {table.shape[1]} columns, but the panel was fitted on "
                f"{self.n_features_in_} models; give the same."
            )
        return np.asarray(table @ self.coef_)

    def predict(self, verdict: Any) -> Array:
        """Return 1 or -1, and 0 where the odds are even, shape (n,)."""
        return np.asarray(np.sign(self.decision_function(verdict).round(12)))

    @staticmethod
    def _table(verdict: Any) -> Array:
        return np.nan_to_num(_checked(verdict))


def _checked(verdict: Any) -> Array:
    otherwise = "verdict is no table of numbers from -1 to 1; give shape (n, N)."
    table = as_floats("verdict", verdict, otherwise)
    if table.ndim != 2 or not table.shape[1] or np.nanmax(np.abs(table), initial=0.0) > 1:
        raise DataError(otherwise)
    return table
