"""Streams of routed queries with known truth, watched at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from metarouter.inference.intervals import mean_half_width, share_evidence, share_limits
from metarouter.inference.monitoring._drift import (
    JUMPS,
    EmbeddingMap,
    log_evidence,
    lowest_so_far,
    online_p_values,
    simple_jumper,
    starting_capital,
)
from metarouter.inference.monitoring._quantities import (
    PARTS,
    QUANTITIES,
    GainScores,
    Parts,
    cost_columns,
    quality_columns,
    skewness_of_mean,
)

ALPHA, HORIZON = 0.05, 1000
SIZES = (300, 1000, 4000)
LENGTH = SIZES[-1]
# Alarms: the change comes after this many rows, and is looked for in as many more.
BEFORE, AFTER, BURN_IN, N_DIMENSIONS, N_COMPONENTS = 1000, 1000, 200, 64, 16

Outside = dict[str, np.ndarray]


class Gains(NamedTuple):
    """Decisions, gold gains, cheap labels; and the true means of a r, (1 - a) r, and EG."""

    primary: np.ndarray
    gold: np.ndarray
    cheap: np.ndarray


def shares(rng: np.random.Generator, chance: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Tell at which steps the share so far of a coin with changing chances was left out."""
    steps = np.arange(1, LENGTH + 1)
    chances = chance(steps / LENGTH)
    total, mean = np.cumsum(rng.random(LENGTH) < chances), np.cumsum(chances) / steps
    return share_evidence(total, steps, mean, HORIZON) >= -np.log(ALPHA)


def usual_intervals(rng: np.random.Generator, chance: float) -> np.ndarray:
    """Tell at which steps the 95% interval that is meant for one look left out a share."""
    steps = np.arange(1, LENGTH + 1)
    share = np.cumsum(rng.random(LENGTH) < chance) / steps
    return np.abs(share - chance) > 1.96 * np.sqrt(share * (1 - share) / steps)


def half_widths(rng: np.random.Generator, chance: float) -> dict[str, dict[int, float]]:
    """Half widths for a share: ours, asymptotic, by MAPIE, and of the interval for one look."""
    from mapie.exchangeability_testing.bounds import conjugate_mixture_empirical_bernstein_bound

    x = (rng.random(LENGTH) < chance).astype(float)
    ends = [
        conjugate_mixture_empirical_bernstein_bound(
            x, HORIZON * chance * (1 - chance), ALPHA, side, running_intersection=False
        )
        for side in ("lower", "upper")
    ]
    found: dict[str, dict[int, float]] = {}
    for n in SIZES:
        total = x[:n].sum()
        sd = x[:n].std(ddof=1)
        lower, upper = share_limits([total], [float(n)], ALPHA, HORIZON)
        for name, half in (
            ("sequence for shares", float(upper[0] - lower[0]) / 2),
            ("asymptotic sequence", float(mean_half_width(n, sd, ALPHA, HORIZON))),
            ("empirical Bernstein (MAPIE)", float(ends[1][n - 1] - ends[0][n - 1]) / 2),
            ("interval for one look", 1.96 * sd / np.sqrt(n)),
        ):
            found.setdefault(name, {})[n] = half
    return found


def costs(rng: np.random.Generator, spread: float) -> Outside:
    """Prices that vary by half, and decisions that depend on them."""
    size = rng.normal(size=LENGTH)
    primary = size + rng.normal(size=LENGTH) > 0.7
    dear = np.exp(spread * size + 0.2 * rng.normal(size=LENGTH))
    sums = _running(cost_columns(primary, dear, 0.1 * dear))
    share, level = _paid(spread)
    truth = {"saving": 0.9 * (1 - share), "extra_cost": 9 * share, "cost": level}
    return {QUANTITIES[name].name: _outside(name, sums, value) for name, value in truth.items()}


def costs_of_rare_calls(rng: np.random.Generator, chance: float) -> Outside:
    """Prices of 1 and 0.1: nothing varies before the first query is sent."""
    sums = _running(
        cost_columns(rng.random(LENGTH) < chance, np.ones(LENGTH), np.full(LENGTH, 0.1))
    )
    truth = {"saving": 0.9 * (1 - chance), "extra_cost": 9 * chance, "cost": 0.1 + 0.9 * chance}
    return {QUANTITIES[name].name: _outside(name, sums, value) for name, value in truth.items()}


def _paid(spread: float) -> tuple[float, float]:
    """Cost-weighted share of the queries sent, and mean cost paid, in closed form."""
    from scipy.stats import norm

    mean = np.exp((spread**2 + 0.04) / 2)
    share = float(norm.sf((0.7 - spread) / np.sqrt(2)))
    return share, mean * (0.1 + 0.9 * share)


def gains(rng: np.random.Generator, kind: str, cut: float, n: int = LENGTH) -> Gains:
    """Gold gains that are normal, or differences of right and wrong answers."""
    x = rng.normal(size=n)
    if kind == "normal":
        gold, cheap = 0.1 + 0.4 * x + 0.8 * rng.normal(size=n), 0.3 + 0.4 * x
    else:
        right = rng.random(n) < 1 / (1 + np.exp(-1 - 0.8 * x))
        gold = right.astype(float) - (rng.random(n) < 1 / (1 + np.exp(-0.8)))
        cheap = np.sign(np.round(gold + 0.7 * rng.normal(size=n) + 0.3))
    return Gains(x + 0.7 * rng.normal(size=n) > cut, gold, cheap)


