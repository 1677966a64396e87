"""Algorithm 1 on logs of all arms that are played as a bandit, epoch after epoch."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bandits._persistence import load_bandit
from bandits.policy_gradient._reward_estimates import doubly_robust, reinforce
from bandits.policy_gradient._settings import Settings
from bandits.replay import Replay
from metarouter.exceptions import DataError

if TYPE_CHECKING:
    from bandits.policy_gradient.barp import BaRP

__all__ = ["Training"]

Array = NDArray[np.float64]

# What may differ between a training that was stopped and the one that goes on.
_FREE = ("checkpoint", "checkpoint_every", "verbose", "device", "arms", "random_state")
# Mean reward that counts as a rise, for early stopping.
_RISE = 1e-4


class Draws(NamedTuple):
    """All the chance of one epoch; drawn by numpy, so that it is the same on every device."""

    order: NDArray[np.intp]  # (n,) rows in the order in which they are played
    preference: Array  # (n, 2) by place in that order
    noise: Array  # (n, K) Gumbel


class Training:
    """A training in progress.

    Parameters
    ----------
    router : BaRP
        Its state is what the training goes on from, and what it changes.
    replay : Replay
        Reset at the start of every epoch: each round of each epoch shows one cell.
    preference : pair or array of shape (n, 2), optional
        Fixed preferences; None draws them anew in every epoch.
    """

    def __init__(self, router: BaRP, replay: Replay, preference: ArrayLike | None) -> None:
        self.router, self.replay, self.preference = router, replay, preference
        self.settings = Settings.of(router)
        self.X = np.asarray(replay.X, dtype=np.float64)
        if router.checkpoint is not None:
            router._fingerprint = _fingerprint(replay, preference)
            self._resume(router.checkpoint)
        self.trainer = router._trainer()
        self.features = self.trainer.tensor(self.X)

    def run(self) -> int:
        """Train to the end; return the number of cells that were shown."""
        router = self.router
        with _progress_bar(router.epochs, router.epochs_done_, router.verbose) as advance:
            while router.epochs_done_ < router.epochs and not self._has_stalled():
                self._epoch()
                advance()
                if router.checkpoint is not None and self._is_due():
                    router._keep(self.trainer)
                    router.save(router.checkpoint)
        router._keep(self.trainer)
        return router.cells_shown_

    def _epoch(self) -> None:
        router, replay = self.router, self.replay
        replay.reset()
        draws = self._draw()
        model = router._outcome_model
        use_model = model is not None and model.knows_something
        expected = model.predict(self.X[draws.order]) if model is not None and use_model else None
        x = self.features[self.trainer.tensor(draws.order)]
        w, noise = self.trainer.tensor(draws.preference), self.trainer.tensor(draws.noise)
        arms = np.empty(len(draws.order), dtype=np.intp)
        rewards, outcomes = np.empty(len(arms)), np.empty((len(arms), 1 + router.has_cost_))
        size = self.settings.batch_size(router.epochs_done_)
        for start in range(0, len(arms), size):
            batch = slice(start, start + size)
            chance = self.trainer.forward(x[batch], w[batch])
            arm = self.trainer.choose(noise[batch])
            arms[batch] = arm[:, 0].cpu().numpy()
            outcomes[batch] = self._reveal(draws.order[batch], arms[batch])
            weights = router._outcome_weights(draws.preference[batch])
            rewards[batch] = (outcomes[batch] * weights).sum(axis=1)
            reward = self.trainer.tensor(rewards[batch, None])
            if expected is None:
                estimate = reinforce(chance, arm, reward, 1.0, reward.mean())
            else:
                predicted = np.einsum("nkm,nm->nk", expected[batch], weights)
                estimate = doubly_robust(chance, arm, reward, 1.0, self.trainer.tensor(predicted))
            self.trainer.step(estimate)
        if model is not None:
            model.learn(self.X[draws.order], arms, outcomes)
        router._end_epoch(outcomes, float(rewards.mean()), replay.n_revealed)

    def _reveal(self, rows: NDArray[np.intp], arm: NDArray[np.intp]) -> Array:
        outcomes = self.replay.reveal(rows, arm).outcomes
        return self.router._capped(outcomes) if self.router.has_cost_ else outcomes

    def _draw(self) -> Draws:
        rng, n_rounds = self.router._exploration, self.replay.n_rounds
        order = rng.permutation(n_rounds)
        preference = self.router._preferences(self.preference, n_rounds)
        noise = rng.gumbel(size=(n_rounds, self.replay.n_arms))
        return Draws(order, preference[order], noise)

    def _has_stalled(self) -> bool:
        patience, earned = self.router.patience, self.router.reward_
        if patience is None or len(earned) <= patience:
            return False
        return bool(earned[-patience:].max() < earned[:-patience].max() + _RISE)

    def _is_due(self) -> bool:
        done = self.router.epochs_done_
        return done % self.router.checkpoint_every == 0 or done == self.router.epochs

    def _resume(self, checkpoint: str | os.PathLike[str]) -> None:
        if not os.path.exists(checkpoint):
            return
        saved, router = load_bandit(checkpoint), self.router
        mine, its = router.get_params(deep=False), saved.get_params(deep=False)
        changed = [
            name
            for name in mine
            if name not in _FREE and _plain(mine[name]) != _plain(its.get(name))
        ]
        same_data = (saved._fingerprint == router._fingerprint).all()
        if type(saved) is not type(router) or saved.arms_ != router.arms_ or not same_data:
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


def _fingerprint(replay: Replay, preference: ArrayLike | None) -> NDArray[np.uint8]:
    """Digest of everything that a training is given."""
    digest = hashlib.sha256()
    for part in (replay.X, replay._quality, replay._cost, preference):
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
