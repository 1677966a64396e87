"""``metarouter suggest``: which queries of a table to label next."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli._tables import TABLE_HELP, TableOptions
from metarouter.cli.command import command_of
from metarouter.cli.options import Seed

__all__ = ["Strategy", "SuggestSettings", "suggest"]

_CHOICE = "How to choose"


class Strategy(StrEnum):
    """What the probabilities of the draw grow with."""

    threshold = "threshold"
    uncertainty = "uncertainty"
    variance = "variance"
    design = "design"
    random = "random"


@dataclass(frozen=True, kw_only=True)
class SuggestSettings(TableOptions):
    """Choose the queries of a table that should get gold labels next.

    Queries without a gold label are drawn by chance, those that matter more with more of it. The
    chosen rows are written with two columns more: **inclusion_probability**, and **weight**, which
    makes means and tests over gold labels those of all queries; other rows have the weight 1.

    ```
    metarouter suggest labels.csv --features 'e*' --n 50 --out to_label.csv
    metarouter suggest labels.csv --text query --n 50 --strategy random --out to_label.csv
    ```
    """

    table: Annotated[Path, typer.Argument(help=f"Queries, labelled or not. {TABLE_HELP}")]
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            "-o",
            help="The table of queries to label; its ending chooses the format.",
            show_default=False,
        ),
    ]
    n: Annotated[int, typer.Option("--n", help="Queries to choose.", min=1)] = 50
    strategy: Annotated[
        Strategy,
        typer.Option(
            "--strategy",
            help="What to look for; none is better than random on every table (docs/labelling.md).",
            rich_help_panel=_CHOICE,
        ),
    ] = Strategy.random
    threshold: Annotated[
        float,
        typer.Option(
            "--threshold",
            help="Gain above which the primary answers, in gold units.",
            rich_help_panel=_CHOICE,
        ),
    ] = 0.0
    seed: Seed = 0


def _run(settings: SuggestSettings) -> None:
    from metarouter.cli._suggest_run import run_suggest

    run_suggest(settings)


suggest = command_of("suggest", SuggestSettings, _run)
