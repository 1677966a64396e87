"""The demonstration: one fit against the truth, a small study, and files to go on with."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from metarouter.cli._demo_text import next_steps, truth_section, truth_tables
from metarouter.cli._study_summary import areas_wide
from metarouter.cli._tables import with_named_columns
from metarouter.cli.console import console, print_frame
from metarouter.cli.outputs import output_folder
from metarouter.datasets import LabelledQueries, make_judged_queries
from metarouter.evaluation import MonteCarloStudy, default_routers
from metarouter.fitting import FitLedger
from metarouter.reporting import StudyReport, mean_shift, truth_frame, write_study_report
from metarouter.reporting._study_report import write_frame
from metarouter.routing import ThresholdRouter, save_router
from metarouter.utils.progress import stages

__all__ = ["run_demo"]

# The generator's own settings throughout; only the number of queries is chosen, for speed.
N_QUERIES = 1200
N_TEST = 400
N_GOLD = (50, 200)
N_GOLD_OF_FIT = 200
N_NEW = 5000


def run_demo(out: Path, *, seed: int, rounds: int, n_jobs: int) -> None:
    """Fit against the truth, study, write and print."""
    start = time.perf_counter()
    folder = output_folder(out)
    data = _queries(N_QUERIES, seed)
    # The functions psi and Delta do not depend on the seed, so these are queries of one source.
    new = _queries(N_NEW, seed + 1)

    train = _labelled_once(data, seed)
    rows = with_named_columns(train).training_rows()
    with stages() as begin:
        begin("fitting")
        models = _fit_all(rows, seed)
    truth = truth_frame(models, with_named_columns(new))
    shifts = {name: mean_shift(model, rows) for name, model in models.items()}

    result = MonteCarloStudy(
        default_routers(adaptive=True),
        n_gold=N_GOLD,
        rounds=rounds,
        n_test=N_TEST,
        random_state=seed,
        n_jobs=n_jobs,
        progress=True,
    ).run(data)

    report = StudyReport(
        title="Meta-Router on simulated queries",
        result=result,
        settings=_settings(seed, rounds),
        notes=data.notes,
        sections=[("Estimates beside the truth", truth_section(models, train, shifts, truth, new))],
    )
    files = write_study_report(report, folder)
    router = _save(models["adaptive"], folder / "router.skops")
    write_frame(_as_table(train), folder / "labelled_queries.csv")
    write_frame(
        _as_table(new.subset(np.arange(500))).drop(columns=["gold", "preference"]),
        folder / "new_queries.csv",
    )

    to = console()
    for title, frame, caption in truth_tables(models, train, shifts, truth, new):
        print_frame(to, frame, title=title, caption=caption, decimals=3)
    print_frame(
        to,
        areas_wide(result),
        title=f"Area under the efficiency gain: {rounds} splits, {N_TEST} test queries",
        caption="(\u00a0) s.e. on this table, [\u00a0] corrected s.e. for another table of this "
        "size. Random routing has area 0.",
    )
    to.print(
        f"Written to {out}: {', '.join(file.name for file in files)}, {router.name}, "
        f"labelled_queries.csv, new_queries.csv ({time.perf_counter() - start:.0f} seconds).",
        markup=False,
        soft_wrap=True,
    )
    to.print(next_steps(out), markup=False, soft_wrap=True)


def _queries(n_queries: int, seed: int) -> LabelledQueries:
    return make_judged_queries(
        n_queries, gold_share=1.0, pairing=1.0, preference_levels=3, random_state=seed
    )


def _labelled_once(data: LabelledQueries, seed: int) -> LabelledQueries:
    """Keep the gold label of a few random queries, and the vote of all others."""
    is_gold = np.zeros(data.n_queries, dtype=bool)
    # A stream of its own: the seed itself has drawn the queries.
    rng = np.random.default_rng([seed, 1])
    chosen = rng.choice(data.n_queries, N_GOLD_OF_FIT, replace=False)
    is_gold[chosen] = True
    return replace(
        data,
        gold=np.where(is_gold, data.gold, np.nan),
        preference=np.where(is_gold, np.nan, data.preference),
    )


def _fit_all(rows: Any, seed: int) -> dict[str, Any]:
    models = {}
    with FitLedger(reuse=True):
        for name, router in default_routers(adaptive=True).items():
            models[name] = router.set_params(random_state=seed).fit(
                rows.X, rows.y, is_gold=rows.is_gold, groups=rows.groups
            )
    return models


def _save(model: Any, path: Path) -> Path:
    save_router(ThresholdRouter(model, models=("small-model", "large-model")), path)
    return path


def _as_table(queries: LabelledQueries) -> Any:
    frame: Any = with_named_columns(queries).X
    return frame.assign(gold=queries.gold, preference=queries.preference)


def _settings(seed: int, rounds: int) -> dict[str, str]:
    return {
        "command": f"metarouter demo --seed {seed} --rounds {rounds}",
        "data": f"make_judged_queries({N_QUERIES}, gold_share=1, pairing=1, "
        f"preference_levels=3, random_state={seed})",
        "gold labels to learn from": ", ".join(map(str, N_GOLD)),
        "gold labels of the one fit": str(N_GOLD_OF_FIT),
        "rounds": str(rounds),
        "test queries": f"{N_TEST} per round; {N_NEW} new ones for the truth",
        "learner": "forest (extremely randomised trees with the package's settings)",
        "nuisances": "out of bag",
        "propensity": "constant",
        "scaling of the gold labels": "variance",
        "seed": str(seed),
    }
