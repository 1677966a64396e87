"""How often confidence sequences of a monitor fail, ever, and when its alarms go off.

    python -m benchmarks.monitoring --out monitoring.md

Streams of 4000 queries with known truth are watched at every step: a stream counts as missed if the
truth was outside at any step so far. Nominal is 5%, and may be exceeded by three binomial standard
errors. Alarms are watched over 2000 rows, without a change and with one after the first 1000.
Whatever is finished is kept beside ``--out`` and not run again.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from benchmarks import _monitored_streams as streams
from benchmarks._command_line import parser_of, write_tables
from benchmarks._repetitions import Counts, count_unfinished
from metarouter.inference._limits import MINIMUM_SAMPLE_SIZES
from metarouter.inference.monitoring._inputs import N_ALARMS
from metarouter.inference.monitoring._quantities import QUANTITIES

ROUNDS = 400
SHIFTS = (0.0, 0.25, 0.5, 1.0)
STARTS = (5, 10, 20, 40)
CHANCES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "0.02": lambda when: np.full_like(when, 0.02),
    "0.3": lambda when: np.full_like(when, 0.3),
    "rising from 0.1 to 0.6": lambda when: 0.1 + 0.5 * when,
    "0.1, and 0.7 from the middle on": lambda when: np.where(when > 0.5, 0.7, 0.1),
}
COSTS: dict[str, Callable[[np.random.Generator], streams.Outside]] = {
    "log prices with sd 0.5": partial(streams.costs, spread=0.5),
    "log prices with sd 1.0": partial(streams.costs, spread=1.0),
    "constant prices, 1 in 500 sent": partial(streams.costs_of_rare_calls, chance=1 / 500),
}
QUALITY = {
    "normal gains, 1 in 20 drawn": ("normal", 0.5, 0.05),
    "right or wrong, 1 in 20 drawn": ("binary", 0.5, 0.05),
    "right or wrong, 1 in 5 drawn": ("binary", 0.5, 0.2),
    "normal gains, few sent, 1 in 10 drawn": ("normal", 2.0, 0.1),
}


def ever(outside: np.ndarray, counted: np.ndarray, least: int) -> dict[str, float]:
    """Say whether the truth was outside by n rows, once there was enough to judge by."""
    missed = np.logical_or.accumulate(outside & (counted >= least))
    return {f"n={n}": float(missed[n - 1]) for n in streams.SIZES}


def add(counts: Counts, name: str, missed: dict[str, float]) -> None:
    for size, hit in missed.items():
        count = counts.setdefault(f"{name}|{size}", [0.0, 0])
        count[0] += hit
        count[1] += 1


def run_shares(world: str, rounds: int, seed: int) -> Counts:
    counts: Counts = {}
    for child in np.random.SeedSequence([seed, 1]).spawn(rounds):
        outside = streams.shares(np.random.default_rng(child), CHANCES[world])
        add(counts, "usage ratio (PMUR)", ever(outside, np.ones(len(outside)), 0))
    return counts


def run_usual(chance: float, rounds: int, seed: int) -> Counts:
    counts: Counts = {}
    rows = np.arange(1, streams.LENGTH + 1)
    for child in np.random.SeedSequence([seed, 4]).spawn(rounds):
        outside = streams.usual_intervals(np.random.default_rng(child), chance)
        add(counts, "interval for one look, at every step", ever(outside, rows, 100))
    return counts


def run_widths(chance: float, rounds: int, seed: int) -> Counts:
    counts: Counts = {}
    for child in np.random.SeedSequence([seed, 5]).spawn(rounds):
        for name, found in streams.half_widths(np.random.default_rng(child), chance).items():
            add(counts, name, {f"n={n}": half for n, half in found.items()})
    return counts


def run_costs(world: str, rounds: int, seed: int) -> Counts:
    counts: Counts = {}
    rows = np.arange(1, streams.LENGTH + 1)
    for child in np.random.SeedSequence([seed, 2]).spawn(rounds):
        for name, outside in COSTS[world](np.random.default_rng(child)).items():
            add(counts, name, ever(outside, rows, MINIMUM_SAMPLE_SIZES["monitored_costs"].count))
    return counts


def run_quality(world: str, rounds: int, seed: int) -> Counts:
    counts: Counts = {}
    kind, cut, probability = QUALITY[world]
    truth = streams.true_gains(kind, cut)
    least = MINIMUM_SAMPLE_SIZES["monitored_gold"].count
    for child in np.random.SeedSequence([seed, 3]).spawn(rounds):
        rng = np.random.default_rng(child)
        for name, found in streams.quality(rng, kind, cut, probability, truth).items():
            add(counts, QUANTITIES[name].name, ever(*found, least))
            for start in STARTS:
                by_the_end = ever(*found, start)[f"n={streams.LENGTH}"]
                add(counts, f"{QUANTITIES[name].name}, start", {f"{start} labels": by_the_end})
    return counts


def run_alarm(kind: str, shift: float, rounds: int, seed: int) -> Counts:
    """Count false alarms and detections of one alarm by itself, and at its share of the level."""
    course, onset = streams.alarms(kind, shift, rounds, seed)
    counts: Counts = {}
    for words, alpha in (("5%", 0.05), (f"5% / {N_ALARMS}", 0.05 / N_ALARMS)):
        loud = course >= -np.log(alpha)
        first = np.where(loud.any(axis=0), loud.argmax(axis=0), len(course))
        before, found = first < streams.BEFORE, first < len(course)
        if shift == 0:
            counts[f"ever|{words}"] = [float(found.sum()), rounds]
            continue
        caught = found & ~before
        counts[f"found|{words}"] = [float(caught.sum()), int((~before).sum())]
        # A change that was not found within the stream has a longer delay than all others.
        delay = float(np.median(first[~before] - streams.BEFORE + 1))
        counts[f"delay|{words}"] = [delay, 1]
        if caught.any():
            error = np.abs(onset[first[caught], np.flatnonzero(caught)] - streams.BEFORE)
            counts[f"onset error|{words}"] = [float(np.median(error)), 1]
    return counts


def sequences_table(results: dict[str, Counts]) -> pd.DataFrame:
    rows = []
    for key, counts in results.items():
        kind, world = key.split("|", 1)
        if kind in ("alarm", "width"):
            continue
        for name in dict.fromkeys(key.split("|")[0] for key in counts):
            if name.endswith(", start"):
                continue
            rates = {f"n={n}": _rate(counts[f"{name}|n={n}"]) for n in streams.SIZES}
            worst = max(rates.values())
            rounds = counts[f"{name}|n={streams.SIZES[0]}"][1]
            allowed = 0.05 + 3 * np.sqrt(0.05 * 0.95 / rounds)
            rows.append({"quantity": name, "stream": world} | rates | {
                "holds": "yes" if worst <= allowed else "NO"})  # fmt: skip
    return pd.DataFrame(rows)


def start_table(results: dict[str, Counts]) -> pd.DataFrame:
    rows = []
    for key, counts in results.items():
        for name in dict.fromkeys(k.split("|")[0] for k in counts if ", start|" in k):
            rates = {f"from {k} on": _rate(counts[f"{name}|{k} labels"]) for k in STARTS}
            rows.append({"quantity": name[: -len(", start")], "stream": key.split("|")[1]} | rates)
    return pd.DataFrame(rows)


def width_table(results: dict[str, Counts]) -> pd.DataFrame:
    rows = []
    for key, counts in results.items():
        if key.startswith("width|"):
            for name in dict.fromkeys(k.split("|")[0] for k in counts):
                rates = {f"n={n}": _rate(counts[f"{name}|n={n}"]) for n in streams.SIZES}
                rows.append({"half width": name, "share": key.split("|")[1]} | rates)
    return pd.DataFrame(rows)


def alarm_table(results: dict[str, Counts]) -> pd.DataFrame:
    rows = []
    for key, counts in results.items():
        if not key.startswith("alarm|"):
            continue
        _, kind, shift = key.split("|")
        for words in dict.fromkeys(name.split("|")[1] for name in counts):
            found = {
                column: _rate(counts[f"{name}|{words}"])
                for column, name in (
                    ("false alarms", "ever"), ("found", "found"), ("median delay", "delay"),
                    ("median error of the onset", "onset error"),
                )
                if f"{name}|{words}" in counts
            }  # fmt: skip
            if found.get("median delay", 0.0) > streams.AFTER:
                found["median delay"] = np.nan
            rows.append({"alarm": kind, "level": words, "shift": float(shift)} | found)
    return pd.DataFrame(rows)


def _rate(count: list[float]) -> float:
    return count[0] / count[1]


def cells(rounds: int, seed: int) -> dict[str, Callable[[], Counts]]:
    found: dict[str, Callable[[], Counts]] = {}
    for world in CHANCES:
        found[f"share|{world}"] = partial(run_shares, world, rounds, seed)
    found["usual|0.3, from n=100 on"] = partial(run_usual, 0.3, rounds, seed)
    for chance in (0.02, 0.3):
        found[f"width|{chance}"] = partial(run_widths, chance, min(rounds, 10), seed)
    for world in COSTS:
        found[f"cost|{world}"] = partial(run_costs, world, rounds, seed)
    for world in QUALITY:
        found[f"quality|{world}"] = partial(run_quality, world, rounds, seed)
    for kind in streams.STREAMS:
        for shift in SHIFTS:
            found[f"alarm|{kind}|{shift}"] = partial(run_alarm, kind, shift, rounds, seed)
    return found


def main(arguments: Sequence[str] | None = None) -> None:
    parser = parser_of(__doc__, "monitoring.md")
    parser.add_argument("--only", help="run what begins with this alone, such as 'alarm|cost'")
    given = parser.parse_args(arguments)
    planned = cells(given.rounds or ROUNDS, given.seed)
    chosen = {name: run for name, run in planned.items() if name.startswith(given.only or "")}
    results = count_unfinished(given.out.with_suffix(".json"), chosen)
    results = {name: results[name] for name in planned if name in results}
    made = (sequences_table, start_table, width_table, alarm_table)
    print(write_tables(given.out, [make(results) for make in made]))


if __name__ == "__main__":
    main()
