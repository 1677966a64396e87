"""What a policy is to its users and to its training: parameters, counters, arms and files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._core import Feedback
from bandits._validation import preferences_to_play
from bandits.base import BanditRouter
from bandits.policy_gradient._heads import Sizes
from bandits.policy_gradient._learning import learn_feedback
from bandits.policy_gradient._memory import Memory
from bandits.policy_gradient._outcome_model import OutcomeModel
from bandits.policy_gradient._parameters import Layout
from bandits.policy_gradient._quantile_caps import QuantileCaps
from bandits.policy_gradient._settings import Settings
from bandits.policy_gradient._sources import ReplaySource
from bandits.policy_gradient._trainer import PolicyTrainer, device_of
from bandits.policy_gradient._training import Training
from bandits.replay import Replay
from metarouter.exceptions import DataError

__all__ = ["PolicyRouter"]

Array = NDArray[np.float64]

# Beyond it the products of two layers and a feature leave single precision.
LARGEST_PARAMETER = 1e9
# Where the parameters stand in the state, and the average that training makes of them; between
# them are Adam's moments.
PARAMETERS, AVERAGE = 0, 3
# Where the counters stand in their array.
STEPS, EPOCHS, SHOWN = range(3)


class PolicyRouter(QuantileCaps, BanditRouter):
    """State of a policy: what `BaRP` learns, explores by, saves and goes on from.

    The parameters, Adam's moments and, where training averages, the average are one array in
    numpy. Torch is loaded by training alone; on a CPU it works on the same memory.

    Parameters
    ----------
    arms, cost_cap, latency_cap, random_state
        As in `BanditRouter`.

    Attributes
    ----------
    reward_ : ndarray of shape (n_epochs,)
        Mean reward of every epoch of `fit`, as it was earned.
    epochs_done_, cells_shown_ : int
        Epochs of `fit` that are done, and outcomes that it was shown.
    """

    # Beyond them a policy in single precision is noise.
    _largest_feature = 1e6
    _largest_quality = 1e6

    head: str
    hidden_size: int
    preference_size: int
    estimator: str
    averaging: float
    epochs: int
    batch_size: int | Sequence[int]
    patience: int | None
    concentration: float
    clip: float
    outcome_penalty: float
    discount: float
    memory: int
    rehearsals: int
    cost_quantile: float
    device: str
    checkpoint: str | os.PathLike[str] | None
    checkpoint_every: int
    verbose: bool

    @property
    def reward_(self) -> Array:
        """Mean reward of every epoch of `fit`."""
        return self._rewards[: self.epochs_done_]

    @property
    def epochs_done_(self) -> int:
        """Epochs of `fit` that are done."""
        return int(self._counts[EPOCHS])

    @property
    def cells_shown_(self) -> int:
        """Outcomes that `fit` was shown."""
        return int(self._counts[SHOWN])

    # What the base asks for ------------------------------------------------------------------

    def _start(self, n_features: int, n_arms: int, n_outcomes: int) -> None:
        Settings.of(self)
        sizes = Sizes(
            n_features, n_arms, max(n_outcomes, 2), self.hidden_size, self.preference_size
        )
        self._layout = Layout(self.head, sizes)
        n_rows = AVERAGE + bool(self.averaging)
        self._state = np.zeros((n_rows, self._layout.size), dtype=np.float32)
        self._state[PARAMETERS] = self._layout.drawn(np.random.default_rng([self._seed, 3]))
        self._counts = np.zeros(3, dtype=np.int64)
        self._rewards = np.zeros(self.epochs)
        self._begin_quantiles()
        self._seen = np.zeros((n_arms, 1 + n_outcomes))
        self._fingerprint = np.zeros(32, dtype=np.uint8)
        self._memory = Memory(self.memory, n_features, n_outcomes)
        self._outcome_model: OutcomeModel | None = None
        if self.estimator == "doubly_robust":
            self._outcome_model = OutcomeModel(
                n_features, n_arms, n_outcomes, self.outcome_penalty, self.discount
            )

    def _play(self, replay: Replay, preference: ArrayLike | None) -> int:
        return Training(self, ReplaySource(self, replay), preference).run()

    def _learn(self, feedback: Feedback) -> None:
        before = {
            name: vars(self)[name].copy() for name in ("_state", "_seen", "_counts", "_costs")
        }
        draws = self._exploration.bit_generator.state
        try:
            super()._learn(feedback)
        except BaseException:
            self.__dict__.update(before)
            self._exploration.bit_generator.state = draws
            self._memory.roll_back()
            raise
        self._memory.mark()

    def _update(self, feedback: Feedback) -> None:
        learn_feedback(self, feedback)

    def _preferences(self, preference: ArrayLike | None, n_rounds: int) -> Array:
        return preferences_to_play(
            preference, n_rounds, self.n_outcomes_, self._exploration, self.concentration
        )

    def _scores(self, X: Array, preference: Array) -> Array:
        theta = self._layout.views(self._state[PARAMETERS])
        x, w = X.astype(np.float32), np.atleast_2d(preference).astype(np.float32)
        return np.asarray(self._layout.of_head.forward(theta, x, w)[0], dtype=np.float64)

    def _probabilities(self, X: Array, preference: Array) -> Array:
        logits = self._scores(X, preference)
        chance = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(chance / chance.sum(axis=1, keepdims=True))

    def _choose(self, X: Array, preference: Array) -> tuple[NDArray[np.intp], Array]:
        chance = self._probabilities(X, preference)
        uniform = self._exploration.random((len(X), 1))
        below = np.cumsum(chance, axis=1)[:, :-1] <= uniform
        arm = below.sum(axis=1)
        return arm, chance[np.arange(len(X)), arm]

    def _trainer(self, *, averaging: float | None = None) -> PolicyTrainer:
        return PolicyTrainer(
            self._layout,
            self._state,
            int(self._counts[STEPS]),
            Settings.of(self).optimiser._replace(averaging=averaging),
            device_of(self.device),
        )

    # What training calls ---------------------------------------------------------------------

    def _keep(self, trainer: PolicyTrainer) -> None:
        trainer.write_back()
        tame = (
            np.isfinite(self._state).all()
            and np.abs(self._state[PARAMETERS]).max() <= LARGEST_PARAMETER
        )
        if not tame:
            raise DataError(
                "The policy's parameters have run away: scale the qualities to the order of 1, or "
                "give a smaller learning_rate."
            )
        self._counts[STEPS] = trainer.steps

    def _take_average(self) -> None:
        """Go on from the average of the parameters, where training made one."""
        if self.averaging:
            self._state[PARAMETERS] = self._state[AVERAGE]

    def _remember(self, arm: NDArray[np.intp], outcomes: Array) -> None:
        np.add.at(self._seen, arm, np.column_stack([np.ones(len(arm)), outcomes]))

    def _mean_outcome(self) -> Array:
        """Mean outcome of all feedback; zero before there is any."""
        return self._seen[:, 1:].sum(axis=0) / max(float(self._seen[:, 0].sum()), 1.0)

    def _known_outcomes(self, X: Array) -> Array:
        """Return the outcomes to expect of every arm, by the model or else the arms' means."""
        if self._outcome_model is not None and self._outcome_model.knows_something:
            return self._outcome_model.predict(X)
        count, total = self._seen[:, :1], self._seen[:, 1:]
        mean = np.where(count > 0, total / np.maximum(count, 1.0), self._mean_outcome())
        return np.broadcast_to(mean, (len(X), *mean.shape))

    def _end_epoch(
        self, arm: NDArray[np.intp], outcomes: Array, reward: float, n_shown: int
    ) -> None:
        self._remember(arm, outcomes)
        self._rewards[self.epochs_done_] = reward
        self._counts[EPOCHS] += 1
        self._counts[SHOWN] += n_shown
        self.n_updates_ += len(outcomes)

    def _take_over(self, saved: PolicyRouter) -> None:
        self._set_arrays(saved._arrays())
        self._exploration, self._ties = saved._exploration, saved._ties
        self.caps_, self.n_updates_, self._seed = saved.caps_, saved.n_updates_, saved._seed

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A process that gets it through joblib may not write to what it was given.
        owned = ("_state", "_counts", "_rewards", "_costs", "_seen")
        copies = {name: state[name].copy() for name in owned if name in state}
        super().__setstate__({**state, **copies})

    # Arms and files --------------------------------------------------------------------------

    def _add_arm(self, like: int | None, weight: float) -> None:
        parameters, *others = self._state
        self._state = np.stack(
            [
                self._layout.with_column(parameters, like, weight),
                *(self._layout.with_column(other, None, 0.0) for other in others),
            ]
        )
        self._layout = self._layout.of_arms(len(self.arms_) + 1)
        self._seen = np.append(self._seen, np.zeros((1, self._seen.shape[1])), axis=0)
        if self._outcome_model is not None:
            self._outcome_model.posterior.add_arm(like, weight)

    def _remove_arm(self, position: int) -> None:
        self._state = np.stack([self._layout.without_column(row, position) for row in self._state])
        self._layout = self._layout.of_arms(len(self.arms_) - 1)
        self._seen = np.delete(self._seen, position, axis=0)
        self._memory.remove_arm(position)
        if self._outcome_model is not None:
            self._outcome_model.posterior.remove_arm(position)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {
            "state": self._state,
            "counts": self._counts,
            "rewards": self._rewards,
            "costs": self._costs,
            "seen": self._seen,
            "fingerprint": self._fingerprint,
            **self._memory.arrays(),
        }
        if self._outcome_model is not None:
            arrays |= self._outcome_model.arrays()
        return arrays

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        arm, chance = arrays["memory_arm"], arrays["memory_propensity"]
        if (arrays["counts"] < 0).any() or not 0 <= arrays["memory_next"] <= len(arm):
            raise ValueError("a counter is out of its range")
        if ((arm < -1) | (arm >= len(self.arms_)) | (chance <= 0) | (chance > 1)).any():
            raise ValueError("the memory holds what is no feedback")
        self._state, self._counts = arrays["state"], arrays["counts"]
        self._rewards, self._costs = arrays["rewards"], arrays["costs"]
        self._seen, self._fingerprint = arrays["seen"], arrays["fingerprint"]
        self._memory.set_arrays(arrays)
        if self._outcome_model is not None:
            self._outcome_model.set_arrays(arrays)
