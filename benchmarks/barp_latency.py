"""Latency as a third objective of BaRP: what knowing it is worth, and what it costs the other two.

    METAROUTER_DATA_HOME=... python -m benchmarks.barp_latency --dataset NAME --out DIR

No published table records latencies, so they are made: an answer takes half a second and 200 tokens
on average, more where the call cost more than the model's mean, at a speed between 20 and 150
tokens a second that is drawn for each model, whatever its price. Test queries are a fifth of the
tasks that are learned from; speeds, splits and training change with the seed.
Rewards of three outcomes at several preferences, paired with BaRP's, clustered by seed and query.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np

from bandits import BaRP, FullInformationBaRP, LinUCB
from bandits.evaluation import router_table, study_table
from bandits.full_information import RegressionRouter
from benchmarks.barp_online import split
from metarouter.routing.preference_reward import reward
from metarouter.utils.files import write_text

Array = np.ndarray
Outcomes = tuple[Array, Array, Array]  # quality, cost and latency, (n, n_arms)

THIRD = 1 / 3
PREFERENCES = {
    "latency without weight": (0.5, 0.5, 0.0),
    "all alike": (THIRD, THIRD, THIRD),
    "mostly latency": (0.4, 0.1, 0.5),
}
# Weight of latency; quality and cost share the rest.
DIAL = (0.0, 0.1, 0.2, 0.4, 0.6, 0.8)


def made_latency(cost: Array, rng: np.random.Generator) -> Array:
    """Return seconds per call, of the shape of the costs."""
    tokens = 200 * cost / cost.mean(axis=0)
    return 0.5 + tokens / rng.permutation(np.geomspace(20, 150, cost.shape[1]))


def chosen(routers: dict[str, Any], blind: BaRP, X: Array, w: Any) -> dict[str, Array]:
    """Return what every router calls; who knows no latency weighs quality and cost as before."""
    pair = np.array(w[:2]) / sum(w[:2])
    own = {name: router.predict(X, w) for name, router in routers.items()}
    return {**own, "BaRP, latency not known": blind.predict(X, pair)}


def one_seed(X: Array, quality: Array, cost: Array, seed: int) -> dict[str, Any]:
    """Train everything once; return test outcomes, choices by preference, and BaRP's dial."""
    latency = made_latency(cost, np.random.default_rng([seed, 1]))
    train, test = split(len(X), 0.8, seed)
    caps = [float(np.quantile(table[train], 0.95)) for table in (cost, latency)]
    settings = {"cost_cap": caps[0], "latency_cap": caps[1], "random_state": seed}
    outcomes = quality[train], cost[train], latency[train]
    cpu = {"device": "cpu"}
    routers = {
        "BaRP": BaRP(**cpu),
        "BaRP, all outcomes": FullInformationBaRP(**cpu),
        "ridge on all outcomes": RegressionRouter(),
        "LinUCB, penalty 10": LinUCB(prior_precision=10.0),
    }
    for router in routers.values():
        router.set_params(**settings).fit(X[train], *outcomes)
    blind = BaRP(**cpu).set_params(**settings).fit(X[train], *outcomes[:2])
    choices = {}
    for name, w in PREFERENCES.items():
        rewards = reward(*outcomes[:2], np.array(w), caps[0], outcomes[2], caps[1])
        best = int(rewards.mean(axis=0).argmax())
        choices[name] = {
            **chosen(routers, blind, X[test], w),
            "best constant model": np.full(len(test), best),
        }
    dial = []
    for w_latency in DIAL:
        rest = (1 - w_latency) / 2
        arm = routers["BaRP"].predict(X[test], (rest, rest, w_latency))
        dial.append(float(latency[test, arm].mean()))
    tests = quality[test], cost[test] / caps[0], latency[test] / caps[1]
    groups = np.column_stack([np.full(len(test), seed), test])
    return {"outcomes": tests, "choices": choices, "groups": groups, "dial": dial}


def as_lines(parts: list[dict[str, Any]], dataset: str) -> list[str]:
    """Return the tables of all preferences, and the dial."""
    by_outcome = zip(*(part["outcomes"] for part in parts), strict=True)
    outcomes = [np.concatenate(tables) for tables in by_outcome]
    groups = np.concatenate([part["groups"] for part in parts])
    lines = [f"# {dataset}, made latencies, {len(parts)} seeds"]
    for name, w in PREFERENCES.items():
        routers = {
            router: np.concatenate([part["choices"][name][router] for part in parts])
            for router in parts[0]["choices"][name]
        }
        table = router_table(
            routers, None, *outcomes,
            preference=w, cost_cap=1.0, latency_cap=1.0, groups=groups, reference="BaRP",
        )  # fmt: skip
        lines += [
            "",
            f"w = ({', '.join(f'{weight:.2g}' for weight in w)}), {name}:",
            "",
            "| router | score | cost | latency | reward | BaRP minus it |",
            "| :--- | ---: | ---: | ---: | ---: | :--- |",
        ]
        for row in table.to_frame().itertuples():
            low, high = -row.difference_high, -row.difference_low
            lead = f"{-row.difference:+.4f} [{low:+.4f}, {high:+.4f}]"
            lines.append(
                f"| {row.router} | {row.score:.4f} | {row.cost:.3f} | {row.latency:.3f} | "
                f"{row.reward:.4f} ({row.se_reward:.4f}) | {'' if row.router == 'BaRP' else lead} |"
            )
    dials = np.array([part["dial"] for part in parts])
    rises = int((np.diff(dials, axis=1) > 1e-12).sum())
    lines += ["", f"Mean latency in seconds at w_latency {', '.join(map(str, DIAL))}, by seed:", ""]
    lines += ["- " + ", ".join(f"{seconds:.2f}" for seconds in row) for row in dials]
    return [*lines, "", f"It rises in {rises} of {np.diff(dials, axis=1).size} steps."]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="llmrouter_14task")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("barp_latency"))
    options = parser.parse_args()
    table = study_table(options.dataset)
    kept = np.isin(table.matrix.task, table.in_distribution)
    X = np.asarray(table.matrix.X, dtype=float)[kept]
    quality, cost = table.matrix.quality[kept], table.matrix.cost[kept]
    parts = []
    for seed in range(options.seeds):
        parts.append(one_seed(X, quality, cost, seed))
        print(f"seed {seed}: latency along the dial {parts[-1]['dial']}", flush=True)
    text = "\n".join(as_lines(parts, options.dataset)) + "\n"
    write_text(options.out / f"barp_latency_{options.dataset}.md", text)
    print(text)


if __name__ == "__main__":
    main()
