"""The report of a study of bandit routers: markdown, tables and the figure, in one folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from bandits.evaluation._figure import router_name, save_cost_quality_figure
from bandits.evaluation._report_tables import (
    areas_table,
    gaps_table,
    main_table,
    part_of,
    rewards_by_task,
    rewards_over_the_dial,
)
from bandits.evaluation.study_result import ALL, SPLITS, BanditStudyResult
from metarouter.reporting import markdown_table, package_versions
from metarouter.utils.arguments import validated
from metarouter.utils.files import atomic_path, write_text
from metarouter.utils.markdown import settings_table, with_interval

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["TABLE_COLUMNS", "BanditStudyReport", "write_bandit_report"]

TABLE_COLUMNS = (
    *("router", "task", "split", "w_cost", "score", "cost", "reward", "regret"),
    "se_reward",
)
_HEADINGS = dict(zip(SPLITS, ("Tasks learned from", "Tasks never seen"), strict=True))
_REWARD = (
    "The reward is `w_quality * score - w_cost * min(cost / cap, 1)` with "
    "`w_quality = 1 - w_cost`; costs are in US dollars per 1000 queries. `best constant model` "
    "sends every query to the model with the highest mean reward on the training queries, where "
    "it sees the outcomes of all models: a strong baseline, and the reference of all differences. "
    "`ridge on all outcomes` routes by regressions on the outcomes of all models on the training "
    "queries, which no bandit sees: it shows what there is to learn for a linear router. "
    "The star marks the single model that turned out best on these very test queries. Random is in "
    "expectation; the oracle knows every outcome. In brackets after a number: its standard error."
)
_AIQ = (
    "AIQ is the mean height of the hull of a router's points (RouterBench), from the cheapest to "
    "the most expensive model's mean cost. `mixture of models` is what tossing coins between the "
    "single models reaches (RouterBench's Zero router), from their means on these test queries: a "
    "router that does not rise above it might as well not look at the queries."
)
_CAUTION = (
    "Standard errors are clustered by seed and by query (Cameron, Gelbach and Miller 2011), so "
    "they hold what another draw of test queries and another seed, with its split, order of play "
    "and exploration, would change; intervals are at 95% and take Student's t with Satterthwaite's "
    "degrees of freedom, which are near the number of seeds minus one where the seeds decide. The "
    "seeds draw their training queries from one table and share most of them: a router that "
    "learned from another table may differ by more. With one seed the errors say nothing about "
    "training. Each interval stands for itself: of many, some will look significant by chance."
)


@dataclass(frozen=True)
class BanditStudyReport:
    """A study of bandit routers and what a reader must know about it.

    Parameters
    ----------
    result : BanditStudyResult
    settings : dict of str to str
        Every setting and seed, in words.
    """

    result: BanditStudyResult
    settings: Mapping[str, str]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """All tables of the result."""
        return self.result.to_frame()

    @property
    def middle(self) -> float:
        """The tabulated weight of cost that is nearest to one half."""
        return min(self.result.w_cost, key=lambda w_cost: abs(w_cost - 0.5))

    def headings(self) -> dict[str, str]:
        """Return the heading of every split that has tasks."""
        tasks = {split: getattr(self.result, split) for split in SPLITS}
        return {
            split: f"{_HEADINGS[split]}: {', '.join(named)}"
            for split, named in tasks.items()
            if named
        }

    def main_table(self, split: str) -> pd.DataFrame:
        """Return all routers and models on one split, at the middle of the dial."""
        return main_table(part_of(self.frame, split, ALL, self.middle))

    def verdicts(self) -> list[str]:
        """Say in one sentence per split and router whether it beats the best constant model."""
        sentences = []
        for split in self.headings():
            part = part_of(self.frame, split, ALL, self.middle).set_index("router")
            constant = part.loc["best_constant"]
            for name in self.result.routers:
                row = part.loc[name]
                gap = with_interval(row.difference, row.difference_low, row.difference_high)
                sentences.append(
                    f"{_HEADINGS[split]}: at w_cost = {self.middle:g} {router_name(name)} is "
                    f"{_verdict(row)} the best constant model, reward {gap}; score {row.score:.3f} "
                    f"against {constant.score:.3f}, cost per 1000 queries {1000 * row.cost:.3g} "
                    f"against {1000 * constant.cost:.3g}."
                )
        return sentences

    def to_markdown(self) -> str:
        """Return the report as markdown."""
        parts = [
            f"# Routers that learn from one outcome per query: {self.result.matrix.name}",
            "\n".join(f"- {sentence}" for sentence in self.verdicts()),
            _REWARD,
        ]
        for split, heading in self.headings().items():
            parts += [
                f"## {heading}",
                f"At w_cost = {self.middle:g}:",
                markdown_table(self.main_table(split)),
                "Reward over the dial:",
                markdown_table(rewards_over_the_dial(self.frame, split)),
            ]
            if len(getattr(self.result, split)) > 1:
                by_task = rewards_by_task(self.frame, split, self.middle)
                parts += [f"Reward by task, at w_cost = {self.middle:g}:", markdown_table(by_task)]
        parts += [
            "## Cost and quality",
            "![Quality against cost](cost_quality.png)",
            _AIQ,
            markdown_table(areas_table(self.result)),
            *self._gaps(),
            "## What the errors mean",
            _CAUTION,
            "## What was run",
            settings_table({**self.settings, **_software()}),
            "\n".join(f"- {note}" for note in self.result.matrix.notes),
        ]
        return "\n\n".join(part for part in parts if part) + "\n"

    def _gaps(self) -> list[str]:
        frame = gaps_table(self.result)
        if self.result.pair is None or frame.empty:
            return []
        strong, weak = self.result.pair
        return [
            f"Average performance gap recovered (APGR, RouteLLM) between {strong} and {weak}, "
            "queries sent to the former in the order of the predicted gain in quality; a random "
            "order has 0.5:",
            markdown_table(frame),
        ]


@validated()
def write_bandit_report(report: BanditStudyReport, folder: str | os.PathLike[str]) -> list[Path]:
    """Write a study into a folder, each file whole or not at all.

    Parameters
    ----------
    report : BanditStudyReport
    folder : str or path-like
        Files of the same names are replaced.

    Returns
    -------
    list of pathlib.Path
        ``report.md``, ``table.csv`` (columns router, task, split, w_cost, score, cost, reward,
        regret, se_reward), ``cost_quality.png``, ``table_with_errors.csv``, ``shares.csv`` and
        ``curves.csv``.
    """
    import pandas as pd

    out, result = Path(folder), report.result
    curves = [
        curve.to_frame().assign(router=name, split=split)
        for split in report.headings()
        for name, curve in result.curves(split).items()
    ]
    files = [
        _write_frame(report.frame[list(TABLE_COLUMNS)], out / "table.csv"),
        save_cost_quality_figure(result, out / "cost_quality.png"),
        _write_frame(report.frame, out / "table_with_errors.csv"),
        _write_frame(result.shares(), out / "shares.csv"),
        _write_frame(pd.concat(curves, ignore_index=True), out / "curves.csv"),
    ]
    write_text(out / "report.md", report.to_markdown())
    return [out / "report.md", *files]


def _verdict(row: pd.Series) -> str:
    if row.difference_low > 0:
        return "better than"
    return "worse than" if row.difference_high < 0 else "not significantly different from"


def _write_frame(frame: pd.DataFrame, path: Path) -> Path:
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False)
    return path


def _software() -> dict[str, str]:
    return {"versions": ", ".join(f"{n} {v}" for n, v in package_versions().items())}
