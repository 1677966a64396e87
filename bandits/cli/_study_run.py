"""Run a study of bandit routers and write its report."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from bandits.cli._routers import routers_of
from bandits.cli._text import command_line, one_line, print_sentence
from bandits.cli.study import StudySettings
from bandits.evaluation import (
    STUDY_TABLES,
    BanditStudy,
    BanditStudyReport,
    BanditStudyResult,
    StudyTable,
    read_outcomes,
    study_table,
    write_bandit_report,
)
from metarouter.cli.console import console, print_frame
from metarouter.cli.outputs import output_folder
from metarouter.exceptions import DataError
from metarouter.utils.progress import progress_bar

__all__ = ["run_study"]


def run_study(settings: StudySettings) -> None:
    """Play, test, report."""
    table = _table_of(settings)
    out = output_folder(settings.out)
    learned = tuple(settings.in_distribution) or table.in_distribution
    routers = routers_of(settings.router, settings.learning())
    study = BanditStudy(
        routers,
        in_distribution=learned,
        out_of_distribution=_held_out(settings, table.out_of_distribution, learned),
        w_cost=tuple(settings.w_cost),
        cost_cap=settings.cost_cap,
        pair=settings.pair or table.pair,
        seeds=settings.seeds,
        test_share=settings.test_share,
        random_state=settings.seed,
    )
    study.check(table.matrix)
    with progress_bar(settings.seeds * len(routers), "routers played") as advance:
        result = study.run(table.matrix, parts=out / "checkpoint", advance=advance)
    report = BanditStudyReport(result, _in_words(settings, routers, result))
    _print_study(report, write_bandit_report(report, out))


def _table_of(settings: StudySettings) -> StudyTable:
    if settings.table is not None:
        if settings.dataset is not None:
            raise DataError("Both --dataset and --table are given: give one of them.")
        return read_outcomes(settings.table, settings.columns(), random_state=settings.seed)
    if settings.dataset is None:
        raise DataError(
            "Nothing is named to study: give --table with a table of your own, or --dataset with "
            f"one of {', '.join(STUDY_TABLES)}."
        )
    return study_table(settings.dataset, settings.data_home)


def _held_out(
    settings: StudySettings, of_table: tuple[str, ...], learned: tuple[str, ...]
) -> tuple[str, ...]:
    if settings.out_of_distribution == ["none"]:
        return ()
    return tuple(settings.out_of_distribution) or tuple(
        task for task in of_table if task not in learned
    )


def _in_words(
    settings: StudySettings, routers: dict[str, Any], result: BanditStudyResult
) -> dict[str, str]:
    seeds = result.seeds
    tested = sum(int((~seed.outside).sum()) for seed in seeds) / len(seeds)
    outside = sum(int(seed.outside.sum()) for seed in seeds) / len(seeds)
    return {
        "command": command_line(),
        "data": f"{result.matrix.name}, {len(result.matrix.models)} models, "
        f"{result.matrix.X.shape[1]} features per query ({_described(settings)})",
        "queries": f"{seeds[0].n_train} to learn from, {tested:.0f} held back and {outside:.0f} "
        f"of other tasks to test on ({settings.test_share:g} of each task held back, queries of "
        "one text on one side)",
        "outcomes seen": outcomes_seen(result),
        "preferences in training": "uniform on the simplex, one per round",
        "cost cap": f"{result.cost_cap:.4g} US dollars"
        + (" (0.95 quantile of all models' costs)" if settings.cost_cap is None else ""),
        "routers": "; ".join(f"{name}: {one_line(router)}" for name, router in routers.items()),
        "seeds": f"{settings.seeds}, spawned from {settings.seed}",
    }


def _described(settings: StudySettings) -> str:
    if settings.table is None:
        return "embeddings that come with the data"
    text = settings.text
    return "columns of the table" if text is None else f"TF-IDF vectors of column {text!r}"


def outcomes_seen(result: BanditStudyResult) -> str:
    """Say how many outcomes each router was shown, beside the rounds it played."""
    counts: dict[str, list[str]] = {}
    by_router = zip(*(seed.n_revealed for seed in result.seeds), strict=True)
    for name, shown in zip(result.routers[:-1], by_router, strict=True):
        counts.setdefault(_either(shown), []).append(name)
    rounds = _either(seed.n_train for seed in result.seeds)
    cells = result.seeds[0].n_train * len(result.matrix.models)
    if list(counts) == [rounds]:
        return f"{rounds} of {cells} per router and seed, one for each of the {rounds} rounds"
    return f"per seed, of {cells} there are for {rounds} queries: " + "; ".join(
        f"{', '.join(names)} {shown}{_again(shown, cells)}" for shown, names in counts.items()
    )


def _either(numbers: Iterable[int]) -> str:
    return " or ".join(map(str, sorted(set(numbers))))


def _again(shown: str, cells: int) -> str:
    """Say that queries come back in every epoch, one outcome of each at a time."""
    return " (one per round; queries come back)" if int(shown.split()[0]) > cells else ""


def _print_study(report: BanditStudyReport, files: list[Path]) -> None:
    to, result = console(), report.result
    for split, heading in report.headings().items():
        print_frame(
            to,
            report.main_table(split),
            title=f"{heading}, w_cost = {report.middle:g}",
            caption="( ) s.e. over seeds and queries; * the single model that turned out best on "
            "these test queries",
        )
    to.print()
    for sentence in report.verdicts():
        print_sentence(to, sentence)
    print_sentence(to, f"Outcomes seen: {outcomes_seen(result)}.")
    print_sentence(to, f"Written to {files[0].parent}: {', '.join(file.name for file in files)}.")
