"""Accuracy of routed labels against the price of the reward model, by the preference dial.

    METAROUTER_DATA_HOME=... python -m paper_figures --only reward_prices --out DIR

The five GPT judges of rewardbench2_judges with their published prices per item; features are the
subsets. Five folds, pairs of one item in one fold. A router with offline strengths learns from
verified labels and prices of its own calls on the training folds, and is then asked for the test
fold at every weight of price. Points are means, errors clustered by item.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.model_selection import GroupKFold

from bandits import BayesianRouter
from bandits.reward_models import OfflineRewardRouter, RewardVerdicts
from metarouter.datasets import data_home
from metarouter.evaluation import clustered_means
from metarouter.reporting import markdown_table
from metarouter.utils.files import atomic_path, write_text
from metarouter.utils.groups import group_codes

DIAL = (0.0, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)
BATCH = 64


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/reward_prices"))
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args(arguments)
    table = points(data_home() / "rewardbench2_judges", options.folds)
    text = "# Accuracy against price\n\n" + markdown_table(table, decimals=4) + "\n"
    write_text(options.out / "reward_prices.md", text)
    draw(table, options.out / "reward_prices.png")
    print(text)


def points(folder: Path, n_folds: int) -> pd.DataFrame:
    """Return price and accuracy of every judge, and of the router at every weight of price."""
    costs = pd.read_parquet(folder / "costs.parquet")
    price = costs.pivot(index="id", columns="judge", values="cost_k1").dropna(axis=1, how="all")
    pairs = pd.read_parquet(folder / "pairs.parquet")
    names = [name for name in price.columns if f"judge_{name}" in pairs]
    pairs = pairs.merge(price[names].dropna(), left_on="id", right_index=True)
    verdict = np.sign(pairs[[f"judge_{name}" for name in names]].to_numpy(float))
    verdicts = RewardVerdicts(verdict, names, pairs["gold"].to_numpy(float))
    credit, correct = np.nan_to_num(verdicts.credit, nan=0.5), verdicts.correct
    cost = pairs[names].to_numpy(float) / 4 * 2  # of the two answers among the four of an item
    X = pd.get_dummies(pairs["subset"]).to_numpy(float)
    groups, ways = group_codes(pairs["id"].to_numpy()), {}
    for k, name in enumerate(names):
        ways[name] = (credit[:, k], cost[:, k])
    routed = {w: (np.empty(len(X)), np.empty(len(X))) for w in DIAL}
    for train, test in GroupKFold(n_folds, shuffle=True, random_state=0).split(X, groups=groups):
        offline = OfflineRewardRouter(8, arms=names, random_state=0, device="cpu")
        offline.fit(X[train], correct[train], groups=groups[train])
        router = BayesianRouter(offline, cost_cap=float(np.quantile(cost, 0.95)), random_state=0)
        order = np.random.default_rng(0).permutation(train)
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            action, chance = router.sample(X[rows])
            arm = [names.index(name) for name in action.tolist()]
            router.partial_fit(
                X[rows], action, quality=credit[rows, arm], cost=cost[rows, arm],
                propensity=np.clip(chance, 1e-12, 1.0),
            )  # fmt: skip
        for w, (right, paid) in routed.items():
            arm = [names.index(m) for m in router.predict(X[test], preference=(1 - w, w)).tolist()]
            right[test], paid[test] = credit[test, arm], cost[test, arm]
    ways.update({f"routed, price weight {w:g}": value for w, value in routed.items()})
    right, paid = (
        clustered_means(np.column_stack(part), groups) for part in zip(*ways.values(), strict=True)
    )
    return pd.DataFrame(
        {
            "label by": list(ways),
            "US dollars per 1000 pairs": 1000 * paid.value,
            "accuracy": right.value,
            "s.e.": right.se,
        }
    )


def draw(table: pd.DataFrame, path: Path) -> None:
    """Draw the routed points as a curve beside the single judges."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    is_routed = table["label by"].str.startswith("routed")
    for part, style, colour in (
        (table[~is_routed], "o", "#7F7F7F"), (table[is_routed], "o-", "#D55E00"),
    ):  # fmt: skip
        axes.errorbar(
            part["US dollars per 1000 pairs"], part["accuracy"], yerr=1.96 * part["s.e."],
            fmt=style, color=colour,
            label="BayesianRouter, by weight of price" if colour != "#7F7F7F" else "one judge",
        )  # fmt: skip
    for row in table[~is_routed].itertuples(index=False):
        axes.annotate(row[0], (row[1], row[2]), (5, -9), textcoords="offset points", fontsize=7)
    axes.set(xlabel="US dollars per 1000 pairs", ylabel="accuracy of the labels, 95% intervals",
             title="rewardbench2_judges: accuracy and price of one call per pair")  # fmt: skip
    axes.legend(frameon=False, loc="lower right")
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


if __name__ == "__main__":
    main()
