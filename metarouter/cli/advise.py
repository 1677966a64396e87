"""``metarouter advise``: which labels to buy next, per unit of money."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli._tables import TABLE_HELP
from metarouter.cli.command import command_of
from metarouter.cli.options import COLUMNS, GoldColumn, Seed, TextEncoding

__all__ = ["AdviseSettings", "advise"]


@dataclass(frozen=True, kw_only=True)
class AdviseSettings:
    """Say what to buy next: a person's label, another query judged, more draws, another judge.

    A table of `metarouter collect` is the pilot. Every option is priced by what its smallest step
    takes off the error of the router's gain, per unit of money; buy some of the first, and ask
    again. `metarouter suggest` chooses the queries.

    ```
    metarouter advise labels.csv --judge-price 0.0004 --gold-price 2
    metarouter advise labels.csv --judge-price small=0.0004 --judge-price big=0.01 --gold-price 2
    ```
    """

    table: Annotated[
        Path, typer.Argument(help=f"Queries with gold labels and verdicts. {TABLE_HELP}")
    ]
    judge_price: Annotated[
        list[str],
        typer.Option(
            "--judge-price",
            help="Money for one verdict: PRICE, or JUDGE=PRICE once per judge.",
            show_default=False,
        ),
    ] = field(default_factory=list)
    gold_price: Annotated[
        float | None,
        typer.Option("--gold-price", help="Money for one gold label.", show_default=False),
    ] = None
    gold: GoldColumn = "gold"
    preference: Annotated[
        list[str],
        typer.Option(
            "--preference",
            help="The labels of a judge; may be repeated.",
            rich_help_panel=COLUMNS,
            show_default="those of all judges that collect has written",
        ),
    ] = field(default_factory=list)
    text: Annotated[
        str | None,
        typer.Option(
            "--text",
            help="The queries: rows of one text are drawn together.",
            rich_help_panel=COLUMNS,
            show_default="column 'query' if there is one",
        ),
    ] = None
    seed: Seed = 0
    encoding: TextEncoding = None


def _run(settings: AdviseSettings) -> None:
    from metarouter.cli._advise_run import run_advise

    run_advise(settings)


advise = command_of("advise", AdviseSettings, _run)
