"""BaRP's Algorithm 1 by automatic differentiation, line by line, with none of our code."""

from __future__ import annotations

import numpy as np
import torch


def make_policy(n_features: int, n_arms: int, hidden: int = 64, encoded: int = 32):
    """Preference MLP phi and MLP head g of section 2.2."""
    phi = torch.nn.Sequential(
        torch.nn.Linear(2, encoded), torch.nn.ReLU(), torch.nn.Linear(encoded, encoded)
    )
    head = torch.nn.Sequential(
        torch.nn.Linear(n_features + encoded, hidden),
        torch.nn.ReLU(),
        torch.nn.Linear(hidden, n_arms),
    )
    return phi, head


def train(
    phi, head, X, quality, cost, *, tau, draws, beta=0.05, learning_rate=1e-4, batch_size=32
) -> None:
    """Run Algorithm 1; `draws` yields (order, preferences, Gumbel noise) of every epoch."""
    parameters = [*phi.parameters(), *head.parameters()]
    adam = torch.optim.Adam(parameters, lr=learning_rate)
    prompts = torch.as_tensor(X, dtype=torch.float32)
    for order, preference, noise in draws:
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            w = torch.as_tensor(preference[start : start + batch_size], dtype=torch.float32)
            z = torch.cat([prompts[rows], phi(w)], dim=1)
            log_pi = torch.log_softmax(head(z), dim=1)
            gumbel = torch.as_tensor(noise[start : start + batch_size], dtype=torch.float32)
            a = (log_pi + gumbel).argmax(dim=1).numpy()
            q = torch.as_tensor(quality[rows, a], dtype=torch.float32)
            c = torch.as_tensor(np.minimum(cost[rows, a] / tau, 1.0), dtype=torch.float32)
            r = w[:, 0] * q - w[:, 1] * c
            b = r.mean()
            chosen = log_pi[torch.arange(len(rows)), torch.as_tensor(a)]
            entropy = -(log_pi.exp() * log_pi).sum(dim=1)
            loss = (-(r - b) * chosen - beta * entropy).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()


def route(phi, head, X, preference) -> np.ndarray:
    """Equation 7."""
    with torch.no_grad():
        prompts = torch.as_tensor(X, dtype=torch.float32)
        w = torch.as_tensor(preference, dtype=torch.float32).expand(len(prompts), 2)
        return head(torch.cat([prompts, phi(w)], dim=1)).argmax(dim=1).numpy()
