"""The inner side of a bandit router: what a subclass writes, and what all of them share."""

from __future__ import annotations

import copy
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from threading import RLock
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from bandits._arms import check_arms, position_of, positions_of
from bandits._charges import KnowsCharges, require_same
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
from metarouter.exceptions import DataError
from metarouter.utils.random import seed_of

__all__ = ["Feedback", "RouterCore"]


class Feedback(NamedTuple):
    """Validated outcomes of chosen arms: quality and, where known, cost and latency."""

    X: NDArray[np.float64]
    arm: NDArray[np.intp]
    outcomes: NDArray[np.float64]
    propensity: NDArray[np.float64] | None


class RouterCore(KnowsCharges, BaseEstimator):
    """Learn, predict and explore on arrays that are trusted; see `BanditRouter`.

    A subclass learns (`_start`, `_update`), scores every arm (`_scores`) and explores (`_choose`,
    `_probabilities`).
    """

    # Beyond them features and qualities are refused.
    _largest_feature = LARGEST_FLOAT
    _largest_quality = LARGEST_OUTCOME

    arms_: list[Any]
    n_updates_: int
    n_features_in_: int

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
    def _start(self, n_features: int, n_arms: int, n_outcomes: int) -> None:
        """Know nothing yet."""

    @abstractmethod
    def _update(self, feedback: Feedback) -> None:
        """Learn from validated feedback."""

    @abstractmethod
    def _scores(
        self, X: NDArray[np.float64], preference: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return what `predict` looks for the highest of, shape (n, n_arms)."""

    @abstractmethod
    def _choose(
        self, X: NDArray[np.float64], preference: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
        """Explore: positions of arms, and their probabilities."""

    @abstractmethod
    def _probabilities(
        self, X: NDArray[np.float64], preference: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return the probabilities of `_choose`, shape (n, n_arms)."""

    def _add_arm(self, like: int | None, weight: float) -> None:
        raise NotImplementedError

    def _remove_arm(self, position: int) -> None:
        raise NotImplementedError

    def _settings(self) -> dict[str, Any]:
        """Return the parameters that a router of the same arms is made with, for `save`."""
        return dict(self.get_params(deep=False))

    def _arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learned, for `save`."""
        return {}

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `_arrays` returned."""

    def _play(self, replay: Replay, preference: ArrayLike | None) -> int:
        """Choose, see one outcome and learn, round by round; return the number of cells shown."""
        pairs = self._preferences(preference, replay.n_rounds)
        for row in range(replay.n_rounds):
            x = replay.X[row : row + 1]
            arm, propensity = self._choose(x, pairs[row])
            shown = replay.reveal(row, arm)
            self._learn(Feedback(x, arm, shown.outcomes, propensity))
        return replay.n_revealed

    # What they share -------------------------------------------------------------------------

    @contextmanager
    def _anew(self) -> Iterator[Self]:
        """Yield a copy that learns from the beginning; the router becomes it, or stays as it is."""
        fresh = copy.copy(self)
        yield fresh
        self.__dict__ = fresh.__dict__

    def _begin(self, arms: list[Any], n_outcomes: int) -> None:
        self._begin_caps(n_outcomes)
        self.arms_ = list(arms)
        self.n_updates_ = 0
        self.__dict__.pop("n_revealed_", None)  # which `fit` alone sets
        self._lock = RLock()
        self._seed = seed_of(self.random_state)
        self._ties = np.random.default_rng([self._seed, 0])
        self._exploration: Generator = np.random.default_rng([self._seed, 1])
        self._start(self.n_features_in_, len(self.arms_), n_outcomes)

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
        arm = positions_of(action, self.arms_)
        if len(arm) != n_rows:
            raise DataError(f"action has {len(arm)} rows but X has {n_rows}; give one per row.")
        require_same(self.n_outcomes_, cost, latency)
        columns = [check_outcome("quality", quality, n_rows, self._largest_quality)]
        for name, charge in (("cost", cost), ("latency", latency)):
            if charge is not None:
                columns.append(check_outcome(name, charge, n_rows))
        chances = None if propensity is None else check_propensity(propensity, n_rows)
        return Feedback(features, arm, np.array(columns).T, chances)

    def _learn(self, feedback: Feedback) -> None:
        caps = list(self.caps_)
        try:
            if caps:
                feedback = feedback._replace(outcomes=self._capped(feedback.outcomes))
            self._update(feedback)
        except BaseException:
            self.caps_ = caps
            raise
        self.n_updates_ += len(feedback.X)

    def _capped(self, outcomes: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the outcomes with what is above a cap cut off; a cap not given grows instead."""
        capped = outcomes
        for j, found in enumerate(self._found_caps, start=1):
            if found:
                self.caps_[j - 1] = max(self.caps_[j - 1], float(outcomes[:, j].max()))
            else:
                capped = outcomes.copy() if capped is outcomes else capped
                capped[:, j] = np.minimum(outcomes[:, j], self.caps_[j - 1])
        return capped

    def _query(
        self, X: Any, preference: ArrayLike | None
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        if "arms_" not in vars(self):
            check_is_fitted(self, "arms_")
        features = contexts(self, X)
        return features, check_preference(preference, len(features), self.n_outcomes_)

    def _preferences(self, preference: ArrayLike | None, n_rounds: int) -> NDArray[np.float64]:
        """Return the preference of every round, shape (n_rounds, 2 or 3); None draws them."""
        return preferences_to_play(preference, n_rounds, self.n_outcomes_, self._exploration)

    def _outcome_weights(self, preference: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what multiplies the outcomes in the reward, shape (m,) or (n, m)."""
        if not self.has_cost_:
            return preference[..., :1]
        # Costs of nothing at all leave the cap at zero; they then cost nothing in any unit.
        return preference * np.array([1.0, *(-1.0 / (cap or 1.0) for cap in self.caps_)])

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_lock", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "arms_" in state:
            self._lock = RLock()

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.target_tags.multi_output = True
        tags.target_tags.single_output = False
        return tags
