"""What is computed a few points at a time is what is computed all at once."""

from __future__ import annotations

import tracemalloc
from importlib import import_module

import numpy as np
import pytest

from metarouter.inference import efficiency_gain_band, qini_band, toc_band

PLACES = (
    "metarouter.inference.bands._curve_bands",
    "metarouter.inference.bands._curves",
)


@pytest.mark.parametrize("band", [efficiency_gain_band, toc_band, qini_band])
@pytest.mark.parametrize("method", ["half_sample", "influence"])
def test_chunks_change_no_number(band, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=700).round(2)
    gain = score + rng.exponential(size=700)
    given = {"method": method, "n_draws": 100, "groups": np.arange(700) // 2}

    def numbers() -> np.ndarray:
        return band(gain, score, **given).to_frame().select_dtypes("number").to_numpy()

    whole = numbers()
    for place in PLACES:
        module = import_module(place)
        monkeypatch.setattr(module, "_CELLS", 1500)
    np.testing.assert_allclose(numbers(), whole, rtol=1e-12, atol=1e-12)


def test_half_samples_of_many_queries_take_little_memory() -> None:
    rng = np.random.default_rng(0)
    score = rng.normal(size=40_000)
    gain = score + rng.normal(size=40_000)
    tracemalloc.start()
    efficiency_gain_band(gain, score, n_draws=100)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 600 * 40_000  # bytes; one array of influence values alone has 808 a query
