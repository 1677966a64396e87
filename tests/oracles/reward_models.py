"""The offline losses and the online posterior of BayesianRouter, by loops, from the paper."""

from __future__ import annotations

import math

import numpy as np


def log_sigmoid(x):
    return -math.log1p(math.exp(-x)) if x > 0 else x - math.log1p(math.exp(x))


def naive_bradley_terry(scores, correct):
    """Equation 2: the mean over (pair, n right, n' wrong)."""
    terms = [
        -log_sigmoid(scores[i][n] - scores[i][m])
        for i in range(len(scores))
        for n in range(len(scores[i]))
        for m in range(len(scores[i]))
        if correct[i][n] == 1 and correct[i][m] == 0
    ]
    return sum(terms) / len(terms)


def naive_classification(logits, correct):
    """Equation 3: the mean over known (pair, n)."""
    terms = [
        -(correct[i][n] * log_sigmoid(z) + (1 - correct[i][n]) * log_sigmoid(-z))
        for i in range(len(logits))
        for n, z in enumerate(logits[i])
        if not np.isnan(correct[i][n])
    ]
    return sum(terms) / len(terms)


class NaiveReward:
    """Equations 5 and 6 for one reward model, with an inverse per update."""

    def __init__(self, mean, variance, noise_variance):
        self.mean, self.covariance = np.array(mean), variance * np.eye(len(mean))
        self.noise_variance = noise_variance

    def learn(self, H, rewards):
        old = np.linalg.inv(self.covariance)
        self.covariance = np.linalg.inv(old + H.T @ H / self.noise_variance)
        self.mean = self.covariance @ (old @ self.mean + H.T @ rewards / self.noise_variance)
