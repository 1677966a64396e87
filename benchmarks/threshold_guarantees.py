"""How often the promises of certified thresholds are broken, beside thresholds that look right.

    python -m benchmarks.threshold_guarantees --out tables.md

Worlds in which the truth about every threshold is known (``benchmarks/_guarantee_worlds.py``) are
drawn again and again, and a threshold is chosen with delta = 0.1 in every draw. A promise may be
broken in a share delta of the draws, plus three binomial standard errors; "any broken" counts
draws in which some certified threshold breaks it, chosen or not. ``--world NAME`` runs one world,
``--rounds`` sets the number of draws. Whatever is finished is kept beside ``--out`` and not run
again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
import pandas as pd

from benchmarks._command_line import parser_of, run_worlds
from benchmarks._guarantee_worlds import DELTA, WORLDS, choose
from benchmarks._repetitions import Counts, count_hits

SIZES = (200, 1000, 4000)
ROUNDS = 1000
WITHOUT_PROMISE = ("naive", "conformal")
SHOWN = {"any broken": "broken", "certified": "certified", "gain": "gain"}


def run(world: str, n: int, rounds: int, seed: int) -> Counts:
    """Count what came of the choices: quantity -> [sum over rounds, rounds]."""
    return count_hits(
        partial(choose, WORLDS[world]), n, rounds, [seed, list(WORLDS).index(world), n]
    )


def allowed(rounds: float) -> float:
    """Largest share of broken promises that is no evidence against delta."""
    return DELTA + 3 * float(np.sqrt(DELTA * (1 - DELTA) / rounds))


def table(results: dict[str, Counts]) -> pd.DataFrame:
    """Lay out one row per world and way to choose, with the sizes beside each other."""
    rows: dict[tuple[str, str], dict[str, float]] = {}
    kept: dict[tuple[str, str], list[bool]] = {}
    for key, counts in results.items():
        world, n = key.split("|")
        for name, (total, rounds) in counts.items():
            measure, way = name.split("|")
            line = rows.setdefault((world, way), {})
            if measure in SHOWN:
                line[f"{SHOWN[measure]}, n={n}"] = total / rounds
            if measure == "any broken":
                kept.setdefault((world, way), []).append(total / rounds <= allowed(rounds))
    measures = [f"{shown}, n={n}" for shown in SHOWN.values() for n in SIZES]
    lines = sorted(rows, key=lambda line: [*WORLDS].index(line[0]))
    return pd.DataFrame(
        [
            {"world": world, "way": way}
            | {name: rows[world, way].get(name, np.nan) for name in measures}
            | {"kept": "" if way in WITHOUT_PROMISE else "yes" if all(kept[world, way]) else "NO"}
            for world, way in lines
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    plan = dict.fromkeys(WORLDS, (SIZES, ROUNDS))
    parser = parser_of(__doc__, "threshold_guarantees.md")
    run_worlds(parser, plan, run, lambda results: [table(results)], arguments)


if __name__ == "__main__":
    main()
