"""``metarouter route``: decide for every query of a table which model answers it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli._tables import TABLE_HELP
from metarouter.cli.command import command_of
from metarouter.cli.options import TextEncoding

__all__ = ["RouteSettings", "route"]

_BUDGET = "How much to spend (by default as the router was fitted)"


@dataclass(frozen=True, kw_only=True)
class RouteSettings:
    """Decide for each query of a table which model should answer it.

    The table is written again as it came, to the letter where the format stays the same, with two
    columns more: **route**, the model that should answer, and **predicted_gain**, how much better
    the primary model's answer is expected to be, in the units of the gold labels. Rows without
    text are left without a decision.

    ```
    metarouter route router.skops new.csv --out routed.csv
    metarouter route router.skops new.jsonl --out routed.parquet --max-share 0.2
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
            help="Gain demanded of the primary model's answer, in gold units.",
            rich_help_panel=_BUDGET,
            show_default=False,
        ),
    ] = None
    max_share: Annotated[
        float | None,
        typer.Option(
            "--max-share",
            help="Largest share of these queries to send to the primary model, from 0 to 1.",
            rich_help_panel=_BUDGET,
            show_default=False,
        ),
    ] = None
    encoding: TextEncoding = None


def _run(settings: RouteSettings) -> None:
    from metarouter.cli._route_run import run_route

    run_route(settings)


route = command_of("route", RouteSettings, _run)
