from __future__ import annotations

import numpy as np
import pytest
from oracles.bands import efficiency_gain_at, gained_at, influence_by_contamination, toc_at
from ranked_queries import queries

from metarouter.inference import ScoredQueries
from metarouter.inference.bands import Curve, curve_at

ORACLES = {"efficiency_gain": efficiency_gain_at, "toc": toc_at, "qini": gained_at}


@pytest.mark.parametrize("curve", ORACLES)
def test_influence_at_thresholds_is_the_derivative_by_the_weights(curve):
    gain, score = queries(100)
    found = ScoredQueries(gain, score)
    influence_values = curve_at(curve, found, None, [0.5]).influence(found)[:, 0]

    def value(share):
        sent = found.gain[:, None] * 0 + (score[found.order] >= 0.5)[:, None]
        usage, gained = share @ sent[:, 0], share @ (found.gain * sent[:, 0])
        total = share @ found.gain
        return {
            "efficiency_gain": gained - usage * total,
            "toc": gained / usage - total,
            "qini": gained,
        }[curve]

    assert influence_values * 100 == pytest.approx(
        influence_by_contamination(value, np.ones(100)), abs=1e-6
    )


@pytest.mark.parametrize("curve", ORACLES)
def test_influence_at_a_usage_within_ties_is_the_derivative_by_the_weights(curve):
    gain, _ = queries(60)
    score = np.repeat([2.0, 1.0, 0.0], 20)
    weight = np.random.default_rng(3).uniform(0.5, 2, 60)
    found = ScoredQueries(gain, score, sample_weight=weight)
    at = np.array([0.2, 0.5, 0.8])
    influence_values = Curve(curve, at).influence(found)
    for k, usage in enumerate(at):
        slopes = influence_by_contamination(
            lambda share, u=usage: ORACLES[curve](found.gain, score[found.order], share, u),
            found.share,
        )
        assert influence_values[:, k] / found.share == pytest.approx(slopes, abs=1e-5)
