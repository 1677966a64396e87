"""LinUCB and LinTS against exact peers and bare BLAS: 11 arms, 386 features, one thread.

    pip install contextualbandits paretobandit mabwiser bayesianbandits   # those to be timed
    python -m benchmarks.bandit_speed --repeats 3 --out DIR

Five tasks, float64, everything in one process and in turn, so that a busy machine slows all alike:

- ``one by one``: choose and update, a round at a time, after 300 rounds of warm-up;
- ``replay``: a stream whose contexts are known beforehand;
- ``choose 10,000``: a batch of contexts with exploration widths, after 2000 rows of training;
- ``learn 10,000``: a batch of outcomes, after 2000 rows of training;
- ``memory``: growth of the peak over the arrays, in a process of its own.

Times are CPU seconds, the best of the repeats; ratios are formed within this run.
"""

from __future__ import annotations

import os

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"

import argparse  # noqa: E402
import resource  # noqa: E402
import subprocess  # noqa: E402
import sys  # noqa: E402
import time  # noqa: E402
import warnings  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks._bandit_subjects import N_ARMS, N_FEATURES, Ours, Subject, subjects  # noqa: E402
from metarouter._files import write_text  # noqa: E402

WARM_UP, TRAINED, BATCH = 300, 2_000, 10_000
FLOOR = "BLAS floor"
PEER_SECONDS = 10.0  # a slow peer is timed on as many rounds as fit into this


def make_stream(n: int, seed: int):
    """Make unit vectors, a uniform column and an intercept; 0/1 outcomes of all arms by a logit."""
    rng = np.random.default_rng(seed)
    embedding = rng.standard_normal((n, N_FEATURES - 2))
    embedding /= np.linalg.norm(embedding, axis=1, keepdims=True)
    X = np.hstack([embedding, rng.random((n, 1)), np.ones((n, 1))])
    effect = np.random.default_rng(123).standard_normal((N_ARMS, N_FEATURES)) * 0.5
    quality = (rng.random((n, N_ARMS)) < 1 / (1 + np.exp(-(X @ effect.T)))).astype(float)
    return X, rng.integers(0, N_ARMS, n), quality


def seconds_of(work) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def trained(make, n: int) -> Subject:
    X, arms, quality = make_stream(n, seed=1)
    subject = make()
    subject.update_many(X, arms, quality[np.arange(n), arms])
    return subject


def one_by_one(make, rounds: int) -> float:
    """CPU seconds per round."""
    subject = trained(make, WARM_UP) if make.__name__ != "BlasFloor" else make()
    X, _, quality = make_stream(rounds, seed=2)
    start = time.process_time()
    for t, x in enumerate(X):
        arm = subject.choose(x)
        subject.update(x, arm, quality[t, arm])
        if time.process_time() - start > PEER_SECONDS:
            break
    return (time.process_time() - start) / (t + 1)


def replay(make, rounds: int) -> float:
    """CPU seconds per round."""
    X, _, quality = make_stream(rounds, seed=3)
    subject = make()
    if isinstance(subject, Ours):
        return seconds_of(lambda: subject.replay(X, quality)) / rounds
    return one_by_one(make, rounds)  # no peer uses that the contexts are known


def choose_many(make, rounds: int) -> float:
    """CPU seconds for 10,000 contexts."""
    subject = trained(make, TRAINED)
    X, _, _ = make_stream(BATCH, seed=4)
    return seconds_of(lambda: subject.choose_many(X))


def learn_many(make, rounds: int) -> float:
    """CPU seconds for 10,000 outcomes."""
    subject = trained(make, TRAINED)
    X, arms, quality = make_stream(BATCH, seed=5)
    rewards = quality[np.arange(BATCH), arms]
    return seconds_of(lambda: subject.update_many(X, arms, rewards))


TASKS = {
    "one by one": one_by_one,
    "replay": replay,
    "choose 10,000": choose_many,
    "learn 10,000": learn_many,
}


def growth_of_memory() -> float:
    """MB that one router needs at its peak for all tasks, over the arrays that it is given."""
    make = subjects()["ours LinUCB"]
    X, arms, quality = make_stream(BATCH, seed=5)
    rewards = quality[np.arange(BATCH), arms]
    make_stream(64, seed=0)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    subject = make()
    subject.update_many(X, arms, rewards)
    subject.choose_many(X)
    for x in X[:50]:
        subject.update(x, subject.choose(x), 0.5)
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024


def measured(names: list[str], makers, repeats: int, rounds: int) -> dict[str, dict[str, float]]:
    """Least CPU seconds by task and subject, taken in turn."""
    best: dict[str, dict[str, float]] = {task: dict.fromkeys(names, np.inf) for task in TASKS}
    for repeat in range(repeats):
        for task, timed in TASKS.items():
            for name in names:
                seconds = timed(makers[name], rounds)
                best[task][name] = min(best[task][name], seconds)
                print(f"{repeat + 1}/{repeats} {task}: {name} {seconds:.3g} s", flush=True)
    return best


def as_markdown(best: dict[str, dict[str, float]], memory: float) -> str:
    lines = []
    for task, seconds in best.items():
        ours, floor = seconds["ours LinUCB"], seconds[FLOOR]
        per_round = task in ("one by one", "replay")
        unit, scale = ("microseconds a round", 1e6) if per_round else ("seconds", 1.0)
        lines += [
            f"## {task}",
            "",
            f"| who | {unit} | times ours (LinUCB) | times the floor |",
            "|---|---:|---:|---:|",
        ]
        for name, value in sorted(seconds.items(), key=lambda item: item[1]):
            lines.append(
                f"| {name} | {value * scale:.4g} | {value / ours:.2f} | {value / floor:.2f} |"
            )
        lines.append("")
    lines.append(f"Peak memory of our LinUCB over the arrays it is given: {memory:.0f} MB.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=4_000, help="of one by one, and of replay")
    parser.add_argument("--out", type=Path, default=Path("bandit_speed"))
    parser.add_argument("--memory", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    if options.memory:
        print(growth_of_memory())
        return
    makers = subjects()
    memory = subprocess.run(
        [sys.executable, "-m", "benchmarks.bandit_speed", "--memory"],
        check=True, capture_output=True, text=True,
    ).stdout.split()[-1]  # fmt: skip
    best = measured(list(makers), makers, options.repeats, options.rounds)
    table = as_markdown(best, float(memory))
    write_text(options.out / "bandit_speed.md", table)
    print(table)


if __name__ == "__main__":
    main()
