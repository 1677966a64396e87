"""Run a study, resume it, and write its report."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Any

from metarouter.cli._learners import nuisance_method, regressor_of, scaling_of
from metarouter.cli._study_data import study_data
from metarouter.cli._study_summary import print_study
from metarouter.cli.console import console
from metarouter.cli.outputs import output_folder
from metarouter.cli.study import StudySettings
from metarouter.datasets import LabelledQueries
from metarouter.evaluation import MonteCarloStudy, StudyResult, default_routers
from metarouter.evaluation._checkpoint import finished_rounds, forget_rounds
from metarouter.evaluation._study_checks import as_sizes
from metarouter.exceptions import MetaRouterError
from metarouter.reporting import StudyReport, write_study_report
from metarouter.utils.groups import count_groups

__all__ = ["run_study"]

_MOST_TEST_QUERIES = 500


def run_study(settings: StudySettings) -> None:
    """Compare the routers, with splits by group and at random where there are groups."""
    out = output_folder(settings.out)
    _check_gold(settings, grouped=False)
    data = study_data(settings)
    grouped = data.groups is not None
    _check_gold(settings, grouped=grouped)
    checkpoint = settings.checkpoint or out / "checkpoint"
    result = _run(settings, data, checkpoint, grouped=grouped)
    random_split = None
    if grouped:
        beside = checkpoint.with_name(f"{checkpoint.name}_random_split")
        # The nuisances stay as they are, so that only the splits differ.
        random_split = _run(settings, data, beside, grouped=False)
    report = StudyReport(
        title=f"Which router gains most? {data.name}",
        result=result,
        settings=_in_words(settings, data, result),
        notes=data.notes,
        random_split=random_split,
    )
    files = write_study_report(report, out)
    print_study(console(), report, files)


def _run(
    settings: StudySettings, data: LabelledQueries, checkpoint: Path, *, grouped: bool
) -> StudyResult:
    study = MonteCarloStudy(
        _routers(settings, has_groups=data.groups is not None),
        n_gold=settings.n_gold,
        rounds=settings.rounds,
        n_test=_test_queries(settings, data),
        grouped=grouped,
        random_state=settings.seed,
        n_jobs=settings.n_jobs,
        checkpoint=checkpoint,
        progress=True,
    )
    if not settings.resume:
        study.check(data)
        forget_rounds(checkpoint)
    try:
        return study.run(data)
    except KeyboardInterrupt as stop:
        raise KeyboardInterrupt(
            f"Stopped with {finished_rounds(checkpoint)} of {settings.rounds} rounds finished"
            f"{'' if grouped or data.groups is None else ' of the random splits'}; the same "
            "command goes on from there."
        ) from stop


def _routers(settings: StudySettings, *, has_groups: bool) -> dict[str, Any]:
    regressor = regressor_of(settings.learner)
    return default_routers(
        regressor,
        final=regressor,
        propensity="constant" if settings.propensity == "constant" else None,
        cv=settings.folds,
        method=nuisance_method(settings.method, settings.learner, grouped=has_groups),
        scaling=scaling_of(settings.scaling),
        adaptive=True,
    )


def _check_gold(settings: StudySettings, *, grouped: bool) -> None:
    """Refuse gold labels that no round could learn from, as far as that is known without data."""
    sizes = as_sizes(settings.n_gold)
    method = nuisance_method(settings.method, settings.learner, grouped=grouped)
    if method == "cv" and min(sizes) < settings.folds:
        raise MetaRouterError(
            f"--n-gold {min(sizes)} is below --folds {settings.folds}, but every fold needs a gold "
            "label: raise --n-gold or lower --folds."
        )


def _test_queries(settings: StudySettings, data: LabelledQueries) -> int:
    if settings.n_test is not None:
        return settings.n_test
    return max(1, min(_MOST_TEST_QUERIES, data.n_queries // 4))


def _in_words(
    settings: StudySettings, data: LabelledQueries, result: StudyResult
) -> dict[str, str]:
    groups = "none"
    if data.groups is not None:
        groups = f"{count_groups(data.groups)} groups, kept on one side of each split"
    method = nuisance_method(settings.method, settings.learner, grouped=data.groups is not None)
    return {
        "command": shlex.join(["metarouter", *sys.argv[1:]]),
        "data": data.name,
        "queries": f"{data.n_queries} with both labels, {data.X.shape[1]} features"
        + (f" (principal components of all queries: {settings.pca})" if settings.pca else ""),
        "groups": groups,
        "gold labels to learn from": ", ".join(str(size) for size in settings.n_gold),
        "rounds": str(settings.rounds),
        "test queries": f"{result.n_test.mean():.0f} per round"
        + (f" (asked for at least {_test_queries(settings, data)})" if result.grouped else ""),
        "training queries": f"{result.n_train.mean():.0f} per round",
        "learner": _LEARNERS[settings.learner],
        "nuisances": "out of bag" if method == "oob" else f"{settings.folds} folds",
        "propensity": str(settings.propensity),
        "scaling of the gold labels": str(settings.scaling),
        "seed": str(settings.seed),
    } | _of_the_judge(settings)


def _of_the_judge(settings: StudySettings) -> dict[str, str]:
    asked = {"bias": settings.bias, "heterogeneity": settings.heterogeneity}
    return {f"judge's {name}": f"{value:g}" for name, value in asked.items() if value is not None}


_LEARNERS = {
    "forest": "forest (extremely randomised trees with the package's settings)",
    "random_forest": "random_forest (scikit-learn's RandomForestRegressor as it comes)",
    "xgboost": "xgboost (XGBRegressor as it comes)",
    "ridge": "ridge (RidgeCV, 13 penalties from 0.01 to 10000)",
}
