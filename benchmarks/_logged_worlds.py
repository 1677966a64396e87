"""Routing problems of known truth, and the logs that fixed and learning routers leave in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np

from bandits import EpsilonGreedy, LinTS
from bandits.off_policy import LoggedFeedback

N_FEATURES = 5
# Rows that a learning router decides before it learns from them.
BATCH = 20


@dataclass(frozen=True)
class World:
    """0/1 rewards from a logit of five normal features; where all arms are alike, from a coin."""

    n_arms: int = 11
    alike: bool = False

    def contexts(self, rng, n: int):
        """Draw features."""
        return rng.normal(size=(n, N_FEATURES))

    def chances(self, X):
        """Return the probability of a reward of 1, shape (n, n_arms)."""
        if self.alike:
            return np.full((len(X), self.n_arms), 0.5)
        return 1 / (1 + np.exp(-(X @ self._effect().T)))

    def best(self, X):
        """Return the probabilities of the policy that calls the truly best arm."""
        return np.eye(self.n_arms)[self.chances(X).argmax(axis=1)]

    def believed_best(self, X):
        """Return those of a policy whose model is distorted."""
        distortion = 0.8 * np.random.default_rng(1).normal(size=(self.n_arms, N_FEATURES))
        return np.eye(self.n_arms)[(X @ (self._effect() + distortion).T).argmax(axis=1)]

    def second_guess(self, X):
        """Return those of a third policy, distorted otherwise."""
        distortion = 0.8 * np.random.default_rng(2).normal(size=(self.n_arms, N_FEATURES))
        return np.eye(self.n_arms)[(X @ (self._effect() + distortion).T).argmax(axis=1)]

    @cache  # noqa: B019 - a handful of frozen worlds
    def value(self, policy: str) -> float:
        """Return the mean reward of a policy, from 400,000 contexts."""
        X = self.contexts(np.random.default_rng(5), 400_000)
        return float((getattr(self, policy)(X) * self.chances(X)).sum(axis=1).mean())

    def logged(self, rng, n: int, epsilon: float) -> LoggedFeedback:
        """Return logs of the distorted policy, which explores but does not learn."""
        X = self.contexts(rng, n)
        logging = epsilon / self.n_arms + (1 - epsilon) * self.believed_best(X)
        arm = (rng.random(n)[:, None] > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
        reward = self._rewards(rng, X)[np.arange(n), arm]
        return LoggedFeedback(X, arm, logging[np.arange(n), arm], reward, range(self.n_arms))

    def learned(self, rng, n: int, router: str) -> LoggedFeedback:
        """Return logs of a router that learns from them."""
        X = self.contexts(rng, n)
        rewards, every = self._rewards(rng, X), np.arange(n)
        learner, epsilon = _router(router, int(rng.integers(2**31)))
        learner._begin_with(X, list(range(self.n_arms)), 1)
        arm, propensity = np.zeros(n, dtype=int), np.zeros(n)
        for start in range(0, n, BATCH):
            rows = every[start : start + BATCH]
            if epsilon is not None:
                learner.epsilon = epsilon(start)
            arm[rows], propensity[rows] = learner.sample(X[rows])
            learner.partial_fit(X[rows], arm[rows], rewards[rows, arm[rows]])
        reward = rewards[every, arm]
        return LoggedFeedback(X, arm, propensity, reward, range(self.n_arms), adaptive=True)

    def _effect(self):
        return 0.8 * np.random.default_rng(0).normal(size=(self.n_arms, N_FEATURES))

    def _rewards(self, rng, X):
        return (rng.random((len(X), self.n_arms)) < self.chances(X)).astype(float)


def _router(name: str, seed: int):
    """Return a router, and the rule by which its epsilon falls, if it does."""
    if name == "LinTS":
        return LinTS(random_state=seed), None
    if name == "epsilon t^-1/2":
        return EpsilonGreedy(1.0, random_state=seed), lambda row: (1.0 + row) ** -0.5
    return EpsilonGreedy(0.1, random_state=seed), None
