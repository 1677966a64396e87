from __future__ import annotations

import numpy as np
import pytest
from ranked_queries import queries

from metarouter.inference import ScoredQueries, efficiency_gain_band
from metarouter.inference.bands import _estimates, estimated


def test_half_samples_of_a_mean_spread_like_its_standard_error():
    values = np.random.default_rng(0).standard_normal(301)
    found = estimated(
        lambda kept: (kept @ values / kept.sum(axis=1))[:, None],
        lambda: values[:, None] / 301,
        ScoredQueries(values),
        {"n_draws": 20_000, "random_state": 1},
    )
    assert found.se[0] == pytest.approx(values.std(ddof=1) / np.sqrt(301), rel=0.02)


def test_same_seed_gives_the_same_band_whatever_the_chunks(monkeypatch):
    gain, score = queries()
    first = efficiency_gain_band(gain, score, random_state=3)
    monkeypatch.setattr(_estimates, "_CELLS", 3 * len(gain))
    second = efficiency_gain_band(gain, score, random_state=3)
    assert second.band_lower == pytest.approx(first.band_lower, abs=1e-12)
    third = efficiency_gain_band(gain, score, random_state=4)
    assert third.critical != first.critical
