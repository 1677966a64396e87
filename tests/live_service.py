"""Live routers for tests, queries for them, and what comes of their decisions."""

from __future__ import annotations

import numpy as np

from bandits import LinUCB
from bandits.live import LiveRouter

X = np.random.default_rng(0).normal(size=(60, 4))
ARMS = ("a", "b", "c")


def fresh(router=LinUCB, **parameters):
    return router(arms=ARMS, random_state=1, **parameters)


def live(folder=None, *, router=None, **options):
    return LiveRouter.cold(router or fresh(), 4, journal=folder, **options)


def outcome(number):
    """Quality and cost of a decision."""
    return float(np.sin(number) ** 2), float(np.cos(number) ** 2)


def serve(service, rows=range(60), *, skip=lambda number: False):
    """Decide on some queries and tell what came of them; return the decisions."""
    decisions = [service.choose(X[row], (0.7, 0.3)) for row in rows]
    for decision in decisions:
        if not skip(decision.id):
            service.feedback(decision.id, *outcome(decision.id))
    return decisions


def posterior(service):
    return service.router.posterior_.arrays()


def assert_same(one, other):
    assert one.router.arms_ == other.router.arms_
    assert one.router.n_updates_ == other.router.n_updates_
    assert one.router.cost_cap_ == other.router.cost_cap_
    for name, values in posterior(one).items():
        np.testing.assert_allclose(values, posterior(other)[name], rtol=1e-9, atol=1e-9)


def add_up(counts):
    return counts.decided == counts.accepted + counts.pending + counts.expired + counts.void
