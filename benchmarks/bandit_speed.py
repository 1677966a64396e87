"""LinUCB and LinTS against exact peers and bare BLAS: 11 arms, 386 features, one thread.

    pip install contextualbandits paretobandit mabwiser bayesianbandits   # those to be timed
    python -m benchmarks.bandit_speed --repeats 5 --out DIR [--task "one by one" ...]

Float64, all in one process and in turn, so that a busy machine slows all alike:

- ``one by one``: choose and update, a round at a time, after 300 rounds of warm-up and a
  first look;
- ``replay``: a stream whose contexts are known beforehand;
- ``sample 10,000``: explore in a batch of contexts, after 2000 rows of training and a first look.
  All need widths; ours also return the probability of every choice;
- ``predict 10,000``: the same contexts, nothing is explored, so that means are enough;
- ``predict_proba 10,000``: the probabilities of all arms, against the floor of the widths;
- ``learn 10,000``: a batch of outcomes, after 2000 rows of training, until means are up to date;
- ``first look``: what exploring puts off until the first batch of contexts after learning;
- ``--memory``: what a router holds and needs at its peak, besides the arrays that it is given.

Times are CPU seconds. Ratios are formed within a repeat; their median, least and most are printed.
Every repeat is kept in DIR/bandit_speed.csv, so that a run can be taken in pieces.
"""

from __future__ import annotations

import os

for _threads in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[_threads] = "1"

import argparse  # noqa: E402
import csv  # noqa: E402
import time  # noqa: E402
import tracemalloc  # noqa: E402
import warnings  # noqa: E402
from collections.abc import Callable  # noqa: E402
from pathlib import Path  # noqa: E402

import numpy as np  # noqa: E402

from benchmarks._bandit_subjects import N_ARMS, N_FEATURES, Ours, Subject, subjects  # noqa: E402
from metarouter.utils.files import write_text  # noqa: E402

WARM_UP, TRAINED, BATCH = 300, 2_000, 10_000
FLOOR = "BLAS floor"
LONGEST = 0.4  # seconds, in which a slow peer plays as many rounds as it can


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
    subject.choose(X[0])
    start = time.process_time()
    for t, x in enumerate(X):
        arm = subject.choose(x)
        subject.update(x, arm, quality[t, arm])
        if time.process_time() - start > LONGEST:
            break
    return (time.process_time() - start) / (t + 1)


def replay(make, rounds: int) -> float:
    """CPU seconds per round."""
    X, _, quality = make_stream(rounds, seed=3)
    subject = make()
    if isinstance(subject, Ours):
        return seconds_of(lambda: subject.replay(X, quality)) / rounds
    return one_by_one(make, rounds)  # no peer uses that the contexts are known


def batch_of_contexts(method: str) -> Callable[..., float]:
    """Time one method of a trained subject in CPU seconds for 10,000 contexts."""

    def timed(make, rounds: int) -> float:
        subject = trained(make, TRAINED)
        X, _, _ = make_stream(BATCH, seed=4)
        getattr(subject, method)(X[:2])
        return seconds_of(lambda: getattr(subject, method)(X))

    return timed


def learn_many(make, rounds: int) -> float:
    """CPU seconds for 10,000 outcomes."""
    subject = trained(make, TRAINED)
    X, arms, quality = make_stream(BATCH, seed=5)
    rewards = quality[np.arange(BATCH), arms]

    def learn() -> None:
        subject.update_many(X, arms, rewards)
        subject.use_means(X[:2])

    return seconds_of(learn)


def first_look(make, rounds: int) -> float:
    """CPU seconds for the first two contexts after training."""
    subject = trained(make, TRAINED)
    X, _, _ = make_stream(2, seed=4)
    return seconds_of(lambda: subject.look(X))


