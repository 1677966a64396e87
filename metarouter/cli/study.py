"""``metarouter study``: compare the routers over many splits of one table."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli._choices import (
    STUDY_DATASETS,
    Encoder,
    Learner,
    Method,
    Propensity,
    Scaling,
)
from metarouter.cli._tables import TABLE_HELP, TableOptions
from metarouter.cli.command import command_of
from metarouter.cli.options import (
    MODEL,
    RUNNING,
    Cores,
    EncoderChoice,
    Folds,
    MethodChoice,
    ScalingChoice,
    Seed,
)

__all__ = ["StudySettings", "study"]

_DATA = "A data set that is known by name"
_TABLE = "Or a table of your own"
_DESIGN = "Design of the study"


@dataclass(frozen=True, kw_only=True)
class StudySettings(TableOptions):
    r"""Compare the routers over many random splits of one table.

    In every round some queries are kept for testing, some carry only their gold label and the
    others only their preference label. Writes a report with plain verdicts, tables, and a figure.
    Stop it when you like: the same command goes on where it stopped.

    ```
    metarouter study --dataset judged_queries --n-gold 50 --n-gold 200 --out study
    metarouter study --dataset xstest --pair llama2orig mistralinstruct \
        --judge judge_gpt4 --n-gold 50 --n-gold 100 --pca 20 --out xstest
    metarouter study --table labels.csv --text query --group-by source --out study
    ```
    """

    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the results.", show_default=False),
    ]
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            help=f"One of {', '.join(STUDY_DATASETS)}.",
            rich_help_panel=_DATA,
            show_default=False,
        ),
    ] = None
    pair: Annotated[
        tuple[str, str] | None,
        typer.Option(
            "--pair",
            metavar="PRIMARY ALTERNATIVE",
            help="The strong and the cheap model.",
            rich_help_panel=_DATA,
            show_default="that of the data set",
        ),
    ] = None
    judge: Annotated[
        str | None,
        typer.Option(
            "--judge",
            help="Column of the cheap labels.",
            rich_help_panel=_DATA,
            show_default="that of the data set",
        ),
    ] = None
    data_home: Annotated[
        Path | None,
        typer.Option(
            "--data-home",
            help="Folder of the published data sets.",
            rich_help_panel=_DATA,
            show_default="$METAROUTER_DATA_HOME",
        ),
    ] = None
    bias: Annotated[
        float | None,
        typer.Option(
            "--bias",
            help="Size of a simulated judge's constant bias.",
            rich_help_panel=_DATA,
            show_default="that of the data set",
        ),
    ] = None
    heterogeneity: Annotated[
        float | None,
        typer.Option(
            "--heterogeneity",
            help="How much a simulated judge's bias varies between queries.",
            rich_help_panel=_DATA,
            show_default="that of the data set",
        ),
    ] = None
    table: Annotated[
        Path | None,
        typer.Option(
            "--table",
            help=f"Queries with both labels; those with one are left out. {TABLE_HELP}",
            rich_help_panel=_TABLE,
            show_default=False,
        ),
    ] = None
    encoder: EncoderChoice = Encoder.tfidf
    group_by: Annotated[
        str | None,
        typer.Option(
            "--group-by",
            help="Column of the table whose values stay on one side of every split; 'none' "
            "switches off the grouping of a data set, too. With groups, random splits are run "
            "as well.",
            rich_help_panel=_DESIGN,
            show_default="as the data say",
        ),
    ] = None
    n_gold: Annotated[
        list[int],
        typer.Option(
            "--n-gold",
            min=2,
            help="Number of gold labels to learn from, at least 2; may be repeated.",
            rich_help_panel=_DESIGN,
        ),
    ] = field(default_factory=lambda: [100])
    rounds: Annotated[
        int, typer.Option("--rounds", min=2, help="Random splits.", rich_help_panel=_DESIGN)
    ] = 50
    n_test: Annotated[
        int | None,
        typer.Option(
            "--n-test",
            min=1,
            help="Test queries.",
            rich_help_panel=_DESIGN,
            show_default="500, at most a quarter",
        ),
    ] = None
    pca: Annotated[
        int | None,
        typer.Option(
            "--pca",
            min=1,
            help="Reduce the features to so many principal components.",
            rich_help_panel=_DESIGN,
            show_default="features as they are",
        ),
    ] = None
    learner: Annotated[
        Learner,
        typer.Option(
            "--learner",
            help="Regression used everywhere, H in the paper; forest stands for "
            "extremely randomised trees.",
            rich_help_panel=MODEL,
        ),
    ] = Learner.forest
    propensity: Annotated[
        Propensity,
        typer.Option(
            "--propensity",
            help="The study places gold labels at random, so constant is right.",
            rich_help_panel=MODEL,
        ),
    ] = Propensity.constant
    scaling: ScalingChoice = Scaling.variance
    method: MethodChoice = Method.auto
    folds: Folds = 5
    checkpoint: Annotated[
        Path | None,
        typer.Option(
            "--checkpoint",
            help="Folder that keeps every finished round.",
            rich_help_panel=RUNNING,
            show_default="checkpoint, inside --out",
        ),
    ] = None
    resume: Annotated[
        bool,
        typer.Option(
            "--resume/--no-resume",
            help="Go on from the finished rounds of the same study, or begin anew.",
            rich_help_panel=RUNNING,
        ),
    ] = True
    seed: Seed = 0
    n_jobs: Cores = -1


def _run(settings: StudySettings) -> None:
    from metarouter.cli._study_run import run_study

    run_study(settings)


study = command_of("study", StudySettings, _run)
