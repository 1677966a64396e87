"""``metarouter route``: decide for every query of a table which model answers it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = ["route"]

_BUDGET = "How much to spend (by default as the router was fitted)"


def route(
    router: Annotated[Path, typer.Argument(help="A router file of `metarouter fit`.")],
    queries: Annotated[
        Path, typer.Argument(help="Queries to route: .csv, .tsv, .parquet, .jsonl or .ndjson.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The table to write; its ending chooses the format.",
            show_default=False,
        ),
    ],
    w: Annotated[
        float | None,
        typer.Option(
            "--w",
            help="Gain demanded of the primary model's answer, in gold units.",
            rich_help_panel=_BUDGET,
            show_default=False,
        ),
    ] = None,
    max_share: Annotated[
        float | None,
        typer.Option(
            "--max-share",
            help="Largest share of these queries to send to the primary model, from 0 to 1.",
            rich_help_panel=_BUDGET,
            show_default=False,
        ),
    ] = None,
) -> None:
    """Decide for each query of a table which model should answer it.

    The table is written again with two columns more: **route**, the model that should
    answer, and **predicted_gain**, how much better the primary model's answer is
    expected to be, in the units of the gold labels.

    ```
    metarouter route router.skops new.csv --out routed.csv
    metarouter route router.skops new.jsonl --out routed.parquet --max-share 0.2
    ```
    """
    from metarouter.cli._route_run import run_route

    run_route(router, queries, out, w=w, max_share=max_share)
