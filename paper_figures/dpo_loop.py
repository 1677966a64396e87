"""True win rates of tiny policies aligned by online DPO, by who labels their pairs.

    python -m paper_figures --only dpo_loop --out DIR

Four reward models, each an expert on one of four topics; offline pairs come from the untrained
policy and mostly from two topics. Differences are paired by seed, with 95% intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from bandits import BayesianRouter, Constant, RandomRouter
from bandits.reward_models import FrozenOffline, OfflineRewardRouter
from bandits.reward_models.dpo_loop import DPOTrace, TinyPolicy, TokenTask, train_online_dpo
from metarouter.reporting import markdown_table
from metarouter.utils.files import write_text

OFFLINE_SHARES = (0.45, 0.45, 0.05, 0.05)
SHOWN = {
    "routed": "tab:blue",
    "routed, verified": "tab:cyan",
    "frozen offline": "tab:green",
    "best single": "tab:red",
    "median single": "tab:orange",
    "random": "tab:gray",
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/dpo_loop"))
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--offline", type=int, default=1500)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    for seed in range(options.seeds):
        rows += _play_seed(seed, options.steps, options.offline)
        print(f"seed {seed} played", flush=True)
    frame = pd.DataFrame(rows)
    write_text(options.out / "win_rates.csv", frame.to_csv(index=False))
    table = markdown_table(_summary(frame), decimals=3)
    text = f"# Online DPO of a tiny policy, {options.seeds} seeds\n\n{table}\n"
    write_text(options.out / "dpo_loop.md", text)
    print(text)
    _figure(frame, options.out / "dpo_loop.png")


def offline_pairs(
    task: TokenTask, policy: TinyPolicy, n: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return features and right verdicts of pairs of the untrained policy that have a label."""
    rng = np.random.default_rng([seed, 13])
    prompt = task.prompts(n, rng, OFFLINE_SHARES)
    first, second = policy.sample(prompt, rng), policy.sample(prompt, rng)
    label = task.label(prompt, first, second)
    verdict = task.verdicts(prompt, label, rng)
    known = label != 0
    correct = (verdict == label[:, None]).astype(float)
    return task.features(prompt, first, second)[known], correct[known]


def _play_seed(seed: int, steps: int, n_offline: int) -> list[dict[str, Any]]:
    task = TokenTask()
    policy = TinyPolicy(task, random_state=seed)
    X, correct = offline_pairs(task, policy, n_offline, seed)
    offline = OfflineRewardRouter(random_state=seed, device="cpu").fit(X, correct)
    arms = range(task.n_models)

    def begun(router: Any) -> Any:
        n = task.n_models
        return router.partial_fit(X[:n], list(arms), quality=np.full(n, 0.5))

    def play(make: Callable[[], Any], reward: str = "loss") -> DPOTrace:
        return train_online_dpo(
            make(), task, n_steps=steps, reward=reward, policy=policy, random_state=seed
        )

    traces = {
        "routed": play(lambda: BayesianRouter(offline, random_state=seed)),
        "routed, verified": play(lambda: BayesianRouter(offline, random_state=seed), "verified"),
        "routed without offline": play(
            lambda: BayesianRouter(offline, prior_scale="none", random_state=seed)
        ),
        "frozen offline": play(lambda: FrozenOffline(offline)),
        "random": play(lambda: begun(RandomRouter(arms=arms, random_state=seed))),
        **{f"single {k}": play(lambda k=k: begun(Constant(k, arms=arms))) for k in arms},
    }
    singles = [traces[f"single {k}"].win_rate for k in arms]
    accuracies = [traces[f"single {k}"].annotation_accuracy for k in arms]
    final = np.array([rate[-1] for rate in singles])
    rows = [
        {"seed": seed, "router": name, "step": s, "win_rate": w, "accuracy": t.annotation_accuracy}
        for name, t in traces.items()
        for s, w in zip(t.steps, t.win_rate, strict=True)
    ]
    # Best and median by the win rate at the end, in hindsight.
    for name, rate, accuracy in (
        ("best single", singles[int(final.argmax())], accuracies[int(final.argmax())]),
        ("median single", np.median(singles, axis=0), float(np.median(accuracies))),
    ):
        rows += [
            {"seed": seed, "router": name, "step": s, "win_rate": w, "accuracy": accuracy}
            for s, w in zip(traces["routed"].steps, rate, strict=True)
        ]
    return rows


def _summary(frame: pd.DataFrame) -> pd.DataFrame:
    last = frame[frame["step"] == frame["step"].max()]
    wide = last.pivot(index="seed", columns="router", values="win_rate")
    accuracy = last.groupby("router")["accuracy"].mean()
    rows = []
    for name in wide.mean().sort_values(ascending=False).index:
        difference = wide["routed"] - wide[name]
        n = len(difference)
        reach = stats.t.ppf(0.975, n - 1) * difference.std() / np.sqrt(n) if n > 1 else np.nan
        low, high = difference.mean() - reach, difference.mean() + reach
        rows.append(
            {
                "labels by": name,
                "win rate": wide[name].mean(),
                "s.e.": wide[name].sem(),
                "routed minus this, 95%": f"{difference.mean():+.3f} [{low:+.3f}, {high:+.3f}]",
                "right labels": accuracy[name],
            }
        )
    return pd.DataFrame(rows)


def _figure(frame: pd.DataFrame, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4.0), layout="constrained")
    axes = figure.subplots()
    for name, colour in SHOWN.items():
        course = frame[frame["router"] == name].groupby("step")["win_rate"]
        mean, error = course.mean(), course.sem().fillna(0.0)
        axes.plot(mean.index, mean, color=colour, label=name)
        axes.fill_between(mean.index, mean - error, mean + error, color=colour, alpha=0.15, lw=0)
    axes.axhline(0.5, color="black", lw=0.7, ls=":")
    axes.set(xlabel="DPO steps", ylabel="true win rate against the untrained policy")
    axes.set_title(f"Simulated task, {frame['seed'].nunique()} seeds, mean ± s.e.", fontsize=10)
    axes.legend(frameon=False, fontsize=8)
    figure.savefig(path, dpi=110)


if __name__ == "__main__":
    main()
