"""``metarouter report``: what a table of labelled queries says, fit to hand over."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli._budgets import CONSTRAINTS, DEFAULT_DELTA, MaxCost, MaxShare, MinGain
from metarouter.cli._choices import Encoder, Method, Propensity, ReportFormat, Scaling, Shift
from metarouter.cli._costs import CostOptions
from metarouter.cli._tables import TABLE_HELP, TableOptions
from metarouter.cli.command import command_of
from metarouter.cli.options import (
    COLUMNS,
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

__all__ = ["ReportOptions", "report"]

_PRICES = "What labels cost, for the plan"


@dataclass(frozen=True, kw_only=True)
class ReportOptions(CostOptions, TableOptions):
    r"""Report on your own labels: whether the cheap ones are biased, and what routing gains.

    A label is the quality of the primary (strong, costly) model's answer minus that of the
    alternative (cheap) one. Give the trustworthy ones in a column **gold**, the cheap ones in a
    column **preference**; cells may be empty. What the labels cannot tell is INCONCLUSIVE, and the
    report says how many would do.

    The recommended threshold belongs to a router that learned from three fifths of the queries and
    was certified on the others; without constraints it sends at most half of the queries to the
    primary model. **--save-router** writes that router. Columns **cost_primary** and
    **cost_alternative** are drawn where there are any; the router weighs costs where they are
    named or priced, or **--max-cost** is given.

    ```
    metarouter report labels.csv --text query --out report.html
    metarouter report labels.parquet --features 'e*' --out report.html --out report.json
    metarouter report labels.csv --text query --max-share 0.3 --out report.html \
        --save-router router.skops
    ```
    """

    table: Annotated[Path, typer.Argument(help=f"Labelled queries. {TABLE_HELP}")]
    out: Annotated[
        list[Path],
        typer.Option(
            "--out",
            "-o",
            help="The report: .html, .md, .tex or .json; may be repeated.",
            show_default=False,
        ),
    ]
    form: Annotated[
        ReportFormat | None,
        typer.Option(
            "--format", help="How to write, whatever the ending of --out.", show_default=False
        ),
    ] = None
    domain: Annotated[
        str | None,
        typer.Option(
            "--domain",
            help="Column of domains, between which the bias is compared.",
            rich_help_panel=COLUMNS,
            show_default="column 'domain' if there is one",
        ),
    ] = None
    save_router: Annotated[
        Path | None,
        typer.Option(
            "--save-router",
            help="File for the router with its certified threshold, *.skops, for `metarouter "
            "route`.",
            show_default=False,
        ),
    ] = None
    encoder: EncoderChoice = Encoder.tfidf
    shift: Annotated[
        Shift,
        typer.Option(
            "--shift",
            help="The router that is recommended: adaptive, by DR-learner, R-learner, one "
            "constant, or pooled labels. All are compared.",
            rich_help_panel=MODEL,
        ),
    ] = Shift.adaptive
    propensity: PropensityChoice = Propensity.estimated
    scaling: ScalingChoice = Scaling.variance
    method: MethodChoice = Method.auto
    folds: Folds = 5
    level: Annotated[
        float,
        typer.Option("--level", help="Of all intervals and bands.", rich_help_panel=MODEL),
    ] = 0.95
    primary: PrimaryName = "primary"
    alternative: AlternativeName = "alternative"
    max_share: MaxShare = None
    max_cost: MaxCost = None
    min_gain: MinGain = None
    delta: Annotated[
        float,
        typer.Option(
            "--delta",
            help="Probability with which the constraints may be broken.",
            rich_help_panel=CONSTRAINTS,
        ),
    ] = DEFAULT_DELTA
    gold_price: Annotated[
        float,
        typer.Option("--gold-price", help="Price of one gold label.", rich_help_panel=_PRICES),
    ] = 1.0
    preference_price: Annotated[
        float,
        typer.Option(
            "--preference-price", help="Price of one preference label.", rich_help_panel=_PRICES
        ),
    ] = 0.01
    title: Annotated[
        str | None, typer.Option("--title", help="Of the report.", show_default=False)
    ] = None
    seed: Seed = 0
    n_jobs: Cores = -1


def _run(settings: ReportOptions) -> None:
    from metarouter.cli._report_run import run_report

    run_report(settings)


report = command_of("report", ReportOptions, _run)
