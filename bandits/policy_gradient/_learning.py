"""Learning from feedback as it comes: importance weights stand for the policy's own draws."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from bandits._core import Feedback
from bandits.policy_gradient._reward_estimates import clipped_propensity, doubly_robust, reinforce
from bandits.policy_gradient._settings import Settings

if TYPE_CHECKING:
    from bandits.policy_gradient._trainer import PolicyTrainer
    from bandits.policy_gradient.base import PolicyRouter

__all__ = ["learn_feedback"]

Array = NDArray[np.float64]

# Preferences that every row of feedback is learned under; they cost no outcome.
PREFERENCES = 8
# Chance that an arm is taken to have had, at the least, where no propensity was logged.
TINY = 1e-12


def learn_feedback(router: PolicyRouter, feedback: Feedback) -> None:
    """Take one step per batch of rows.

    An outcome is a reward under any preference. Each row is learned under several, drawn as in
    training, whatever preference its arm was chosen with: the logged propensity holds for all of
    them. Without propensities the arms count as the policy's own draws, with weight 1.

    Of new rows the expected outcomes know nothing. Those of rows drawn again from the memory have
    been learned from: their residuals are a little too small, which biases the steps towards what
    is expected. The fewer rows an arm has and the smaller `outcome_penalty`, the more it does.
    """
    trainer = router._trainer()
    size = Settings.of(router).batch_sizes[-1]
    for start in range(0, len(feedback.X), size):
        rows = slice(start, start + size)
        chance = None if feedback.propensity is None else feedback.propensity[rows]
        batch = Feedback(feedback.X[rows], feedback.arm[rows], feedback.outcomes[rows], chance)
        _step(router, trainer, batch)
        router._remember(batch.arm, batch.outcomes)
        router._memory.add(batch)
        for _ in range(router.rehearsals):
            again = router._memory.draw(size, router._exploration)
            if len(again.X):
                _step(router, trainer, again)
    router._keep(trainer)
    if router._outcome_model is not None:
        router._outcome_model.learn(feedback.X, feedback.arm, feedback.outcomes)


def _step(router: PolicyRouter, trainer: PolicyTrainer, batch: Feedback) -> None:
    rows = np.repeat(np.arange(len(batch.X)), PREFERENCES)
    preference = router._preferences(None, len(rows))
    weights = router._outcome_weights(preference)
    reward = trainer.tensor((batch.outcomes[rows] * weights).sum(axis=1, keepdims=True))
    arm = trainer.tensor(batch.arm[rows, None])
    chance = trainer.forward(trainer.tensor(batch.X[rows]), trainer.tensor(preference))
    propensity = chosen = chance.gather(1, arm).clip(TINY)
    if batch.propensity is not None:
        logged = trainer.tensor(batch.propensity[rows, None])
        propensity = clipped_propensity(chosen, logged, router.clip)
    model = router._outcome_model
    if model is None or not model.knows_something:
        baseline = trainer.tensor((router._mean_outcome() * weights).sum(axis=1, keepdims=True))
        trainer.step(reinforce(chance, arm, reward, propensity, baseline))
    else:
        expected = np.einsum("nkm,nm->nk", model.predict(batch.X)[rows], weights)
        trainer.step(doubly_robust(arm, reward, propensity, trainer.tensor(expected)))
