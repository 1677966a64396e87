"""Time per round of dueling bandits: flat in the number of rounds, and against all of history.

    OMP_NUM_THREADS=1 python -m benchmarks.dueling_speed --out DIR/speed.md

384 features, 11 arms, one core, processor time. A round is a pair, who won, and learning from it.
The peer is the sampler as papers write it: five Langevin steps with the gradient of all past duels.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from bandits.dueling import FGTSRouter
from metarouter.reporting import markdown_table
from metarouter.utils.files import write_text

WIDTH, N_ARMS = 384, 11


def thousands(router: FGTSRouter, rounds: int, *, propensity: bool) -> np.ndarray:
    """Return processor milliseconds of every round."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((rounds, WIDTH))
    spent = np.empty(rounds)
    for row in range(rounds):
        x, won = X[row : row + 1], [1 if rng.random() < 0.5 else -1]
        start = time.thread_time()
        first, second, _ = router.sample_pair(x, propensity=propensity)
        router.partial_fit(x, first, second, won)
        spent[row] = 1e3 * (time.thread_time() - start)
    return spent


def full_history(n: int, repetitions: int = 20) -> float:
    """Return processor milliseconds of a round of the full-history sampler after n duels."""
    rng = np.random.default_rng(0)
    z, target = rng.standard_normal((n, WIDTH)), rng.integers(2, size=n).astype(float)
    theta, step, spent = np.zeros((2, WIDTH)), 1e-5, []
    for _ in range(repetitions):
        start = time.thread_time()
        for _ in range(5):
            slope = (expit(theta @ z.T) - target) @ z + theta
            theta = theta - step * slope + np.sqrt(2 * step) * rng.standard_normal(theta.shape)
        spent.append(1e3 * (time.thread_time() - start))
    return float(np.median(spent))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dueling_speed.md"))
    parser.add_argument("--rounds", type=int, default=10_000)
    options = parser.parse_args(arguments)
    embeddings = np.random.default_rng(1).standard_normal((N_ARMS, WIDTH))
    rows = []
    for name, n_samples, propensity in (
        ("1 sample, no propensities (the paper's algorithm)", 1, False),
        ("8 samples, propensities", 8, True),
    ):
        router = FGTSRouter(embeddings, n_samples=n_samples, random_state=0)
        spent = thousands(router, options.rounds, propensity=propensity)
        peer = full_history(options.rounds)
        rows.append(
            {
                "sampler": name,
                "first thousand, ms": spent[:1000].mean(),
                "last thousand, ms": spent[-1000:].mean(),
                "last / first": spent[-1000:].mean() / spent[:1000].mean(),
                "median, ms": np.median(spent),
                "largest, ms": spent.max(),
                f"full history at {options.rounds}, ms": peer,
                "full history / ours": peer / spent[-1000:].mean(),
            }
        )
        print(rows[-1], flush=True)
    write_text(options.out, markdown_table(pd.DataFrame(rows).round(2)) + "\n")


if __name__ == "__main__":
    main()
