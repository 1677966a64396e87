"""``metarouter monitor``: watch a deployed router, one table of routed queries after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli.options import COLUMNS, GoldColumn

__all__ = ["monitor"]

_PROMISES = "Constraints (said once, with the first table)"
_WATCHING = "How to watch (said once, with the first table)"


def monitor(
    state: Annotated[
        Path,
        typer.Argument(
            help="The monitor's own file, *.npz, not the router's; it is begun where there is none."
        ),
    ],
    table: Annotated[
        Path,
        typer.Argument(
            help="Routed queries in the order in which they came: .csv, .tsv, .parquet, .jsonl or "
            ".ndjson."
        ),
    ],
    route: Annotated[
        str, typer.Option("--route", help="The model that answered.", rich_help_panel=COLUMNS)
    ] = "route",
    primary: Annotated[
        str,
        typer.Option(
            "--primary", help="Name of the strong, costly model.", rich_help_panel=COLUMNS
        ),
    ] = "primary",
    alternative: Annotated[
        str, typer.Option("--alternative", help="Name of the cheap model.", rich_help_panel=COLUMNS)
    ] = "alternative",
    cost_primary: Annotated[
        str,
        typer.Option(
            "--cost-primary",
            help="What the query costs, or would have cost, with the primary model; watched if "
            "there.",
            rich_help_panel=COLUMNS,
        ),
    ] = "cost_primary",
    cost_alternative: Annotated[
        str,
        typer.Option(
            "--cost-alternative", help="The same with the other model.", rich_help_panel=COLUMNS
        ),
    ] = "cost_alternative",
    features: Annotated[
        list[str] | None,
        typer.Option(
            "--features",
            help="Column of numbers, or a pattern like 'e*', to watch for drift; may be repeated.",
            rich_help_panel=COLUMNS,
            show_default=False,
        ),
    ] = None,
    prediction: Annotated[
        str,
        typer.Option(
            "--prediction", help="Predicted gain, or a cheap label.", rich_help_panel=COLUMNS
        ),
    ] = "predicted_gain",
    gold: GoldColumn = "gold",
    gold_probability: Annotated[
        str,
        typer.Option(
            "--gold-probability",
            help="Chance with which each query was drawn for a gold label: a number, or a column.",
            rich_help_panel=COLUMNS,
        ),
    ] = "gold_probability",
    max_share: Annotated[
        float | None,
        typer.Option(
            "--max-share",
            help="Largest share of queries sent to the primary model.",
            rich_help_panel=_PROMISES,
            show_default=False,
        ),
    ] = None,
    max_cost: Annotated[
        float | None,
        typer.Option(
            "--max-cost",
            help="Largest mean cost per query.",
            rich_help_panel=_PROMISES,
            show_default=False,
        ),
    ] = None,
    min_saving: Annotated[
        float | None,
        typer.Option(
            "--min-saving",
            help="Smallest share saved of what always calling the primary model costs.",
            rich_help_panel=_PROMISES,
            show_default=False,
        ),
    ] = None,
    min_gain: Annotated[
        float | None,
        typer.Option(
            "--min-gain",
            help="Smallest gold gain per query over always calling the alternative.",
            rich_help_panel=_PROMISES,
            show_default=False,
        ),
    ] = None,
    max_loss: Annotated[
        float | None,
        typer.Option(
            "--max-loss",
            help="Largest gold gain per query given up against always calling the primary model.",
            rich_help_panel=_PROMISES,
            show_default=False,
        ),
    ] = None,
    gain_bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--gain-bounds",
            help="Lowest and highest gold label that there can be, known beforehand: intervals of "
            "quality then hold whatever has not been seen yet.",
            rich_help_panel=_PROMISES,
            show_default=False,
        ),
    ] = None,
    cost_bounds: Annotated[
        tuple[float, float] | None,
        typer.Option(
            "--cost-bounds",
            help="The same of the cost of a query.",
            rich_help_panel=_PROMISES,
            show_default=False,
        ),
    ] = None,
    level: Annotated[
        float | None,
        typer.Option(
            "--level",
            help="Chance with which an interval never fails.",
            rich_help_panel=_WATCHING,
            show_default="0.95",
        ),
    ] = None,
    alarm_level: Annotated[
        float | None,
        typer.Option(
            "--alarm-level",
            help="Chance of any false alarm, ever.",
            rich_help_panel=_WATCHING,
            show_default="0.05",
        ),
    ] = None,
    window: Annotated[
        int | None,
        typer.Option(
            "--window", help="Rows of a window.", rich_help_panel=_WATCHING, show_default="500"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Folder for the tables and figures.", show_default=False),
    ] = None,
) -> None:
    """Watch a deployed router: usage, cost, gold quality, drift.

    Each call takes in one table of routed queries, adds it to the monitor's file, and prints what
    is known by now. The usage ratio (PMUR, primary model usage ratio) is the share of queries sent
    to the primary model. Intervals hold however often you look. Leaves with exit code 3 if a
    constraint is broken or an alarm for drift was raised, with 0 otherwise.

    ```
    metarouter monitor monitor.npz monday.csv --max-share 0.3 --features 'e*'
    metarouter monitor monitor.npz tuesday.csv --features 'e*' --gold-probability 0.05 --out today
    ```
    """
    from metarouter.cli._monitor_run import MonitorColumns, run_monitor

    told = {
        "max_share": max_share,
        "max_cost": max_cost,
        "min_saving": min_saving,
        "min_gain": min_gain,
        "max_loss": max_loss,
        "gain_bounds": gain_bounds,
        "cost_bounds": cost_bounds,
        "level": level,
        "alarm_level": alarm_level,
        "window": window,
    }
    columns = MonitorColumns(
        route=route,
        models=(alternative, primary),
        costs=(cost_primary, cost_alternative),
        features=tuple(features or ()),
        prediction=prediction,
        gold=gold,
        gold_probability=gold_probability,
    )
    settings = {name: value for name, value in told.items() if value is not None}
    run_monitor(state, table, columns, settings, out)
