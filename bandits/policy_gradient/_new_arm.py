"""A place among the arms for a model of which a handful of evaluations is known.

The logits are linear in what belongs to an arm: o_k(x, w) = <f(x, w), e_k>, with features f that
all arms share and an embedding e_k of each. A new arm is a new embedding; nothing else changes.
Where should its logits be? The best policy's are a line in the reward (of slope 1 / beta), on
every query. So the line is read off the arms that are known, the evaluations are put on it, and
the embedding is the ridge regression towards the others that goes through them.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bandits.policy_gradient._state import PolicyState

__all__ = ["Evaluations", "logits_of_rewards", "place_arm", "placed_embedding"]

Array = NDArray[np.float64]

# Preferences under which the evaluations are put on the line, by the number of outcomes.
DIALS: dict[int, list[tuple[float, ...]]] = {
    1: [(1.0, 0.0)],
    2: [(0.9, 0.1), (0.7, 0.3), (0.5, 0.5), (0.3, 0.7), (0.1, 0.9)],
    3: [(0.8, 0.1, 0.1), (0.1, 0.8, 0.1), (0.1, 0.1, 0.8), (0.4, 0.4, 0.2), (0.4, 0.2, 0.4)],
}
# Shares of the rewards' variance that may be noise, and folds to choose between them.
SHARES = (1.0, 0.3, 0.1, 0.03, 0.01)
FOLDS = 5


def place_arm(state: PolicyState, X: Array, outcomes: Array) -> None:
    """Give the last arm of a policy the embedding that its evaluations ask for.

    Parameters
    ----------
    state : PolicyState
    X : ndarray of shape (n, d)
        Queries that the arm was tried on.
    outcomes : ndarray of shape (n, m)
        Observed outcomes.
    """
    outcomes = state.caps.cut(outcomes)
    last = state.n_arms - 1
    embeddings = state.layout.embeddings(state.parameters).astype(np.float64)
    theta, x = state.layout.views(state.parameters), X.astype(np.float32)
    expected = state.known_outcomes(X)[:, :last]
    dial = DIALS[state.n_outcomes]
    features, targets, noise = [], [], []
    for asked in dial:
        preference = np.tile(asked, (len(X), 1))
        weights = state.caps.weights(preference)
        rewards = (outcomes * weights).sum(axis=1)
        f = state.layout.of_head.features(theta, x, preference.astype(np.float32))
        logits = f @ embeddings[:, :last]
        wanted, slope = logits_of_rewards(
            logits, np.einsum("nkm,nm->nk", expected, weights), rewards
        )
        features.append(f)
        targets.append(wanted)
        # One evaluation under several preferences is still one; the line itself errs a little.
        spread = rewards.var() if len(rewards) > 1 else 0.25
        noise.append(np.full(len(X), len(dial) * slope**2 * spread + 1e-3))
    evaluations = Evaluations(
        np.concatenate(features).astype(np.float64),
        np.concatenate(targets),
        np.concatenate(noise),
        np.tile(np.arange(len(X)), len(dial)),
    )
    share = share_of_noise(evaluations, embeddings[:, :last])
    embedding = placed_embedding(evaluations, embeddings[:, :last], share)
    state.layout.embed(state.parameters, last, embedding.astype(np.float32))
    arm = np.full(len(X), last)
    state.remember(arm, outcomes)
    if state.outcome_model is not None:
        state.outcome_model.add(X, arm, outcomes)


def logits_of_rewards(logits: Array, expected: Array, rewards: Array) -> tuple[Array, float]:
    """Return the logits that rewards stand for by the line of the known arms, and its slope.

    The slope is that of all arms. The line goes through the arms that the policy calls, each as
    often as it does: these are whom a new one has to beat, and those that are hardly ever called
    lie off the line, for hardly anything has moved them.

    Parameters
    ----------
    logits, expected : ndarray of shape (n, K)
        Of the known arms on some queries: the policy's logits, and the rewards to expect.
    rewards : ndarray of shape (n,)
        Of the new arm.

    Examples
    --------
    >>> expected = np.array([[0.0, 1.0], [0.2, 0.4]])
    >>> logits, slope = logits_of_rewards(3 * expected + 1, expected, np.array([0.5, 0.5]))
    >>> logits.round(9).tolist(), round(slope, 9)
    ([2.5, 2.5], 3.0)
    """
    about = expected - expected.mean(axis=1, keepdims=True)
    spread = float((about**2).sum())
    # A policy that knows nothing yet has no slope; neither falls with the reward.
    slope = max(float((about * logits).sum()) / spread, 0.0) if spread else 0.0
    chance = np.exp(logits - logits.max(axis=1, keepdims=True))
    chance /= chance.sum(axis=1, keepdims=True)
    called = ((logits - slope * expected) * chance).sum(axis=1)
    return called + slope * rewards, slope


class Evaluations(NamedTuple):
    """Evaluations of a new arm under several preferences, as logits that it should have."""

    features: Array  # (n, F)
    targets: Array  # (n,)
    variance: Array  # (n,) of the targets
    query: NDArray[np.intp]  # (n,) which evaluation a row is of

    def of(self, rows: NDArray[np.bool_]) -> Evaluations:
        """Return some rows."""
        return Evaluations(
            self.features[rows], self.targets[rows], self.variance[rows], self.query[rows]
        )


def placed_embedding(evaluations: Evaluations, embeddings: Array, share: float) -> Array:
    """Return the embedding of a new arm, shape (F,): a ridge regression towards the known ones.

    The prior is the mean and the variance of the known arms' embeddings, coordinate by coordinate,
    so that few evaluations move it little and along what arms differ in.

    Parameters
    ----------
    evaluations : Evaluations
    embeddings : ndarray of shape (F, K)
    share : float
        Share of the targets' variance that is noise.
    """
    features, targets, variance, _ = evaluations
    centre, prior = embeddings.mean(axis=1), embeddings.var(axis=1)
    weighted = features * prior
    # The posterior mean by the n x n system: evaluations are a handful, coordinates are not.
    system = weighted @ features.T + np.diag(share * variance)
    residual = targets - features @ centre
    return np.asarray(centre + weighted.T @ np.linalg.solve(system, residual))


def share_of_noise(evaluations: Evaluations, embeddings: Array) -> float:
    """Return the share of noise that predicts evaluations left out best, by cross-validation."""
    folds = evaluations.query % FOLDS
    if folds.max() + 1 < FOLDS:
        return 1.0
    errors = np.zeros(len(SHARES))
    for fold in range(FOLDS):
        left_out = evaluations.of(folds == fold)
        for i, share in enumerate(SHARES):
            placed = placed_embedding(evaluations.of(folds != fold), embeddings, share)
            errors[i] += ((left_out.targets - left_out.features @ placed) ** 2).sum()
    return SHARES[int(errors.argmin())]
