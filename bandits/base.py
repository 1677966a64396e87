"""What every router is to its users: arms by name, preferences, costs, feedback."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bandits._arms import check_arms, names_of, position_of, positions_of
from bandits._caps import COSTS, Caps, count_outcomes, require_same
from bandits._logs import check_available
from bandits._ties import argmax_with_ties, chances_of_best, draw
from bandits._validation import (
    LARGEST_FLOAT,
    LARGEST_OUTCOME,
    check_outcome,
    check_preference,
    check_propensity,
    contexts,
    preferences_to_play,
)
from bandits.replay import Replay
from metarouter.exceptions import DataError, RouterFileError
from metarouter.utils.locks import fork_safe_lock
from metarouter.utils.parameters import check_parameters, check_weight, number
from metarouter.utils.random import seed_of

__all__ = ["BanditRouter", "BaseRouter", "Feedback"]

Array = NDArray[np.float64]

_BEGINNING = (
    fork_safe_lock()
)  # one router begins at a time, so that two threads do not both begin one


class Feedback(NamedTuple):
    """Validated outcomes of chosen arms: quality and, where known, cost and latency."""

    X: Array
    arm: NDArray[np.intp]
    outcomes: Array
    propensity: Array | None


class BaseRouter(BaseEstimator):
    """Base of all routers: arms by name, outcomes and their caps, the arm with the highest score.

    Outcomes are quality, quality and cost, or quality, cost and latency. The reward of an arm is
    w_q q - w_c min(c / tau, 1) (BaRP, equation 1), and so for latency, with a cap of its own.

    A subclass learns, each kind in its own way, and scores every arm (`_scores`).

    Parameters
    ----------
    arms : iterable, optional
        Names of the arms; by default the columns of the logs, else 0, 1, ...
    cost_cap : float, optional
        tau, the cost that counts as 1, in the unit of the costs; larger costs count as 1 too. By
        default the largest cost that was seen.
    latency_cap : float, optional
        The same for latencies, in their unit.
    random_state : int, RandomState or None
        Draws of training, of exploration and of ties.
    """

    # Beyond them features and qualities are refused.
    _largest_feature = LARGEST_FLOAT
    _largest_quality = LARGEST_OUTCOME

    arms_: list[Any]
    n_outcomes_: int
    n_updates_: int
    n_features_in_: int

    _parameter_constraints: ClassVar[dict[str, Any]] = {
        "arms": "no_validation",  # `check_arms`, where names are needed
        "cost_cap": [number(above=0), None],
        "latency_cap": [number(above=0), None],
        "random_state": ["random_state"],
    }

    def __init__(
        self,
        *,
        arms: Iterable[Any] | None = None,
        cost_cap: float | None = None,
        latency_cap: float | None = None,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        self.arms = arms
        self.cost_cap = cost_cap
        self.latency_cap = latency_cap
        self.random_state = random_state

    # What a subclass writes ------------------------------------------------------------------

    @abstractmethod
    def _scores(self, X: Array, preference: Array) -> Array:
        """Return what `predict` looks for the highest of, shape (n, n_arms)."""

    def _start(self, n_features: int, n_arms: int, n_outcomes: int) -> None:
        """Initialise without data."""

    def _caps_to_find(self) -> Caps:
        """Return caps that learn from what is seen where none are given."""
        return Caps((self.cost_cap, self.latency_cap)[: self.n_outcomes_ - 1])

    def _settings(self) -> dict[str, Any]:
        """Return the parameters that a router of the same arms is made with, for `save`."""
        return dict(self.get_params(deep=False))

    @classmethod
    def _from_settings(cls, settings: dict[str, Any]) -> Self:
        """Return a router with the parameters that `_settings` returned."""
        return cls(**settings)

    def _log_arms(self) -> Any:
        """Return the names of the arms of logs that name none, if they are known."""
        return self.arms

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learned, for `save`.

        Raises
        ------
        RouterFileError
            If it cannot be written without pickle.
        """
        raise RouterFileError(
            f"What a {type(self).__name__} has learned is no set of arrays, and is not saved: "
            "train it again where it is needed."
        )

    def _expected_arrays(self, arrays: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
        """Return arrays of the shapes and types that those of a file must have."""
        return self._arrays()

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `_arrays` returned."""

    # What users call -------------------------------------------------------------------------

    def decision_function(self, X: Any, preference: ArrayLike | None = None) -> Array:
        """Return the score of every arm, shape (n, n_arms): the higher, the better.

        Of most routers it is the expected reward; a policy's are the logits of its probabilities.
        """
        features, pairs = self._query(X, preference)
        with self._lock:
            return self._scores(features, pairs) if len(features) else self._no_rows()

    def predict(self, X: Any, preference: ArrayLike | None = None) -> NDArray[Any]:
        """Return the name of the arm with the highest score, shape (n,).

        Nothing is explored: the same call gives the same arms. Ties are drawn from the seed.
        """
        check_is_fitted(self, "arms_")
        ties = np.random.default_rng([self._seed, 2])
        with self._lock:  # so that the names are those of the scores
            scores = self.decision_function(X, preference)
            return names_of(argmax_with_ties(scores, ties.random(len(scores))), self.arms_)

    def predict_proba(self, X: Any, preference: ArrayLike | None = None) -> Array:
        """Return the probability that each arm is called: 1 for the best, shared by equals."""
        return chances_of_best(self.decision_function(X, preference))

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

    @property
    def has_cost_(self) -> bool:
        """Whether costs were learned."""
        return self.n_outcomes_ > 1

    @property
    def has_latency_(self) -> bool:
        """Whether latencies were learned."""
        return self.n_outcomes_ > 2

    @property
    def caps_(self) -> list[float]:
        """The cost and the latency that count as 1, where they were learned."""
        return self._caps.values

    @property
    def cost_cap_(self) -> float:
        """The cost that counts as 1; 0 before any is known."""
        return self.caps_[0] if self.has_cost_ else 0.0

    @property
    def latency_cap_(self) -> float:
        """The latency that counts as 1; 0 before any is known."""
        return self.caps_[1] if self.has_latency_ else 0.0

    # What they share -------------------------------------------------------------------------

    @contextmanager
    def _anew(self) -> Iterator[Self]:
        """Yield a copy that learns from the beginning; the router becomes it, or stays as it is."""
        fresh = copy.copy(self)
        yield fresh
        self.__dict__ = fresh.__dict__

    def _begin(self, arms: list[Any], n_outcomes: int) -> None:
        check_parameters(self)
        self.n_outcomes_ = n_outcomes
        # Settled now, whatever becomes of the parameters afterwards.
        self._caps = self._caps_to_find()
        self.arms_ = list(arms)
        self.n_updates_ = 0
        self.__dict__.pop("n_revealed_", None)  # which `fit` alone sets
        self._lock = fork_safe_lock()
        self._seed = seed_of(self.random_state)
        self._ties = np.random.default_rng([self._seed, 0])
        self._exploration: Generator = np.random.default_rng([self._seed, 1])
        self._start(self.n_features_in_, len(self.arms_), n_outcomes)

    def _query(self, X: Any, preference: ArrayLike | None) -> tuple[Array, Array]:
        if "arms_" not in vars(self):
            check_is_fitted(self, "arms_")
        features = contexts(self, X)
        return features, check_preference(preference, len(features), self.n_outcomes_)

    def _no_rows(self, n_rows: int = 0) -> Array:
        """Return zeros of every arm: what is said of no rows, and where none can be called."""
        return np.zeros((n_rows, len(self.arms_)))

    def _require_quality(self, quality: Any) -> None:
        if quality is None:
            raise DataError(
                f"{type(self).__name__} requires y to be passed, but the target y is None; give "
                "the quality of every arm, shape (n, n_arms)."
            )

    def _require_learned(self, position: int) -> None:
        """Refuse to speak of an outcome that was not learned.

        Raises
        ------
        DataError
        """
        if self.n_outcomes_ <= position:
            name, many = COSTS[position - 1]
            raise DataError(f"This router has seen no {many}: pass {name}= when training.")

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_lock", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "arms_" in state:
            self._lock = fork_safe_lock()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags


class BanditRouter(BaseRouter):
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

    # What a subclass writes ------------------------------------------------------------------

    @abstractmethod
    def _start(self, n_features: int, n_arms: int, n_outcomes: int) -> None:
        """Initialise without data."""

    @abstractmethod
    def _update(self, feedback: Feedback) -> None:
        """Learn from validated feedback."""

    @abstractmethod
    def _choose(self, X: Array, preference: Array) -> tuple[NDArray[np.intp], Array]:
        """Explore: positions of arms, and their probabilities."""

    @abstractmethod
    def _probabilities(self, X: Array, preference: Array) -> Array:
        """Return the probabilities of `_choose`, shape (n, n_arms)."""

    def _probabilities_among(self, X: Array, preference: Array, arms: NDArray[np.intp]) -> Array:
        """Return the probabilities where some arms alone can be called, shape (n, len(arms)).

        Here the others' probability is shared out in proportion; where they had all of it, the
        highest score of those that are left is called.
        """
        chances = self._probabilities(X, preference)[:, arms]
        total = chances.sum(axis=1, keepdims=True)
        best = chances_of_best(self._scores(X, preference)[:, arms])
        return np.divide(chances, total, out=best, where=total > 0)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return {}

    def _add_arm(self, like: int | None, weight: float) -> None:
        raise NotImplementedError

    def _remove_arm(self, position: int) -> None:
        raise NotImplementedError

    def _play(self, replay: Replay, preference: ArrayLike | None) -> int:
        """Choose, see one outcome and learn, round by round; return the number of cells shown."""
        pairs = self._preferences(preference, replay.n_rounds)
        for row in range(replay.n_rounds):
            x = replay.X[row : row + 1]
            arm, propensity = self._choose(x, pairs[row])
            shown = replay.reveal(row, arm)
            self._learn(Feedback(x, arm, shown.outcomes, propensity))
        return replay.n_revealed

    # What users call -------------------------------------------------------------------------

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
            If X, quality, cost or another argument is malformed.
        """
        self._require_quality(quality)
        with self._anew() as fresh:
            features = contexts(fresh, X, first=True)
            replay = Replay(features, quality, cost, latency, arms=self._log_arms())
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
            Observed outcomes. Pass `cost` on every call or on none, and `latency` too.
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
            If X, quality, cost or another argument is malformed.
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

    def predict_proba(
        self, X: Any, preference: ArrayLike | None = None, *, available: Any = None
    ) -> Array:
        """Return the probabilities with which `sample` calls every arm, shape (n, n_arms).

        An arm that is not `available` has none.
        """
        features, pairs = self._query(X, preference)
        with self._lock:
            if available is None and len(features):
                return self._probabilities(features, pairs)
            chances = self._no_rows(len(features))
            for rows, arms in self._offers(available, len(features)):
                chances[np.ix_(rows, arms)] = self._probabilities_among(
                    features[rows], _of_rows(pairs, rows), arms
                )
            return chances

    def sample(
        self, X: Any, preference: ArrayLike | None = None, *, available: Any = None
    ) -> tuple[NDArray[Any], Array]:
        """Explore: return the arms to call and the probabilities with which they were chosen.

        Parameters
        ----------
        X : array of shape (n, n_features)
        preference : weights, or array of shape (n, 2) or (n, 3), optional
        available : array of bool of shape (n_arms,) or (n, n_arms), optional
            Which arms can be called, in the order of `arms_`; by default all. What is known of the
            others stays as it is.

        Returns
        -------
        action : ndarray of shape (n,)
        propensity : ndarray of shape (n,)
            Log it: evaluation from logs needs it.
        """
        features, pairs = self._query(X, preference)
        with self._lock:
            if available is None and len(features):
                arm, propensity = self._choose(features, pairs)
                return names_of(arm, self.arms_), propensity
            arm, propensity = np.empty(len(features), dtype=np.intp), np.empty(len(features))
            for rows, arms in self._offers(available, len(features)):
                arm[rows], propensity[rows] = self._choose_among(
                    features[rows], _of_rows(pairs, rows), arms
                )
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

    # What they share -------------------------------------------------------------------------

    def _choose_among(
        self, X: Array, preference: Array, arms: NDArray[np.intp]
    ) -> tuple[NDArray[np.intp], Array]:
        """Explore among some arms: positions of arms, and their probabilities."""
        chances = self._probabilities_among(X, preference, arms)
        drawn = draw(chances, self._exploration.random(len(X)))
        return arms[drawn], chances[np.arange(len(X)), drawn]

    def _offers(
        self, available: Any, n_rows: int
    ) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Yield rows in which the same arms can be called, and the positions of these arms."""
        if available is None:  # of no rows
            return
        table = np.asarray(available)
        if table.ndim == 1:
            table = np.broadcast_to(table, (n_rows, table.size))
        table = check_available(table, (n_rows, len(self.arms_)))
        distinct, which = np.unique(table, axis=0, return_inverse=True)
        for i, offered in enumerate(distinct):
            yield np.flatnonzero(which.ravel() == i), np.flatnonzero(offered)

    def _begin_with(self, X: Any, arms: Iterable[Any] | None, n_outcomes: int) -> None:
        known = getattr(self, "arms_", None) if self.arms is None else self.arms
        names = known if arms is None else arms
        if names is None:
            raise DataError(
                f"{type(self).__name__} does not know its arms: name them all with arms= in the "
                "constructor, or where it first learns from chosen arms."
            )
        contexts(self, X, first=True)
        self._begin(check_arms(names), n_outcomes)

    def _with_arm(self, name: Any, like: Any) -> tuple[list[Any], int | None]:
        """Return the names of the arms with a new one, and the position of the one it is like."""
        names = check_arms([*self.arms_, name])
        return names, None if like is None else position_of(like, self.arms_)

    def _removable(self, name: Any) -> int:
        """Return the position of an arm that is not the only one."""
        position = position_of(name, self.arms_)
        if len(self.arms_) == 1:
            raise DataError(f"{name!r} is the only arm: add another before removing it.")
        return position

    def _feedback(
        self, X: Any, action: Any, quality: Any, cost: Any, latency: Any, propensity: Any
    ) -> Feedback:
        features = contexts(self, X)
        n_rows = len(features)
        if not n_rows:
            raise DataError("X has 0 rows; give at least one query whose outcome is known.")
        arm = positions_of(action, self.arms_)
        if len(arm) != n_rows:
            raise DataError(f"action has {len(arm)} rows but X has {n_rows}; give one per row.")
        require_same(self.n_outcomes_, cost, latency)
        columns = [check_outcome("quality", quality, n_rows, self._largest_quality)]
        for name, costs in (("cost", cost), ("latency", latency)):
            if costs is not None:
                columns.append(check_outcome(name, costs, n_rows))
        chances = None if propensity is None else check_propensity(propensity, n_rows)
        return Feedback(features, arm, np.array(columns).T, chances)

    def _learn(self, feedback: Feedback) -> None:
        before = self._caps.copy() if self.has_cost_ else None
        try:
            if self.has_cost_:
                feedback = feedback._replace(outcomes=self._caps.observe(feedback.outcomes))
            self._update(feedback)
        except BaseException:
            if before is not None:
                self._caps.restore(before)
            raise
        self.n_updates_ += len(feedback.X)

    def _preferences(self, preference: ArrayLike | None, n_rounds: int) -> Array:
        """Return the preference of every round, shape (n_rounds, 2 or 3); None draws them."""
        return preferences_to_play(preference, n_rounds, self.n_outcomes_, self._exploration)


def _of_rows(preference: Array, rows: NDArray[np.intp]) -> Array:
    """Return the preferences of some rows: the same where there is one for all."""
    return preference[rows] if preference.ndim == 2 else preference
