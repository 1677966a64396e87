"""What every bandit router is to its users: arms by name, preferences, costs, feedback."""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from bandits._arms import names_of
from bandits._charges import count_outcomes
from bandits._core import RouterCore
from bandits._ties import argmax_with_ties
from bandits._validation import check_preference, contexts
from bandits.replay import Replay
from metarouter.exceptions import DataError
from metarouter.utils.parameters import check_weight

__all__ = ["BanditRouter"]

_BEGINNING = Lock()  # one router begins at a time, so that two threads do not both begin one


class BanditRouter(RouterCore):
    """Base of the routers that see the outcome of the model they called and nothing else.

    Quality and cost are kept apart until the preference is known, so that one trained router
    serves every preference vector (w_quality, w_cost): the reward of an arm is
    w_q q - w_c min(c / tau, 1) (BaRP, equation 1). Where latencies are given they are a third
    outcome of the kind, with a cap of their own: (w_quality, w_cost, w_latency). A router may be
    shared by threads: whatever learns or explores holds one lock.

    A subclass names its parameters, learns (`_start`, `_update`), scores every arm (`_scores`)
    and explores (`_choose`, `_probabilities`).

    Parameters
    ----------
    arms : iterable, optional
        Names of the arms; by default the columns of the logs, else 0, 1, ...
    cost_cap : float, optional
        tau, the cost that counts as 1, in the unit of the costs; larger costs count as 1 too. By
        default the largest cost that feedback has shown so far, so that none is cut.
    latency_cap : float, optional
        The same for latencies, in their unit.
    random_state : int, RandomState or None
        Draws of exploration and of ties.
    """

    def fit(
        self,
        X: Any,
        quality: Any,
        cost: Any = None,
        latency: Any = None,
        *,
        preference: ArrayLike | None = None,
    ) -> Self:
        """Learn anew from logs of all arms, played as a bandit; on any error nothing changes.

        Rows are played in the order given; in each, one arm is chosen and only its outcome seen.

        Parameters
        ----------
        X : array of shape (n, n_features)
        quality : array or DataFrame of shape (n, n_arms)
        cost, latency : array of the same shape, optional
            What every call takes, in money and, beside it, in time.
        preference : weights, or array of shape (n, 2) or (n, 3), optional
            The preference that each round is played with. By default drawn uniformly on the
            simplex, or (1, 0) where there are no costs.

        Returns
        -------
        self

        Raises
        ------
        DataError
            One sentence that names what is wrong, where, and the mend.
        """
        if quality is None:
            raise DataError(
                f"{type(self).__name__} requires y to be passed, but the target y is None; give "
                "the quality of every arm, shape (n, n_arms)."
            )
        with self._anew() as fresh:
            features = contexts(fresh, X, first=True)
            replay = Replay(features, quality, cost, latency, arms=self.arms)
            fresh._begin(replay.arms, replay.n_outcomes)
            if preference is not None:
                check_preference(preference, replay.n_rounds, replay.n_outcomes)
            fresh.n_revealed_ = fresh._play(replay, preference)
        return self

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
        """Learn from the outcomes of chosen arms; on any error nothing is learned.

        Parameters
        ----------
        X : array of shape (n, n_features)
        action : array of shape (n,)
            Names of the arms that were called.
        quality, cost, latency : array of shape (n,)
            What came of it. Costs are given always or never, and latencies too.
        propensity : array of shape (n,), optional
            Probability with which each action was chosen.
        arms : iterable, optional
            Names of all arms, wanted at the first call where the constructor has none.

        Returns
        -------
        self

        Raises
        ------
        DataError
            One sentence that names what is wrong, where, and the mend.
        """
        feedback = (X, action, quality, cost, latency, propensity)
        if not hasattr(self, "arms_"):
            with _BEGINNING:
                if not hasattr(self, "arms_"):  # no other thread has begun it meanwhile
                    with self._anew() as fresh:
                        fresh._begin_with(X, arms, count_outcomes(cost, latency))
                        fresh._learn(fresh._feedback(*feedback))
                    return self
        with self._lock:
            self._learn(self._feedback(*feedback))
        return self

    def decision_function(self, X: Any, preference: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return the score of every arm, shape (n, n_arms): the higher, the better.

        Of most routers it is the expected reward; a policy's are the logits of its probabilities.
        """
        features, pairs = self._query(X, preference)
        with self._lock:
            return self._scores(features, pairs)

    def predict(self, X: Any, preference: ArrayLike | None = None) -> NDArray[Any]:
        """Return the name of the arm with the highest score, shape (n,).

        Nothing is explored: the same call gives the same arms. Ties are drawn from the seed.
        """
        check_is_fitted(self, "arms_")
        ties = np.random.default_rng([self._seed, 2])
        with self._lock:  # so that the names are those of the scores
            scores = self.decision_function(X, preference)
            return names_of(argmax_with_ties(scores, ties.random(len(scores))), self.arms_)

    def predict_proba(self, X: Any, preference: ArrayLike | None = None) -> NDArray[np.float64]:
        """Return the probabilities with which `sample` calls every arm, shape (n, n_arms)."""
        features, pairs = self._query(X, preference)
        with self._lock:
            return self._probabilities(features, pairs)

    def sample(
        self, X: Any, preference: ArrayLike | None = None
    ) -> tuple[NDArray[Any], NDArray[np.float64]]:
        """Explore: return the arms to call and the probabilities with which they were chosen.

        Returns
        -------
        action : ndarray of shape (n,)
        propensity : ndarray of shape (n,)
            Log it: evaluation from logs needs it.
        """
        features, pairs = self._query(X, preference)
        with self._lock:
            arm, propensity = self._choose(features, pairs)
            return names_of(arm, self.arms_), propensity

    def add_arm(self, name: Any, *, like: Any = None, weight: float = 1.0) -> Self:
        """Add an arm, without touching what is known of the others.

        Parameters
        ----------
        name : str or int
        like : name of an arm, optional
            Start from what is known of this arm instead of from nothing.
        weight : float, default=1.0
            The evidence of `like` counts this much, from 0 to 1.

        Raises
        ------
        DataError
            If the name is taken, `like` is no arm, or the weight is off its range.
        """
        check_is_fitted(self)
        check_weight(weight)
        with self._lock:
            names, origin = self._with_arm(name, like)
            self._add_arm(origin, weight)
            self.arms_ = names
        return self

    def remove_arm(self, name: Any) -> Self:
        """Forget an arm; it is never called again.

        Raises
        ------
        DataError
            If there is no such arm, or no other one.
        """
        check_is_fitted(self)
        with self._lock:
            position = self._removable(name)
            self._remove_arm(position)
            self.arms_ = [arm for k, arm in enumerate(self.arms_) if k != position]
        return self

    def save(self, path: Any) -> None:
        """Write the router to one file, without pickle; see `load_bandit`."""
        from bandits._persistence import save_bandit

        check_is_fitted(self)
        with self._lock:
            save_bandit(self, path)

    @property
    def n_arms_(self) -> int:
        """Number of arms."""
        return len(self.arms_)
