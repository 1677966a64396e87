"""``bandits scenarios``: play routers in worlds that change and compare them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from bandits.cli._options import (
    DATA,
    LEARNING,
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

__all__ = ["ScenarioSettings", "scenarios"]

_DEFAULT_ROUTERS = (
    RouterName.linucb,
    RouterName.lints,
    RouterName.epsilon_greedy,
    RouterName.forgetting_linucb,
    RouterName.beta_ts,
)


@dataclass(frozen=True, kw_only=True)
class ScenarioSettings:
    r"""Play routers in worlds that change, and compare them.

    Models drift, cost more, come and go; feedback is sparse, late, missing where answers are bad,
    or wrong; the router is restarted from its file. Every router lives in the same worlds, once
    per seed, beside a fixed choice and random choice. Writes report.md, scenarios.csv and
    scenarios.png, with standard errors over seeds.

    ```
    bandits scenarios --seeds 10 --out scenarios
    bandits scenarios --dataset llmrouter_14task --components 24 --out scenarios
    ```
    """

    out: Out
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            help="synthetic (6 models, needs no data), routerbench_fewshot or llmrouter_14task.",
            rich_help_panel=DATA,
        ),
    ] = "synthetic"
    router: Annotated[
        list[RouterName],
        typer.Option(
            "--router",
            help="Router to play; may be repeated. A fixed choice and random choice are always "
            "compared with.",
            show_default="linucb, lints, epsilon_greedy, forgetting_linucb and beta_ts",
        ),
    ] = field(default_factory=lambda: [*_DEFAULT_ROUTERS])
    data_home: DataHome = None
    task: Annotated[
        list[str],
        typer.Option(
            "--task",
            help="Task to draw queries from; may be repeated.",
            rich_help_panel=DATA,
            show_default="as suits the data",
        ),
    ] = field(default_factory=list)
    components: Annotated[
        int | None,
        typer.Option(
            "--components",
            min=1,
            help="Principal components of the queries to play with, which makes wide features "
            "quicker to learn from.",
            rich_help_panel=DATA,
            show_default="the features as they are",
        ),
    ] = None
    w_cost: Annotated[
        float | None,
        typer.Option(
            "--w-cost",
            min=0.0,
            max=1.0,
            help="Weight of cost, that of quality being one minus it.",
            rich_help_panel=REWARD,
            show_default="drawn uniformly for every round",
        ),
    ] = None
    cost_cap: CostCap = None
    alpha: Alpha = 1.0
    scale: Scale = 1.0
    epsilon: Epsilon = 0.1
    gamma: Gamma = 100.0
    discount: Annotated[
        float,
        typer.Option(
            "--discount",
            min=1e-6,
            max=1.0,
            help="Of forgetting_linucb: what evidence is multiplied by with every row of feedback.",
            rich_help_panel=LEARNING,
        ),
    ] = 0.995
    prior_precision: PriorPrecision = 1.0
    rounds: Annotated[
        int, typer.Option("--rounds", min=20, help="Queries of each play.", rich_help_panel=RUNNING)
    ] = 2000
    batch_size: Annotated[
        int,
        typer.Option(
            "--batch-size",
            min=1,
            help="Rounds that are decided before what arrived is learned.",
            rich_help_panel=RUNNING,
        ),
    ] = 10
    seeds: Annotated[
        int,
        typer.Option("--seeds", min=2, help="Number of worlds and plays.", rich_help_panel=RUNNING),
    ] = 5
    seed: Seed = 0

    def learning(self) -> Learning:
        """Return the settings of the routers."""
        return Learning(
            self.alpha,
            self.scale,
            self.epsilon,
            self.gamma,
            self.prior_precision,
            self.discount,
        )


def _run(settings: ScenarioSettings) -> None:
    from bandits.cli._scenarios_run import run_scenarios

    run_scenarios(settings)


scenarios = command_of("scenarios", ScenarioSettings, _run)
