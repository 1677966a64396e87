"""Whether plans of labels keep what they promise, in worlds with known truth.

    python -m benchmarks.planning_check --out tables.md

Pilots are drawn again and again (``benchmarks/_planning_worlds.py``), labels are planned on them,
and the planned labels are drawn too. Widths that come out are compared with those that were
planned, achieved with planned power, and the cost-optimal split with two even ones at equal money.
Forecasts of the area are compared with the area that routers reach. ``--study NAME`` runs one
study, ``--rounds`` sets the number of pilots. Whatever is finished is kept beside ``--out`` and not
run again.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks._planning_worlds import FORECASTS, PLANS, Hits
from benchmarks._repetitions import Counts, count_hits, count_unfinished
from metarouter._files import write_text
from metarouter.reporting._markdown import markdown_table

PLAN_SIZES, FORECAST_SIZES = (300, 1000, 4000), (100, 400)
ROUNDS = 400
STUDIES: dict[str, Callable[..., Hits]] = PLANS | FORECASTS


def with_squares(study: Callable[..., Hits], rng: np.random.Generator, n: int) -> Hits:
    """Add the squares of what is measured, for standard errors."""
    hits = study(rng, n)
    squares = {("square", f"{measure}, {name}"): hit**2 for (measure, name), hit in hits.items()}
    return hits | squares


def run(study: str, n: int, rounds: int, seed: int) -> Counts:
    """Add up what came of the plans: quantity -> [sum over rounds, rounds]."""
    world = partial(with_squares, STUDIES[study])
    return count_hits(world, n, rounds, [seed, list(STUDIES).index(study), n])


def table(results: dict[str, Counts]) -> pd.DataFrame:
    """Lay out means with standard errors: one row per study, size and quantity."""
    rows = []
    for key, counts in results.items():
        study, n = key.split("|")
        for name, (total, rounds) in counts.items():
            measure, quantity = name.split("|")
            if measure == "square":
                continue
            mean = total / rounds
            square = counts[f"square|{measure}, {quantity}"][0] / rounds
            se = float(np.sqrt(max(0.0, square - mean**2) / rounds))
            rows.append(
                {"study": study, "n": int(n), "measure": measure, "quantity": quantity}
                | {"mean": mean, "se": se, "rounds": int(rounds)}
            )
    order = {study: k for k, study in enumerate(STUDIES)}
    frame = pd.DataFrame(rows)
    frame["_"] = frame["study"].map(order)
    return frame.sort_values(["_", "n"], kind="stable").drop(columns="_").reset_index(drop=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("planning_check.md"))
    parser.add_argument("--study", choices=[*STUDIES], action="append")
    parser.add_argument("--size", type=int, action="append")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args(arguments)
    cells = {
        f"{study}|{n}": partial(run, study, n, given.rounds, given.seed)
        for study in given.study or STUDIES
        for n in given.size or (PLAN_SIZES if study in PLANS else FORECAST_SIZES)
    }
    results = count_unfinished(given.out.with_suffix(".json"), cells)
    write_text(given.out, markdown_table(table(results), decimals=3) + "\n")


if __name__ == "__main__":
    main()