def true_gains(kind: str, cut: float) -> dict[str, float]:
    """Average over four million queries."""
    rng, found = np.random.default_rng(12345), []
    for _ in range(4):
        primary, gold, _ = gains(rng, kind, cut, 1_000_000)
        sent = (primary * gold).mean()
        found.append([sent, gold.mean() - sent, sent - primary.mean() * gold.mean()])
    mean = np.mean(found, axis=0).tolist()
    return dict(zip(("gain", "loss", "efficiency_gain"), mean, strict=True)) | {"drawn": 1.0}


def quality(
    rng: np.random.Generator, kind: str, cut: float, probability: float, truth: dict[str, float]
) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Tell at which steps the truth was left out, and on how many gold labels it rested."""
    primary, gold, cheap = gains(rng, kind, cut)
    drawn, chance = rng.random(LENGTH) < probability, np.full(LENGTH, probability)
    scores, _ = GainScores.fresh().score(primary, cheap, np.where(drawn, gold, np.nan), chance)
    sums = _running(quality_columns(primary, drawn, chance, scores))
    return {
        name: (_outside(name, sums, value), _labels(name, sums)) for name, value in truth.items()
    }


def _running(columns: np.ndarray) -> np.ndarray:
    return np.cumsum(np.column_stack([np.ones(len(columns)), columns]), axis=0)


def _labels(name: str, sums: np.ndarray) -> np.ndarray:
    return _parts(name, sums).evidence


def _parts(name: str, sums: np.ndarray) -> Parts:
    with np.errstate(divide="ignore", invalid="ignore"):
        return PARTS[QUANTITIES[name].kept](sums.T)[name]


def _outside(name: str, sums: np.ndarray, truth: float) -> np.ndarray:
    parts, n = _parts(name, sums), sums[:, 0]
    outside = np.abs(parts.value - truth) > mean_half_width(n, parts.sd, ALPHA, HORIZON)
    with np.errstate(divide="ignore", invalid="ignore"):
        if parts.mixture is not None:
            share, none, every = parts.mixture
            true_share = np.clip((truth - none) / (every - none), 0.0, 1.0)
            evidence = share_evidence(n * share, n, true_share, HORIZON)
            outside &= ~(evidence < -np.log(ALPHA))
        for tail in parts.tails:
            outside &= skewness_of_mean(n, tail) <= 0.45
    return outside


def embeddings(rng: np.random.Generator, shift: float, n: int) -> np.ndarray:
    """Scores of embeddings, shape (n, k), whose spectrum falls as that of sentences does.

    After `BEFORE` rows the mean moves along a random direction, drawn as embeddings are, by so many
    standard deviations of that direction.
    """
    spectrum = np.arange(1, N_DIMENSIONS + 1) ** -0.5
    X = rng.normal(size=(BURN_IN + n, N_DIMENSIONS)) * spectrum
    way = rng.normal(size=N_DIMENSIONS) * spectrum
    way /= np.linalg.norm(way)
    X[BURN_IN + BEFORE :] += shift * np.linalg.norm(way * spectrum) * way
    return EmbeddingMap.learn(X[:BURN_IN], N_COMPONENTS).scores(X[BURN_IN:])


def prices(rng: np.random.Generator, shift: float, n: int) -> np.ndarray:
    """Costs paid, of the primary and of the alternative; prices rise after `BEFORE` rows."""
    dear = rng.normal(size=n)
    dear[BEFORE:] += shift
    dear = np.exp(0.5 * dear)
    primary = rng.random(n) < 0.3
    return np.column_stack([np.where(primary, dear, 0.1 * dear), dear, 0.1 * dear])


def labels(rng: np.random.Generator, shift: float, n: int) -> np.ndarray:
    """Gold labels and their distance from predictions; gold gains fall after `BEFORE` labels."""
    predicted = rng.normal(size=n)
    gold = predicted + rng.normal(size=n)
    gold[BEFORE:] -= shift * np.sqrt(2)
    return np.column_stack([gold, gold - predicted])


STREAMS = {"embeddings": embeddings, "cost": prices, "quality": labels}


class Alarms(NamedTuple):
    """Log evidence, and the onset that an alarm would name, after every row; shape (n, rounds)."""

    evidence: np.ndarray
    onset: np.ndarray


def alarms(kind: str, shift: float, rounds: int, seed: int) -> Alarms:
    """Watch streams of one kind."""
    n = BEFORE + AFTER
    children = np.random.SeedSequence([seed, *kind.encode(), int(100 * shift)]).spawn(rounds)
    p_values = np.stack([*_p_values(kind, shift, n, children)], axis=1)
    k = p_values.shape[-1]
    start, capital = np.zeros((rounds, k, len(JUMPS))), starting_capital(rounds, k)
    lowest, lowest_at = np.zeros((1, rounds, k)), np.zeros((1, rounds, k), dtype=np.intp)
    found = Alarms(np.empty((n, rounds)), np.empty((n, rounds), dtype=np.intp))
    for at in range(0, n, 100):
        capital, start, each = simple_jumper(capital, start, p_values[at : at + 100])
        lowest, lowest_at = lowest_so_far(each, lowest[-1], lowest_at[-1], at)
        richest = each.argmax(axis=-1)[..., None]
        found.evidence[at : at + 100] = log_evidence(each)
        found.onset[at : at + 100] = np.take_along_axis(lowest_at, richest, -1)[..., 0]
    return found


def _p_values(
    kind: str, shift: float, n: int, children: list[np.random.SeedSequence]
) -> Iterator[np.ndarray]:
    for child in children:
        rng = np.random.default_rng(child)
        scores = STREAMS[kind](rng, shift, n)
        ties = rng.random(scores.shape)
        columns = zip(scores.T, ties.T, strict=True)
        yield np.column_stack([online_p_values(np.empty(0), *column) for column in columns])
