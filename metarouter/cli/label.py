"""``metarouter label``: people compare answers, on a page of this machine."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli._tables import TABLE_HELP
from metarouter.cli.command import command_of
from metarouter.cli.options import COLUMNS, Seed, TextEncoding

__all__ = ["LabelSettings", "label"]

_SHEET = "Sheets instead of the page"


@dataclass(frozen=True, kw_only=True)
class LabelSettings:
    """Let people compare the two answers to each query, on a page of this machine.

    The page shows pairs in random order, and does not tell whose answer is whose. Every verdict
    is saved at once; run the command again to go on. When it is stopped with Ctrl-C it writes the
    table with the mean verdict (column **gold**) and says how far people agree.

    People without this machine get a sheet (**--template**) to fill in with any spreadsheet, which
    **--filled** reads.

    ```
    metarouter label pairs.csv --out labelled.csv
    metarouter label pairs.csv --template for_ann.csv --annotator ann
    metarouter label pairs.csv --filled for_ann.csv --filled for_bob.csv --out labelled.csv
    ```
    """

    table: Annotated[Path, typer.Argument(help=f"Queries with two answers. {TABLE_HELP}")]
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="The labelled table to write; needed but for --template.",
            show_default=False,
        ),
    ] = None
    template: Annotated[
        Path | None,
        typer.Option(
            "--template",
            help="Write a sheet for one person, blinded and in random order, and leave.",
            rich_help_panel=_SHEET,
            show_default=False,
        ),
    ] = None
    annotator: Annotated[
        str | None,
        typer.Option(
            "--annotator",
            help="Whom --template is for.",
            rich_help_panel=_SHEET,
            show_default=False,
        ),
    ] = None
    filled: Annotated[
        list[Path],
        typer.Option(
            "--filled",
            help="A sheet that came back, instead of the page; may be repeated.",
            rich_help_panel=_SHEET,
            show_default="none",
        ),
    ] = field(default_factory=list)
    verdicts: Annotated[
        Path | None,
        typer.Option(
            "--verdicts",
            help="Where every single verdict is kept, as CSV.",
            show_default="--out with the ending .verdicts.csv",
        ),
    ] = None
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Of the page; 0 takes a free one.")
    ] = 0
    text: Annotated[str, typer.Option("--text", help="The queries.", rich_help_panel=COLUMNS)] = (
        "query"
    )
    answer_primary: Annotated[
        str,
        typer.Option("--answer-primary", help="The primary's answers.", rich_help_panel=COLUMNS),
    ] = "answer_primary"
    answer_alternative: Annotated[
        str,
        typer.Option("--answer-alternative", help="The alternative's.", rich_help_panel=COLUMNS),
    ] = "answer_alternative"
    label: Annotated[
        str, typer.Option("--label", help="The column to write.", rich_help_panel=COLUMNS)
    ] = "gold"
    seed: Seed = 0
    encoding: TextEncoding = None


def _run(settings: LabelSettings) -> None:
    from metarouter.cli._label_run import run_label

    run_label(settings)


label = command_of("label", LabelSettings, _run)
