"""Real verdicts: one routed judge beside every single judge, majority, panel and oracle.

    METAROUTER_DATA_HOME=... python -m paper_figures.reward_verdicts --out DIR

Cross-validation with pairs of one prompt (or id) in one fold; a tie or an abstention counts one
half. The router is learned on the training folds' labels; intervals are for the difference to the
best single judge of the training folds, clustered by prompt.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import GroupKFold

from bandits.reward_models import CalibratedPanel, OfflineRewardRouter, RewardVerdicts
from bandits.reward_models.baselines import majority_vote
from metarouter.datasets import data_home
from metarouter.reporting import markdown_table
from metarouter.utils.files import write_text
from metarouter.utils.groups import group_codes


class VerdictSet(NamedTuple):
    """Features of the prompts, verdicts with labels, and the tasks of the pairs."""

    X: NDArray[np.float64]
    verdicts: RewardVerdicts
    task: NDArray[Any]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/reward_verdicts"))
    parser.add_argument("--folds", type=int, default=5)
    options = parser.parse_args(arguments)
    sections = ["# Routed judges on published verdicts"]
    for name, read in READERS.items():
        data = read(data_home() / name)
        sections += [f"## {name}", markdown_table(cross_validated(data, options.folds), decimals=3)]
        write_text(options.out / "reward_verdicts.md", "\n\n".join(sections) + "\n")
    print("\n\n".join(sections))


def read_judgebench(folder: Path) -> VerdictSet:
    """Read the pairs with all six judges: those of GPT-4o."""
    return _embedded(folder, "judgebench", "judge_", skip=("claude_3_haiku",))


def read_llmbar(folder: Path) -> VerdictSet:
    """Read the judges with the plain prompt, one per language model."""
    keep = ("ChatGPT_Vanilla", "Falcon_Vanilla", "GPT4_Vanilla", "LLaMA2_Vanilla", "PaLM2_Vanilla")
    return _embedded(folder, "llmbar", "judge_", keep=keep)


def read_rewardbench2(folder: Path) -> VerdictSet:
    """Read nine judge configurations; features are the subsets, since there is no text."""
    frame = pd.read_parquet(folder / "pairs.parquet")
    names = [
        c.removeprefix("judge_") for c in frame if c.startswith("judge_") and not c.endswith("_k8")
    ]
    subset = pd.get_dummies(frame["subset"]).to_numpy(dtype=np.float64)
    table = frame[[f"judge_{name}" for name in names]].to_numpy(dtype=np.float64)
    label, groups = frame["gold"].to_numpy(float), frame["id"].to_numpy()
    verdicts = RewardVerdicts(np.sign(table), names, label, groups=groups)
    return VerdictSet(subset, verdicts, frame["subset"].to_numpy())


READERS = {
    "judgebench": read_judgebench,
    "llmbar": read_llmbar,
    "rewardbench2_judges": read_rewardbench2,
}


def _embedded(
    folder: Path, name: str, prefix: str, keep: tuple[str, ...] = (), skip: tuple[str, ...] = ()
) -> VerdictSet:
    frame = pd.read_parquet(folder / f"{name}.parquet")
    columns = [
        c for c in frame if c.startswith(prefix) and not c.removeprefix(prefix).startswith(skip)
    ]
    if keep:
        columns = [f"{prefix}{k}" for k in keep]
    frame = frame[frame[columns].notna().all(axis=1) & frame["gold"].isin((-1, 1))]
    vectors = pd.read_parquet(folder / "embeddings.parquet").set_index("id")
    X = vectors.loc[frame["id"]].to_numpy(dtype=np.float64)
    verdicts = RewardVerdicts(
        np.sign(frame[columns].to_numpy(dtype=np.float64)),
        [c.removeprefix(prefix) for c in columns],
        frame["gold"].to_numpy(float),
        groups=frame["prompt"].to_numpy(),
    )
    return VerdictSet(X, verdicts, frame["task"].to_numpy())


def cross_validated(data: VerdictSet, n_folds: int) -> pd.DataFrame:
    """Return one row per way to label a pair: accuracy and the difference to the best single."""
    verdicts = data.verdicts
    credit, correct = verdicts.credit, verdicts.correct
    # A judge that was not asked cannot be chosen for free: its pair counts one half.
    credit = np.where(np.isnan(credit), 0.5, credit)
    label = np.asarray(verdicts.label)
    n, scores = len(label), {}
    for way in ("routed", "best_single", "panel"):
        scores[way] = np.empty(n)
    splitter = GroupKFold(n_folds, shuffle=True, random_state=0)
    for train, test in splitter.split(data.X, groups=group_codes(verdicts.groups)):
        router = OfflineRewardRouter(8, weight_decay=0.1, random_state=0, device="cpu")
        router.fit(data.X[train], correct[train], groups=np.asarray(verdicts.groups)[train])
        scores["routed"][test] = credit[test, router.predict(data.X[test])]
        scores["best_single"][test] = credit[test, credit[train].mean(axis=0).argmax()]
        panel = CalibratedPanel().fit(verdicts.verdict[train], label[train])
        scores["panel"][test] = 0.5 + 0.5 * panel.predict(verdicts.verdict[test]) * label[test]
    majority, _ = majority_vote(verdicts.verdict)
    ways = {
        "routed judge": (scores["routed"], 1),
        "best single (of the training folds)": (scores["best_single"], 1),
        "majority": (0.5 + 0.5 * majority * label, len(verdicts.models)),
        "calibrated panel": (scores["panel"], len(verdicts.models)),
        "oracle": (credit.max(axis=1), 1),
        "random": (credit.mean(axis=1), 1),
        **{name: (credit[:, k], 1) for k, name in enumerate(verdicts.models)},
    }
    codes = group_codes(verdicts.groups)
    return pd.DataFrame(
        [_row(name, value, calls, scores["best_single"], codes)
         for name, (value, calls) in ways.items()]
    )  # fmt: skip


def _row(
    name: str, value: NDArray[np.float64], calls: int, best: NDArray[np.float64], codes: Any
) -> dict[str, Any]:
    difference = value - best
    error = _clustered_error(difference, codes)
    low, high = difference.mean() - 1.96 * error, difference.mean() + 1.96 * error
    return {
        "label by": name,
        "calls": calls,
        "accuracy": value.mean(),
        "s.e.": _clustered_error(value, codes),
        "minus best single, 95%": f"{difference.mean():+.3f} [{low:+.3f}, {high:+.3f}]",
    }


def _clustered_error(value: NDArray[np.float64], codes: Any) -> float:
    sums = np.bincount(codes, value - value.mean())
    return float(np.sqrt((sums**2).sum()) / len(value))


if __name__ == "__main__":
    main()
