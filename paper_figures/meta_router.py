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
from typing import Any

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


# name: (figure of the paper, what is changed, PCA dimension, routers)
EXPERIMENTS: dict[str, tuple[str, str, int, Callable[[], dict[str, Any]]]] = {
    "main": ("figures 1 and 3", "forest, d = 50, variance scaling", 50, default_routers),
    "unscaled": (
        "figure S4",
        "gold labels not normalised",
        50,
        lambda: default_routers(scaling=None),
    ),
    "xgboost": ("figure 2", "XGBoost for every regression", 50, _xgboost_routers),
    "d100": ("figure S3", "d = 100", 100, default_routers),
}


def run_experiment(name: str, rounds: int, n_jobs: int, out: Path) -> StudyResult:
    _, _, dimension, routers = EXPERIMENTS[name]
    queries = _reduced(make_healthbench_like(random_state=0), dimension)
    return MonteCarloStudy(
        routers(),
        n_gold=N_GOLD,
        rounds=rounds,
        n_jobs=n_jobs,
        checkpoint=out / "checkpoints" / name,
        progress=True,
    ).run(queries)


def write_experiment(name: str, result: StudyResult, out: Path) -> str:
    """Write an experiment's files and return its section of ``claims.md``."""
    figure, changed, _, _ = EXPERIMENTS[name]
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
        result = run_experiment(name, options.rounds, options.n_jobs, options.out)
        write_text(options.out / f"{name}.md", write_experiment(name, result, options.out))


if __name__ == "__main__":
    main()
