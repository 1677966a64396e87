"""What a policy has learned, and all that its training goes on from."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike, NDArray

from bandits._caps import Caps
from bandits._validation import preferences_to_play
from bandits.policy_gradient._heads import Sizes
from bandits.policy_gradient._outcome_model import OutcomeModel
from bandits.policy_gradient._parameters import Layout
from bandits.policy_gradient._replay_buffer import ReplayBuffer
from bandits.policy_gradient._settings import Settings
from bandits.policy_gradient._trainer import PolicyTrainer
from metarouter.exceptions import DataError
from metarouter.utils.devices import device_of

__all__ = ["PolicyState"]

Array = NDArray[np.float64]

# Beyond it the products of two layers and a feature leave single precision.
LARGEST_PARAMETER = 1e9
# Where the parameters stand in the values, and the average that training makes of them; between
# them are Adam's moments.
PARAMETERS, AVERAGE = 0, 3
# Where the counters stand in their array.
STEPS, EPOCHS, SHOWN = range(3)


class PolicyState:
    """Parameters, Adam's moments, counters, regressions of outcomes and the generator of a policy.

    Parameters, moments and, where training averages, the average are one array in numpy. Torch is
    loaded by training alone; on a CPU it works on the same memory.

    Parameters
    ----------
    settings : Settings
    n_features, n_arms, n_outcomes : int
    seed : int
    caps : Caps
        Of the router, which learns them with the policy.
    rng : Generator
        Of the router: all the chance of training and of exploration.

    Attributes
    ----------
    values : ndarray of float32 of shape (3 or 4, layout.size)
    counts : ndarray of int of shape (3,)
        Steps of Adam, epochs done, outcomes shown.
    rewards : ndarray of shape (n_epochs,)
        Mean reward of every epoch.
    seen : ndarray of shape (n_arms, 1 + n_outcomes)
        How often each arm was called, and the sums of its outcomes.
    fingerprint : ndarray of uint8 of shape (32,)
        Digest of what a training with checkpoints was given.
    """

    def __init__(
        self,
        settings: Settings,
        n_features: int,
        n_arms: int,
        n_outcomes: int,
        *,
        seed: int,
        caps: Caps,
        rng: Generator,
    ) -> None:
        sizes = Sizes(
            n_features,
            n_arms,
            max(n_outcomes, 2),
            settings.hidden_size,
            settings.preference_size,
        )
        self.n_outcomes, self.seed, self.caps, self.rng = n_outcomes, seed, caps, rng
        self.layout = Layout(settings.head, sizes)
        self.values = np.zeros((AVERAGE + bool(settings.averaging), self.layout.size), np.float32)
        self.values[PARAMETERS] = self.layout.drawn(np.random.default_rng([seed, 3]))
        self.counts = np.zeros(3, dtype=np.int64)
        self.rewards = np.zeros(settings.epochs)
        self.seen = np.zeros((n_arms, 1 + n_outcomes))
        self.fingerprint = np.zeros(32, dtype=np.uint8)
        self.replay_buffer = ReplayBuffer(settings.replay_buffer, n_features, n_outcomes)
        self.outcome_model: OutcomeModel | None = None
        if settings.estimator == "doubly_robust":
            self.outcome_model = OutcomeModel(
                n_features, n_arms, n_outcomes, settings.outcome_penalty, settings.discount
            )

    # Reading -----------------------------------------------------------------------------------

    @property
    def n_arms(self) -> int:
        """Number of arms."""
        return self.layout.sizes.n_arms

    @property
    def epochs_done(self) -> int:
        """Epochs of training that are done."""
        return int(self.counts[EPOCHS])

    @property
    def cells_shown(self) -> int:
        """Outcomes that training was shown."""
        return int(self.counts[SHOWN])

    @property
    def earned(self) -> Array:
        """Mean reward of every epoch that is done."""
        return self.rewards[: self.epochs_done]

    @property
    def parameters(self) -> NDArray[np.float32]:
        """The policy's parameters, shape (layout.size,)."""
        return self.values[PARAMETERS]

    def logits(self, X: Array, preference: Array) -> Array:
        """Return the logits of the arms, shape (n, n_arms)."""
        theta = self.layout.views(self.parameters)
        x, w = X.astype(np.float32), np.atleast_2d(preference).astype(np.float32)
        return np.asarray(self.layout.of_head.forward(theta, x, w)[0], dtype=np.float64)

    def preferences(
        self, preference: ArrayLike | None, n_rounds: int, concentration: float
    ) -> Array:
        """Return the preference of every round, shape (n_rounds, 2 or 3); None draws them."""
        return preferences_to_play(preference, n_rounds, self.n_outcomes, self.rng, concentration)

    def mean_outcome(self) -> Array:
        """Return the mean outcome of all feedback; zero before there is any."""
        return self.seen[:, 1:].sum(axis=0) / max(float(self.seen[:, 0].sum()), 1.0)

    def known_outcomes(self, X: Array) -> Array:
        """Return the outcomes to expect of every arm, by the model or else the arms' means."""
        if self.outcome_model is not None and self.outcome_model.knows_something:
            return self.outcome_model.predict(X)
        count, total = self.seen[:, :1], self.seen[:, 1:]
        mean = np.where(count > 0, total / np.maximum(count, 1.0), self.mean_outcome())
        return np.broadcast_to(mean, (len(X), *mean.shape))

    # Learning ----------------------------------------------------------------------------------

    def trainer(self, settings: Settings, averaging: float | None = None) -> PolicyTrainer:
        """Return what takes steps from here; `keep` takes their results over."""
        return PolicyTrainer(
            self.layout,
            self.values,
            int(self.counts[STEPS]),
            settings.optimiser._replace(averaging=averaging),
            device_of(settings.device, "BaRP"),
        )

    def keep(self, trainer: PolicyTrainer) -> None:
        """Take over what a trainer has learned.

        Raises
        ------
        DataError
            If its parameters are not finite, or so large that single precision does not hold them.
        """
        trainer.write_back()
        tame = (
            np.isfinite(self.values).all()
            and np.abs(self.values[PARAMETERS]).max() <= LARGEST_PARAMETER
        )
        if not tame:
            raise DataError(
                "Training diverged: the policy's parameters are not finite, or larger than "
                f"{LARGEST_PARAMETER:g}; scale the qualities to the order of 1, or give a smaller "
                "learning_rate."
            )
        self.counts[STEPS] = trainer.steps

    def take_average(self, averaging: float) -> None:
        """Go on from the average of the parameters, where training made one."""
        if averaging:
            self.values[PARAMETERS] = self.values[AVERAGE]

    def remember(self, arm: NDArray[np.intp], outcomes: Array) -> None:
        """Count what arms did."""
        np.add.at(self.seen, arm, np.column_stack([np.ones(len(arm)), outcomes]))

    def end_epoch(
        self, arm: NDArray[np.intp], outcomes: Array, reward: float, n_shown: int
    ) -> None:
        """Count an epoch of training and what it earned."""
        self.remember(arm, outcomes)
        self.rewards[self.epochs_done] = reward
        self.counts[EPOCHS] += 1
        self.counts[SHOWN] += n_shown

    def copy_of_small(self) -> Small:
        """Return what a lesson changes before it can fail, to `restore` it."""
        copies = (self.values.copy(), self.counts.copy(), self.seen.copy())
        return Small(*copies, self.rng.bit_generator.state)

    def restore(self, before: Small) -> None:
        """Undo a lesson that failed."""
        self.values, self.counts, self.seen, self.rng.bit_generator.state = before
        self.replay_buffer.roll_back()

    # Arms and files ----------------------------------------------------------------------------

    def add_arm(self, like: int | None, weight: float) -> None:
        """Add an arm that starts like the mean arm, or like one."""
        parameters, *others = self.values
        self.values = np.stack(
            [
                self.layout.with_column(parameters, like, weight),
                *(self.layout.with_column(other, None, 0.0) for other in others),
            ]
        )
        self.layout = self.layout.of_arms(self.n_arms + 1)
        self.seen = np.append(self.seen, np.zeros((1, self.seen.shape[1])), axis=0)
        if self.outcome_model is not None:
            self.outcome_model.posterior.add_arm(like, weight)

    def remove_arm(self, position: int) -> None:
        """Forget an arm."""
        self.values = np.stack([self.layout.without_column(row, position) for row in self.values])
        self.layout = self.layout.of_arms(self.n_arms - 1)
        self.seen = np.delete(self.seen, position, axis=0)
        self.replay_buffer.remove_arm(position)
        if self.outcome_model is not None:
            self.outcome_model.posterior.remove_arm(position)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what was learned, for a file."""
        arrays: dict[str, NDArray[Any]] = {
            "state": self.values,
            "counts": self.counts,
            "rewards": self.rewards,
            "costs": self.caps.first,
            "seen": self.seen,
            "fingerprint": self.fingerprint,
            **self.replay_buffer.arrays(),
        }
        if self.outcome_model is not None:
            arrays |= self.outcome_model.arrays()
        return arrays

    def set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        """Take back what `arrays` returned.

        Raises
        ------
        ValueError
            If a counter, an arm or a propensity is off its range.
        """
        arm, chance = arrays["memory_arm"], arrays["memory_propensity"]
        if (arrays["counts"] < 0).any() or not 0 <= arrays["memory_next"] <= len(arm):
            raise ValueError("a counter is out of its range")
        if ((arm < -1) | (arm >= self.n_arms) | (chance <= 0) | (chance > 1)).any():
            raise ValueError("the replay buffer holds what is not feedback")
        self.values, self.counts = arrays["state"], arrays["counts"]
        self.rewards, self.caps.first = arrays["rewards"], arrays["costs"]
        self.seen, self.fingerprint = arrays["seen"], arrays["fingerprint"]
        self.replay_buffer.set_arrays(arrays)
        if self.outcome_model is not None:
            self.outcome_model.set_arrays(arrays)

    def __setstate__(self, state: dict[str, Any]) -> None:
        # A process that gets it through joblib may not write to what it was given.
        owned = ("values", "counts", "rewards", "seen")
        self.__dict__.update(state, **{name: state[name].copy() for name in owned})


class Small(NamedTuple):
    """What a lesson changes before it can fail."""

    values: NDArray[np.float32]
    counts: NDArray[np.int64]
    seen: Array
    draws: Any
