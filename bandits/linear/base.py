"""What the linear bandits share: exact posteriors, preferences, exact replay in blocks."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.base import Feedback
from bandits.linear._blocks import play_in_blocks
from bandits.linear._posterior import GaussianPosterior
from bandits.linear._prior import check_prior_mean, check_prior_precision
from bandits.outcome_router import OutcomeRouter
from bandits.replay import Replay
from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_parameter, number

__all__ = ["LinearBandit"]

Array = NDArray[np.float64]


class LinearBandit(OutcomeRouter):
    """Base of the routers with one ridge regression per arm and outcome (disjoint linear models).

    The reward of an arm under (w_q, w_c) has the posterior mean w_q m_q - w_c m_c / tau and the
    standard deviation sqrt(w_q^2 + w_c^2) sqrt(x' A^-1 x): the outcomes are seen together and
    share the precision A, and their noises are independent with variance 1. Latency, where it is
    learned, adds its terms to both.

    Features beyond 1e6 are refused: in the sums of their squares the ridge penalty would drown.

    A subclass says which arm follows from means and standard deviations (`_select`), and with
    which probability (`_chances`).

    Parameters
    ----------
    prior_precision : float, or array of shape (d,), (n_arms, d) or (n_arms, d, d), default=1.0
        lambda, the ridge penalty; the intercept is penalised like the rest. Of several
        coefficients or arms each may have its own, d being the number of features and one more
        with an intercept, which comes last.
    prior_mean : array of shape (d,), (n_arms, d) or (n_arms, n_outcomes, d), optional
        What the coefficients are shrunk to, zero by default; the first two shapes are the
        quality's. An arm that is added later begins with the mean of the arms' priors, or with
        that of the arm it is like.
    fit_intercept : bool, default=True
    discount : float, default=1.0
        What the evidence of all arms is multiplied by with every row of feedback, in (0, 1]. Below
        1 old feedback fades while the prior stays, for streams that drift; every decision after
        feedback then costs a factorisation per arm, so that feedback is best given in batches.
    prior : fitted linear router or (router, weight), optional
        Warm start from what another router with the same arms and features has learned, its
        evidence multiplied by the weight. A clone of this router keeps it, fitted as it is.
    arms, cost_cap, latency_cap, random_state
        As in `BanditRouter`.
    """

    # Sums of squares of larger features leave the prior no digit to stand on.
    _largest_feature = 1e6

    posterior_: GaussianPosterior

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "prior_precision": "no_validation",  # `check_prior_precision`, where arms are known
        "prior_mean": "no_validation",  # `check_prior_mean`
        "fit_intercept": ["boolean"],
        "discount": [number(above=0, at_most=1)],
        "prior": "no_validation",
    }

    def __init__(
        self,
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
            arms=arms, cost_cap=cost_cap, latency_cap=latency_cap, random_state=random_state
        )
        self.prior_precision = prior_precision
        self.prior_mean = prior_mean
        self.fit_intercept = fit_intercept
        self.discount = discount
        self.prior = prior

    # What a subclass writes ------------------------------------------------------------------

    @abstractmethod
    def _select(self, mean: Array, std: Array, tie: Array, noise: Array) -> NDArray[np.intp]:
        """Return the arm of each row, from (n, n_arms) means and standard deviations."""

    @abstractmethod
    def _chances(self, mean: Array, std: Array) -> Array:
        """Return the probability of every arm under `_select`, shape (n, n_arms)."""

    def _noise(self, n_rows: int) -> Array:
        """Return the draws of exploration that `_select` wants, one row per context."""
        return np.empty((n_rows, 0))

    # What the base asks for ------------------------------------------------------------------

    def _start(self, n_features: int, n_arms: int, n_outcomes: int) -> None:
        width = n_features + bool(self.fit_intercept)
        precision = check_prior_precision(self.prior_precision, n_arms, width)
        mean = check_prior_mean(self.prior_mean, n_arms, n_outcomes, width)
        self.posterior_ = GaussianPosterior(width, n_arms, n_outcomes, precision, mean)
        if self.prior is not None:
            self._start_from(self.prior)

    def _update(self, feedback: Feedback) -> None:
        X, n_rows = self._design(feedback.X), len(feedback.X)
        weight = None
        if self.discount < 1:
            self.posterior_.discount(self.discount**n_rows)
            weight = self.discount ** np.arange(n_rows - 1, -1, -1.0)
        self.posterior_.update_rows(X, feedback.arm, feedback.outcomes, weight)

    def _predict_outcomes(self, X: Array) -> Array:
        return self.posterior_.means(self._design(X))

    def _choose(self, X: Array, preference: Array) -> tuple[NDArray[np.intp], Array]:
        mean, std = self._reward_marginals(X, preference)
        arm = self._select(mean, std, self._ties.random(len(X)), self._noise(len(X)))
        return arm, self._chances(mean, std)[np.arange(len(X)), arm]

    def _probabilities(self, X: Array, preference: Array) -> Array:
        return self._chances(*self._reward_marginals(X, preference))

    def _probabilities_among(self, X: Array, preference: Array, arms: NDArray[np.intp]) -> Array:
        mean, std = self._reward_marginals(X, preference)
        return self._chances(mean[:, arms], std[:, arms])

    def _play(self, replay: Replay, preference: ArrayLike | None) -> int:
        if self.discount < 1:
            return super()._play(replay, preference)
        pairs = self._preferences(preference, replay.n_rounds)
        play_in_blocks(self, replay, self._design(replay.X), pairs)
        return replay.n_revealed

    def __sklearn_clone__(self) -> LinearBandit:
        # A prior was learned: emptied by cloning, it would be none (FrozenEstimator's convention).
        bare = copy.copy(self)
        bare.prior = None
        cloned: LinearBandit = super(LinearBandit, bare).__sklearn_clone__()
        cloned.prior = self.prior
        return cloned

    def _add_arm(self, like: int | None, weight: float) -> None:
        self.posterior_.add_arm(like, weight)

    def _remove_arm(self, position: int) -> None:
        self.posterior_.remove_arm(position)

    def _settings(self) -> dict[str, Any]:
        # Arms may have come and gone since the constructor was given a prior for each.
        settings = super()._settings()
        for name in ("prior_precision", "prior_mean"):
            if np.ndim(settings[name]):
                settings[name] = getattr(self.posterior_, name)
        return settings

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return self.posterior_.arrays()

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        self.posterior_.set_arrays(arrays)

    # Helpers ---------------------------------------------------------------------------------

    def _reward_marginals(self, X: Array, preference: Array) -> tuple[Array, Array]:
        """Return mean and standard deviation of every arm's reward, shape (n, n_arms) each."""
        design = self._design(X)
        # Widths first: what they factorise brings the means up to date as well.
        variance = self.posterior_.variances(design)
        mean = self._expected_reward(self.posterior_.means(design), preference)
        length = np.sqrt((preference**2).sum(axis=-1, keepdims=True))
        return mean, np.sqrt(np.maximum(variance, 0.0)) * length

    def _design(self, X: Array) -> Array:
        # What was learned says whether there is an intercept, whatever the parameter says now.
        if X.shape[1] == self.posterior_.coef.shape[2]:
            return X
        return np.column_stack([X, np.ones(len(X))])

    def _start_from(self, prior: Any) -> None:
        router, weight = prior if isinstance(prior, tuple) and len(prior) == 2 else (prior, 1.0)
        check_parameter("weight of prior", weight, lambda w: w >= 0, "a number of at least 0")
        source = getattr(router, "posterior_", None)
        if (
            source is None
            or source.moment.shape != self.posterior_.moment.shape
            or router.n_features_in_ != self.n_features_in_
        ):
            raise DataError(
                f"prior is a {type(router).__name__} that does not fit: give a linear router that "
                f"was trained with {self.n_features_in_} features and {len(self.arms_)} arms, with "
                "costs, latencies and an intercept if this one has them."
            )
        learned_from, features = (
            list(getattr(of, "feature_names_in_", ())) for of in (router, self)
        )
        if learned_from and features and learned_from != features:
            raise DataError(
                f"prior was trained on the features {learned_from}, this router on {features}; "
                "give both the same in one order."
            )
        if router.arms_ != self.arms_:
            raise DataError(
                f"prior has the arms {router.arms_}, this router {self.arms_}; name them alike and "
                "in the same order."
            )
        self.posterior_.merge(source, weight)
        for j, found in enumerate(self._caps.is_found):
            if found:
                self.caps_[j] = max(self.caps_[j], router.caps_[j])
