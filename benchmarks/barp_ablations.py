"""What each part of BaRP is worth on published outcomes: one row per change, paired over seeds.

    METAROUTER_DATA_HOME=... python -m benchmarks.barp_ablations --dataset NAME --out DIR

Splits, seeds and rewards are those of ``bandits study``. Differences are paired by query
and clustered by seed and query. `rises` counts the steps of the dial, over all seeds, at which the
test cost or score went up while the weight of cost grew. `hypervolume` is the area between the
points of the dial, the cost of the most expensive model and a score of 0, as a share of the whole,
of each seed.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from bandits import BaRP, EpsilonGreedy, FullInformationBaRP, LinTS, LinUCB, Replay
from bandits.evaluation import BanditStudy, BanditStudyResult, dominated_area, study_table
from bandits.evaluation.study_result import SPLITS
from metarouter.utils.files import write_text

MIDDLE = 0.5


class LoggedBaRP(BaRP):
    """BaRP from a fixed log: every query is sent to one arm at random, and that is all there is."""

    def fit(self, X: Any, quality: Any, cost: Any = None, **_: Any) -> LoggedBaRP:
        """Log one outcome per query, then learn from the log."""
        replay = Replay(X, quality, cost, arms=self.arms)
        arm = np.random.default_rng(self.random_state).integers(replay.n_arms, size=len(X))
        shown = replay.reveal(np.arange(len(X)), arm)
        self.fit_logged(
            X,
            [replay.arms[k] for k in arm],
            shown.quality,
            shown.cost,
            propensity=np.full(len(X), 1 / replay.n_arms),
            arms=replay.arms,
        )
        self.n_revealed_ = replay.n_revealed
        return self


class OnePassBaRP(BaRP):
    """BaRP in use: every query comes once, is decided by `sample`, and learned in batches of 32."""

    def fit(self, X: Any, quality: Any, cost: Any = None, **_: Any) -> OnePassBaRP:
        """Decide, see one outcome, learn."""
        replay = Replay(X, quality, cost, arms=self.arms)
        self._begin_with(X, replay.arms, replay.n_outcomes)
        preference = self._preferences(None, len(X))
        for start in range(0, len(X), 32):
            rows = np.arange(start, min(start + 32, len(X)))
            action, propensity = self.sample(X[rows], preference=preference[rows])
            shown = replay.reveal(rows, [replay.arms.index(name) for name in action])
            self.partial_fit(X[rows], action, shown.quality, shown.cost, propensity=propensity)
        self.n_revealed_ = replay.n_revealed
        return self


def routers() -> dict[str, Any]:
    """Return the rows of the table: ours first, then one change at a time."""
    cpu = {"device": "cpu"}
    paper = BaRP.paper_settings()
    return {
        "BaRP": BaRP(**cpu),
        "BaRP, all outcomes": FullInformationBaRP(**cpu),
        "BaRP, published settings": BaRP(**paper, **cpu),
        "BaRP, published settings, all outcomes": FullInformationBaRP(**paper, **cpu),
        "BaRP, mlp head": BaRP("mlp", **cpu),
        "BaRP, linear head": BaRP("linear", **cpu),
        "BaRP, bilinear head": BaRP("bilinear", **cpu),
        "BaRP, reinforce": BaRP(estimator="reinforce", **cpu),
        "BaRP, one pass": OnePassBaRP(batch_size=32, **cpu),
        "BaRP, one pass, replay": OnePassBaRP(batch_size=32, replay_buffer=3000, **cpu),
        "BaRP, preferences drawn uniformly": BaRP(concentration=1.0, **cpu),
        "BaRP, not averaged": BaRP(averaging=0.0, **cpu),
        "BaRP, half the rate": BaRP(learning_rate=1e-3, **cpu),
        "BaRP, log of one random arm per query": LoggedBaRP(**cpu),
        "BaRP, the same log, reinforce": LoggedBaRP(estimator="reinforce", **cpu),
        "LinUCB": LinUCB(),
        "LinUCB, penalty 10": LinUCB(prior_precision=10.0),
        "LinUCB, penalty 10, alpha 0.3": LinUCB(0.3, prior_precision=10.0),
        "LinTS": LinTS(),
        "LinTS, penalty 10": LinTS(prior_precision=10.0),
        "LinTS, penalty 100": LinTS(prior_precision=100.0),
        "LinTS, penalty 100, scale 0.3": LinTS(0.3, prior_precision=100.0),
        "ε-greedy": EpsilonGreedy(),
        "ε-greedy, penalty 10": EpsilonGreedy(prior_precision=10.0),
        "ε-greedy, penalty 10, epsilon 0.02": EpsilonGreedy(0.02, prior_precision=10.0),
    }


def sweeps(result: BanditStudyResult, split: str) -> Iterator[tuple[np.ndarray, np.ndarray, float]]:
    """Yield mean cost and score of every router and setting, (n_routers, n_dial), by seed."""
    for number in range(len(result.seeds)):
        rows = result._rows(split, "all")
        here = rows.seed == number
        quality, cost = result.matrix.quality[rows.table], result._cost(rows.table)
        chosen = rows.chosen[:, :, here]
        each = np.arange(here.sum())
        yield (
            cost[here][each, chosen].mean(axis=2),
            quality[here][each, chosen].mean(axis=2),
            float(cost[here].mean(axis=0).max()),
        )


def with_interval(value: float, low: float, high: float) -> str:
    if np.isnan(low):  # differences that are all alike leave no error
        return f"{value:+.4f}"
    return f"{value:+.4f} ({low:+.4f} to {high:+.4f})"


def rows_of(result: BanditStudyResult, split: str) -> list[str]:
    """Return the lines of one split's table."""
    of_constant = result.router_table(split, MIDDLE).to_frame().set_index("router")
    of_ours = result.router_table(split, MIDDLE, reference="BaRP").to_frame().set_index("router")
    swept = list(sweeps(result, split))
    tabulated = [result.dial.index(w) for w in result.w_cost]
    volumes = np.array(
        [
            [dominated_area(cost[k], score[k], largest) for k in range(len(cost))]
            for cost, score, largest in swept
        ]
    )
    informed = volumes[:, -1]
    lines = [
        "| router | score | cost | reward | minus best constant | BaRP minus it "
        "| rises: cost, score | hypervolume | minus ridge's |",
        "| :--- | ---: | ---: | ---: | :--- | :--- | ---: | ---: | ---: |",
    ]
    names = [*result.routers, *(n for n in of_constant.index if n not in result.routers)]
    for name in names:
        row, ours = of_constant.loc[name], of_ours.loc[name]
        rises, volume, gap = "", "", ""
        if name in result.routers:
            k = result.routers.index(name)
            up = [
                sum(int((np.diff(part[k][tabulated]) > 1e-12).sum()) for part in parts)
                for parts in ([s[0] for s in swept], [s[1] for s in swept])
            ]
            rises = f"{up[0]}, {up[1]}"
            volume = f"{volumes[:, k].mean():.4f}"
            difference = volumes[:, k] - informed
            error = difference.std(ddof=1) / np.sqrt(len(difference)) if len(volumes) > 1 else 0.0
            gap = f"{difference.mean():+.4f} ({error:.4f})"
        against = (
            ""
            if name == "BaRP"
            else with_interval(-ours.difference, -ours.difference_high, -ours.difference_low)
        )
        lines.append(
            f"| {name.removeprefix('constant:')} | {row.score:.4f} | {1000 * row.cost:.4f} | "
            f"{row.reward:.4f} ({row.se_reward:.4f}) | "
            f"{with_interval(row.difference, row.difference_low, row.difference_high)} | "
            f"{against} | {rises} | {volume} | {gap} |"
        )
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dataset", default="llmrouter_14task")
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--only", nargs="*", help="names of rows; BaRP is always there")
    parser.add_argument("--out", type=Path, default=Path("barp_ablations"))
    options = parser.parse_args()
    table = study_table(options.dataset)
    played = {
        name: router
        for name, router in routers().items()
        if not options.only or name == "BaRP" or name in options.only
    }
    study = BanditStudy(
        played,
        in_distribution=table.in_distribution,
        out_of_distribution=table.out_of_distribution,
        seeds=options.seeds,
    )
    start, done = time.time(), [0]

    def advance() -> None:
        done[0] += 1
        print(f"{done[0]}/{len(played) * options.seeds} {time.time() - start:.0f} s", flush=True)

    result = study.run(table.matrix, advance=advance)
    lines = [f"# {options.dataset}, w_cost = {MIDDLE:g}, {options.seeds} seeds"]
    for split in SPLITS:
        lines += ["", f"## {split}", "", *rows_of(result, split)]
    text = "\n".join(lines) + "\n"
    write_text(options.out / f"barp_ablations_{options.dataset}.md", text)
    print(text)


if __name__ == "__main__":
    main()
