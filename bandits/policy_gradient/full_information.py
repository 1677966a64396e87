"""BaRP's policy trained on the outcomes of all arms: what bandit feedback costs it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from bandits._logs import Logs, require_all_cells
from bandits.policy_gradient._sources import ReplaySource
from bandits.policy_gradient._training import Training
from bandits.policy_gradient.barp import BaRP
from bandits.replay import Replay

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
        require_all_cells(Logs(replay._outcomes, replay.arms))
        if self.has_cost_:
            self._caps.find(replay._outcomes[:, :, 1:].reshape(-1, self.n_outcomes_ - 1))
        self._train(ReplaySource(self._policy, replay), preference, FullTraining)
        return replay._outcomes[:, :, 0].size


class FullTraining(Training):
    """Epochs whose steps are fed the true rewards of all arms."""

    def _epoch(self) -> None:
        state, trainer = self.state, self.trainer
        draws = self._draw()
        assert isinstance(self.source, ReplaySource)
        outcomes = self.source.replay._outcomes
        x = self.features[trainer.tensor(draws.order)]
        outcomes = state.caps.cut(outcomes[draws.order])
        reward = np.einsum("nkm,nm->nk", outcomes, state.caps.weights(draws.preference))
        w, rewards = trainer.tensor(draws.preference), trainer.tensor(reward)
        size, earned = self.settings.batch_size(state.epochs_done), 0.0
        for start in range(0, len(rewards), size):
            batch = slice(start, start + size)
            chance = trainer.forward(x[batch], w[batch])
            earned += float((chance * rewards[batch]).sum())
            trainer.step(rewards[batch])
        state.end_epoch(np.zeros(0, dtype=np.intp), outcomes[:0, 0], earned / len(rewards), 0)
