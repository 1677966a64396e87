"""Take a table of routed queries into a monitor."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from metarouter.cli.console import console
from metarouter.cli.outputs import output_folder
from metarouter.datasets._table_files import read_frame
from metarouter.exceptions import DataError, MetaRouterError
from metarouter.inference import MonitorReport, RouterMonitor
from metarouter.utils.files import atomic_path, exclusive, write_text
from metarouter.utils.names import pick_columns, require_column

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["EXIT_ALARM", "MonitorColumns", "run_monitor"]

EXIT_ALARM = 3


@dataclass(frozen=True)
class MonitorColumns:
    """Where the table says what. Those of costs, prediction and gold labels may be missing."""

    route: str
    models: tuple[str, str]
    costs: tuple[str, str]
    features: tuple[str, ...]
    prediction: str
    gold: str
    gold_probability: str


def run_monitor(
    state: Path, table: Path, columns: MonitorColumns, settings: dict[str, Any], out: Path | None
) -> None:
    """Take in the table, write the state, print what is known, and leave with its exit code."""
    if out is not None:
        output_folder(out)
    busy = f"{state} is being updated by another process: run this again when it has ended."
    with exclusive(state.absolute().with_name(f".{state.name}.updating"), busy):
        report = _update(state, table, columns, settings, out)
    console().print(report.summary(), markup=False, soft_wrap=True)
    if report.is_alarm:
        raise typer.Exit(EXIT_ALARM)


def _update(
    state: Path, table: Path, columns: MonitorColumns, settings: dict[str, Any], out: Path | None
) -> MonitorReport:
    monitor = _begun(state, settings)
    _check_roles(columns)
    frame = read_frame(table)
    digest = hashlib.sha256(table.read_bytes()).hexdigest()
    if digest in monitor.batches:
        raise DataError(f"{table} was taken into {state} already: give each table once.")
    report = monitor.update(**_columns(frame, table.name, columns), batch_id=digest).report()
    if out is not None:
        _write(report, out)
    # Last, so that a table is not taken in where its report could not be written.
    monitor.save(state)
    return report


def _begun(state: Path, settings: dict[str, Any]) -> RouterMonitor:
    """Go on with a state, which keeps its settings, or begin one."""
    if state.suffix.lower() == ".skops":
        raise MetaRouterError(
            f"{state} is a router of `metarouter fit`, but monitor keeps a file of its own, which "
            "it begins where there is none: name one, such as monitor.npz."
        )
    if not state.exists():
        return RouterMonitor(**settings)
    monitor = RouterMonitor.load(state)
    for name, value in settings.items():
        known = getattr(monitor.settings, name)
        if known != value:
            raise DataError(
                f"{state} was begun with {name}={known}, not {value}: leave the option out, or "
                "begin another file."
            )
    return monitor


def _check_roles(columns: MonitorColumns) -> None:
    """Refuse one name for two things, which would be taken in without a sound."""
    if columns.models[0] == columns.models[1]:
        raise MetaRouterError(
            f"--primary and --alternative are both {columns.models[0]!r}: name two models."
        )
    taken: dict[str, str] = {}
    for option, column in (
        ("--route", columns.route),
        ("--cost-primary", columns.costs[0]),
        ("--cost-alternative", columns.costs[1]),
        ("--prediction", columns.prediction),
        ("--gold", columns.gold),
        ("--gold-probability", columns.gold_probability),
    ):
        if column in taken:
            raise MetaRouterError(
                f"{taken[column]} and {option} both name {column!r}: give every role a column of "
                "its own."
            )
        taken[column] = option


def _columns(frame: pd.DataFrame, source: str, columns: MonitorColumns) -> dict[str, Any]:
    role, mend = "that says which model answered", "name one with --route"
    require_column(columns.route, frame.columns, source, role=role, mend=mend)
    given: dict[str, Any] = {"routed_to_primary": _routed(frame, source, columns)}
    for name, column in zip(("cost_primary", "cost_alternative"), columns.costs, strict=True):
        if column in frame.columns:
            given[name] = frame[column]
    if columns.features:
        given["features"] = frame[pick_columns(frame, columns.features, source)]
    if columns.prediction in frame.columns:
        given["prediction"] = frame[columns.prediction]
    if columns.gold in frame.columns:
        given["gold"] = frame[columns.gold]
        given["gold_probability"] = _probability(frame, source, columns)
    return given


def _routed(frame: pd.DataFrame, source: str, columns: MonitorColumns) -> Any:
    answered = frame[columns.route].astype(str)
    unknown = ~answered.isin(columns.models)
    if unknown.any():
        row = int(unknown.to_numpy().argmax())
        raise DataError(
            f"Column {columns.route!r} of {source} holds {answered.iloc[row]!r} in row {row}, and "
            f"not {columns.models[0]!r} or {columns.models[1]!r}: name the models with --primary "
            "and --alternative."
        )
    return answered == columns.models[1]


def _probability(frame: pd.DataFrame, source: str, columns: MonitorColumns) -> Any:
    if columns.gold_probability in frame.columns:
        return frame[columns.gold_probability]
    try:
        return float(columns.gold_probability)
    except ValueError:
        raise DataError(
            f"{source} holds gold labels but no column {columns.gold_probability!r}: say with "
            "--gold-probability with which chance queries were drawn for one."
        ) from None


def _write(report: MonitorReport, out: Path) -> None:
    from matplotlib.figure import Figure

    write_text(out / "monitor.md", f"# Monitoring of the router\n\n{report.to_markdown()}\n")
    write_text(out / "monitor.csv", report.to_frame().to_csv(index=False))
    drawn = {name: (report.plot, {"quantity": name}) for name in report.trajectories}
    for name, (plot, options) in {**drawn, "evidence": (report.plot_evidence, {})}.items():
        figure = Figure(figsize=(7.0, 4.0), layout="constrained")
        plot(figure.subplots(), **options)
        with atomic_path(out / f"{name}.png") as temporary:
            figure.savefig(temporary, dpi=150)
