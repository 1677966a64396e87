from __future__ import annotations

import numpy as np

from metarouter.datasets._votes import cast_votes, tie_probability


def test_votes_have_the_mean_and_the_ties_that_were_asked_for() -> None:
    rng = np.random.default_rng(0)
    for mean in (-1.0, -0.5, 0.0, 0.3, 1.0):
        eta = np.full(100_000, mean)
        votes = cast_votes(eta, rng.standard_normal(eta.size))
        assert abs(votes.mean() - mean) < 4 * votes.std() / np.sqrt(eta.size) + 1e-12
        assert abs((votes == 0).mean() - tie_probability(eta)[0]) < 0.006
