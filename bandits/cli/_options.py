"""Options that the commands share: one wording, one place in the help."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

__all__ = [
    "DATA",
    "LEARNING",
    "REWARD",
    "Alpha",
    "CostCap",
    "DataHome",
    "Epsilon",
    "Gamma",
    "Out",
    "PriorPrecision",
    "Scale",
]

DATA = "Data"
REWARD = "What is rewarded"
LEARNING = "How to learn"

Out = Annotated[
    Path,
    typer.Option("--out", "-o", help="Folder for the results.", show_default=False),
]
DataHome = Annotated[
    Path | None,
    typer.Option(
        "--data-home",
        help="Folder of the published data sets.",
        rich_help_panel=DATA,
        show_default="$METAROUTER_DATA_HOME",
    ),
]
CostCap = Annotated[
    float | None,
    typer.Option(
        "--cost-cap",
        min=0.0,
        help="Cost, in US dollars, that counts as 1 in the reward, as do larger ones; the same "
        "for all routers.",
        rich_help_panel=REWARD,
        show_default="0.95 quantile over all models",
    ),
]
Alpha = Annotated[
    float,
    typer.Option(
        "--alpha",
        min=0.0,
        help="Of linucb: width of the confidence bound.",
        rich_help_panel=LEARNING,
    ),
]
Scale = Annotated[
    float,
    typer.Option(
        "--scale",
        min=0.0,
        help="Of lints: width of the posterior that is drawn from.",
        rich_help_panel=LEARNING,
    ),
]
Epsilon = Annotated[
    float,
    typer.Option(
        "--epsilon",
        min=0.0,
        max=1.0,
        help="Of epsilon_greedy: share of random rounds.",
        rich_help_panel=LEARNING,
    ),
]
Gamma = Annotated[
    float,
    typer.Option(
        "--gamma",
        min=0.0,
        help="Of square_cb: how fast chances fall with the gap.",
        rich_help_panel=LEARNING,
    ),
]
PriorPrecision = Annotated[
    float,
    typer.Option(
        "--prior-precision",
        min=1e-9,
        help="Ridge penalty of all linear routers.",
        rich_help_panel=LEARNING,
    ),
]
