"""Where an epoch's outcomes come from: arms that the policy draws in a replay, or arms in a log."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import KFold

from bandits.base import Feedback
from bandits.policy_gradient._outcome_model import OutcomeModel
from bandits.policy_gradient._reward_estimates import clipped_propensity
from bandits.policy_gradient._settings import Settings
from bandits.policy_gradient._state import PolicyState
from bandits.policy_gradient._trainer import PolicyTrainer
from bandits.replay import Replay

__all__ = ["LoggedSource", "ReplaySource", "Shown", "Source"]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

FOLDS = 5


class Shown(NamedTuple):
    """Chosen arms and their observed outcomes."""

    arm: Rows  # (n,)
    outcomes: Array  # (n, m) quality and, where known, cost and latency, cut at their caps
    propensity: Any  # with which they were chosen, clipped, tensor of shape (n, 1)


class Source(ABC):
    """Queries of a training, and the outcomes of one arm for each of them in every epoch."""

    X: Array
    n_arms: int

    @abstractmethod
    def begin_epoch(self, rows: Rows) -> Array | None:
        """Return the outcomes to expect of every arm, shape (n, n_arms, m); None where unknown.

        Parameters
        ----------
        rows : ndarray of int of shape (n,)
            All rows, in the order in which they are to come.
        """

    @abstractmethod
    def show(self, trainer: PolicyTrainer, chance: Any, noise: Any, rows: Rows) -> Shown:
        """Return arms and outcomes of some rows, given the policy's probabilities for them."""

    @abstractmethod
    def end_epoch(self, rows: Rows, arm: Rows, outcomes: Array) -> int:
        """Learn from what was shown; return how many outcomes that was."""

    @abstractmethod
    def parts(self) -> tuple[Any, ...]:
        """Return all arrays on which training from this source depends."""


class ReplaySource(Source):
    """Logs of all arms that show one cell per round and epoch, that of the arm drawn."""

    def __init__(self, state: PolicyState, replay: Replay) -> None:
        self.state, self.replay = state, replay
        self.X, self.n_arms = np.asarray(replay.X, dtype=np.float64), replay.n_arms

    def begin_epoch(self, rows: Rows) -> Array | None:
        self.replay.reset()
        model = self.state.outcome_model
        return None if model is None or not model.knows_something else model.predict(self.X[rows])

    def show(self, trainer: PolicyTrainer, chance: Any, noise: Any, rows: Rows) -> Shown:
        drawn = trainer.choose(noise)
        arm = drawn[:, 0].cpu().numpy()
        outcomes = self.replay.reveal(rows, arm).outcomes
        if self.state.caps.values:
            outcomes = self.state.caps.observe(outcomes)
        return Shown(arm, outcomes, chance.gather(1, drawn))

    def end_epoch(self, rows: Rows, arm: Rows, outcomes: Array) -> int:
        if self.state.outcome_model is not None:
            self.state.outcome_model.add(self.X[rows], arm, outcomes)
        return self.replay.n_revealed

    def parts(self) -> tuple[Any, ...]:
        return self.X, self.replay._outcomes


class LoggedSource(Source):
    """Logged feedback, the same in every epoch, weighted by pi(a) / propensity.

    With "doubly_robust" the expected outcomes are cross-fitted: no row is corrected by a model
    that has seen it.
    """

    def __init__(self, state: PolicyState, settings: Settings, feedback: Feedback) -> None:
        self.feedback, self.X, self.clip = feedback, feedback.X, settings.clip
        self.n_arms, self._expected = state.n_arms, None
        if state.outcome_model is not None:
            state.outcome_model.add(feedback.X, feedback.arm, feedback.outcomes)
            self._expected = _cross_fitted(
                feedback, state.n_arms, settings.outcome_penalty, state.seed
            )

    def begin_epoch(self, rows: Rows) -> Array | None:
        return None if self._expected is None else self._expected[rows]

    def show(self, trainer: PolicyTrainer, chance: Any, noise: Any, rows: Rows) -> Shown:
        log = self.feedback
        assert log.propensity is not None
        arm = log.arm[rows]
        logged = trainer.tensor(log.propensity[rows, None])
        chosen = chance.gather(1, trainer.tensor(arm[:, None]))
        return Shown(arm, log.outcomes[rows], clipped_propensity(chosen, logged, self.clip))

    def end_epoch(self, rows: Rows, arm: Rows, outcomes: Array) -> int:
        return 0

    def parts(self) -> tuple[Any, ...]:
        return tuple(self.feedback)


def _cross_fitted(log: Feedback, n_arms: int, penalty: float, seed: int) -> Array:
    """Return the outcomes that models of other rows expect, shape (n, n_arms, n_outcomes)."""
    n_rows, n_outcomes = log.outcomes.shape
    expected = np.empty((n_rows, n_arms, n_outcomes))
    if n_rows < FOLDS:
        expected[:] = log.outcomes.mean(axis=0)
        return expected
    for train, test in KFold(FOLDS, shuffle=True, random_state=seed).split(log.X):
        model = OutcomeModel(log.X.shape[1], n_arms, n_outcomes, penalty, 1.0)
        model.add(log.X[train], log.arm[train], log.outcomes[train])
        expected[test] = model.predict(log.X[test])
    return expected
