"""Profiles of real judges: 22 that grade in draws, 7 of JudgeBench, GPT-4 among its own answers.

    METAROUTER_DATA_HOME=... python -m paper_figures.judge_profiles --out DIR

The tables of docs/collecting_labels.md. The published tables keep the mean over both orders, so
that the position bias itself cannot be had from them; "same winner" is a mean of -1 or 1.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from metarouter.datasets._home import data_home
from metarouter.judging import JudgeProfile, VerdictSummary, profile_judge

__all__ = ["graders", "judgebench", "main", "mt_bench", "tables"]

_JUDGEBENCH = {
    "judge_o1_mini_2024_09_12": "o1-mini",
    "judge_claude_3_haiku_20240307": "claude-3-haiku",
    "judge_Skywork_Skywork_Reward_Gemma_2_27B": "Skywork-Gemma-2-27B",
    "judge_Skywork_Skywork_Reward_Llama_3_1_8B": "Skywork-Llama-3.1-8B",
    "judge_internlm_internlm2_20b_reward": "internlm2-20b",
    "judge_internlm_internlm2_7b_reward": "internlm2-7b",
    "judge_Ray2333_GRM_Gemma_2B_rewardmodel_ft": "GRM-Gemma-2B",
}


def graders(home: Path) -> Iterator[JudgeProfile]:
    """Yield profiles of the 22 judges of RewardBench 2, clustered by item.

    A verdict is the difference of two grades of one draw, over 9.
    """
    folder = home / "rewardbench2_judges"
    pairs = pd.read_parquet(folder / "pairs.parquet").set_index("id")
    draws = pd.read_parquet(folder / "draws.parquet")
    for judge, given in draws.groupby("judge"):
        scores = [given.pivot(index="id", columns="draw", values=f"score_{k}") for k in range(4)]
        parts, gold, items = [], [], []
        for rejected in (1, 2, 3):
            known = pairs[pairs["rejected"] == rejected]
            rows = scores[0].index.intersection(known.index)
            sign = np.where(known.loc[rows, "swap"] == 1, -1.0, 1.0)[:, None]
            parts.append(sign * (scores[0].loc[rows] - scores[rejected].loc[rows]).to_numpy() / 9)
            gold.append(known.loc[rows, "gold"].to_numpy(float))
            items.append(rows.to_numpy())
        yield profile_judge(
            _summary(np.concatenate(parts)),
            gold=np.concatenate(gold),
            groups=np.concatenate(items),
            judge=str(judge),
        )


def judgebench(home: Path) -> Iterator[tuple[JudgeProfile, JudgeProfile]]:
    """Yield a profile of each judge of JudgeBench, and one of whether both orders have a winner."""
    frame = pd.read_parquet(home / "judgebench" / "judgebench.parquet")
    ratio = np.log2(frame["len_primary"] / frame["len_alternative"])
    for column, judge in _JUDGEBENCH.items():
        label = frame[column].to_numpy(float)
        there = ~np.isnan(label)
        yield (
            profile_judge(
                VerdictSummary(label[there]),
                gold=frame["gold"][there],
                log2_length_ratio=ratio[there],
                groups=frame["prompt"][there],
                judge=judge,
            ),
            # The same winner, as the agreement of a verdict that is 1 where there is one.
            profile_judge(
                VerdictSummary(2.0 * (np.abs(label[there]) == 1) - 1),
                gold=np.ones(int(there.sum())),
                groups=frame["prompt"][there],
                judge=judge,
            ),
        )


def mt_bench(home: Path) -> JudgeProfile:
    """Return the profile of GPT-4 among answers of which some are its own, against people."""
    frame = pd.read_parquet(home / "mtbench_human_gpt4" / "mtbench_human_gpt4.parquet")
    own = (frame["model_primary"] == "gpt-4") * 1.0 - (frame["model_alternative"] == "gpt-4")
    ratio = np.log2(frame["convlen_primary"] / frame["convlen_alternative"])
    return profile_judge(
        VerdictSummary(frame["judge_gpt4"].to_numpy(float)),
        gold=frame["gold"],
        log2_length_ratio=ratio,
        own_side=own,
        groups=frame["question_id"],
        judge="gpt-4",
    )


def tables(home: Path) -> str:
    """Return the three tables as markdown."""
    return "\n\n".join((_graders_table(home), _judgebench_table(home), _mt_bench_table(home)))


def _summary(draws: Any) -> VerdictSummary:
    there = ~np.isnan(draws)
    count = there.sum(axis=1)
    mean = np.divide(
        np.where(there, draws, 0).sum(axis=1), count, np.full(len(draws), np.nan), where=count > 0
    )
    squares = np.where(there, draws - mean[:, None], 0) ** 2
    variance = np.full(len(draws), np.nan)
    np.divide(squares.sum(axis=1), count - 1, variance, where=count > 1)
    return VerdictSummary(mean, None, variance, count)


def _graders_table(home: Path) -> str:
    lines = ["| judge | pairs | agreement | gold slope | leaning | draw noise |"]
    lines.append("| :--- | ---: | :--- | :--- | :--- | :--- |")
    for profile in graders(home):
        cells = _cells(profile, "agreement", "gold_slope", "leaning")
        noise = _cells(profile, "draw_noise", decimals=4)
        number = int(profile.n[profile.names.index("agreement")])
        lines.append(f"| {profile.judge} | {number} | {' | '.join([*cells, *noise])} |")
    return "\n".join(lines)


def _judgebench_table(home: Path) -> str:
    lines = ["| judge | pairs | same winner | agreement | gold slope | leaning | length bias |"]
    lines.append("| :--- | ---: | :--- | :--- | :--- | :--- | :--- |")
    for profile, alike in judgebench(home):
        cells = _cells(profile, "agreement", "gold_slope", "leaning", "length_bias")
        winner = _cells(alike, "agreement")
        number = int(profile.n[profile.names.index("agreement")])
        lines.append(f"| {profile.judge} | {number} | {' | '.join([*winner, *cells])} |")
    return "\n".join(lines)


def _mt_bench_table(home: Path) -> str:
    names = ("agreement", "gold_slope", "leaning", "length_bias", "self_preference")
    profile = mt_bench(home)
    number = int(profile.n[profile.names.index("gold_slope")])
    lines = ["| judge | pairs | agreement | gold slope | leaning | length bias | self-preference |"]
    lines.append("| :--- | ---: | :--- | :--- | :--- | :--- | :--- |")
    lines.append(f"| {profile.judge} | {number} | {' | '.join(_cells(profile, *names))} |")
    return "\n".join(lines)


def _cells(profile: JudgeProfile, *names: str, decimals: int = 3) -> list[str]:
    frame = profile.to_frame().set_index("estimate")
    rows = (frame.loc[name] for name in names)
    return [_cell(row["value"], row["ci_low"], row["ci_high"], decimals) for row in rows]


def _cell(value: float, low: float, high: float, decimals: int) -> str:
    if np.isnan(low):
        return f"{value:.{decimals}f}"  # nothing varies
    return f"{value:.{decimals}f} ({low:.{decimals}f}, {high:.{decimals}f})"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/judge_profiles"))
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    text = tables(data_home())
    (options.out / "judge_profiles.md").write_text(text + "\n", "utf-8")
    print(text)


if __name__ == "__main__":
    main()
