"""BaRP's policy trained on the outcomes of all arms: what bandit feedback costs it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bandits.policy_gradient._sources import ReplaySource
from bandits.policy_gradient._training import Training
from bandits.policy_gradient.barp import BaRP
from bandits.replay import Replay
from metarouter.exceptions import DataError

__all__ = ["FullInformationBaRP"]


class FullInformationBaRP(BaRP):
    """The same policy, climbing the exact gradient of its expected reward.

    No router in use can be trained so: `fit` reads every cell of the logs. It is a yardstick for
    `BaRP`, which reads one per round. Feedback of chosen arms it learns as `BaRP` does.

    Parameters
    ----------
    head, cost_cap, random_state, ...
        As in `BaRP`.

    Examples
    --------
    >>> import numpy as np
    >>> router = FullInformationBaRP(learning_rate=0.01, epochs=50, random_state=0)
    >>> router.fit(np.eye(2), np.eye(2)).predict(np.eye(2)).tolist()
    [0, 1]
    >>> router.n_revealed_
    4
    """

    def _play(self, replay: Replay, preference: ArrayLike | None) -> int:
        training = FullTraining(self, ReplaySource(self, replay), preference)
        if self.has_cost_ and self.cost_cap is None:
            self.cost_cap_ = float(np.quantile(training.outcomes[:, :, 1], self.cost_quantile))
        training.run()
        return training.outcomes[:, :, 0].size


class FullTraining(Training):
    """Epochs whose steps are fed the true rewards of all arms."""

    def __init__(
        self, router: FullInformationBaRP, source: ReplaySource, preference: ArrayLike | None
    ) -> None:
        super().__init__(router, source, preference)
        replay = source.replay
        parts = [replay._quality] if replay._cost is None else [replay._quality, replay._cost]
        self.outcomes = np.stack(parts, axis=2)
        if np.isnan(self.outcomes).any():
            rows = int(np.isnan(self.outcomes).any(axis=(1, 2)).sum())
            raise DataError(
                f"quality or cost is NaN in {rows} of {replay.n_rounds} rows; full information "
                "needs the outcome of every arm: leave those rows out."
            )

    def _epoch(self) -> None:
        router, trainer = self.router, self.trainer
        draws = self._draw()
        x = self.features[trainer.tensor(draws.order)]
        outcomes = self.outcomes[draws.order]
        if router.has_cost_:
            outcomes[:, :, 1] = np.minimum(outcomes[:, :, 1], router.cost_cap_ or np.inf)
        reward = np.einsum("nkm,nm->nk", outcomes, router._outcome_weights(draws.preference))
        w, rewards = trainer.tensor(draws.preference), trainer.tensor(reward)
        size, earned = self.settings.batch_size(router.epochs_done_), 0.0
        for start in range(0, len(rewards), size):
            batch = slice(start, start + size)
            chance = trainer.forward(x[batch], w[batch])
            earned += float((chance * rewards[batch]).sum())
            trainer.step(rewards[batch])
        router._end_epoch(np.zeros(0, dtype=np.intp), outcomes[:0, 0], earned / len(rewards), 0)
