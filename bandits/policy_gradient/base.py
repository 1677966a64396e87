"""What a policy is to its users and to its training: parameters, counters, arms and files."""

from __future__ import annotations

import hashlib
import os
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._caps import Caps
from bandits._persistence import load_bandit
from bandits._ties import draw
from bandits.base import BanditRouter, Feedback
from bandits.policy_gradient._learning import learn_feedback
from bandits.policy_gradient._settings import Settings
from bandits.policy_gradient._sources import ReplaySource, Source
from bandits.policy_gradient._state import PolicyState
from bandits.policy_gradient._training import Training
from bandits.replay import Replay
from metarouter.exceptions import DataError

__all__ = ["MissingPropensityWarning", "PolicyRouter"]

Array = NDArray[np.float64]

# What may differ between a training that was stopped and the one that goes on.
_FREE = ("checkpoint", "checkpoint_every", "verbose", "device", "arms", "random_state")


class MissingPropensityWarning(UserWarning):
    """Feedback is learned off policy without the probabilities that would correct for it."""


class PolicyRouter(BanditRouter):
    """A policy that is trained by gradients: it explores by its own probabilities.

    All that it has learned is one `PolicyState`, which training goes on from.

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
    replay_buffer: int
    replay_steps: int
    cost_quantile: float | None
    device: str
    checkpoint: str | os.PathLike[str] | None
    checkpoint_every: int
    verbose: bool

    _policy: PolicyState

    @property
    def reward_(self) -> Array:
        """Mean reward of every epoch of `fit`."""
        return self._policy.earned

    @property
    def epochs_done_(self) -> int:
        """Epochs of `fit` that are done."""
        return self._policy.epochs_done

    @property
    def cells_shown_(self) -> int:
        """Outcomes that `fit` was shown."""
        return self._policy.cells_shown

    # What the base asks for ------------------------------------------------------------------

    def _caps_to_find(self) -> Caps:
        settings = Settings.of(self)
        given = (self.cost_cap, self.latency_cap)[: self.n_outcomes_ - 1]
        return Caps(given, settings.cost_quantile)

    def _start(self, n_features: int, n_arms: int, n_outcomes: int) -> None:
        self._policy = PolicyState(
            Settings.of(self),
            n_features,
            n_arms,
            n_outcomes,
            seed=self._seed,
            caps=self._caps,
            rng=self._exploration,
        )

    def _play(self, replay: Replay, preference: ArrayLike | None) -> int:
        return self._train(ReplaySource(self._policy, replay), preference)

    def _learn(self, feedback: Feedback) -> None:
        before = self._policy.copy_of_small()
        try:
            super()._learn(feedback)
        except BaseException:
            self._policy.restore(before)
            raise
        self._policy.replay_buffer.mark()

    def _update(self, feedback: Feedback) -> None:
        if feedback.propensity is None:
            warnings.warn(
                "propensity is missing: every row is learned under preferences that its arm was "
                "not chosen with, as if the policy had drawn it, at weight 1, which is biased "
                "towards the arms that were called most; pass the propensities that sample "
                "returned.",
                MissingPropensityWarning,
                stacklevel=4,
            )
        learn_feedback(self._policy, Settings.of(self), feedback)

    def _preferences(self, preference: ArrayLike | None, n_rounds: int) -> Array:
        return self._policy.preferences(preference, n_rounds, self.concentration)

    def _scores(self, X: Array, preference: Array) -> Array:
        return self._policy.logits(X, preference)

    def _probabilities(self, X: Array, preference: Array) -> Array:
        logits = self._scores(X, preference)
        chance = np.exp(logits - logits.max(axis=1, keepdims=True))
        return np.asarray(chance / chance.sum(axis=1, keepdims=True))

    def _choose(self, X: Array, preference: Array) -> tuple[NDArray[np.intp], Array]:
        chance = self._probabilities(X, preference)
        arm = draw(chance, self._exploration.random(len(X)))
        return arm, chance[np.arange(len(X)), arm]

    def _add_arm(self, like: int | None, weight: float) -> None:
        self._policy.add_arm(like, weight)

    def _remove_arm(self, position: int) -> None:
        self._policy.remove_arm(position)

    def _arrays(self) -> dict[str, NDArray[Any]]:
        return self._policy.arrays()

    def _set_arrays(self, arrays: dict[str, NDArray[Any]]) -> None:
        self._policy.set_arrays(arrays)

    # Training --------------------------------------------------------------------------------

    def _train(
        self,
        source: Source,
        preference: ArrayLike | None,
        kind: type[Training] = Training,
    ) -> int:
        """Train from a source, with checkpoints where they are wanted; return the cells shown."""
        if self.checkpoint is not None:
            self._policy.fingerprint = _fingerprint(*source.parts(), preference)
            self._resume(self.checkpoint)
        n_rows = len(source.X) if kind is Training else 0

        def save() -> None:
            self.n_updates_ = self.epochs_done_ * n_rows
            if self.checkpoint is not None:
                self.save(self.checkpoint)

        return kind(self._policy, Settings.of(self), source, preference).run(save)

    def _resume(self, checkpoint: str | os.PathLike[str]) -> None:
        """Go on where a training with the same data and settings had got to.

        Raises
        ------
        DataError
            If the file is of another training.
        """
        if not os.path.exists(checkpoint):
            return
        saved = load_bandit(checkpoint)
        if type(saved) is not type(self):
            raise DataError(
                f"checkpoint {checkpoint} holds a {type(saved).__name__}: remove the file, or give "
                "another."
            )
        mine, its = self.get_params(deep=False), saved.get_params(deep=False)
        changed = [
            name
            for name in mine
            if name not in _FREE and _plain(mine[name]) != _plain(its.get(name))
        ]
        same_data = (saved._policy.fingerprint == self._policy.fingerprint).all()
        if saved.arms_ != self.arms_ or not same_data:
            changed.append("the data")
        if isinstance(self.random_state, int) and saved._seed != self._seed:
            changed.append("random_state")
        if changed:
            raise DataError(
                f"checkpoint {checkpoint} is of another training: {', '.join(changed)} differ; "
                "remove the file, or give another."
            )
        for name in ("_exploration", "_ties"):
            generator = getattr(self, name)
            generator.bit_generator.state = getattr(saved, name).bit_generator.state
        self._caps.values, self.n_updates_ = saved._caps.values, saved.n_updates_
        self._policy.set_arrays(saved._arrays())
        self._seed = self._policy.seed = saved._seed


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, list | tuple | np.ndarray) else value


def _fingerprint(*parts: Any) -> NDArray[np.uint8]:
    """Digest of everything that a training is given."""
    digest = hashlib.sha256()
    for part in parts:
        values = np.zeros(0) if part is None else np.ascontiguousarray(part, dtype=np.float64)
        digest.update(repr(values.shape).encode())
        digest.update(values.tobytes())
    return np.frombuffer(digest.digest(), dtype=np.uint8)
