"""BayesianRouter's controlled replay: tables 1, 3, 4, 6 and 7 in a world whose truth is known.

    python -m paper_figures --only bayesian_router --out DIR

Published figures are on other data (RewardBench 2 pairs, a 8B policy): the orderings are what can
be held against each other. Differences to `bayesian` are paired by seed, with 95% intervals.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from scipy import stats

from bandits import BayesianRouter, Constant, RandomRouter
from bandits.reward_models import OfflineRewardRouter
from bandits.reward_models.baselines import (
    LASER,
    CalibratedPanel,
    FrozenOffline,
    Racing,
    WeightedScore,
)
from bandits.reward_models.controlled import DriftingPairs, make_drifting_pairs, replay_pairs
from metarouter.reporting import markdown_table
from metarouter.utils.files import write_text

N_MODELS = 4
WEIGHTS = (0.25, 0.5, 0.75)
# Rewards other than the paper's, and the routers that learn from them.
OTHER_REWARDS = ("verified", "agreement", "full_advantage", "light_advantage")
# In the world where the prior is wrong.
SHOWN = (
    "bayesian", "bayesian_full_draws", "bayesian_released", "bayesian_paper", "without_offline",
    "without_online", "random",
)  # fmt: skip
WINDOW = 250  # pairs
MEASURES = ("accuracy", "regret", "policy", "calls", "labels", "microseconds")
# (table, better, worse): orderings that the paper states.
CLAIMS = (
    ("1, 3, 6", "bayesian", "without_online"),
    ("1, 3, 6", "bayesian", "without_offline"),
    ("1, 6", "bayesian", "best_single"),
    ("1, 6", "bayesian", "majority"),
    ("1, 6", "bayesian", "uwo"),
    ("1, 6", "bayesian", "laser"),
    ("1, 6", "bayesian", "random"),
    ("1, 6", "without_offline", "laser"),
    ("2 (OOD)", "without_online", "best_single"),
    ("2 (OOD)", "without_online", "majority"),
    ("2 (OOD)", "without_online", "without_online_or_cls"),
    ("4", "bayesian", "weighted_score"),
    ("7", "without_offline: full_advantage", "without_offline"),
    ("7", "without_offline: light_advantage", "without_offline"),
)
# Not in the paper: what the rewards and the width of the draws do.
OURS = (
    ("ours", "bayesian: verified", "without_online"),
    ("ours", "bayesian: full_advantage", "without_online"),
    ("ours", "bayesian: light_advantage", "without_online"),
    ("ours", "bayesian: verified", "bayesian"),
    ("ours", "bayesian", "bayesian_full_draws"),
    ("ours", "bayesian", "bayesian_released"),
    ("ours", "bayesian", "bayesian_paper"),
    ("ours", "bayesian", "racing"),
    ("ours", "calibrated_panel", "bayesian"),
)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/bayesian_router"))
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--n-offline", type=int, default=2000)
    parser.add_argument("--n-online", type=int, default=2000)
    parser.add_argument("--n-jobs", type=int, default=1)
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    played = joblib.Parallel(options.n_jobs)(
        joblib.delayed(_play_seed)(seed, options.n_offline, options.n_online, options.out)
        for seed in range(options.seeds)
    )
    text = report(pd.concat(played, ignore_index=True))
    write_text(options.out / "bayesian_router.md", text)
    print(text)


def _play_seed(seed: int, n_offline: int, n_online: int, out: Path) -> pd.DataFrame:
    path = out / f"seed_{seed}_{n_offline}_{n_online}.csv"
    if path.exists():
        return pd.read_csv(path)
    rows: list[dict[str, Any]] = []
    routers: tuple[Any, ...] = ()
    for world, wrong in (("drift", False), ("wrong prior", True)):
        offline, online, test = make_drifting_pairs(
            n_offline, n_online, n_models=N_MODELS, wrong_prior=wrong, random_state=seed
        )
        # Both worlds have the same offline pairs.
        routers = routers or _trained(offline, seed)
        played = _rows_of(seed, routers, offline, online, test, wrong)
        rows += [{"seed": seed, "world": world, **row} for row in played]
    frame = pd.DataFrame(rows)
    write_text(path, frame.to_csv(index=False))
    return frame


def _trained(offline: DriftingPairs, seed: int) -> tuple[Any, ...]:
    """Return offline routers: of unit length, as the paper's text has it, without the CLS head."""
    return tuple(
        OfflineRewardRouter(random_state=seed, device="cpu", **settings).fit(
            offline.X, offline.correct
        )
        for settings in ({}, {"normalize": False}, {"cls_weight": 0.0})
    )


