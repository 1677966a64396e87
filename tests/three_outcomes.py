"""Queries whose three models have a quality, a cost and a latency, and what a log tells of them."""

from __future__ import annotations

import numpy as np

RNG = np.random.default_rng(0)
N, ARMS = 80, ("a", "b", "c")
X = RNG.normal(size=(N, 3))
QUALITY, COST, LATENCY = RNG.random((N, 3)), RNG.random((N, 3)), 5 * RNG.random((N, 3))
ACTION = np.array(ARMS)[RNG.integers(3, size=N)]
CHOSEN = np.arange(N), np.array([ARMS.index(name) for name in ACTION])
TOLD = {"quality": QUALITY[CHOSEN], "cost": COST[CHOSEN], "latency": LATENCY[CHOSEN]}


def taught(router, **outcomes):
    router.set_params(arms=ARMS, random_state=0)
    return router.partial_fit(X, ACTION, **(outcomes or TOLD))
