"""Coverage and width of intervals for the value of a policy that was not deployed.

    python -m benchmarks.off_policy_coverage --repetitions 300 --out DIR

Eleven arms, five features, 0/1 rewards from a logit. An epsilon-greedy policy on a distorted model
logs; the policy judged calls the arm that is truly best. Its value is computed from 400,000
contexts. Nominal level 95%; the binomial standard error of a coverage near .95 is .0126 at 300
repetitions.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from bandits.off_policy import FewEffectiveRowsWarning, LoggedFeedback, off_policy_value
from metarouter._files import write_text

N_ARMS, N_FEATURES = 11, 5
N_ROWS, EPSILON = (300, 1000, 5000), (0.1, 0.5)
INTERVALS = (
    ("ips", "empirical_likelihood"),
    ("dr", "empirical_likelihood"),
    ("dr", "normal"),
    ("snips", "normal"),
    ("snips", "bootstrap"),
    ("ips", "confidence_sequence"),
)


class World:
    """A routing problem whose truth is known."""

    def __init__(self) -> None:
        self.effect = 0.8 * np.random.default_rng(0).normal(size=(N_ARMS, N_FEATURES))
        noise = 0.8 * np.random.default_rng(1).normal(size=(N_ARMS, N_FEATURES))
        self.believed = self.effect + noise

    def chances(self, X):
        """Return the probability of a reward of 1, shape (n, n_arms)."""
        return 1 / (1 + np.exp(-(X @ self.effect.T)))

    def value(self) -> float:
        """Return the mean reward of the policy that is judged."""
        X = np.random.default_rng(5).normal(size=(400_000, N_FEATURES))
        return float(self.chances(X).max(axis=1).mean())

    def logged(self, rng, n: int, epsilon: float):
        """Return logs, and the probabilities of the policy that is judged."""
        X = rng.normal(size=(n, N_FEATURES))
        chances, every = self.chances(X), np.arange(n)
        logging = np.full((n, N_ARMS), epsilon / N_ARMS)
        logging[every, (X @ self.believed.T).argmax(axis=1)] += 1 - epsilon
        arm = (rng.random(n)[:, None] > logging.cumsum(axis=1)[:, :-1]).sum(axis=1)
        reward = (rng.random(n) < chances[every, arm]).astype(float)
        target = np.zeros((n, N_ARMS))
        target[every, chances.argmax(axis=1)] = 1.0
        return LoggedFeedback(X, arm, logging[every, arm], reward, arms=range(N_ARMS)), target


def repetition(n: int, epsilon: float, seed: int) -> list[dict[str, object]]:
    """Return one row per interval."""
    warnings.simplefilter("ignore", FewEffectiveRowsWarning)
    world = World()
    log, target = world.logged(np.random.default_rng([seed, n, int(10 * epsilon)]), n, epsilon)
    rows = []
    for method, interval in INTERVALS:
        found = off_policy_value(log, target, method=method, interval=interval, random_state=seed)
        rows.append(
            {"n": n, "epsilon": epsilon, "method": method, "interval": interval,
             "lower": found.lower, "upper": found.upper, "value": found.value}
        )  # fmt: skip
    return rows


def table(rows: pd.DataFrame, truth: float) -> str:
    """Return coverage (mean width), and the root mean squared error of the estimates."""
    rows = rows.assign(
        covered=(rows.lower <= truth) & (truth <= rows.upper),
        width=rows.upper - rows.lower,
        squared=(rows.value - truth) ** 2,
    )
    cells = [(n, epsilon) for epsilon in EPSILON for n in N_ROWS]
    head = [f"n = {n}, eps = {epsilon:g}" for n, epsilon in cells]
    lines = ["| estimate, interval | " + " | ".join(head) + " |", "|---" * (len(cells) + 1) + "|"]
    for method, interval in INTERVALS:
        part = rows[(rows.method == method) & (rows.interval == interval)]
        found = [part[(part.n == n) & (part.epsilon == epsilon)] for n, epsilon in cells]
        lines.append(
            f"| {method}, {interval.replace('_', ' ')} | "
            + " | ".join(f"{c.covered.mean():.3f} ({c.width.mean():.2f})" for c in found)
            + " |"
        )
    lines += ["", "| estimate: root mean squared error | " + " | ".join(head) + " |"]
    lines.append("|---" * (len(cells) + 1) + "|")
    for method in dict.fromkeys(method for method, _ in INTERVALS):
        part = rows[rows.method == method].drop_duplicates(["n", "epsilon", "value"])
        found = [part[(part.n == n) & (part.epsilon == epsilon)] for n, epsilon in cells]
        errors = " | ".join(f"{np.sqrt(c.squared.mean()):.3f}" for c in found)
        lines.append(f"| {method} | {errors} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repetitions", type=int, default=300)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("off_policy_coverage"))
    options = parser.parse_args()
    jobs = [
        joblib.delayed(repetition)(n, epsilon, seed)
        for epsilon in EPSILON
        for n in N_ROWS
        for seed in range(options.repetitions)
    ]
    found = joblib.Parallel(n_jobs=options.n_jobs)(jobs)
    text = table(pd.DataFrame([row for rows in found for row in rows]), World().value())
    write_text(options.out / "off_policy_coverage.md", text)
    print(text)


if __name__ == "__main__":
    main()
