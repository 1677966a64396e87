"""Pairs of answers on topics that reward models know differently well."""

from __future__ import annotations

import functools

import numpy as np

from bandits.reward_models import OfflineRewardRouter, pair_features

MODELS = ("north", "east", "south", "west")


def topics_world(n, seed=0, shares=(0.25, 0.25, 0.25, 0.25)):
    """Return features (n, 16), which models were right (n, 4), and topics."""
    layout = np.random.default_rng(99)
    centres = 2.0 * layout.normal(size=(4, 8))
    rates = np.full((4, 4), 0.6) + 0.37 * np.eye(4)
    rng = np.random.default_rng(seed)
    topic = rng.choice(4, n, p=shares)
    prompt = centres[topic] + 0.5 * rng.normal(size=(n, 8))
    first, second = (prompt + 0.5 * rng.normal(size=(n, 8)) for _ in range(2))
    correct = (rng.random((n, 4)) < rates[topic]).astype(float)
    return pair_features(first, second), correct, topic


@functools.cache
def trained_offline(normalize=True, n=800):
    X, correct, _ = topics_world(n, seed=1)
    router = OfflineRewardRouter(
        16, normalize=normalize, arms=MODELS, random_state=0, max_epochs=15, device="cpu"
    )
    return router.fit(X, correct)
