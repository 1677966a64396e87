"""Run a study of routers in changing worlds and write its report."""

from __future__ import annotations

from dataclasses import replace

from bandits.cli._routers import routers_of
from bandits.cli._text import command_line, one_line, print_sentence
from bandits.cli.scenarios import ScenarioSettings
from bandits.evaluation import ScenarioStudy, study_table, write_scenario_report
from metarouter.cli.console import console, print_frame
from metarouter.cli.outputs import output_folder
from metarouter.evaluation import reduce_dimension
from metarouter.utils.progress import progress_bar

__all__ = ["run_scenarios"]


def run_scenarios(settings: ScenarioSettings) -> None:
    """Play, compare, report."""
    out = output_folder(settings.out)
    table = study_table(settings.dataset, settings.data_home)
    tasks = tuple(settings.task) or table.in_distribution
    matrix, features = table.of_tasks(tasks), "features per query"
    if settings.components is not None:
        reduced = reduce_dimension(matrix.X, settings.components)
        matrix, features = replace(matrix, X=reduced), "principal components of the queries"
    routers = routers_of(settings.router, settings.learning())
    w_cost = settings.w_cost
    study = ScenarioStudy(
        routers,
        rounds=settings.rounds,
        batch_size=settings.batch_size,
        preference=None if w_cost is None else (1.0 - w_cost, w_cost),
        cost_cap=settings.cost_cap,
        seeds=settings.seeds,
        random_state=settings.seed,
    )
    study.check(matrix)
    with progress_bar(settings.seeds * (len(routers) + 2), "routers played") as advance:
        result = study.run(matrix, advance=advance)
    words = {
        "command": command_line(),
        "data": f"{matrix.name} ({', '.join(tasks)}): {len(matrix.models)} models, "
        f"{matrix.X.shape[1]} {features}; {result.rounds} of {matrix.n_queries} queries "
        "per seed",
        "preferences": "uniform on the simplex, one per round"
        if w_cost is None
        else f"w_cost = {w_cost:g}",
        "cost cap": f"{study.cap(matrix):.4g} US dollars"
        + (
            " (0.95 quantile of all models' costs on queries held back)"
            if settings.cost_cap is None
            else ""
        ),
        "batch": f"{settings.batch_size} rounds",
        "routers": "; ".join(f"{name}: {one_line(router)}" for name, router in routers.items()),
        "seeds": f"{settings.seeds}, spawned from {settings.seed}",
    }
    files = write_scenario_report(result, out, words)
    to = console()
    print_frame(
        to,
        result._table(),
        title=f"{matrix.name}: reward per round minus that of static",
        caption="95% intervals over seeds, paired; static is the best single model in hindsight",
    )
    print_sentence(to, f"Written to {out}: {', '.join(file.name for file in files)}.")
