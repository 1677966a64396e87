"""A world in which queries that gain more also cost more; see `_band_worlds`."""

from __future__ import annotations

import numpy as np
from scipy.special import ndtr, ndtri
from scipy.stats import norm

from benchmarks._band_worlds import (
    MEAN,
    METHODS,
    NOISE,
    Hits,
    band_hits,
    eg_of_line,
    inside,
    settings,
)
from metarouter.evaluation import cost_quality_curve
from metarouter.inference import cost_quality_band, efficiency_gain_band


def costly(rng: np.random.Generator, n: int) -> Hits:
    """Extra costs exp(s / 2) times noise: queries that gain more also cost more."""
    slope = 0.5
    score = rng.standard_normal(n)
    gain = MEAN + slope * score + NOISE * rng.standard_normal(n)
    cost = np.exp(0.5 * score - 0.125 + 0.3 * rng.standard_normal(n) - 0.045)
    cheap = 0.2 * np.exp(0.3 * rng.standard_normal(n) - 0.045)
    level = 1.0 + 0.5 * rng.standard_normal(n)
    hits: Hits = {}
    for method, word in METHODS.items():
        made = settings(rng, n).by(method)
        band = efficiency_gain_band(gain, score, cost=cost, **made)
        sent = ndtr(ndtri(band.usage) - 0.5)
        truth = MEAN * sent + slope * eg_of_line(sent) - MEAN * band.usage
        hits |= band_hits(f"efficiency gain at shares of cost, {word}", band, truth)
        at = {"thresholds": np.linspace(-1.2, 1.2, 25)} if method == "influence" else {}
        both = cost_quality_band(
            *(gain, score, cost), alternative_quality=level, alternative_cost=cheap, **at, **made
        )
        usage = both.usage if both.threshold is None else norm.sf(both.threshold)
        spent = ndtr(0.5 + ndtri(usage))
        quality = 1.0 + MEAN * usage + slope * eg_of_line(usage)
        where = "thresholds" if at else "usages"
        hits["band", f"cost and quality at {where}, {word}"] = (
            inside(both.quality_lower, quality, both.quality_upper)
            & inside(both.cost_lower, 0.2 + spent, both.cost_upper)
        ).all()
        advantage = quality - 1.0 - MEAN * spent
        hits["band", f"advantage at {where}, {word}"] = inside(
            both.advantage_band_lower, advantage, both.advantage_band_upper
        ).all()
        hits["pointwise, jointly", f"advantage at {where}, {word}"] = inside(
            both.advantage_lower, advantage, both.advantage_upper
        ).all()
    hits["interval", "AIQ, metarouter.evaluation"] = _aiq_is_covered(
        gain, score, cost, cheap, level
    )
    return hits


def _aiq_is_covered(
    gain: np.ndarray, score: np.ndarray, cost: np.ndarray, cheap: np.ndarray, level: np.ndarray
) -> bool:
    dial, limits = np.linspace(-1.5, 1.5, 7), (0.3, 1.2)
    sent = score[:, None] > dial
    usage = norm.sf(dial)
    truth = cost_quality_curve(
        0.2 + ndtr(0.5 - dial), 1.0 + MEAN * usage + 0.5 * norm.pdf(dial), cost_range=limits
    )
    curve = cost_quality_curve(
        cheap[:, None] + sent * cost[:, None],
        level[:, None] + sent * gain[:, None],
        cost_range=limits,
    )
    lower, upper = curve.aiq.interval()
    return bool(inside(lower, truth.aiq.value, upper)[0])
