"""``bandits duels``: play routers that see only which of two answers was preferred."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated

import typer

from bandits.cli._options import DATA, REWARD, DataHome, Out
from metarouter.cli.command import command_of
from metarouter.cli.options import RUNNING, Seed

__all__ = ["DuelSettings", "duels"]


@dataclass(frozen=True, kw_only=True)
class DuelSettings:
    r"""Play routers that see only which of two answers was preferred, and compare their regret.

    Per seed a few offline queries of every task make the embeddings; then two models are called
    for every query, and who won is drawn by Bradley-Terry choice. Writes regret.csv and calls.csv
    with standard errors over seeds.

    ```
    bandits duels --seeds 5 --out duels
    bandits duels --held-out arc_challenge --router excel_perf_cost \
        --router generic --out duels
    ```
    """

    out: Out
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            help="routerbench_fewshot (11 models), llmrouter_14task or cascades_9model (9 each).",
            rich_help_panel=DATA,
        ),
    ] = "routerbench_fewshot"
    router: Annotated[
        list[str],
        typer.Option(
            "--router",
            help="Router to play; may be repeated. The best constant model and the best model per "
            "task are always compared with.",
            show_default="all",
        ),
    ] = field(default_factory=list)
    held_out: Annotated[
        list[str],
        typer.Option(
            "--held-out",
            help="Task without offline queries; may be repeated.",
            rich_help_panel=DATA,
            show_default="none",
        ),
    ] = field(default_factory=list)
    data_home: DataHome = None
    offline: Annotated[
        int,
        typer.Option("--offline", min=2, help="Offline queries per task.", rich_help_panel=DATA),
    ] = 20
    cost_weight: Annotated[
        float,
        typer.Option(
            "--cost-weight",
            min=0.0,
            help="lambda in utility = quality - lambda cost / cap, the cap being the 0.95 quantile "
            "of all costs.",
            rich_help_panel=REWARD,
        ),
    ] = 0.5
    scale: Annotated[
        float,
        typer.Option(
            "--scale",
            min=1e-6,
            help="Log odds of being preferred per unit of utility.",
            rich_help_panel=REWARD,
        ),
    ] = 5.0
    rounds: Annotated[
        int, typer.Option("--rounds", min=10, help="Duels per seed.", rich_help_panel=RUNNING)
    ] = 600
    batch: Annotated[
        int,
        typer.Option(
            "--batch",
            min=1,
            help="Duels decided before who won is learned.",
            rich_help_panel=RUNNING,
        ),
    ] = 10
    seeds: Annotated[
        int,
        typer.Option("--seeds", min=2, help="Offline draws and plays.", rich_help_panel=RUNNING),
    ] = 5
    seed: Seed = 0


def _run(settings: DuelSettings) -> None:
    from bandits.evaluation import study_table
    from bandits.evaluation.dueling_study import DUELISTS, SINGLE_ANSWER, DuelingStudy
    from metarouter.cli.console import console, print_frame
    from metarouter.cli.outputs import output_folder
    from metarouter.utils.files import write_text
    from metarouter.utils.progress import progress_bar

    folder = output_folder(settings.out)
    matrix = study_table(settings.dataset, settings.data_home).matrix
    study = DuelingStudy(
        tuple(settings.router or (*DUELISTS, *SINGLE_ANSWER)),
        cost_weight=settings.cost_weight,
        scale=settings.scale,
        n_offline=settings.offline,
        rounds=settings.rounds,
        batch=settings.batch,
        held_out=tuple(settings.held_out),
        seeds=settings.seeds,
        random_state=settings.seed,
    )
    study.check(matrix)
    with progress_bar(settings.seeds, "seeds played") as advance:
        result = study.run(matrix, advance=advance)
    reference = next((name for name in study.routers if name in DUELISTS), "best_constant")
    regret, calls = result.table(reference).reset_index(), result.calls_table().reset_index()
    write_text(folder / "regret.csv", regret.to_csv(index=False))
    write_text(folder / "calls.csv", calls.to_csv(index=False))
    to = console()
    print_frame(
        to, regret.round(2), title=f"Cumulative regret over {settings.rounds} duels, {matrix.name}"
    )
    print_frame(to, calls.round(4), title="Regret per model call")
    to.print(f"Written to {folder}: regret.csv, calls.csv.")


duels = command_of("duels", DuelSettings, _run)
