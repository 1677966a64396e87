"""Does the adaptive router do harm? All routers on real and simulated judges, paired.

    METAROUTER_DATA_HOME=... python -m paper_figures.no_harm --out DIR --splits 20

Every part (one table, one split) leaves a file in ``DIR/parts``; what is there is not computed
again, so that a run may be interrupted and goes on, or be asked for more splits.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from sklearn.utils.parallel import Parallel, delayed
from threadpoolctl import threadpool_limits

from metarouter import AdaptiveMetaRouter, FitLedger
from metarouter.evaluation import default_routers, efficiency_gain_curve
from metarouter.kernel_learner import AveragedKernelRidge
from metarouter.utils.files import write_text
from metarouter.utils.random import seeded
from paper_figures._no_harm_rows import ROWS, Row, Split, draw, load_row

SINGLE = ("gold_only", "preference_only", "pooled", "r_learner", "dr_learner")


def routers_of_the_study() -> dict[str, Callable[[], Any]]:
    """Name every router of the study: each of section 4.1 with forests, and with kernels."""

    def forest(name: str) -> Callable[[], Any]:
        return lambda: default_routers(method="oob")[name]

    def kernel(name: str) -> Callable[[], Any]:
        learner = AveragedKernelRidge()
        return lambda: default_routers(learner, final=learner, method="cv", cv=3)[name]

    return {
        "adaptive": AdaptiveMetaRouter,
        **{f"{name} forest": forest(name) for name in SINGLE},
        **{f"{name} kernel": kernel(name) for name in SINGLE},
    }


def relative_area(gold: Any, score: Any) -> float:
    """1000 times the area under the efficiency gain, in standard deviations of the gold labels."""
    return float(1000 * efficiency_gain_curve(gold, score).area / np.std(gold))


def run_part(row: Row, number: int, folder: Path, cache: Path) -> str:
    """Fit the routers that are missing from one part, and keep their areas."""
    path = part_path(folder, row, number)
    known: dict[str, float] = json.loads(path.read_text()) if path.exists() else {}
    routers = routers_of_the_study()
    wanted = [
        (n_gold, name)
        for n_gold in row.n_gold
        for name in routers
        if f"{name}|{n_gold}" not in known
    ]
    if wanted:
        data = joblib.Memory(cache, verbose=0).cache(load_row)(row.name)
        split = draw(row, data, number)
        with threadpool_limits(limits=1), FitLedger(reuse=True):
            for n_gold, name in wanted:
                router = seeded(routers[name](), number)
                score = fit_and_score(router, split, n_gold)
                known[f"{name}|{n_gold}"] = relative_area(split.test_gold, score)
        write_text(path, json.dumps(known, indent=0))
    return f"{row.name}, split {number}: {len(wanted)} fitted"


def fit_and_score(router: Any, split: Split, n_gold: int) -> Any:
    """Fit one router on the first gold labels and all preference labels; score the test queries."""
    X, y, is_gold, groups = split.training(n_gold)
    # Out-of-bag predictions cannot keep groups together: only the adaptive router is given them.
    optional = {"groups": groups} if isinstance(router, AdaptiveMetaRouter) else {}
    return router.fit(X, y, is_gold=is_gold, **optional).predict(split.test_X)


def part_path(folder: Path, row: Row, number: int) -> Path:
    """Where the areas of one table and one split are kept."""
    return folder / "parts" / f"{row.slug}.{number}.json"


def run(rows: Sequence[Row], splits: int, folder: Path, n_jobs: int) -> None:
    """Compute every part that is missing, split by split, and say what is done."""
    (folder / "parts").mkdir(parents=True, exist_ok=True)
    parts = [(row, number) for number in range(splits) for row in rows]
    pool = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    done = pool(delayed(run_part)(row, number, folder, folder / "tables") for row, number in parts)
    for count, message in enumerate(done, start=1):
        print(f"[{count}/{len(parts)}] {message}", file=sys.stderr, flush=True)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/no_harm"))
    parser.add_argument("--splits", type=int, default=20)
    parser.add_argument("--n-jobs", type=int, default=2)
    options = parser.parse_args(arguments)
    run(ROWS, options.splits, options.out, options.n_jobs)


if __name__ == "__main__":
    main()
