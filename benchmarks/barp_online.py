"""BaRP after training: a model that comes later, and a world that drifts.

    METAROUTER_DATA_HOME=... python -m benchmarks.barp_online --dataset NAME --part newcomer

`newcomer`: the best constant model of the training queries is left out; then it is added with a
handful of evaluations (mean of three draws of them), and the router is compared on test queries
with one that never gets it and with one that was trained with it from the beginning.

`drift`: trained on half of the queries, then played on the other half, where the best and the worst
model trade places between a quarter and half of the rounds. The reward is that of the second half.
Everything at equal weights of quality and cost, over 5 seeds, paired by seed.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from bandits import BaRP, LinUCB, Replay
from bandits.evaluation import study_table
from bandits.play import play
from bandits.scenarios import QualitySwap
from metarouter.routing.preference_reward import reward
from metarouter.utils.files import write_text

EQUAL = (0.5, 0.5)
EVALUATIONS = (10, 20, 50, 200)


class FrozenBaRP(BaRP):
    """Trained once and left alone."""

    def _update(self, feedback: Any) -> None:
        pass


def split(n: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rows = np.random.default_rng(seed).permutation(n)
    return rows[: int(share * n)], rows[int(share * n) :]


def new_model(X, quality, cost, cap: float, seed: int) -> dict[str, float]:
    """Test reward by what is known of the newcomer."""
    train, test = split(len(X), 0.8, seed)
    rewards = reward(quality, cost, np.array(EQUAL), cap)
    newcomer = int(rewards[train].mean(axis=0).argmax())
    others = [k for k in range(quality.shape[1]) if k != newcomer]

    def fitted(arms: list[int]) -> BaRP:
        router = BaRP(arms=arms, cost_cap=cap, device="cpu", random_state=seed)
        return router.fit(X[train], quality[train][:, arms], cost[train][:, arms])

    def earned(router: BaRP) -> float:
        return float(rewards[test, router.predict(X[test], preference=EQUAL)].mean())

    router = fitted(others)
    found = {"never added": earned(router)}
    for n in EVALUATIONS:
        tries = []
        for rows in train[: 3 * n].reshape(3, n):
            tried = {"quality": quality[rows, newcomer], "cost": cost[rows, newcomer]}
            router.add_arm(newcomer, X=X[rows], **tried)
            tries.append(earned(router))
            router.remove_arm(newcomer)
        found[f"added with {n} evaluations"] = float(np.mean(tries))
    found["there from the beginning"] = earned(fitted([*others, newcomer]))
    found["always the new model"] = float(rewards[test, newcomer].mean())
    return found


def drift(X, quality, cost, cap: float, seed: int) -> dict[str, float]:
    """Reward of the second half of a stream that has drifted."""
    known, stream = split(len(X), 0.5, seed)
    n = len(stream)
    order = reward(quality[known], cost[known], np.array(EQUAL), cap).mean(axis=0).argsort()
    arms = list(range(quality.shape[1]))
    found = {}
    online = {"batch_size": 8, "learning_rate": 3e-3}
    for name, template, after in (
        ("frozen", FrozenBaRP(), {}),
        ("goes on learning", BaRP(), online),
        ("goes on, discount 0.995", BaRP(discount=0.995), online),
        ("goes on, replay of 500", BaRP(replay_buffer=500, discount=0.995), online),
        ("LinUCB", LinUCB(prior_precision=10.0), {}),
        ("LinUCB, discount 0.995", LinUCB(prior_precision=10.0, discount=0.995), {}),
    ):
        router = template.set_params(arms=arms, cost_cap=cap, random_state=seed)
        router.fit(X[known], quality[known], cost[known]).set_params(**after)
        replay = Replay(X[stream], quality[stream], cost[stream], arms=arms)
        swap = QualitySwap(int(order[-1]), int(order[0]), at=n // 4, over=n // 4)
        log = play(
            router, replay, preference=EQUAL, batch_size=32, scenario=swap, random_state=seed
        )
        found[name] = float(log.reward[n // 2 :].mean())
    return found


def as_table(title: str, found: list[dict[str, float]], reference: str) -> str:
    lines = [f"| {title} | reward (s.e.) | minus {reference} (s.e.) |", "| :--- | ---: | ---: |"]
    base = np.array([row[reference] for row in found])
    for name in found[0]:
        values = np.array([row[name] for row in found])
        cells = [
            f"{part.mean():{sign}.4f} ({part.std(ddof=1) / np.sqrt(len(part)):.4f})"
            for part, sign in ((values, ""), (values - base, "+"))
        ]
        lines.append(f"| {name} | {cells[0]} | {cells[1]} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="llmrouter_14task")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--part", choices=("newcomer", "drift"), default="newcomer")
    parser.add_argument("--out", type=Path, default=Path("barp_online"))
    options = parser.parse_args()
    table = study_table(options.dataset)
    kept = np.isin(table.matrix.task, table.in_distribution)
    X = np.asarray(table.matrix.X, dtype=float)[kept]
    quality, cost = table.matrix.quality[kept], table.matrix.cost[kept]
    cap = float(np.quantile(cost, 0.95))
    study = new_model if options.part == "newcomer" else drift
    found = []
    for seed in range(options.seeds):
        found.append(study(X, quality, cost, cap, seed))
        print(seed, found[-1], flush=True)
    reference = "there from the beginning" if options.part == "newcomer" else "frozen"
    text = as_table(f"{options.dataset}, {options.part}", found, reference)
    write_text(options.out / f"barp_{options.part}_{options.dataset}.md", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