def _rows_of(
    seed: int,
    trained: tuple[Any, ...],
    offline: DriftingPairs,
    online: DriftingPairs,
    test: DriftingPairs,
    wrong_prior: bool,
) -> list[dict[str, Any]]:
    n_online = len(online)
    rows = []

    def play(name: str, router: Any, reward: str = "loss") -> None:
        trace = replay_pairs(router, online, test, reward=reward, random_state=seed)
        window = trace.right.cumsum()
        rows.append(
            {
                "router": name,
                "reward": reward,
                "accuracy": trace.right.mean(),
                "regret": trace.regret.mean(),
                "policy": trace.policy_accuracy,
                "calls": trace.calls,
                "labels": trace.labels,
                "microseconds": 1e6 * trace.seconds,
                **{f"to_{k}": window[k - 1] / k for k in range(500, n_online + 1, 500)},
                **{
                    f"in_{k}": trace.right[k - WINDOW : k].mean()
                    for k in range(WINDOW, n_online + 1, WINDOW)
                },
            }
        )

    routers = _routers(*trained, seed, online.X)
    for name, make in routers.items():
        if not wrong_prior or name in SHOWN:
            play(name, make())
    for name in ("bayesian", "without_offline"):
        for reward in OTHER_REWARDS if not wrong_prior else ("verified",):
            play(name, routers[name](), reward)
    for k in range(N_MODELS):
        play(f"single_{k}", _begun(Constant(k, arms=range(N_MODELS)), online.X))
    panel = CalibratedPanel().fit(offline.verdict, offline.label)
    for name, router in (("majority", "majority"), ("uwo", "uwo"), ("calibrated_panel", panel)):
        play(name, router)
    oracle = online.reliability[online.topic].argmax(axis=1)
    right = online.correct[np.arange(len(online)), oracle]
    rows.append({"router": "oracle_router", "reward": "loss", "accuracy": right.mean()})
    return rows


def _routers(unit: Any, raw: Any, bare: Any, seed: int, X: Any) -> dict[str, Callable[[], Any]]:
    arms: dict[str, Any] = {"arms": range(N_MODELS), "random_state": seed}
    paper: dict[str, Any] = {
        "prior_scale": "score", "noise_variance": 1.0, "scale": 1.0, "random_state": seed,
    }  # fmt: skip
    weighted = {
        f"weighted_score_{w}": lambda w=w: WeightedScore(unit, w, random_state=seed)
        for w in WEIGHTS
    }
    return {
        "bayesian": lambda: BayesianRouter(unit, random_state=seed),
        "bayesian_full_draws": lambda: BayesianRouter(unit, scale=1.0, random_state=seed),
        "bayesian_released": lambda: BayesianRouter(unit, **paper),
        "bayesian_paper": lambda: BayesianRouter(raw, **paper),
        "without_offline": lambda: BayesianRouter(unit, prior_scale="none", random_state=seed),
        "without_online": lambda: FrozenOffline(unit),
        "without_online_or_cls": lambda: FrozenOffline(bare),
        **weighted,
        "laser": lambda: _begun(LASER(**arms), X),
        "racing": lambda: _begun(Racing(**arms), X),
        "random": lambda: _begun(RandomRouter(**arms), X),
    }


def _begun(router: Any, X: Any) -> Any:
    """Give a router without a prior one neutral reward per model, so that it can choose."""
    n = N_MODELS
    return router.partial_fit(X[:n], list(range(n)), quality=np.full(n, 0.5))


