"""Algorithm 1 on logs of all arms that are played as a bandit, epoch after epoch."""

from __future__ import annotations

from collections.abc import Callable
from math import ceil
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits.policy_gradient._reward_estimates import doubly_robust, reinforce
from bandits.policy_gradient._settings import Settings
from bandits.policy_gradient._sources import Source
from bandits.policy_gradient._state import PolicyState
from metarouter.utils.progress import progress_bar

__all__ = ["Training"]

Array = NDArray[np.float64]

# Share of a training that its average may look back on.
_LOOKS_BACK = 0.4
# Mean reward that counts as a rise, for early stopping.
_RISE = 1e-4


class Draws(NamedTuple):
    """All the chance of one epoch; drawn by numpy, so that it is the same on every device."""

    order: NDArray[np.intp]  # (n,) rows in the order in which they are played
    preference: Array  # (n, 2 or 3) by place in that order
    noise: Array  # (n, K) Gumbel


class Training:
    """A training in progress.

    Parameters
    ----------
    state : PolicyState
        What the training goes on from, and what it changes.
    settings : Settings
    source : Source
    preference : weights, or array of shape (n, 2) or (n, 3), optional
        Fixed preferences; None draws them anew in every epoch.
    """

    def __init__(
        self,
        state: PolicyState,
        settings: Settings,
        source: Source,
        preference: ArrayLike | None,
    ) -> None:
        self.state, self.settings = state, settings
        self.source, self.preference = source, preference
        self.trainer = state.trainer(settings, self._decay())
        self.features = self.trainer.tensor(source.X)

    def run(self, save: Callable[[], Any]) -> int:
        """Train to the end; return the number of cells that were shown.

        Parameters
        ----------
        save : callable
            Called every so many epochs and at the end, when the state is whole.
        """
        state, settings = self.state, self.settings
        with progress_bar(
            settings.epochs, "epochs", done=state.epochs_done, shown=settings.verbose
        ) as advance:
            while state.epochs_done < settings.epochs and not self._has_stalled():
                self._epoch()
                advance()
                if state.epochs_done % settings.checkpoint_every == 0:
                    state.keep(self.trainer)
                    save()
        state.keep(self.trainer)
        state.take_average(settings.averaging)
        save()
        return state.cells_shown

    def _epoch(self) -> None:
        state, source, trainer = self.state, self.source, self.trainer
        draws = self._draw()
        expected = source.begin_epoch(draws.order)
        x = self.features[trainer.tensor(draws.order)]
        w, noise = trainer.tensor(draws.preference), trainer.tensor(draws.noise)
        n_rounds, size = len(draws.order), self.settings.batch_size(state.epochs_done)
        arms, rewards = np.empty(n_rounds, dtype=np.intp), np.empty((n_rounds, 1))
        outcomes = np.empty((n_rounds, state.n_outcomes))
        for start in range(0, n_rounds, size):
            batch = slice(start, start + size)
            chance = trainer.forward(x[batch], w[batch])
            shown = source.show(trainer, chance, noise[batch], draws.order[batch])
            weights = state.caps.weights(draws.preference[batch])
            arms[batch], outcomes[batch] = shown.arm, shown.outcomes
            rewards[batch, 0] = (shown.outcomes * weights).sum(axis=1)
            arm, reward = trainer.tensor(shown.arm[:, None]), trainer.tensor(rewards[batch])
            if expected is None:
                estimate = reinforce(chance, arm, reward, shown.propensity, reward.mean())
            else:
                predicted = trainer.tensor(np.einsum("nkm,nm->nk", expected[batch], weights))
                estimate = doubly_robust(arm, reward, shown.propensity, predicted)
            trainer.step(estimate)
        n_shown = source.end_epoch(draws.order, arms, outcomes)
        state.end_epoch(arms, outcomes, float(rewards.mean()), n_shown)

    def _draw(self) -> Draws:
        rng, n_rounds = self.state.rng, len(self.source.X)
        order = rng.permutation(n_rounds)
        preference = self.state.preferences(self.preference, n_rounds, self.settings.concentration)
        noise = rng.gumbel(size=(n_rounds, self.source.n_arms))
        return Draws(order, preference[order], noise)

    def _has_stalled(self) -> bool:
        patience, earned = self.settings.patience, self.state.earned
        if patience is None or len(earned) <= patience:
            return False
        return bool(earned[-patience:].max() < earned[:-patience].max() + _RISE)

    def _decay(self) -> float | None:
        """Return the decay of the average, which looks back on two fifths of the steps at most."""
        if not self.settings.averaging:
            return None
        n_rounds = len(self.source.X)
        sizes = [self.settings.batch_size(epoch) for epoch in range(self.settings.epochs)]
        n_steps = sum(ceil(n_rounds / size) for size in sizes)
        return max(0.0, min(self.settings.averaging, 1.0 - 1.0 / (_LOOKS_BACK * n_steps)))
