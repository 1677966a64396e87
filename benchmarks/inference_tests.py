"""Type-I error, power and coverage of the tests and intervals of ``metarouter.inference``.

    python -m benchmarks.inference_tests --out tables.md

Worlds with known truth are drawn again and again (``benchmarks/_inference_worlds.py``). A type-I
error may exceed 5%, and a coverage differ from 95%, by at most three binomial standard errors.
``--world NAME`` runs one world, ``--rounds`` sets the number of draws. Whatever is finished is
kept beside ``--out`` and not run again.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from benchmarks._command_line import parser_of, run_worlds
from benchmarks._inference_worlds import STUDIES
from benchmarks._repetitions import Counts, count_hits

SIZES = (300, 1000, 4000)
NOMINAL = {"size": 0.05, "coverage": 0.95}
# study: (sample sizes, rounds); flexible learners are slow, and power needs no precision
PLAN = {
    "no_shift": (SIZES, 400),
    "some_shift": (SIZES, 400),
    "some_shift_models": ((300, 1000), 100),
    "no_gain": (SIZES, 400),
    "two_units": (SIZES, 400),
    "two_units_shifted": ((1000,), 400),
    "few_groups": (SIZES, 1000),
    "scarce": ((300,), 1000),
    "quality": (SIZES, 400),
    "support": (SIZES, 400),
    "support_strong": (SIZES, 400),
    "hidden_difference": ((1000,), 400),
    "schemes": (SIZES, 400),
    "default_forests": ((1000,), 200),
}


def run(study: str, n: int, rounds: int, seed: int) -> Counts:
    """Count hits: quantity -> [hits, rounds in which it could be judged]."""
    return count_hits(STUDIES[study], n, rounds, [seed, list(STUDIES).index(study), n])


def standard_error(measure: str, rate: float, rounds: int) -> float:
    """Binomial standard error, at the nominal rate where there is one."""
    p = NOMINAL.get(measure, rate)
    return float(np.sqrt(p * (1 - p) / rounds))


def holds(measure: str, quantity: str, rate: float, rounds: int) -> str:
    """Say whether a rate keeps what its measure promises; what is not promised is blank."""
    if measure == "power" or "cross_fit" in quantity or "ignored" in quantity:
        return ""
    distance = rate - NOMINAL[measure]
    allowed = 3 * standard_error(measure, rate, rounds)
    if measure == "size":
        return "yes" if distance <= allowed else "NO"
    if distance > allowed:
        return "conservative"
    return "yes" if distance >= -allowed else "NO"


def table(results: dict[str, Counts]) -> pd.DataFrame:
    """Lay out all rates: one row per quantity and study, one column per sample size."""
    rows: dict[tuple[str, str, str], dict[str, str]] = {}
    kept: dict[tuple[str, str, str], list[str]] = {}
    for key, counts in results.items():
        study, n = key.split("|")
        for name, (hits, rounds) in counts.items():
            measure, quantity = name.split("|")
            if study == "some_shift_models" and measure != "power":
                continue  # told with more rounds by some_shift
            rate = hits / rounds
            line = rows.setdefault((measure, study, quantity), {})
            most = PLAN[study][1]
            fewer = f" ({rounds})" if rounds != most else ""
            line["rounds"] = str(most)
            line[f"n={n}"] = f"{rate:.3f}{fewer}"
            kept.setdefault((measure, study, quantity), []).append(
                holds(measure, quantity, rate, rounds)
            )
    order = {"size": 0, "power": 1, "coverage": 2}
    keys = sorted(rows, key=lambda key: (order[key[0]], *key[1:]))
    return pd.DataFrame(
        [
            {
                "measure": "type-I error" if key[0] == "size" else key[0],
                "quantity": key[2],
                "world": key[1],
                "rounds": rows[key]["rounds"],
                **{f"n={n}": rows[key].get(f"n={n}", "–") for n in SIZES},
                "holds": min(kept[key], key=("NO", "conservative", "yes", "").index),
            }
            for key in keys
        ]
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__, "inference_tests.md")
    run_worlds(parser, PLAN, run, lambda results: [table(results)], arguments)


if __name__ == "__main__":
    main()
