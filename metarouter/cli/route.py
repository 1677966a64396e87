"""``metarouter route``: decide for every query of a table which model answers it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli._budgets import CONSTRAINTS, DeltaToCertify, MaxCost, MaxShare, MinGain
from metarouter.cli._costs import CostOptions
from metarouter.cli._tables import TABLE_HELP
from metarouter.cli.command import command_of
from metarouter.cli.options import TextEncoding

__all__ = ["RouteSettings", "route"]


@dataclass(frozen=True, kw_only=True)
class RouteSettings(CostOptions):
    r"""Decide for each query of a table which model should answer it.

    The table is written again as it came, to the letter where the format stays the same, with two
    columns more: **route**, the model that should answer, and **predicted_gain**, how much better
    the primary model's answer is expected to be, in the units of the gold labels. Rows without
    text are left without a decision.

    A router that was fitted with costs decides by those of these queries: by columns of the same
    names, or as **--cost-primary** and the options beside it say. A budget tunes w on these
    queries, and **--delta** certifies it for more of their kind.

    ```
    metarouter route router.skops new.csv --out routed.csv
    metarouter route router.skops new.jsonl --out routed.parquet --max-share 0.2
    metarouter route router.skops new.csv --out routed.csv --cost-primary 0.01 \
        --cost-alternative usd_small --max-cost 0.004
    zcat new.csv.gz | metarouter route router.skops - --out - > routed.csv
    ```
    """

    router: Annotated[Path, typer.Argument(help="A router file of `metarouter fit`.")]
    queries: Annotated[Path, typer.Argument(help=f"Queries to route. {TABLE_HELP}")]
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The table to write; its ending chooses the format. - for standard output.",
            show_default=False,
        ),
    ]
    w: Annotated[
        float | None,
        typer.Option(
            "--w",
            help="Gain demanded of the primary model's answer per unit of its extra cost, in gold "
            "units.",
            rich_help_panel=CONSTRAINTS,
            show_default="as the router was fitted",
        ),
    ] = None
    max_share: MaxShare = None
    max_cost: MaxCost = None
    min_gain: MinGain = None
    delta: DeltaToCertify = None
    gold: Annotated[
        str | None,
        typer.Option(
            "--gold",
            help="Column of gold labels of some of the queries, drawn at random, that the router "
            "has not seen: what --min-gain is certified on.",
            rich_help_panel=CONSTRAINTS,
            show_default=False,
        ),
    ] = None
    encoding: TextEncoding = None


def _run(settings: RouteSettings) -> None:
    from metarouter.cli._route_run import run_route

    run_route(settings)


route = command_of("route", RouteSettings, _run)
