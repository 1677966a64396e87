"""Algorithm 1 on logs of all arms that are played as a bandit, epoch after epoch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._persistence import load_bandit
from bandits.policy_gradient._reward_estimates import doubly_robust, reinforce
from bandits.policy_gradient._settings import Settings
from bandits.policy_gradient._sources import Source
from metarouter.exceptions import DataError

if TYPE_CHECKING:
    from bandits.policy_gradient.base import PolicyRouter

__all__ = ["Training"]

Array = NDArray[np.float64]

# What may differ between a training that was stopped and the one that goes on.
_FREE = ("checkpoint", "checkpoint_every", "verbose", "device", "arms", "random_state")
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
    router : PolicyRouter
        Its state is what the training goes on from, and what it changes.
    source : Source
    preference : weights, or array of shape (n, 2) or (n, 3), optional
        Fixed preferences; None draws them anew in every epoch.
    """

    def __init__(self, router: PolicyRouter, source: Source, preference: ArrayLike | None) -> None:
        self.router, self.source, self.preference = router, source, preference
        self.settings = Settings.of(router)
        if router.checkpoint is not None:
            router._fingerprint = _fingerprint(*source.parts(), preference)
            self._resume(router.checkpoint)
        self.trainer = router._trainer(averaging=self._decay())
        self.features = self.trainer.tensor(source.X)

    def run(self) -> int:
        """Train to the end; return the number of cells that were shown."""
        router = self.router
        with _progress_bar(router.epochs, router.epochs_done_, router.verbose) as advance:
            while router.epochs_done_ < router.epochs and not self._has_stalled():
                self._epoch()
                advance()
                if router.epochs_done_ % router.checkpoint_every == 0:
                    router._keep(self.trainer)
                    self._save()
        router._keep(self.trainer)
        router._take_average()
        self._save()
        return router.cells_shown_

    def _epoch(self) -> None:
        router, source, trainer = self.router, self.source, self.trainer
        draws = self._draw()
        expected = source.begin_epoch(draws.order)
        x = self.features[trainer.tensor(draws.order)]
        w, noise = trainer.tensor(draws.preference), trainer.tensor(draws.noise)
        n_rounds, size = len(draws.order), self.settings.batch_size(router.epochs_done_)
        arms, rewards = np.empty(n_rounds, dtype=np.intp), np.empty((n_rounds, 1))
        outcomes = np.empty((n_rounds, router.n_outcomes_))
        for start in range(0, n_rounds, size):
            batch = slice(start, start + size)
            chance = trainer.forward(x[batch], w[batch])
            shown = source.show(trainer, chance, noise[batch], draws.order[batch])
            weights = router._outcome_weights(draws.preference[batch])
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
        router._end_epoch(arms, outcomes, float(rewards.mean()), n_shown)

    def _draw(self) -> Draws:
        rng, n_rounds = self.router._exploration, len(self.source.X)
        order = rng.permutation(n_rounds)
        preference = self.router._preferences(self.preference, n_rounds)
        noise = rng.gumbel(size=(n_rounds, self.source.n_arms))
        return Draws(order, preference[order], noise)

    def _has_stalled(self) -> bool:
        patience, earned = self.router.patience, self.router.reward_
        if patience is None or len(earned) <= patience:
            return False
        return bool(earned[-patience:].max() < earned[:-patience].max() + _RISE)

    def _decay(self) -> float | None:
        """Return the decay of the average, which looks back on two fifths of the steps at most."""
        if not self.router.averaging:
            return None
        n_rounds = len(self.source.X)
        sizes = [self.settings.batch_size(epoch) for epoch in range(self.router.epochs)]
        n_steps = sum(ceil(n_rounds / size) for size in sizes)
        return max(0.0, min(self.router.averaging, 1.0 - 1.0 / (_LOOKS_BACK * n_steps)))

    def _save(self) -> None:
        if self.router.checkpoint is not None:
            self.router.save(self.router.checkpoint)

    def _resume(self, checkpoint: str | os.PathLike[str]) -> None:
        if not os.path.exists(checkpoint):
            return
        saved, router = load_bandit(checkpoint), self.router
        if type(saved) is not type(router):
            raise DataError(
                f"checkpoint {checkpoint} holds a {type(saved).__name__}: remove the file, or give "
                "another."
            )
        mine, its = router.get_params(deep=False), saved.get_params(deep=False)
        changed = [
            name
            for name in mine
            if name not in _FREE and _plain(mine[name]) != _plain(its.get(name))
        ]
        same_data = (saved._fingerprint == router._fingerprint).all()
        if saved.arms_ != router.arms_ or not same_data:
            changed.append("the data")
        if isinstance(router.random_state, int) and saved._seed != router._seed:
            changed.append("random_state")
        if changed:
            raise DataError(
                f"checkpoint {checkpoint} is of another training: {', '.join(changed)} differ; "
                "remove the file, or give another."
            )
        router._take_over(saved)


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


@contextmanager
def _progress_bar(total: int, done: int, shown: bool) -> Iterator[Callable[[], Any]]:
    if not shown:
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task("epochs", total=total, completed=done)
        yield lambda: progress.advance(task)
