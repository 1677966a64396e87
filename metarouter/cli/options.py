"""Options that several commands share: one wording, one place in the help."""

from __future__ import annotations

from typing import Annotated

import typer

from metarouter.cli._choices import Encoder, Method, Propensity, Scaling, check_cores

__all__ = [
    "COLUMNS",
    "MODEL",
    "RUNNING",
    "AlternativeName",
    "Cores",
    "Encoder",
    "EncoderChoice",
    "Folds",
    "GoldColumn",
    "MethodChoice",
    "PrimaryName",
    "PropensityChoice",
    "ScalingChoice",
    "Seed",
    "TextEncoding",
]

COLUMNS = "Columns of the table"
MODEL = "How to learn"
RUNNING = "Running"

GoldColumn = Annotated[
    str, typer.Option("--gold", help="Trustworthy labels.", rich_help_panel=COLUMNS)
]
TextEncoding = Annotated[
    str | None,
    typer.Option(
        "--encoding",
        help="Encoding of a file of text, such as latin-1.",
        rich_help_panel=COLUMNS,
        show_default="UTF-8, or as its byte order mark says",
    ),
]
EncoderChoice = Annotated[
    Encoder,
    typer.Option(
        "--encoder",
        help="How text becomes vectors; minilm needs the extra `encoders`.",
        rich_help_panel=MODEL,
    ),
]
PropensityChoice = Annotated[
    Propensity,
    typer.Option(
        "--propensity",
        help="Say constant if the queries with gold labels were drawn at random.",
        rich_help_panel=MODEL,
    ),
]
ScalingChoice = Annotated[
    Scaling,
    typer.Option(
        "--scaling",
        help="What is made equal to bring both labels to one scale.",
        rich_help_panel=MODEL,
    ),
]
MethodChoice = Annotated[
    Method,
    typer.Option(
        "--method",
        help="Folds (cv) or out-of-bag predictions (oob) for the nuisances; auto takes oob for "
        "forests, and folds where rows belong together.",
        rich_help_panel=MODEL,
    ),
]
Folds = Annotated[
    int, typer.Option("--folds", min=2, help="Number of folds.", rich_help_panel=MODEL)
]
PrimaryName = Annotated[str, typer.Option("--primary", help="Name of the strong, costly model.")]
AlternativeName = Annotated[str, typer.Option("--alternative", help="Name of the cheap model.")]
Seed = Annotated[
    int,
    typer.Option(
        "--seed",
        min=0,
        max=2**32 - 1,
        help="Seed of everything random.",
        rich_help_panel=RUNNING,
    ),
]
Cores = Annotated[
    int,
    typer.Option(
        "--n-jobs",
        callback=check_cores,
        help="Processor cores, at most those that there are; -1 takes all.",
        rich_help_panel=RUNNING,
    ),
]