TASKS = {
    "one by one": one_by_one,
    "replay": replay,
    "sample 10,000": batch_of_contexts("choose_many"),
    "predict 10,000": batch_of_contexts("predict_many"),
    "predict_proba 10,000": batch_of_contexts("probabilities_of_many"),
    "learn 10,000": learn_many,
    "first look": first_look,
}


def peak_of_memory() -> float:
    """MB that one router holds and needs at its peak, besides the arrays that it is given."""
    X, arms, quality = make_stream(BATCH, seed=5)
    rewards = quality[np.arange(BATCH), arms]
    make = subjects(peers=False)["ours LinTS"]
    make().choose_many(X[:2])  # what is imported meanwhile is no memory of the router
    tracemalloc.start()
    subject = make()
    subject.update_many(X, arms, rewards)
    subject.choose_many(X)
    subject.probabilities_of_many(X)
    for x in X[:50]:
        subject.update(x, subject.choose(x), 0.5)
    return tracemalloc.get_traced_memory()[1] / 1e6


def measure(task: str, makers, rounds: int) -> dict[str, float]:
    """CPU seconds of all that can do a task, taken in turn."""
    seconds = {}
    for name, make in makers.items():
        try:
            seconds[name] = TASKS[task](make, rounds)
        except NotImplementedError:
            continue
        print(f"{task}: {name} {seconds[name]:.3g} s", flush=True)
    return seconds


def append(path: Path, task: str, seconds: dict[str, float]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", newline="") as file:
        csv.writer(file).writerows([task, name, repr(value)] for name, value in seconds.items())


def read(path: Path) -> dict[str, dict[str, np.ndarray]]:
    """CPU seconds of every repeat, by task and subject."""
    seconds: dict[str, dict[str, list[float]]] = {}
    with path.open(newline="") as file:
        for task, name, value in csv.reader(file):
            seconds.setdefault(task, {}).setdefault(name, []).append(float(value))
    return {
        task: {name: np.array(values) for name, values in seconds[task].items()}
        for task in TASKS
        if task in seconds
    }


def as_markdown(seconds: dict[str, dict[str, np.ndarray]]) -> str:
    lines = []
    for task, times in seconds.items():
        ours, floor = times["ours LinUCB"], times[FLOOR]
        per_round = task in ("one by one", "replay")
        unit, scale = ("microseconds a round", 1e6) if per_round else ("milliseconds", 1e3)
        lines += [
            f"### {task} ({len(floor)} repeats)",
            "",
            f"| who | {unit} | times ours (LinUCB) | times the floor |",
            "|---|---:|---:|---:|",
        ]
        for name, values in sorted(times.items(), key=lambda item: np.median(item[1] / floor)):
            median = np.median(values) * scale
            lines.append(
                f"| {name} | {median:.4g} | {ratio(values, ours)} | {ratio(values, floor)} |"
            )
        lines.append("")
    return "\n".join(lines) + "\n"


def ratio(values: np.ndarray, others: np.ndarray) -> str:
    """Median, least and most of the ratios within repeats."""
    ratios = values / others
    if np.all(ratios == 1):
        return "1"
    return f"{np.median(ratios):.2f} ({ratios.min():.2f} to {ratios.max():.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2_000, help="of one by one, and of replay")
    parser.add_argument("--task", action="append", choices=[*TASKS], help="by default all")
    parser.add_argument("--out", type=Path, default=Path("bandit_speed"))
    parser.add_argument("--memory", action="store_true", help="measure memory alone")
    options = parser.parse_args()
    warnings.filterwarnings("ignore")
    if options.memory:
        print(f"Peak memory of our LinTS besides the data: {peak_of_memory():.0f} MB")
        return
    makers, raw = subjects(), options.out / "bandit_speed.csv"
    for _ in range(options.repeats):
        for task in options.task or TASKS:
            append(raw, task, measure(task, makers, options.rounds))
    table = as_markdown(read(raw))
    write_text(options.out / "bandit_speed.md", table)
    print(table)


if __name__ == "__main__":
    main()
