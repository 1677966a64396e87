"""Figures 1-3, S3 and S4 of Meta-Router, on data with the published facts of HealthBench.

    python -m paper_figures.meta_router --rounds 200 --n-jobs 2 --out DIR

Every experiment is a Monte Carlo study with a checkpoint under ``DIR/checkpoints``: an interrupted
run goes on where it was. ``DIR`` receives one figure and one table of areas per experiment, the
paper's claims one by one with paired intervals (``claims.md``), and the same claims over a grid of
bias size and heterogeneity (``grid.md``).
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
from sklearn.ensemble import ExtraTreesRegressor, RandomForestRegressor
from sklearn.kernel_ridge import KernelRidge
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from metarouter import MetaRouter
from metarouter.base_learners import default_regressor
from metarouter.datasets import LabelledQueries, make_healthbench_like
from metarouter.evaluation import (
    MonteCarloStudy,
    StudyResult,
    default_routers,
    reduce_dimension,
)
from metarouter.utils.files import atomic_path, write_text
from paper_figures._claims_tables import claims_table, grid_row, grid_table

N_GOLD = (100, 500, 1000)
GRID_N_GOLD = (100, 500)
GRID = [(bias, heterogeneity) for bias in (0.0, 0.5, 1.0) for heterogeneity in (0.0, 1.0, 2.0)]


def _xgboost_routers() -> dict[str, Any]:
    from xgboost import XGBRegressor

    booster = XGBRegressor(n_estimators=100, n_jobs=1)
    return default_routers(booster, final=booster, method="cv")


def random_forest() -> RandomForestRegressor:
    """Return the paper's H as read here: it names random forests, without their settings."""
    return RandomForestRegressor(50, min_samples_leaf=5, max_features=1 / 3)


def _forest_everywhere() -> dict[str, Any]:
    """Return routers with one H for every regression, the final ones of the shift included."""
    routers = default_routers(random_forest(), final=random_forest(), linear_scaling=False)
    return routers | {"tuned_gold_only": tuned_gold_only()}


def _defaults_and_tuned() -> dict[str, Any]:
    return default_routers() | {"tuned_gold_only": tuned_gold_only()}


def tuned_gold_only() -> MetaRouter:
    """Return the strongest simple baseline: gold labels alone, the learner chosen by validation.

    Five folds choose among ridge regressions, kernel regressions and forests.
    """
    strengths = np.logspace(-1, 3, 5)
    ridge = make_pipeline(StandardScaler(), Ridge())
    grid = [
        {"ridge": [Ridge()], "ridge__alpha": strengths},
        {
            "ridge": [KernelRidge(kernel="rbf")],
            "ridge__alpha": np.logspace(-1, 1, 3),
            "ridge__gamma": [0.002, 0.01, 0.03],
        },
        {
            "ridge": [ExtraTreesRegressor(50, max_features=0.5, random_state=0)],
            "ridge__min_samples_split": [10, 20, 40],
        },
    ]
    search = GridSearchCV(ridge, grid, cv=5, scoring="neg_mean_squared_error")
    return MetaRouter(sources="gold", regressor=search, calibrate=False)


class Experiment(NamedTuple):
    """What is changed against the main experiment of section 4.1."""

    figure: str
    changed: str
    dimension: int = 50
    routers: Callable[[], dict[str, Any]] = default_routers
    judge: Literal["by_category", "assumed"] = "by_category"


EXPERIMENTS = {
    "main": Experiment(
        "figures 1 and 3",
        "the package's defaults, d = 50, variance scaling",
        routers=_defaults_and_tuned,
    ),
    "forest": Experiment(
        "figures 1 and 3", "a random forest for every regression", routers=_forest_everywhere
    ),
    "assumed": Experiment(
        "figures 1 and 3, and S5: a second judge", "the judge as assumed before", judge="assumed"
    ),
    "assumed_forest": Experiment(
        "figures 1 and 3",
        "the judge as assumed before, a random forest for every regression",
        routers=_forest_everywhere,
        judge="assumed",
    ),
    "unscaled": Experiment(
        "figure S4",
        "gold labels not normalised, the judge as assumed before",
        routers=lambda: default_routers(scaling=None),
        judge="assumed",
    ),
    "xgboost": Experiment(
        "figure 2",
        "XGBoost for every regression, the judge as assumed before",
        routers=_xgboost_routers,
        judge="assumed",
    ),
    "d100": Experiment("figure S3", "d = 100, the judge as assumed before", 100, judge="assumed"),
}


