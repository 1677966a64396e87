"""Read a table, analyse it and write the report."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from metarouter.cli._budgets import constraints_of
from metarouter.cli._choices import Learner, Shift
from metarouter.cli._costs import WeighedCosts, costs_of_table
from metarouter.cli._fit_run import certified_router, new_router, options_for_route
from metarouter.cli._learners import encoder_of, nuisance_method, scaling_of
from metarouter.cli._tables import with_named_columns
from metarouter.cli.console import console
from metarouter.cli.outputs import input_file, output_file
from metarouter.cli.report import ReportOptions
from metarouter.datasets._exports import frame_of_export
from metarouter.datasets._table import with_text
from metarouter.datasets._table_files import read_table_file
from metarouter.exceptions import MetaRouterError
from metarouter.inference.guarantees import as_delta, constraint_of
from metarouter.inference.labels import too_few_to_cross_fit
from metarouter.inference.planning import as_prices
from metarouter.judging import JudgeProfile, profile_table
from metarouter.reporting import (
    ReportSettings,
    analyse,
    routing_report,
    write_document,
)
from metarouter.reporting._analyse import DEFAULT_SHARE, attempt
from metarouter.reporting._document import Findings, Paragraph, Unanswered
from metarouter.reporting._write_document import FORMATS
from metarouter.reporting.certified_router import CertifiedRouter
from metarouter.routing import save_router
from metarouter.utils.columns import as_level
from metarouter.utils.progress import stages

if TYPE_CHECKING:
    from metarouter.datasets import LabelledQueries

__all__ = ["run_report"]

_ROUTERS = {
    Shift.adaptive: "adaptive",
    Shift.dr: "dr_learner",
    Shift.r: "r_learner",
    Shift.constant: "linear_scaling",
    Shift.zero: "pooled",
}


def run_report(choices: ReportOptions) -> None:
    """Check where the report goes, read, certify, analyse, write, and print the summary."""
    _check_outputs(choices)
    _check_numbers(choices)
    with stages() as begin:
        certified, files, document = _analysed(choices, begin)
    _print_summary(document, files)
    if choices.save_router is not None:
        _save(certified, choices)


def _analysed(
    choices: ReportOptions, begin: Callable[[str], None]
) -> tuple[CertifiedRouter | Unanswered, list[Path], Any]:
    """Return the certified router and the report, written to its files."""
    begin("reading the table")
    with input_file(choices.table) as table:
        queries = choices.read(table, gold_alone=False, domain=choices.domain, **choices.columns())
        judges = _judges(table, choices)
    _check_costs(queries, choices)
    costs = costs_of_table(choices, queries, needed=choices.max_cost is not None)
    named = with_named_columns(queries)
    begin("certifying a router")
    certified = attempt(lambda: _certified(choices, named, costs))
    if costs is not None:
        alternative, primary = costs.model.costs(queries.X, **costs.inputs).T
        queries = replace(queries, cost_primary=primary, cost_alternative=alternative)
    settings = _settings(queries, choices)
    begin("analysing")
    analysis = analyse(_as_numbers(queries, choices), settings, certified=certified, judges=judges)
    document = routing_report(analysis, title=choices.title)
    form: Any = None if choices.form is None else str(choices.form)
    begin("writing the report")
    files = write_document(document, choices.out, format=form)
    return certified, files, document


def _judges(table: Path, choices: ReportOptions) -> tuple[JudgeProfile, ...]:
    """Profile the judges, as far as the table has the columns that ``collect`` writes."""
    if choices.preference_primary is not None or choices.annotator is not None:
        return ()  # scores of each answer, or one column of several people's labels
    gold_scores = None
    if choices.gold_primary is not None and choices.gold_alternative is not None:
        gold_scores = (choices.gold_primary, choices.gold_alternative)
    named = {choices.text, choices.group_by, "group"} - {None, "none"}
    as_text = {str(name) for name in named}
    frame, _ = frame_of_export(read_table_file(table, as_text, choices.encoding).frame)
    frame, _ = with_text(frame, choices.text, table.name)
    asked = choices.group_by if choices.group_by != "none" else None
    clusters = [c for c in (asked, "group", choices.text) if c is not None and c in frame.columns]
    return profile_table(
        frame,
        choices.preference,
        gold=choices.gold,
        gold_scores=gold_scores,
        positive=choices.positive,
        zero_means=None if choices.zero_means is None else str(choices.zero_means),
        group=clusters[0] if clusters else None,
        level=choices.level,
        name=table.name,
    )


def _certified(
    choices: ReportOptions, queries: LabelledQueries, costs: WeighedCosts | None
) -> CertifiedRouter:
    why_not = too_few_to_cross_fit(queries, choices.folds)
    if why_not:
        raise MetaRouterError(f"No threshold is certified: {why_not}.")
    constraints = constraints_of(choices) or {"max_share": DEFAULT_SHARE}
    unfitted = new_router(choices, queries, costs)
    return certified_router(choices, unfitted, queries, costs, choices.delta, constraints)


def _save(certified: CertifiedRouter | Unanswered, choices: ReportOptions) -> None:
    """Save the certified router; without a certificate there is nothing that may be deployed."""
    if isinstance(certified, Unanswered):
        raise MetaRouterError(f"No router is saved. {certified.reason}")
    if not certified.threshold.is_certified:
        raise MetaRouterError(f"No router is saved. {certified.threshold.reason}")
    assert choices.save_router is not None
    save_router(certified.router, choices.save_router)
    console().print(
        f"The certified router is saved to {choices.save_router}; use it: "
        f"{_route_command(choices)}",
        markup=False,
        soft_wrap=True,
    )


def _route_command(choices: ReportOptions) -> str:
    file = shlex.quote(str(choices.save_router or "router.skops"))
    return f"metarouter route {file} QUERIES{options_for_route(choices)} --out routed.csv"


def _deploy(choices: ReportOptions) -> tuple[str, ...]:
    """Return the commands that deploy the certified threshold."""
    route = _route_command(choices)
    if choices.save_router is not None:
        return (route,)
    return (f"{_command()} --save-router router.skops", route)


def _command() -> str:
    return shlex.join(["metarouter", *sys.argv[1:]])


def _check_outputs(choices: ReportOptions) -> None:
    for path in choices.out:
        endings = tuple(FORMATS) if choices.form is None else (path.suffix.lower(),)
        output_file(path, suffixes=endings)
    written = list(choices.out)
    if choices.save_router is not None:
        output_file(choices.save_router, suffixes=(".skops",))
        written.append(choices.save_router)
    names = [os.path.realpath(path) for path in written]
    if len(set(names)) < len(names):
        raise MetaRouterError("--out names one file twice: give every report a file of its own.")
    if os.path.realpath(choices.table) in names:
        raise MetaRouterError(f"--out {choices.table} is the table itself: name another file.")


def _check_numbers(choices: ReportOptions) -> None:
    as_level(choices.level)
    as_delta(choices.delta)
    as_prices(choices.gold_price, choices.preference_price)
    for name, limit in constraints_of(choices).items():
        constraint_of(name, limit)
    choices.cost_model()


def _check_costs(queries: LabelledQueries, choices: ReportOptions) -> None:
    columns = {"cost_primary": queries.cost_primary, "cost_alternative": queries.cost_alternative}
    missing = [name for name, column in columns.items() if column is None]
    if len(missing) == 1 and choices.cost_model() is None:
        raise MetaRouterError(
            f"{queries.name} has one column of costs, but none of {missing[0]}: name it with "
            f"--{missing[0].replace('_', '-')}, or leave both out."
        )


def _as_numbers(queries: LabelledQueries, choices: ReportOptions) -> LabelledQueries:
    """Turn text into vectors. The encoder sees all texts, and no label."""
    if choices.text is None:
        return queries
    X: Any = encoder_of(choices.encoder, choices.seed).fit_transform(queries.X)
    names = [f"component {k + 1} of the text's encoding" for k in range(X.shape[1])]
    return replace(queries, X=X, feature_names=names)


def _settings(queries: LabelledQueries, choices: ReportOptions) -> ReportSettings:
    grouped = queries.training_rows().groups is not None
    described = f"column {choices.text!r} as text, {choices.encoder} vectors fitted without labels"
    return ReportSettings(
        router=_ROUTERS[choices.shift],
        propensity=str(choices.propensity),
        scaling=scaling_of(choices.scaling),
        method=nuisance_method(choices.method, Learner.forest, grouped=grouped),
        folds=choices.folds,
        level=choices.level,
        models=(choices.alternative, choices.primary),
        constraints=constraints_of(choices),
        delta=choices.delta,
        gold_price=choices.gold_price,
        preference_price=choices.preference_price,
        seed=choices.seed,
        n_jobs=choices.n_jobs,
        described_by="columns of the table" if choices.text is None else described,
        command=_command(),
        deploy=_deploy(choices),
    )


def _print_summary(document: Any, files: list[Path]) -> None:
    to = console()
    for block in document.sections[0].blocks:
        if isinstance(block, Findings):
            for item in block.items:
                verdict = "" if item.verdict is None else f"{item.verdict}  "
                to.print(f"{verdict}{item.text}", markup=False, soft_wrap=True)
        elif isinstance(block, Paragraph):
            to.print(block.text, markup=False, soft_wrap=True)
    to.print(f"Written to {', '.join(map(str, files))}.", markup=False, soft_wrap=True)
