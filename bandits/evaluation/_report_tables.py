"""The tables of a report, as frames whose cells are text."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from bandits.evaluation._figure import router_name
from bandits.evaluation.study_result import ALL, MIXTURE, SPLITS, BanditStudyResult
from metarouter.evaluation import Estimates
from metarouter.utils.markdown import format_cell, with_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "areas_table",
    "gaps_table",
    "main_table",
    "part_of",
    "rewards_by_task",
    "rewards_over_the_dial",
]

_QUERIES = 1000.0


def part_of(frame: pd.DataFrame, split: str, task: str, w_cost: float) -> pd.DataFrame:
    """Keep the rows of one table."""
    return frame[(frame["split"] == split) & (frame["task"] == task) & (frame["w_cost"] == w_cost)]


def main_table(part: pd.DataFrame) -> pd.DataFrame:
    """Lay out one table: routers and baselines first, then single models by falling reward."""
    import pandas as pd

    single = part["router"].str.startswith("constant:")
    models = part[single].sort_values("reward", ascending=False)
    return pd.DataFrame(
        [
            {
                "router": f"{router_name(row.router)}{' *' if row.best_here else ''}",
                "score": _with_error(row.score, row.se_score),
                "cost": f"{row.cost * _QUERIES:.3g} ({_digit(row.se_cost * _QUERIES)})",
                "reward": _with_error(row.reward, row.se_reward),
                "regret": _with_error(row.regret, row.se_regret),
                "reward minus best constant": _lead(row),
            }
            for row in pd.concat([part[~single], models]).itertuples()
        ]
    )


def rewards_over_the_dial(frame: pd.DataFrame, split: str) -> pd.DataFrame:
    """Lay out the rewards on all rows of a split, one column per weight of cost."""
    part = frame[(frame["split"] == split) & (frame["task"] == ALL)]
    return _wide(part.assign(column=part["w_cost"].map("w_cost {:g}".format)))


def rewards_by_task(frame: pd.DataFrame, split: str, w_cost: float) -> pd.DataFrame:
    """Lay out the rewards at one weight of cost, one column per task."""
    part = frame[(frame["split"] == split) & (frame["w_cost"] == w_cost) & (frame["task"] != ALL)]
    return _wide(part.assign(column=part["task"]))


def areas_table(result: BanditStudyResult) -> pd.DataFrame:
    """Lay out AIQ on both splits, and its lead over mixtures of models."""
    import pandas as pd

    rows = []
    for split in _splits(result):
        curves = result.curves(split)
        for name, curve in curves.items():
            lead = curve.aiq_minus(curves[MIXTURE])
            rows.append(
                {
                    "tasks": _words(split),
                    "router": router_name(name),
                    "AIQ": _with_error(curve.aiq.value[0], curve.aiq.se[0]),
                    "minus mixture of models": "" if name == MIXTURE else _interval(lead),
                }
            )
    return pd.DataFrame(rows)


def gaps_table(result: BanditStudyResult) -> pd.DataFrame:
    """Lay out APGR on both splits."""
    import pandas as pd

    return pd.DataFrame(
        [
            {
                "tasks": _words(split),
                "router": router_name(name),
                "APGR": _with_error(apgr.value[0], apgr.se[0]),
            }
            for split in _splits(result)
            for name, apgr in result.apgr(split).items()
        ]
    )


def _wide(part: pd.DataFrame) -> pd.DataFrame:
    """Rewards of routers and baselines, one column per value of ``column``."""
    part = part[~part["router"].str.startswith("constant:")]
    cells = [_with_error(row.reward, row.se_reward) for row in part.itertuples()]
    wide = part.assign(cell=cells).pivot(index="router", columns="column", values="cell")
    wide = wide.loc[part["router"].unique(), part["column"].unique()]
    wide.columns.name = None
    return wide.rename(index=router_name).reset_index()


def _lead(row: Any) -> str:
    if row.se_difference == 0:  # the very choices of the best constant model
        return ""
    return with_interval(row.difference, row.difference_low, row.difference_high)


def _interval(estimate: Estimates) -> str:
    low, high = estimate.interval()
    return with_interval(estimate.value[0], low[0], high[0])


def _digit(value: float) -> str:
    return "–" if math.isnan(value) else f"{value:.1g}"


def _with_error(value: float, se: float) -> str:
    return f"{value:.4f} ({format_cell(se)})"


def _splits(result: BanditStudyResult) -> list[str]:
    return [split for split in SPLITS if getattr(result, split)]


def _words(split: str) -> str:
    return "learned from" if split == SPLITS[0] else "never seen"
