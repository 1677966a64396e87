"""Coverage and width of intervals for the value of a policy that was not deployed.

    python -m benchmarks.off_policy_coverage --out DIR/tables.md

Worlds of known truth are drawn again and again (``benchmarks/_logged_worlds.py``); all intervals of
a cell see the same draws. Nominal level 95%: the binomial standard error of a coverage near .95 is
.0126 at 300 repetitions and .0109 at 400. ``--study NAME`` runs one study, ``--repetitions`` sets
the number of draws. Whatever is finished is kept beside ``--out`` and not run again.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from bandits.off_policy import (
    FewEffectiveRowsWarning,
    OffPolicyResult,
    ValueSequence,
    compare_policies,
    fitted_rewards,
    off_policy_value,
)
from benchmarks._logged_worlds import World
from benchmarks._repetitions import Counts, count_hits, count_unfinished
from metarouter.utils.files import write_text
from metarouter.utils.markdown import markdown_table

N_ROWS = {
    "fixed": (300, 1000, 5000),
    "adaptive": (300, 1000, 5000),
    "difference": (300, 1000, 5000),
    "sequence": (5000,),  # every row on the way is looked at
}
REPETITIONS = {"fixed": 300, "adaptive": 300, "difference": 400, "sequence": 400}
EPSILON = (0.1, 0.5)
LEVEL = 0.95
FIXED = (
    ("dr", "empirical_likelihood"), ("dr", "cressie_read"), ("dr", "normal"),
    ("ips", "empirical_likelihood"), ("ips", "cressie_read"), ("ips", "confidence_sequence"),
    ("snips", "normal"), ("snips", "bootstrap"), ("stabilised", "normal"),
)  # fmt: skip
# As if the logs were not adaptive, and as they are.
ADAPTIVE = (
    (False, "dr", "normal"), (False, "dr", "empirical_likelihood"), (False, "snips", "bootstrap"),
    (True, "dr", "empirical_likelihood"), (True, "stabilised", "normal"),
    (True, "ips", "empirical_likelihood"),
)  # fmt: skip
LEARNERS = {
    "LinTS, arms apart": ("LinTS", World(4)),
    "LinTS, arms alike": ("LinTS", World(4, alike=True)),
    "epsilon .1, arms apart": ("epsilon .1", World(4)),
    "epsilon t^-1/2, arms alike": ("epsilon t^-1/2", World(4, alike=True)),
}
Hits = Mapping[tuple[str, str], float]


def fixed(rng: np.random.Generator, n: int, epsilon: float) -> Hits:
    """Judge the truly best policy by logs of a distorted one."""
    world = World()
    log = world.logged(rng, n, epsilon)
    target, model = world.best(log.X), fitted_rewards(log)
    hits: dict[tuple[str, str], float] = {}
    for method, interval in FIXED:
        found = off_policy_value(log, target, method=method, interval=interval, outcome=model)
        hits |= _judged(f"{method}, {interval}", found, world.value("best"))
        hits["squared error", method] = (found.value - world.value("best")) ** 2
    return hits


def adaptive(rng: np.random.Generator, n: int, learner: str) -> Hits:
    """Judge the truly best policy, or one arm among equals, by logs of a router that learned."""
    router, world = LEARNERS[learner]
    log = world.learned(rng, n, router)
    logs = {True: log, False: replace(log, adaptive=False)}
    models = {marked: fitted_rewards(logs[marked]) for marked in logs}
    target = world.best(log.X)
    hits: dict[tuple[str, str], float] = {}
    for marked, method, interval in ADAPTIVE:
        options = {"method": method, "interval": interval, "outcome": models[marked]}
        found = off_policy_value(logs[marked], target, **options)
        name = f"{method}, {interval}" + ("" if marked else " (taken as fixed)")
        hits |= _judged(name, found, world.value("best"))
    return hits


def difference(rng: np.random.Generator, n: int, epsilon: float) -> Hits:
    """Compare the truly best policy with the one that logged, and with a third one."""
    world = World()
    log = world.logged(rng, n, epsilon)
    model = fitted_rewards(log)
    hits: dict[tuple[str, str], float] = {}
    for other in ("believed_best", "second_guess"):
        truth = world.value("best") - world.value(other)
        for interval in ("empirical_likelihood", "normal"):
            targets = world.best(log.X), getattr(world, other)(log.X)
            found = compare_policies(log, *targets, interval=interval, outcome=model)
            hits |= _judged(f"best - {other.replace('_', ' ')}, {interval}", found, truth)
    return hits


def sequence(rng: np.random.Generator, n: int, learner: str) -> Hits:
    """Look at a confidence sequence after every row, and count it lost if it ever was wrong."""
    router, world = LEARNERS[learner]
    log = world.learned(rng, n, router)
    weight = world.best(log.X)[np.arange(n), log.arm] / log.propensity
    largest = 1 / log.propensity.min() if router == "LinTS" else world.n_arms / 0.1
    watched = ValueSequence((0.0, 1.0), max(largest, weight.max()))
    truth, ever_out = world.value("best"), False
    for one_weight, one_reward in zip(weight, log.reward, strict=True):
        lower, upper = watched.update(one_weight, one_reward).interval()
        ever_out |= not lower <= truth <= upper
    return {
        ("coverage", "at all times at once"): not ever_out,
        ("width", "at all times at once"): min(upper, 1.0) - max(lower, 0.0),
    }


def _judged(name: str, found: OffPolicyResult, truth: float) -> Hits:
    return {
        ("coverage", name): found.lower <= truth <= found.upper,
        ("width", name): found.upper - found.lower,
    }


CELLS = {
    "fixed": {f"eps = {epsilon:g}": partial(fixed, epsilon=epsilon) for epsilon in EPSILON},
    "adaptive": {name: partial(adaptive, learner=name) for name in LEARNERS},
    "difference": {
        f"eps = {epsilon:g}": partial(difference, epsilon=epsilon) for epsilon in EPSILON
    },
    "sequence": {
        name: partial(sequence, learner=name) for name in LEARNERS if "t^" not in name
    },
}  # fmt: skip


def run(study: str, cell: str, n: int, repetitions: int) -> Counts:
    """Return sums and numbers of repetitions of everything that a cell measures."""
    warnings.simplefilter("ignore", FewEffectiveRowsWarning)
    place = list(CELLS[study]).index(cell)
    entropy = [list(CELLS).index(study), place, n]
    return count_hits(CELLS[study][cell], n, repetitions, entropy)


def tables(results: Mapping[str, Counts]) -> str:
    """Return coverage (mean width), and roots of mean squared errors where they were measured.

    Coverages below the nominal by more than three binomial standard errors are bold.
    """
    cells = {key.split("|", 1)[1].replace("|", ", n = "): found for key, found in results.items()}
    coverage = {
        cell: {name: _covered(found, name) for name in _names(found, "coverage")}
        for cell, found in cells.items()
    }
    errors = {
        cell: {name: f"{_mean(found, 'squared error', name) ** 0.5:.3f}" for name in names}
        for cell, found in cells.items()
        if (names := _names(found, "squared error"))
    }
    parts = [_table("estimate, interval", coverage)]
    return "\n\n".join(parts + ([_table("root mean squared error", errors)] if errors else []))


def _table(title: str, columns: Mapping[str, Mapping[str, str]]) -> str:
    """Lay out text by name and cell, the longer of both downwards."""
    frame = pd.DataFrame(columns)
    if frame.shape[1] > 6:
        frame, title = frame.T, "logs"
    return markdown_table(frame.rename_axis(title).reset_index())


def _names(found: Counts, measure: str) -> list[str]:
    keys = (key.split("|") for key in found)
    return [name for measured, name in keys if measured == measure]


def _covered(found: Counts, name: str) -> str:
    share, rounds = _mean(found, "coverage", name), found[f"coverage|{name}"][1]
    text = f"{share:.3f}"
    if share < LEVEL - 3 * (LEVEL * (1 - LEVEL) / rounds) ** 0.5:
        text = f"**{text}**"
    return f"{text} ({_mean(found, 'width', name):.2f})"


def _mean(found: Counts, measure: str, name: str) -> float:
    total, rounds = found[f"{measure}|{name}"]
    return total / rounds


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--study", action="append", choices=list(CELLS))
    parser.add_argument("--repetitions", type=int)
    parser.add_argument("--out", type=Path, default=Path("off_policy_coverage.md"))
    options = parser.parse_args()
    for study in options.study or CELLS:
        repetitions = options.repetitions or REPETITIONS[study]
        plan = {
            f"{study}|{cell}|{n}": partial(run, study, cell, n, repetitions)
            for n in N_ROWS[study]
            for cell in CELLS[study]
        }
        kept = options.out.with_name(f"{options.out.stem}_{study}.json")
        results = count_unfinished(kept, plan)
        text = f"{study}, {repetitions} repetitions\n\n{tables(results)}\n"
        write_text(options.out.with_name(f"{options.out.stem}_{study}.md"), text)
        print(text)


if __name__ == "__main__":
    main()
