"""Learning from feedback as it comes: importance weights stand for the policy's own draws."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bandits.base import Feedback
from bandits.policy_gradient._reward_estimates import clipped_propensity, doubly_robust, reinforce
from bandits.policy_gradient._settings import Settings
from bandits.policy_gradient._state import PolicyState
from bandits.policy_gradient._trainer import PolicyTrainer

__all__ = ["learn_feedback"]

Array = NDArray[np.float64]

# Preferences that every row of feedback is learned under; they cost no outcome.
PREFERENCES = 8
# Chance that an arm is taken to have had, at the least, where no propensity was logged.
TINY = 1e-12


def learn_feedback(state: PolicyState, settings: Settings, feedback: Feedback) -> None:
    """Take one step per batch of rows.

    An outcome is a reward under any preference. Each row is learned under several, drawn as in
    training, whatever preference its arm was chosen with: the logged propensity holds for all of
    them. Without propensities the arms count as the policy's own draws, with weight 1, which is
    wrong for all preferences but that one; whoever learns so is warned.

    Expected outcomes have not learned from new rows. From rows drawn again from the replay
    buffer they have: their residuals are a little too small, which pulls steps to what is expected:
    the more so, the fewer rows an arm has and the smaller `outcome_penalty` is.
    """
    trainer, size = state.trainer(settings), settings.batch_sizes[-1]
    for start in range(0, len(feedback.X), size):
        rows = slice(start, start + size)
        chance = None if feedback.propensity is None else feedback.propensity[rows]
        batch = Feedback(feedback.X[rows], feedback.arm[rows], feedback.outcomes[rows], chance)
        _step(state, settings, trainer, batch)
        state.remember(batch.arm, batch.outcomes)
        state.replay_buffer.add(batch)
        for _ in range(settings.replay_steps):
            again = state.replay_buffer.draw(size, state.rng)
            if len(again.X):
                _step(state, settings, trainer, again)
    state.keep(trainer)
    if state.outcome_model is not None:
        state.outcome_model.learn(feedback.X, feedback.arm, feedback.outcomes)


def _step(state: PolicyState, settings: Settings, trainer: PolicyTrainer, batch: Feedback) -> None:
    rows = np.repeat(np.arange(len(batch.X)), PREFERENCES)
    preference = state.preferences(None, len(rows), settings.concentration)
    weights = state.caps.weights(preference)
    reward = trainer.tensor((batch.outcomes[rows] * weights).sum(axis=1, keepdims=True))
    arm = trainer.tensor(batch.arm[rows, None])
    chance = trainer.forward(trainer.tensor(batch.X[rows]), trainer.tensor(preference))
    propensity = chosen = chance.gather(1, arm).clip(TINY)
    if batch.propensity is not None:
        logged = trainer.tensor(batch.propensity[rows, None])
        propensity = clipped_propensity(chosen, logged, settings.clip)
    model = state.outcome_model
    if model is None or not model.knows_something:
        baseline = trainer.tensor((state.mean_outcome() * weights).sum(axis=1, keepdims=True))
        trainer.step(reinforce(chance, arm, reward, propensity, baseline))
    else:
        expected = np.einsum("nkm,nm->nk", model.predict(batch.X)[rows], weights)
        trainer.step(doubly_robust(arm, reward, propensity, trainer.tensor(expected)))
