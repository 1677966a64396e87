"""Coverage of the bands and intervals of ``metarouter.inference`` on test queries.

    python -m benchmarks.band_coverage --out tables.md

Worlds with known truth are drawn again and again (``benchmarks/_band_worlds.py``). Nominal
coverage is 95%, and may be missed by three binomial standard errors; the chance of rejecting some
true null hypothesis is at most 5%, plus three. ``--world NAME`` runs one world, ``--rounds`` sets
the number of draws. Whatever is finished is kept beside ``--out`` and not run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from benchmarks import _band_worlds as worlds
from benchmarks._command_line import parser_of, run_worlds
from benchmarks._costly_world import costly
from benchmarks._repetitions import Counts, count_hits

SIZES = (300, 1000, 4000)
ROUNDS = 400
WORLDS: dict[str, Callable[[np.random.Generator, int], worlds.Hits]] = {
    "line, slope 0": partial(worlds.line, slope=0.0),
    "line, slope 2": partial(worlds.line, slope=2.0),
    "skewed noise": worlds.skewed,
    "gap": worlds.gap,
    "ties": worlds.tied,
    "clusters": worlds.clustered,
    "weights": worlds.weighted,
    "costs": costly,
    "scarce gold": worlds.scarce,
    "equal routers": partial(worlds.routers, last=0.8),
    "unequal routers": partial(worlds.routers, last=0.5),
}
NOMINAL = {"band": 0.95, "interval": 0.95, "pointwise": 0.95, "error": 0.05}


def run(world: str, n: int, rounds: int, seed: int) -> Counts:
    """Count what was covered: quantity -> [sum over rounds, rounds]."""
    return count_hits(WORLDS[world], n, rounds, [seed, list(WORLDS).index(world), n])


def holds(measure: str, quantity: str, rate: float, rounds: float) -> str:
    """Say whether a rate keeps what its measure promises; what is not promised is blank."""
    if measure not in NOMINAL or "each by itself" in quantity:
        return ""
    nominal = NOMINAL[measure]
    allowed = 3 * float(np.sqrt(nominal * (1 - nominal) / rounds))
    beyond = rate - nominal if measure == "error" else nominal - rate
    if beyond > allowed:
        return "NO"
    return "conservative" if beyond < -allowed and measure != "error" else "yes"


def table(results: dict[str, Counts]) -> pd.DataFrame:
    """Lay out all rates: one row per measure, quantity and world, one column per sample size."""
    rates: dict[tuple[str, str, str], dict[str, float]] = {}
    kept: dict[tuple[str, str, str], list[str]] = {}
    for key, counts in results.items():
        world, n = key.split("|")
        for name, (total, rounds) in counts.items():
            measure, quantity = name.split("|")
            line = (measure, world, quantity)
            rates.setdefault(line, {})[f"n={n}"] = total / rounds
            kept.setdefault(line, []).append(holds(measure, quantity, total / rounds, rounds))
    order = ("band", "interval", "error", "pointwise", "pointwise, jointly")
    lines = sorted(rates, key=lambda key: (order.index(key[0]), [*WORLDS].index(key[1])))
    worst = ("NO", "conservative", "yes", "")
    return pd.DataFrame(
        [
            {"measure": measure, "world": world, "quantity": quantity}
            | {f"n={n}": rates[measure, world, quantity].get(f"n={n}", np.nan) for n in SIZES}
            | {"holds": min(kept[measure, world, quantity], key=worst.index)}
            for measure, world, quantity in lines
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    plan = dict.fromkeys(WORLDS, (SIZES, ROUNDS))
    parser = parser_of(__doc__, "band_coverage.md")
    run_worlds(parser, plan, run, lambda results: [table(results)], arguments)


if __name__ == "__main__":
    main()
