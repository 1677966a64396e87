"""Coverage of the intervals for the win rate of a policy, from duels.

    python -m benchmarks.dueling_coverage --out DIR/tables.md

Four arms in five dimensions, Bradley-Terry choice. An `FGTSRouter` that has learned from 60 duels
logs, frozen, with half of its pairs uniform; the policy that is judged calls the best arm of
each query, against one fixed arm. The truth is computed on 200,000 queries.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.special import expit

from bandits.dueling import FGTSRouter
from bandits.off_policy import FewEffectiveRowsWarning, LoggedDuels, win_rate
from metarouter.reporting import markdown_table
from metarouter.utils.files import write_text

N_ARMS, WIDTH, UNIFORM, OPPONENT = 4, 5, 0.5, 2


class World:
    """Utilities, a logging router, and the truth."""

    def __init__(self, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        embeddings, theta = rng.standard_normal((N_ARMS, WIDTH)), rng.standard_normal(WIDTH)
        self.matrix = 1.5 * theta[:, None] * embeddings.T
        self.logger = FGTSRouter(embeddings, uniform=UNIFORM, random_state=seed)
        X = rng.standard_normal((60, WIDTH))
        pair = rng.integers(N_ARMS, size=(2, 60))
        self.logger.fit(X, *pair, self.outcome(X, *pair, rng))
        many = rng.standard_normal((200_000, WIDTH))
        utility = many @ self.matrix
        self.truth = float(expit(utility.max(axis=1) - utility[:, OPPONENT]).mean())

    def outcome(self, X, first, second, rng):
        """Draw who wins."""
        utility, at = X @ self.matrix, np.arange(len(X))
        chance = expit(utility[at, first] - utility[at, second])
        return np.where(rng.random(len(X)) < chance, 1, -1)

    def log(self, n, rng):
        """Let the frozen router play."""
        X = rng.standard_normal((n, WIDTH))
        first, second, propensity = self.logger.sample_pair(X)
        return LoggedDuels(
            X, first, second, self.outcome(X, first, second, rng), propensity,
            arms=range(N_ARMS), least_propensity=UNIFORM / N_ARMS**2,
        )  # fmt: skip

    def best(self, X):
        """Return the policy that is judged."""
        return np.eye(N_ARMS)[(X @ self.matrix).argmax(axis=1)]

    def model(self, X):
        """Predict by what the logger has learned, which is not the truth."""
        utility = self.logger.decision_function(X)
        return expit(utility - utility[:, [OPPONENT]])


def coverage(repetitions: int, sizes: Sequence[int], seed: int = 0) -> pd.DataFrame:
    """Return coverage, mean width and root mean squared error per size and method."""
    world, rows = World(), []
    warnings.simplefilter("ignore", FewEffectiveRowsWarning)
    for n in sizes:
        found = {"ips": [], "dr": []}
        for repetition in range(repetitions):
            log = world.log(n, np.random.default_rng([seed, n, repetition]))
            policy = world.best(log.X)
            for method, results in found.items():
                results.append(
                    win_rate(log, policy, OPPONENT, method=method, model=world.model(log.X))
                )
        for method, results in found.items():
            covered = [r.lower <= world.truth <= r.upper for r in results]
            rows.append(
                {
                    "n": n,
                    "method": method,
                    "coverage": np.mean(covered),
                    "width": np.mean([r.upper - r.lower for r in results]),
                    "rmse": np.sqrt(np.mean([(r.value - world.truth) ** 2 for r in results])),
                    "bias": np.mean([r.value - world.truth for r in results]),
                    "effective": np.mean([r.effective_sample_size for r in results]),
                }
            )
            print(rows[-1], flush=True)
    return pd.DataFrame(rows)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("dueling_coverage.md"))
    parser.add_argument("--repetitions", type=int, default=300)
    parser.add_argument("--sizes", type=int, nargs="+", default=[300, 1000, 5000])
    options = parser.parse_args(arguments)
    frame = coverage(options.repetitions, options.sizes)
    write_text(options.out, markdown_table(frame.round(3)) + "\n")


if __name__ == "__main__":
    main()
