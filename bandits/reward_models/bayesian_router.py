"""Thompson sampling among reward models, from what was learned offline (sections 3.3 and 3.4)."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone

from bandits._caps import count_outcomes
from bandits._ties import argmax_with_ties
from bandits.linear._largest_normal import probability_of_largest, widened
from bandits.linear._posterior import GaussianPosterior
from bandits.linear.base import LinearBandit
from bandits.reward_models.offline import OfflineRewardRouter
from metarouter.exceptions import DataError
from metarouter.utils.parameters import number, one_of

__all__ = ["BayesianRouter"]

Array = NDArray[np.float64]

PRIOR_SCALES = ("reward", "score", "none")
VARIANCE_WITH_PRIOR, VARIANCE_WITHOUT = 0.02, 1.0  # appendix A.1
_LEAST_SLOPE = 0.05  # of rates on scores: below it the prior says next to nothing
_BEGINNING = Lock()


class BayesianRouter(LinearBandit):
    """Choose a reward model for every pair; learn from the reward of the chosen one alone.

    The reward of model n on a pair is w_n' x + noise of variance sigma^2 (equation 4), x being
    [h; 1] with the offline router's h. Of every w_n there is a Gaussian posterior, N(mu_n, S_n),
    that begins at the offline router's strengths and follows the rewards (equations 5 and 6). A
    pair goes to the model with the highest of independent draws from the posteriors of its
    reward, narrowed by `scale`; the probability of that choice is exact to 1e-7.

    Parameters
    ----------
    offline : fitted OfflineRewardRouter, optional
        Without it, x is the pair's features and a one, and the prior mean is zero.
    prior_scale : {"reward", "score", "none"}, default="reward"
        What the offline scores say of rewards, see Notes. "none" takes the offline features and a
        prior mean of zero.
    prior_variance : float, optional
        sigma_w^2 of every coefficient. By default 0.02 with a prior and 1 without (appendix A.1),
        the former in units of scores: with "reward" it is multiplied by the squared slope.
    noise_variance : float, default=0.1
        sigma^2; of rewards in [0, 1] it cannot exceed 1/4. The paper takes 1.
    scale : float, default=0.3
        What the standard deviations of the draws are multiplied by, as in `LinTS`; 1 draws from
        the posterior, as the paper does, 0 always takes the highest mean.
    discount : float, default=1.0
        As in `LinearBandit`: below 1, what was learned online fades back to the prior.
    arms : iterable, optional
        Names of the reward models; by default those of the offline router. One that is not among
        them begins with the mean of their priors.
    cost_cap, latency_cap, random_state
        As in `BanditRouter`. Where costs are given, a preference trades accuracy for price.

    Attributes
    ----------
    arms_ : list
    posterior_ : GaussianPosterior
        Of unit noise: its precision is sigma^2 S_n^-1.

    Notes
    -----
    Bradley-Terry scores are logits and rewards lie in [0, 1]. Taken as they are (``"score"``),
    scores are a prior that rewards refute: what was chosen falls to the scale of rewards, what was
    not chosen keeps its score and is chosen next. On the scale of rewards the prior mean of the
    reward is the least-squares line from scores to the rates of being right,
    ``reward_level_ + reward_slope_ s_n``, which orders the models as s_n does. The paper's version
    is ``prior_scale="score", noise_variance=1`` with ``OfflineRewardRouter(normalize=False)``, the
    authors' code has ``normalize=True``; `docs/reward_models.md` compares them.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(400, 4))
    >>> correct = np.column_stack([X[:, 0] > 0, X[:, 0] < 0]).astype(float)
    >>> offline = OfflineRewardRouter(max_epochs=20, random_state=0).fit(X, correct)
    >>> router = BayesianRouter(offline=offline, random_state=0)
    >>> action, propensity = router.sample(X)
    >>> reward = correct[np.arange(400), action]
    >>> router = router.partial_fit(X, action, quality=reward, propensity=propensity)
    >>> router.predict([[2.0, 0.0, 0.0, 0.0], [-2.0, 0.0, 0.0, 0.0]]).tolist()
    [0, 1]
    """

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "offline": "no_validation",  # `_fitted_offline`
        "prior_scale": [one_of(*PRIOR_SCALES)],
        "prior_variance": [number(above=0), None],
        "noise_variance": [number(above=0)],
        "scale": [number(at_least=0)],
    }

    def __init__(
        self,
        offline: OfflineRewardRouter | None = None,
        *,
        prior_scale: str = "reward",
        prior_variance: float | None = None,
        noise_variance: float = 0.1,
        scale: float = 0.3,
        discount: float = 1.0,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        latency_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__(
            discount=discount,
            arms=arms,
            cost_cap=cost_cap,
            latency_cap=latency_cap,
            random_state=random_state,
        )
        self.offline = offline
        self.prior_scale = prior_scale
        self.prior_variance = prior_variance
        self.noise_variance = noise_variance
        self.scale = scale

    def partial_fit(
        self,
        X: Any,
        action: Any,
        quality: Any,
        cost: Any = None,
        latency: Any = None,
        *,
        propensity: Any = None,
        arms: Iterable[Any] | None = None,
    ) -> Self:
        """Learn from the rewards of chosen models; see `BanditRouter.partial_fit`."""
        n_outcomes = count_outcomes(cost, latency)
        begun = getattr(self, "n_outcomes_", n_outcomes)
        if begun != n_outcomes and self.n_updates_ == 0:  # it has chosen, and knew of no costs
            draws = (self._seed, self._ties, self._exploration)
            fresh = self._blank_copy()
            fresh._begin_with(X, self.arms_, n_outcomes)
            fresh._seed, fresh._ties, fresh._exploration = draws
            super(BayesianRouter, fresh).partial_fit(
                X, action, quality, cost, latency, propensity=propensity
            )
            self.__dict__ = fresh.__dict__
            return self
        if (
            not hasattr(self, "arms_")
            and arms is None
            and self.arms is None
            and self.offline is not None
        ):
            arms = self._fitted_offline().arms_
        return super().partial_fit(
            X, action, quality, cost, latency, propensity=propensity, arms=arms
        )

    def predict(self, X: Any, preference: ArrayLike | None = None) -> NDArray[Any]:
        """Return the model with the highest expected reward for every pair, shape (n,)."""
        self._begin_from_prior(X)
        return super().predict(X, preference)

    # What the base asks for ------------------------------------------------------------------

    def _query(self, X: Any, preference: ArrayLike | None) -> tuple[Array, Array]:
        self._begin_from_prior(X)
        return super()._query(X, preference)

    def _begin_from_prior(self, X: Any) -> None:
        """Begin with what was learned offline, where feedback has not begun it yet."""
        if self.offline is None or "arms_" in vars(self):
            return
        with _BEGINNING:
            if "arms_" not in vars(self):
                with self._anew() as fresh:
                    fresh._begin_with(X, self._log_arms(), 1)

    def _log_arms(self) -> Any:
        named = self.arms is None and self.offline is not None
        return self._fitted_offline().arms_ if named else self.arms

    def _start(self, n_features: int, n_arms: int, n_outcomes: int) -> None:
        self._check_offline(n_features)
        mean, variance = self._prior_of(n_features)
        whole = np.zeros((n_arms, n_outcomes, mean.shape[1]))
        whole[:, 0] = mean
        self.posterior_ = GaussianPosterior(
            mean.shape[1], n_arms, n_outcomes, self.noise_variance / variance, whole
        )

    def _prior_of(self, n_features: int) -> tuple[Array, float]:
        """Return the prior mean of the rewards' coefficients, (N, d + 1), and their variance."""
        if self.offline is None:
            return np.zeros((len(self.arms_), n_features + 1)), self.prior_variance or 1.0
        offline = self._fitted_offline()
        width = offline.embedding_.shape[1] + 1
        if self.prior_scale == "none":
            variance = self.prior_variance or VARIANCE_WITHOUT
            return np.zeros((len(self.arms_), width)), variance
        slope, level = (
            (offline.reward_slope_, offline.reward_level_)
            if self.prior_scale == "reward"
            else (1.0, 0.0)
        )
        known = dict(zip(offline.arms_, offline.embedding_, strict=True))
        average = offline.embedding_.mean(axis=0)
        embedding = np.stack([known.get(name, average) for name in self.arms_])
        mean = np.column_stack([slope * embedding, np.full(len(self.arms_), level)])
        variance = VARIANCE_WITH_PRIOR * max(slope, _LEAST_SLOPE) ** 2
        return mean, self.prior_variance or variance

    def _noise(self, n_rows: int) -> Array:
        return self._exploration.standard_normal((n_rows, len(self.arms_)))

    def _select(self, mean: Array, std: Array, tie: Array, noise: Array) -> NDArray[np.intp]:
        return argmax_with_ties(mean + self._deviation(std) * noise, tie)

    def _chances(self, mean: Array, std: Array) -> Array:
        return probability_of_largest(mean, self._deviation(std))

    def _deviation(self, std: Array) -> Array:
        """Return the deviation of draws, given that of a posterior of unit noise."""
        return np.asarray(widened(self.scale * np.sqrt(self.noise_variance) * std))

    def _design(self, X: Array) -> Array:
        h = X if self.offline is None else self._fitted_offline().transform_array(X)
        return np.column_stack([h, np.ones(len(h))])

    # Offline router --------------------------------------------------------------------------

    def _fitted_offline(self) -> OfflineRewardRouter:
        offline = getattr(self.offline, "estimator", self.offline)  # FrozenEstimator
        if not isinstance(offline, OfflineRewardRouter) or not hasattr(offline, "weights_"):
            raise DataError(
                "offline is no fitted OfflineRewardRouter; give "
                "OfflineRewardRouter().fit(X, correct), or None."
            )
        return offline

    def _check_offline(self, n_features: int) -> None:
        if self.offline is None:
            return
        offline = self._fitted_offline()
        if offline.n_features_in_ != n_features:
            raise DataError(
                f"X has {n_features} features, but the offline router was trained on "
                f"{offline.n_features_in_}; give both the same pair_features."
            )
        learned, given = (list(getattr(r, "feature_names_in_", ())) for r in (offline, self))
        if learned and given and learned != given:
            raise DataError(
                f"X has the features {given}, the offline router {learned}; give both the same in "
                "one order."
            )
        if not set(offline.arms_) & set(self.arms_):
            raise DataError(
                f"No arm of {self.arms_} is among the offline router's models {offline.arms_}; "
                "name them alike."
            )

    def __sklearn_clone__(self) -> Self:
        # What was learned offline is a parameter: a clone starts from the same prior.
        parameters = self.get_params(deep=False)
        offline = parameters.pop("offline")
        copies = {name: clone(value, safe=False) for name, value in parameters.items()}
        return type(self)(offline, **copies)

    def _blank_copy(self) -> Self:
        return self.__sklearn_clone__()

    # Saving ----------------------------------------------------------------------------------

    def _settings(self) -> dict[str, Any]:
        settings = dict(self.get_params(deep=False))
        if self.offline is not None:
            settings["offline"] = self._fitted_offline().to_dict()
        return settings

    @classmethod
    def _from_settings(cls, settings: dict[str, Any]) -> Self:
        state = settings["offline"]
        offline = None if state is None else OfflineRewardRouter.from_dict(state)
        return cls(**{**settings, "offline": offline})

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {**super()._arrays(), "prior_mean": self.posterior_.prior_mean}

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.posterior_.prior_mean = arrays["prior_mean"]
        super()._set_arrays(arrays)
