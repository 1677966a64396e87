"""Worlds whose curves are known in closed form, and whether bands and intervals cover them.

Every function draws one set of test queries and returns what was covered. Names begin with the
measure: ``band`` (all truths at once), ``interval`` (one truth), ``pointwise`` (share of the points
of a curve that their own limits cover), ``pointwise, jointly`` (all of them at once), ``error``
(some true null hypothesis was rejected).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.special import expit, logit, ndtr, ndtri
from scipy.stats import norm
from sklearn.linear_model import LinearRegression, LogisticRegression

from metarouter import Nuisances
from metarouter.datasets import LabelledQueries
from metarouter.inference import (
    compare_all_pairs,
    difference_band,
    doubly_robust_gains,
    efficiency_gain_band,
    performance_gap_band,
    qini_band,
    rank_weighted_effects,
    toc_band,
)

MEAN, NOISE = 0.5, 2.0
# Halves and influence functions; fewer draws than the default of 1000 where halves take long.
METHODS = {"half_sample": "halves", "influence": "influence"}
DRAWS = {300: 400, 1000: 300, 4000: 200}
AUTOC_OF_LINE = 0.9031973258  # by quadrature, see tests/unit/inference/test_rank_weighted.py
AREA_OF_LINE = 1 / (2 * np.sqrt(np.pi))
EFFECTS_OF_LINE = np.array([AREA_OF_LINE, AUTOC_OF_LINE, np.sqrt(12) * AREA_OF_LINE])
Hits = dict[tuple[str, str], float]


def eg_of_line(usage: np.ndarray) -> np.ndarray:
    """Efficiency gain of sorting by a standard normal score that the gain follows with slope 1."""
    return norm.pdf(ndtri(usage))


def inside(lower: Any, truth: Any, upper: Any) -> np.ndarray:
    """Say which truths are covered; where nothing is uncertain, up to the last bits."""
    return (np.asarray(lower) <= truth + 1e-9) & (truth - 1e-9 <= np.asarray(upper))


def band_hits(name: str, band: Any, truth: np.ndarray) -> Hits:
    """Look at a band and at the pointwise limits inside it."""
    pointwise = inside(band.lower, truth, band.upper)
    known = np.asarray(band.upper - band.lower) < 1e-9
    return {
        ("band", name): inside(band.band_lower, truth, band.band_upper).all(),
        ("pointwise", name): pointwise[~known].mean(),
        ("pointwise, jointly", name): pointwise.all(),
    }


def effect_hits(name: str, effects: Any, truth: np.ndarray) -> Hits:
    covered = inside(effects.lower, truth, effects.upper)
    return {("interval", f"{effects.effects[k]}, {name}"): covered[k] for k in (0, 1)}


class Settings(NamedTuple):
    """How bands are made in one world."""

    n_draws: int
    random_state: np.random.Generator

    def by(self, method: str) -> dict[str, Any]:
        return {"method": method, **self._asdict()}


def settings(rng: np.random.Generator, n: int) -> Settings:
    return Settings(DRAWS.get(n, 400), rng)


def line(rng: np.random.Generator, n: int, *, slope: float) -> Hits:
    """Gain 0.5 + slope s + noise of standard deviation 2, with s standard normal."""
    score = rng.standard_normal(n)
    gain = MEAN + slope * score + NOISE * rng.standard_normal(n)
    known, hits = settings(rng, n), {}
    share = 0.15 if n < 500 else 0.05
    thresholds = ndtri(np.linspace(share, 1 - share, 19))
    toc = slope * norm.pdf(thresholds) / norm.sf(thresholds)
    for method, word in METHODS.items():
        made = known.by(method)
        band = efficiency_gain_band(gain, score, **made)
        hits |= band_hits(
            f"efficiency gain at usages, {word}", band, slope * eg_of_line(band.usage)
        )
        band = toc_band(gain, score, thresholds=thresholds, **made)
        hits |= band_hits(f"TOC at thresholds, {word}", band, toc[::-1])
        effects = rank_weighted_effects(gain, score, **made)
        hits |= effect_hits(word, effects, slope * EFFECTS_OF_LINE)
    return hits


def half_slope_hits(
    rng: np.random.Generator, gain: np.ndarray, score: np.ndarray, **given: np.ndarray
) -> Hits:
    """Look at efficiency gain and effects where the mean gain is a line with slope 1/2."""
    hits: Hits = {}
    for method, word in METHODS.items():
        made = settings(rng, len(gain)).by(method) | given
        band = efficiency_gain_band(gain, score, **made)
        hits |= band_hits(f"efficiency gain at usages, {word}", band, 0.5 * eg_of_line(band.usage))
        effects = rank_weighted_effects(gain, score, **made)
        hits |= effect_hits(word, effects, 0.5 * EFFECTS_OF_LINE)
    return hits


def skewed(rng: np.random.Generator, n: int) -> Hits:
    """Exponential noise, the same for every score."""
    score = rng.standard_normal(n)
    gain = MEAN + 0.5 * score + NOISE * (rng.exponential(size=n) - 1)
    return half_slope_hits(rng, gain, score)


def gap(rng: np.random.Generator, n: int) -> Hits:
    """Qini curve, PGR, APGR and CPT where the gap is a quarter of the standard deviation."""
    slope = 0.5
    score = rng.standard_normal(n)
    gain = MEAN + slope * score + NOISE * rng.standard_normal(n)
    usage = np.linspace(0, 1, 1001)
    collected = MEAN * usage + slope * eg_of_line(usage)
    cpt = np.interp(np.array([0.5, 0.8]) * MEAN, collected[:600], usage[:600])
    hits: Hits = {}
    for method, word in METHODS.items():
        made = settings(rng, n).by(method)
        band = qini_band(gain, score, **made)
        truth = MEAN * band.usage + slope * eg_of_line(band.usage)
        hits |= band_hits(f"Qini curve, {word}", band, truth)
        if gain.mean() <= 0:
            continue
        pgr = performance_gap_band(gain, score, **made)
        hits |= band_hits(f"PGR, {word}", pgr, truth / MEAN)
        apgr = 0.5 + slope * AREA_OF_LINE / MEAN
        hits["interval", f"APGR, {word}"] = inside(pgr.apgr_lower, apgr, pgr.apgr_upper)
        for k, covered in enumerate(inside(pgr.cpt_lower, cpt, pgr.cpt_upper)):
            hits["interval", f"CPT({pgr.target[k]:.0%}), {word}"] = covered
    return hits


def tied(rng: np.random.Generator, n: int) -> Hits:
    """Gains in {-1, 0, 1}, heteroscedastic, with scores rounded to whole numbers."""
    score = rng.standard_normal(n).round()
    worse, better = _vote_probabilities(score)
    draw = rng.random(n)
    gain = (draw > 1 - better).astype(float) - (draw < worse)
    value = np.arange(6.0, -7.0, -1.0)
    mass = norm.cdf(value + 0.5) - norm.cdf(value - 0.5)
    less, more = _vote_probabilities(value)
    spent = np.concatenate([[0.0], np.cumsum(mass)]) / mass.sum()
    gained = np.concatenate([[0.0], np.cumsum(mass * (more - less))])
    hits: Hits = {}
    for method, word in METHODS.items():
        made = settings(rng, n).by(method)
        band = efficiency_gain_band(gain, score, **made)
        truth = np.interp(band.usage, spent, gained) - band.usage * gained[-1]
        hits |= band_hits(f"efficiency gain at usages, {word}", band, truth)
        effects = rank_weighted_effects(gain, score, **made)
        slopes, area = np.diff(gained) / np.diff(spent), (spent - spent**2) / 2
        entropy = -np.where(spent > 0, spent * np.log(np.where(spent > 0, spent, 1.0)), 0.0)
        known = [slopes @ np.diff(area), slopes @ np.diff(entropy), 0.0]
        hits |= effect_hits(word, effects, np.array(known))
    return hits


def _vote_probabilities(score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return ndtr(-0.6 - 0.4 * score), ndtr(-1.0 + 0.5 * score)


def clustered(rng: np.random.Generator, n: int) -> Hits:
    """Clusters of five queries that share half of the variance of the score and of the noise."""
    groups = np.repeat(np.arange(n // 5), 5)
    of_group, of_query = rng.standard_normal((2, n // 5)), rng.standard_normal((2, n))
    score, noise = np.sqrt(0.5) * (of_group[:, groups] + of_query)
    gain = MEAN + 0.5 * score + NOISE * noise
    return half_slope_hits(rng, gain, score, groups=groups)


def weighted(rng: np.random.Generator, n: int) -> Hits:
    """Scores drawn around 0.5, weighted back to scores around 0."""
    score = 0.5 + rng.standard_normal(n)
    gain = MEAN + 0.5 * score + NOISE * rng.standard_normal(n)
    return half_slope_hits(rng, gain, score, sample_weight=np.exp(-0.5 * score))


def scarce(rng: np.random.Generator, n: int) -> Hits:
    """Three in ten queries have a gold label, by a known design that depends on the query."""
    X = rng.standard_normal((n, 3))
    psi = MEAN + 0.5 * X[:, 0] + X[:, 1]
    p = expit(logit(0.3) + 0.5 * X[:, 1])
    has_gold = rng.random(n) < p
    gold = np.where(has_gold, psi + rng.standard_normal(n), np.nan)
    preference = psi - 0.3 + 0.3 * X[:, 2] + rng.standard_normal(n)
    data = LabelledQueries(X=np.c_[X, preference], gold=gold, preference=preference)
    recipe = Nuisances(outcome=LinearRegression(), propensity=LogisticRegression(C=np.inf))
    seed = int(rng.integers(2**31))
    hits: Hits = {}
    known = doubly_robust_gains(data, recipe, propensity=p, random_state=seed)
    mean = known.to_frame().iloc[0]
    hits["interval", "mean gain, p known"] = inside(mean.ci_low, MEAN, mean.ci_high)
    for method, word in METHODS.items():
        made = settings(rng, n).by(method)
        band = efficiency_gain_band(known, X[:, 0], **made)
        truth = 0.5 * eg_of_line(band.usage)
        hits |= band_hits(f"efficiency gain at usages, p known, {word}", band, truth)
        effects = rank_weighted_effects(known, X[:, 0], **made)
        hits |= effect_hits(f"p known, {word}", effects, 0.5 * EFFECTS_OF_LINE)
    guessed = doubly_robust_gains(data, recipe, random_state=seed)
    effects = rank_weighted_effects(guessed, X[:, 0])
    hits |= effect_hits("p estimated, influence", effects, 0.5 * EFFECTS_OF_LINE)
    return hits


def routers(rng: np.random.Generator, n: int, *, last: float) -> Hits:
    """Three views of one signal, two with correlation 0.8 and one with `last`."""
    quality = np.array([0.8, 0.8, last])
    signal = rng.standard_normal(n)
    gain = 0.5 * signal + rng.standard_normal(n)
    noise = rng.standard_normal((3, n))
    views = quality[:, None] * signal + np.sqrt(1 - quality[:, None] ** 2) * noise
    predictions = dict(zip(("first", "second", "third"), views, strict=True))
    area = 0.5 * quality * AREA_OF_LINE
    truth = np.array([area[0] - area[1], area[0] - area[2], area[1] - area[2]])
    null = np.abs(truth) < 1e-12
    hits: Hits = {}
    for method, word in METHODS.items():
        made = settings(rng, n).by(method)
        pairs = compare_all_pairs(gain, predictions, **made)
        hits["band", f"differences of all pairs, {word}"] = inside(
            pairs.difference_lower, truth, pairs.difference_upper
        ).all()
        hits["error", f"some equal pair, each by itself, {word}"] = (
            pairs.p_value[null] < 0.05
        ).any()
        hits["error", f"some equal pair, max-t, {word}"] = (pairs.p_value_max_t[null] < 0.05).any()
        hits["error", f"some equal pair, step-down, {word}"] = (
            pairs.p_value_stepdown[null] < 0.05
        ).any()
        if null.all():
            continue
        band = difference_band(gain, views[0], views[2], **made)
        curve = 0.5 * (quality[0] - quality[2]) * eg_of_line(band.usage)
        hits |= band_hits(f"difference of two curves, {word}", band, curve)
    return hits