def report(frame: pd.DataFrame) -> str:
    """Write the tables of all seeds."""
    n_seeds = frame["seed"].nunique()
    sections = [f"# Controlled replay, {n_seeds} seeds"]
    for world, played in frame.groupby("world", sort=False):
        wide = _by_router(played)
        sections += [f"## World: {world}", markdown_table(_summary(wide, played), decimals=3)]
        if world == "drift":
            sections += ["### Orderings of the paper", markdown_table(_claims(wide), decimals=3)]
            single = wide[[c for c in wide if str(c).startswith("single_")]].mean()
            sections.append(f"Median single model: {single.median():.3f}.")
        sections += [
            f"### From which pair on every window of {WINDOW} beats the frozen router",
            markdown_table(_overruled(played), decimals=3),
        ]
        sections += ["### Accuracy so far", markdown_table(_course(played), decimals=3)]
    return "\n\n".join(sections) + "\n"


def _by_router(played: pd.DataFrame, measure: str = "accuracy") -> pd.DataFrame:
    """One row per seed, one column per router and reward."""
    label = played["router"].where(
        played["reward"] == "loss", played["router"] + ": " + played["reward"]
    )
    wide = played.assign(label=label).pivot(index="seed", columns="label", values=measure)
    singles = [f"single_{k}" for k in range(N_MODELS)]
    # The best in hindsight, of every seed.
    wide["best_single"] = wide[singles].max(axis=1)
    mixed = [f"weighted_score_{w}" for w in WEIGHTS]
    if mixed[0] in wide:  # the best of its weights, as in the paper
        wide["weighted_score"] = wide[wide[mixed].mean().idxmax()]
    return wide


def _summary(wide: pd.DataFrame, played: pd.DataFrame) -> pd.DataFrame:
    others = {name: _by_router(played, name).mean() for name in MEASURES[1:]}
    rows = []
    for name in wide.mean().sort_values(ascending=False).index:
        low, high = _interval(wide[name] - wide["bayesian"])
        rows.append(
            {
                "router": name,
                "accuracy": wide[name].mean(),
                "s.e.": wide[name].sem(),
                "minus bayesian": f"[{low:+.3f}, {high:+.3f}]",
                **({} if name in ("best_single", "weighted_score") else
                   {key: value.get(name) for key, value in others.items()}),
            }
        )  # fmt: skip
    return pd.DataFrame(rows)


def _claims(wide: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for table, better, worse in (*CLAIMS, *OURS):
        difference = wide[better] - wide[worse]
        low, high = _interval(difference)
        held = "held" if low > 0 else "reversed" if high < 0 else "not significantly different"
        rows.append(
            {
                "table": table,
                "ordering": f"{better} > {worse}",
                "difference": difference.mean(),
                "95% interval": f"[{low:+.3f}, {high:+.3f}]",
                "here": held,
            }
        )
    return pd.DataFrame(rows)


def _course(played: pd.DataFrame) -> pd.DataFrame:
    names = list(SHOWN[:-1])
    chosen = played[(played["reward"] == "loss") & played["router"].isin(names)]
    columns = [c for c in played if c.startswith("to_")]
    return chosen.groupby("router")[columns].mean().loc[names].reset_index()


def _overruled(played: pd.DataFrame) -> pd.DataFrame:
    """When the data overrule the prior: the pairs after which every window beats frozen choice.

    A window is beaten if the 95% interval of the difference, paired by seed, lies above zero.
    """
    ends = [int(c.removeprefix("in_")) for c in played if c.startswith("in_")]
    gaps = []
    for k in ends:
        wide = _by_router(played, f"in_{k}")
        gaps.append(wide.sub(wide["without_online"], axis=0))
    rows = []
    for name in gaps[0]:
        if not str(name).startswith(("bayesian", "without_offline")):
            continue
        beaten = [_interval(gap[name])[0] > 0 for gap in gaps]
        lost = max((i for i, won in enumerate(beaten) if not won), default=-1)
        low, high = _interval(gaps[-1][name])
        rows.append(
            {
                "router": name,
                "after pairs": ends[lost] if lost >= 0 else 0,
                "lead in the last window": gaps[-1][name].mean(),
                "95% interval": f"[{low:+.3f}, {high:+.3f}]",
            }
        )
        if not beaten[-1]:
            rows[-1]["after pairs"] = f"never within {ends[-1]}"
    return pd.DataFrame(rows)


def _interval(difference: pd.Series) -> tuple[float, float]:
    n = len(difference)
    reach = stats.t.ppf(0.975, n - 1) * difference.std() / np.sqrt(n) if n > 1 else np.nan
    return float(difference.mean() - reach), float(difference.mean() + reach)


if __name__ == "__main__":
    main()
