"""Whether plans of labels keep what they promise, in worlds with known truth.

    python -m benchmarks.planning_check --out tables.md

Pilots are drawn again and again (``benchmarks/_planning_worlds.py``), labels are planned on them,
and the planned labels are drawn too. Widths that come out are compared with those that were
planned, achieved with planned power, and the cost-optimal split with two even ones at equal money.
Forecasts of the area are compared with the area that routers reach. ``--world NAME`` runs one
world, ``--rounds`` sets the number of pilots. Whatever is finished is kept beside ``--out`` and not
run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from benchmarks._command_line import parser_of, run_worlds
from benchmarks._planning_worlds import FORECASTS, PLANS, Hits
from benchmarks._repetitions import Counts, count_hits

PLAN_SIZES, FORECAST_SIZES = (300, 1000, 4000), (100, 400)
ROUNDS = 400
PLAN_COLUMNS = {
    "ratio|realised to planned half width": "realised / planned half width",
    "inside|realised half width in the plan's interval": "in its interval",
    "power|planned": "planned power",
    "power|achieved": "achieved power",
    "coverage|interval from the planned labels": "coverage",
    "ratio|half width of half the money each to cost-optimal, same money": "half the money each",
    "ratio|half width of as many of each to cost-optimal, same money": "as many of each",
}
FORECAST_COLUMNS = {
    "truth|area": "true area",
    "error|area, forecast minus truth": "forecast - truth",
    "coverage|expected area": "coverage",
    "size|half width, area": "half width",
    "truth|increase": "true increase",
    "error|increase, forecast minus truth": "forecast - truth, increase",
    "coverage|increase": "coverage, increase",
    "size|half width, increase": "half width, increase",
}
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


def tables(results: dict[str, Counts]) -> list[pd.DataFrame]:
    """Lay out means with standard errors, one row per study and size: plans, then forecasts."""
    laid_out = []
    for studies, shown in ((PLANS, PLAN_COLUMNS), (FORECASTS, FORECAST_COLUMNS)):
        rows = []
        for study in studies:
            for key in sorted(results, key=lambda key: int(key.split("|")[1])):
                if key.split("|")[0] == study:
                    counts, n = results[key], int(key.split("|")[1])
                    cells = {column: _written(counts, name) for name, column in shown.items()}
                    rows.append({"study": study, "n": n} | cells)
        if rows:
            laid_out.append(pd.DataFrame(rows))
    return laid_out


def _written(counts: Counts, name: str) -> str:
    total, rounds = counts[name]
    mean = total / rounds
    measure, quantity = name.split("|")
    square = counts[f"square|{measure}, {quantity}"][0] / rounds
    se = float(np.sqrt(max(0.0, square - mean**2) / rounds))
    return f"{mean:.3f} ({se:.3f})"


def main(arguments: Sequence[str] | None = None) -> None:
    plan = dict.fromkeys(PLANS, (PLAN_SIZES, ROUNDS))
    plan |= dict.fromkeys(FORECASTS, (FORECAST_SIZES, ROUNDS))
    run_worlds(parser_of(__doc__, "planning_check.md"), plan, run, tables, arguments)


if __name__ == "__main__":
    main()
