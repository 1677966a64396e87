"""Coverage and level of every claim that rare and large gains once broke, by world and size.

    python -m benchmarks.rare_gains --out rare_gains.md

Six worlds of gold gains whose mean is known: normal, votes in {-1, 0, 1}, heavy tails (Student's t
with 3 degrees of freedom), rare and large (3% raised by 10), zero-inflated (70% zeros), and
clusters of 4. ``given`` is the share of samples in which the claim was made at all (a finite
interval that is not marked INCONCLUSIVE), ``missed`` that in which it was made and wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._command_line import parser_of, run_worlds
from benchmarks._repetitions import Counts, count_hits
from metarouter.datasets import LabelledQueries
from metarouter.inference import (
    RouterMonitor,
    Verdict,
    certify_predictions,
    doubly_robust_gains,
    efficiency_gain_band,
    mean_shift_test,
    rank_weighted_effects,
)
from metarouter.inference._limits import MOST_SKEWNESS

SIZES = (100, 300, 1000)
ROUNDS = 400
DELTA = 0.1
_SLOPE = 0.3
_MANY = 400_000

Noise = Callable[[np.random.Generator, int], Any]
NOISE: dict[str, Noise] = {
    "normal": lambda rng, n: rng.standard_normal(n),
    "votes": lambda rng, n: rng.standard_normal(n),
    "heavy tails": lambda rng, n: rng.standard_t(3, n),
    "rare and large": lambda rng, n: 0.5 * rng.standard_normal(n) + 10.0 * (rng.random(n) < 0.03),
    "zero-inflated": lambda rng, n: np.where(rng.random(n) < 0.7, 0.0, rng.standard_normal(n)),
    "clusters of 4": lambda rng, n: (
        0.7 * rng.standard_normal(n // 4 + 1)[np.arange(n) // 4] + 0.7 * rng.standard_normal(n)
    ),
}
BOUNDS = {"votes": (-1.0, 1.0), "rare and large": (-10.0, 20.0)}


def draw(world: str, rng: np.random.Generator, n: int) -> tuple[Any, Any]:
    """Draw predicted and gold gains."""
    psi_hat = rng.standard_normal(n)
    gain = _SLOPE * psi_hat + NOISE[world](rng, n)
    if world == "votes":
        gain = np.sign(np.round(gain))
    if world == "zero-inflated":
        gain = np.where(rng.random(n) < 0.7, 0.0, gain)
    return psi_hat, gain


def truths(world: str) -> dict[str, Any]:
    """Return the mean gain, its loss at every w, EG at a tenth, and the AUTOC of a world."""
    rng = np.random.default_rng(0)
    psi_hat, gain = draw(world, rng, _MANY)
    order = np.argsort(-psi_hat)
    ranked, mean = gain[order], float(gain.mean())
    n_sent = np.arange(1, _MANY + 1)
    toc = np.cumsum(ranked) / n_sent - mean
    tenth = _MANY // 10
    return {
        "mean": mean,
        "loss_at": lambda w: float(np.mean(np.where(psi_hat > w, 0.0, gain))),
        "gain_at": lambda w: float(np.mean(np.where(psi_hat > w, gain, 0.0))),
        "tenth": float(0.1 * toc[tenth - 1]),
        "autoc": float(toc.mean()),
    }


def one_round(world: str, truth: dict[str, Any], n: int, rng: np.random.Generator) -> Any:
    """Yield ((measure, claim), whether it came out): whether it was made, made and wrong."""
    psi_hat, gain = draw(world, rng, n)
    groups = np.arange(n) // 4 if world == "clusters of 4" else None

    def interval(claim: str, low: float, high: float, value: float, verdict: Any = None) -> Any:
        given = bool(np.isfinite(low) and np.isfinite(high))
        given = given and verdict is not Verdict.INCONCLUSIVE
        yield ("given", claim), given
        yield ("missed", claim), given and not low <= value <= high

    limit = truth["loss_at"](1.5)
    ways: dict[str, dict[str, Any]] = {"certificate, max_loss": {}}
    if world in BOUNDS:
        ways["certificate, max_loss, bounds given"] = {"gain_bounds": BOUNDS[world]}
    for claim, settings in ways.items():
        found = certify_predictions(
            psi_hat, gain, max_loss=limit, delta=DELTA, groups=groups, **settings
        )
        yield ("given", claim), found.is_certified
        yield ("missed", claim), found.is_certified and truth["loss_at"](found.w) > limit

    preference = rng.standard_normal(n)
    pairs = LabelledQueries(psi_hat[:, None], gain + preference, preference, groups=groups)
    test = mean_shift_test(pairs, method="paired", scaling=1.0)
    decided = Verdict.INCONCLUSIVE if abs(test.skewness) > MOST_SKEWNESS else None
    yield from interval("mean shift, paired", test.lower, test.upper, truth["mean"], decided)

    drawn = rng.random(n) < 0.5
    scarce = LabelledQueries(
        psi_hat[:, None], np.where(drawn, gain, np.nan), np.full(n, np.nan), groups=groups
    )
    for claim, settings in {
        "doubly robust mean": {},
        "doubly robust mean, bounds given": {"gain_bounds": BOUNDS.get(world)},
    }.items():
        if settings and world not in BOUNDS:
            continue
        scores = doubly_robust_gains(
            scarce, gold_outcome=_SLOPE * psi_hat, propensity=0.5, **settings
        )
        frame = scores.to_frame()
        ends = frame["ci_low"][0], frame["ci_high"][0]
        yield from interval(claim, *ends, truth["mean"], scores.verdict)

    draws: dict[str, Any] = {"n_draws": 200, "random_state": 0, "groups": groups}
    band = efficiency_gain_band(gain, psi_hat, grid=[0.1], **draws)
    yield from interval("gain curve at 10%", band.lower[0], band.upper[0], truth["tenth"])
    autoc = rank_weighted_effects(gain, psi_hat, **draws).effect("autoc")
    yield from interval("AUTOC", autoc.lower, autoc.upper, truth["autoc"])

    sent, gold = psi_hat > 0, np.where(rng.random(n) < 0.5, gain, np.nan)
    value = truth["gain_at"](0.0)
    for claim, settings in {
        "monitor, gain": {},
        "monitor, gain, bounds given": {"gain_bounds": BOUNDS.get(world)},
    }.items():
        if (settings and world not in BOUNDS) or groups is not None:
            continue
        monitor = RouterMonitor(window=n // 10, **settings)
        monitor.update(sent, gold=gold, gold_probability=0.5)
        looks = monitor.report().trajectories["gain"].total  # after every tenth of the queries
        yield ("given", claim), bool(np.isfinite(looks.lower[-1]))
        yield ("missed", claim), bool(((looks.lower > value) | (looks.upper < value)).any())


def run(world: str, n: int, rounds: int, seed: int) -> Counts:
    """Count what came out: "claim|measure" -> [hits, rounds]."""
    truth = truths(world)
    one = partial(one_round, world, truth)
    entropy = [seed, list(NOISE).index(world), n]
    return count_hits(lambda rng, size: dict(one(size, rng)), n, rounds, entropy)


def table(results: dict[str, Counts]) -> pd.DataFrame:
    """Lay out one row per claim and world: missed (or broken) and given, by size."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    for key, counts in results.items():
        world, n = key.split("|")
        for name, (hits, rounds) in counts.items():
            measure, claim = name.split("|")
            rows.setdefault((claim, world), {})[f"{measure}, n={n}"] = hits / rounds
    columns = [f"{measure}, n={n}" for measure in ("missed", "given") for n in SIZES]
    return pd.DataFrame(
        [
            {"claim": claim, "world": world} | {name: found.get(name, np.nan) for name in columns}
            for (claim, world), found in sorted(rows.items())
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    plan = dict.fromkeys(NOISE, (SIZES, ROUNDS))
    run_worlds(
        parser_of(__doc__, "rare_gains.md"), plan, run, lambda found: [table(found)], arguments
    )


if __name__ == "__main__":
    main()
