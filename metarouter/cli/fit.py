"""``metarouter fit``: learn a router from a table of labelled queries."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli._budgets import CONSTRAINTS, DeltaToCertify, MaxCost, MaxShare, MinGain
from metarouter.cli._choices import Encoder, Method, Propensity, Scaling, Shift
from metarouter.cli._costs import CostOptions
from metarouter.cli._tables import TABLE_HELP, TableOptions
from metarouter.cli.command import command_of
from metarouter.cli.options import (
    MODEL,
    AlternativeName,
    Cores,
    EncoderChoice,
    Folds,
    MethodChoice,
    PrimaryName,
    PropensityChoice,
    ScalingChoice,
    Seed,
)

__all__ = ["FitSettings", "fit"]


@dataclass(frozen=True, kw_only=True)
class FitSettings(CostOptions, TableOptions):
    r"""Learn a router from your own labels and save it.

    A label is the quality of the primary (strong, costly) model's answer minus that of the
    alternative (cheap) one. Give the trustworthy ones in a column **gold**, the cheap
    ones (votes, LLM judges) in a column **preference**; cells may be empty.

    A budget (**--max-share** or **--max-cost**) tunes the trade-off w. With **--delta** it is
    certified instead: kept on new queries too, except with that probability. Then the router learns
    from three fifths of the queries, and w is certified on the others.

    ```
    metarouter fit labels.csv --text query --out router.skops
    metarouter fit labels.parquet --features 'e*' --max-share 0.3 --out router.skops
    metarouter fit labels.csv --text query --gold expert --preference vote --w 0.1 -o router.skops
    metarouter fit labels.csv --text query --max-share 0.3 --min-gain 0 --delta 0.1 -o router.skops
    metarouter fit labels.csv --text query --price-primary 2.5/10 --price-alternative 0.15/0.6 \
        --output-tokens 300 --max-cost 0.001 --out router.skops
    ```
    """

    table: Annotated[Path, typer.Argument(help=f"Labelled queries. {TABLE_HELP}")]
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The router file to write, *.skops.", show_default=False),
    ]
    encoder: EncoderChoice = Encoder.tfidf
    shift: Annotated[
        Shift,
        typer.Option(
            "--shift",
            help="How to use the cheap labels: as far as the trustworthy ones bear them out "
            "(adaptive), corrected by a DR-learner, an R-learner or one constant, or as they are. "
            "--propensity, --scaling and --method are those of dr and r.",
            rich_help_panel=MODEL,
        ),
    ] = Shift.adaptive
    propensity: PropensityChoice = Propensity.estimated
    scaling: ScalingChoice = Scaling.variance
    method: MethodChoice = Method.auto
    folds: Folds = 5
    w: Annotated[
        float | None,
        typer.Option(
            "--w",
            help="Gain demanded of the primary model's answer per unit of its extra cost, in gold "
            "units; 0 asks for none.",
            rich_help_panel=CONSTRAINTS,
            show_default="0",
        ),
    ] = None
    max_share: MaxShare = None
    max_cost: MaxCost = None
    min_gain: MinGain = None
    delta: DeltaToCertify = None
    primary: PrimaryName = "primary"
    alternative: AlternativeName = "alternative"
    check: Annotated[
        bool,
        typer.Option(
            "--check/--no-check",
            help="Say what routing gains on queries that a router has not seen.",
        ),
    ] = True
    seed: Seed = 0
    n_jobs: Cores = -1


def _run(settings: FitSettings) -> None:
    from metarouter.cli._fit_run import run_fit

    run_fit(settings)


fit = command_of("fit", FitSettings, _run)
