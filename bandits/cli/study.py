"""``bandits study``: play routers on published outcomes and compare them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bandits.cli._options import (
    DATA,
    REWARD,
    Alpha,
    CostCap,
    DataHome,
    Epsilon,
    Gamma,
    Out,
    PriorPrecision,
    Scale,
)
from bandits.cli._routers import Learning, RouterName
from metarouter.cli.command import command_of
from metarouter.cli.options import RUNNING, Seed

if TYPE_CHECKING:
    from bandits.evaluation import OutcomeColumns

__all__ = ["StudySettings", "study"]

_DEFAULT_ROUTERS = (RouterName.linucb, RouterName.lints, RouterName.epsilon_greedy)
OWN = "Columns of a table of your own"
_LIKE = "How columns of qualities (0 to 1) are called; * stands for the model."
_DEFAULT_WEIGHTS = (0.2, 0.4, 0.5, 0.6, 0.8)


@dataclass(frozen=True, kw_only=True)
class StudySettings:
    r"""Play routers on outcomes of many models, published or your own, and compare them.

    Once per seed each router is played on the training queries: it calls one model per query, sees
    the quality and cost of that call, and learns. Then it is tested on queries that were kept
    back, and on tasks that it has never seen, at every weight of cost, without being trained
    again. Writes table.csv, cost_quality.png, and a report with plain verdicts and all standard
    errors.

    ```
    bandits study --dataset routerbench_fewshot --router linucb --router lints \
        --router epsilon_greedy --seeds 5 --out study
    bandits study --table outcomes.csv --text prompt --task topic --seeds 5 --out study
    bandits study --dataset llmrouter_14task --router linucb --alpha 0.2 --out study
    ```
    """

    out: Out
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            help=(
                "routerbench_fewshot (11 models with costs), llmrouter_14task (9 models, costs "
                "from a price list) or synthetic."
            ),
            rich_help_panel=DATA,
            show_default=False,
        ),
    ] = None
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            help=(
                "A table of your own, one row per query: a column per model for quality, cost and "
                "perhaps latency."
            ),
            rich_help_panel=DATA,
            show_default=False,
        ),
    ] = None
    quality: Annotated[str, typer.Option("--quality", help=_LIKE, rich_help_panel=OWN)] = (
        "quality_*"
    )
    cost: Annotated[str, typer.Option("--cost", help="The same of costs.", rich_help_panel=OWN)] = (
        "cost_*"
    )
    latency: Annotated[
        str, typer.Option("--latency", help="The same of seconds of waiting.", rich_help_panel=OWN)
    ] = "latency_*"
    cost_per_second: Annotated[
        float,
        typer.Option(
            "--cost-per-second",
            min=0.0,
            help="What one second of waiting is worth, in the unit of the costs.",
            rich_help_panel=OWN,
        ),
    ] = 0.0
    text: Annotated[
        str | None,
        typer.Option(
            "--text", help="Column of text: the queries.", rich_help_panel=OWN, show_default=False
        ),
    ] = None
    features: Annotated[
        list[str],
        typer.Option(
            "--features",
            help=("Column of numbers, or a pattern like 'e*'; may be repeated. Instead of --text."),
            rich_help_panel=OWN,
            show_default=False,
        ),
    ] = field(default_factory=list)
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            help="Column that says where a query comes from.",
            rich_help_panel=OWN,
            show_default=False,
        ),
    ] = None
    router: Annotated[
        list[RouterName],
        typer.Option(
            "--router",
            help="Router to play; may be repeated. Every single model, the best of them, random "
            "choice and the oracle are always compared with.",
            show_default="linucb, lints and epsilon_greedy",
        ),
    ] = field(default_factory=lambda: [*_DEFAULT_ROUTERS])
    data_home: DataHome = None
    in_distribution: Annotated[
        list[str],
        typer.Option(
            "--in-distribution",
            help="Task to learn from; may be repeated.",
            rich_help_panel=DATA,
            show_default="as suits the data",
        ),
    ] = field(default_factory=list)
    out_of_distribution: Annotated[
        list[str],
        typer.Option(
            "--out-of-distribution",
            help="Task to test on without having seen it; may be repeated; none for no such task.",
            rich_help_panel=DATA,
            show_default="as suits the data",
        ),
    ] = field(default_factory=list)
    test_share: Annotated[
        float,
        typer.Option(
            "--test-share",
            min=0.01,
            max=0.99,
            help="Share of the queries of each task learned from that is kept for testing.",
            rich_help_panel=DATA,
        ),
    ] = 0.2
    pair: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--pair",
            metavar="STRONG WEAK",
            help="Two models, for the performance gap that a router recovers between them.",
            rich_help_panel=DATA,
            show_default="as suits the data",
        ),
    ] = None
    w_cost: Annotated[
        list[float],
        typer.Option(
            "--w-cost",
            min=0.0,
            max=1.0,
            help="Weight of cost to tabulate, that of quality being one minus it; may be repeated.",
            rich_help_panel=REWARD,
            show_default="0.2, 0.4, 0.5, 0.6, 0.8",
        ),
    ] = field(default_factory=lambda: [*_DEFAULT_WEIGHTS])
    cost_cap: CostCap = None
    alpha: Alpha = 1.0
    scale: Scale = 1.0
    epsilon: Epsilon = 0.1
    gamma: Gamma = 100.0
    prior_precision: PriorPrecision = 1.0
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds",
            min=1,
            help="Number of splits, orders of play and trained routers.",
            rich_help_panel=RUNNING,
        ),
    ] = 5
    seed: Seed = 0

    def columns(self) -> OutcomeColumns:
        """Return which columns of a table of one's own hold what."""
        from bandits.evaluation import OutcomeColumns

        return OutcomeColumns(
            quality=self.quality,
            cost=self.cost,
            latency=self.latency,
            text=self.text,
            features=tuple(self.features),
            task=self.task,
            second=self.cost_per_second,
        )

    def learning(self) -> Learning:
        """Return the settings of the routers."""
        return Learning(self.alpha, self.scale, self.epsilon, self.gamma, self.prior_precision)


def _run(settings: StudySettings) -> None:
    from bandits.cli._study_run import run_study

    run_study(settings)


study = command_of("study", StudySettings, _run)