def run_experiment(
    name: str, rounds: int, n_jobs: int, out: Path, n_gold: Sequence[int] = N_GOLD
) -> StudyResult:
    experiment = EXPERIMENTS[name]
    queries = make_healthbench_like(judge=experiment.judge, random_state=0)
    routers = experiment.routers()
    learner = routers["pooled"].regressor
    return MonteCarloStudy(
        routers,
        n_gold=n_gold,
        rounds=rounds,
        oracle=default_regressor() if learner is None else learner,
        n_jobs=n_jobs,
        checkpoint=out / "checkpoints" / "_".join([name, *map(str, n_gold)]),
        progress=True,
    ).run(_reduced(queries, experiment.dimension))


def write_experiment(name: str, result: StudyResult, out: Path) -> str:
    """Write an experiment's files and return its section of ``claims.md``."""
    figure, changed = EXPERIMENTS[name][:2]
    panels = result.plot(bands=True)
    with atomic_path(out / f"{name}.png") as path:
        panels[0].figure_.savefig(path, dpi=150, bbox_inches="tight", format="png")
    write_text(out / f"{name}_areas.csv", result.areas().to_csv(index=False))
    write_text(
        out / f"{name}_paired.csv", result.paired_differences("all pairs").to_csv(index=False)
    )
    inside = result.seconds_inside.sum() / result.seconds.sum()
    return "\n".join(
        [
            f"## {figure[0].upper()}{figure[1:]}: {changed}",
            "",
            f"{result.n_rounds} rounds; {result.fits.mean():.1f} base-learner fits a round "
            f"({result.reused.mean():.1f} shared), {100 * (1 - inside):.2f}% of the time outside "
            "them.",
            "",
            _areas_table(result),
            "",
            claims_table(result),
        ]
    )


def run_grid(rounds: int, n_jobs: int, out: Path) -> str:
    rows = []
    for bias, heterogeneity in GRID:
        data = make_healthbench_like(bias=bias, heterogeneity=heterogeneity, random_state=0)
        result = MonteCarloStudy(
            default_routers(),
            n_gold=GRID_N_GOLD,
            rounds=rounds,
            n_jobs=n_jobs,
            checkpoint=out / "checkpoints" / f"grid_{bias:g}_{heterogeneity:g}",
            progress=True,
        ).run(_reduced(data, 50))
        rows += [grid_row(result, bias, heterogeneity, n_gold) for n_gold in GRID_N_GOLD]
    return grid_table(rows, rounds)


def _reduced(queries: LabelledQueries, dimension: int) -> LabelledQueries:
    return LabelledQueries(
        X=reduce_dimension(queries.X, dimension),
        gold=queries.gold,
        preference=queries.preference,
        name=f"{queries.name} (d = {dimension})",
    )


def _areas_table(result: StudyResult) -> str:
    frame = result.areas()
    lines = [
        "| router | " + " | ".join(f"n_gold = {n}" for n in result.n_gold) + " |",
        "|---" * (len(result.n_gold) + 1) + "|",
    ]
    for router in result.routers:
        rows = frame[frame.router == router]
        cells = [
            f"{row.area:.4f} ({row.se:.4f}) [{row.se_corrected:.4f}]" for row in rows.itertuples()
        ]
        lines.append(f"| {router} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=200)
    parser.add_argument("--grid-rounds", type=int, default=20)
    parser.add_argument("--n-gold", type=int, nargs="+", default=N_GOLD)
    parser.add_argument("--n-jobs", type=int, default=2)
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/meta_router"))
    parser.add_argument(
        "--only", nargs="+", choices=[*EXPERIMENTS, "grid"], default=[*EXPERIMENTS, "grid"]
    )
    options = parser.parse_args(arguments)
    options.out.mkdir(parents=True, exist_ok=True)
    for name in options.only:
        if name == "grid":
            write_text(
                options.out / "grid.md", run_grid(options.grid_rounds, options.n_jobs, options.out)
            )
            continue
        result = run_experiment(name, options.rounds, options.n_jobs, options.out, options.n_gold)
        write_text(options.out / f"{name}.md", write_experiment(name, result, options.out))


if __name__ == "__main__":
    main()
