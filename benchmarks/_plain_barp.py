"""BaRP's Algorithm 1 as one would write it in PyTorch: modules, autograd, Adam, a loop."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

__all__ = ["PlainBaRP"]


class Policy(nn.Module):
    """Equation 2 with the MLP head, of the same sizes as ours."""

    def __init__(self, n_features: int, n_arms: int, hidden: int = 64, encoded: int = 32):
        super().__init__()
        self.preference_encoder = nn.Sequential(
            nn.Linear(2, encoded), nn.ReLU(), nn.Linear(encoded, encoded)
        )
        self.head = nn.Sequential(
            nn.Linear(n_features + encoded, hidden), nn.ReLU(), nn.Linear(hidden, n_arms)
        )

    def forward(self, prompt, preference):
        return self.head(torch.cat([prompt, self.preference_encoder(preference)], dim=1))


class PlainBaRP:
    """Train with REINFORCE and route by equation 7."""

    def __init__(self, *, learning_rate=1e-4, entropy=0.05, batch_size=32, epochs=100, seed=0):
        self.learning_rate, self.entropy = learning_rate, entropy
        self.batch_size, self.epochs, self.seed = batch_size, epochs, seed

    def fit(self, X, quality, cost, cost_cap):
        torch.manual_seed(self.seed)
        prompts = torch.as_tensor(X, dtype=torch.float32)
        scores = torch.as_tensor(quality, dtype=torch.float32)
        costs = torch.as_tensor(np.minimum(cost / cost_cap, 1.0), dtype=torch.float32)
        self.policy = Policy(prompts.shape[1], scores.shape[1])
        optimizer = torch.optim.Adam(self.policy.parameters(), lr=self.learning_rate)
        for _ in range(self.epochs):
            for rows in torch.randperm(len(prompts)).split(self.batch_size):
                w_cost = torch.rand(len(rows), 1)
                preference = torch.cat([1 - w_cost, w_cost], dim=1)
                logits = self.policy(prompts[rows], preference)
                distribution = torch.distributions.Categorical(logits=logits)
                action = distribution.sample()
                reward = preference[:, 0] * scores[rows, action]
                reward = reward - preference[:, 1] * costs[rows, action]
                advantage = reward - reward.mean()
                loss = -advantage * distribution.log_prob(action)
                loss = (loss - self.entropy * distribution.entropy()).mean()
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
        return self

    def predict(self, X, preference):
        with torch.no_grad():
            prompts = torch.as_tensor(X, dtype=torch.float32)
            pair = torch.as_tensor(preference, dtype=torch.float32).expand(len(prompts), 2)
            return self.policy(prompts, pair).argmax(dim=1).numpy()
