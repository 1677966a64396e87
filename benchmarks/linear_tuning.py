"""Penalty and exploration of the linear bandits, chosen as BaRP's settings were.

    METAROUTER_DATA_HOME=... python -m benchmarks.linear_tuning --dataset NAME --out DIR

Of the training queries of every split of ``bandits study`` a fifth is held back; test
queries are left alone. Every setting plays the others once, one outcome per query, and is asked at
the weights of cost .2, .4, .5, .6 and .8 what to do with those held back, whose outcomes are all
known. The setting with the highest mean reward over splits and weights is chosen, per router and
table.
"""

from __future__ import annotations

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from bandits import EpsilonGreedy, LinTS, LinUCB
from bandits.evaluation import study_table
from bandits.evaluation._split import numbered_texts, split_by_task
from metarouter.routing.preference_reward import reward
from metarouter.utils.files import write_text

PENALTIES = (1.0, 10.0, 100.0)
EXPLORATION = {
    "LinUCB": (LinUCB, "alpha", (0.3, 1.0)),
    "LinTS": (LinTS, "scale", (0.3, 1.0)),
    "ε-greedy": (EpsilonGreedy, "epsilon", (0.02, 0.1)),
}
W_COST = (0.2, 0.4, 0.5, 0.6, 0.8)
HELD_BACK, CAP_QUANTILE = 0.2, 0.95


def training_rows(table: Any, seeds: int) -> list[np.ndarray]:
    """Return the training rows of every split of a study."""
    texts, rows = numbered_texts(table.matrix.text), []
    for seed in np.random.SeedSequence(0).spawn(seeds):
        split = split_by_task(
            table.matrix.task,
            texts,
            table.in_distribution,
            table.out_of_distribution,
            0.2,
            np.random.default_rng(seed.spawn(2)[0]),
        )
        rows.append(split.train)
    return rows


def earned(router: Any, matrix: Any, rows: np.ndarray, seed: int) -> float:
    """Return the mean reward over the dial on queries held back from training."""
    n_held = round(HELD_BACK * len(rows))
    order = np.random.default_rng([seed, 7]).permutation(rows)
    held, train = order[:n_held], order[n_held:]
    cap = float(np.quantile(matrix.cost[train], CAP_QUANTILE))
    router.set_params(cost_cap=cap, random_state=seed)
    router.fit(matrix.X[train], matrix.quality[train], matrix.cost[train])
    rewards = []
    for w in W_COST:
        preference = np.array([1 - w, w])
        chosen = router.predict(matrix.X[held], preference=preference)
        every = reward(matrix.quality[held], matrix.cost[held], preference, cap)
        rewards.append(every[np.arange(n_held), chosen].mean())
    return float(np.mean(rewards))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="llmrouter_14task")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("linear_tuning"))
    options = parser.parse_args()
    table = study_table(options.dataset)
    splits = training_rows(table, options.seeds)
    lines = ["| router | penalty | exploration | reward on queries held back (s.e.) |"]
    lines += ["| :--- | ---: | ---: | ---: |"]
    for name, (make, parameter, values) in EXPLORATION.items():
        for penalty, value in product(PENALTIES, values):
            rewards = [
                earned(
                    make(prior_precision=penalty, **{parameter: value}), table.matrix, rows, seed
                )
                for seed, rows in enumerate(splits)
            ]
            error = np.std(rewards, ddof=1) / np.sqrt(len(rewards)) if len(rewards) > 1 else 0.0
            lines.append(
                f"| {name} | {penalty:g} | {parameter} = {value:g} | "
                f"{np.mean(rewards):.4f} ({error:.4f}) |"
            )
            print(lines[-1], flush=True)
    write_text(options.out / f"linear_tuning_{options.dataset}.md", "\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
