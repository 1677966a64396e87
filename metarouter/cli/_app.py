"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from metarouter._version import __version__
from metarouter.cli.advise import advise
from metarouter.cli.collect import collect
from metarouter.cli.command import add_command
from metarouter.cli.demo import demo
from metarouter.cli.fit import fit
from metarouter.cli.group import OneLineErrors
from metarouter.cli.label import label
from metarouter.cli.monitor import monitor
from metarouter.cli.report import report
from metarouter.cli.route import route
from metarouter.cli.study import study
from metarouter.cli.suggest import suggest

__all__ = ["app"]

app = typer.Typer(
    cls=OneLineErrors,
    name="metarouter",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"metarouter {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Send each query to a strong or to a cheap language model.

    Learn from a few trustworthy (gold) labels and many cheap, biased (preference) labels. A label
    is the quality of the strong model's answer minus that of the cheap model's.

    ```
    metarouter demo --out demo
    metarouter fit labels.csv --text query --out router.skops
    metarouter route router.skops new.csv --out routed.csv
    metarouter monitor monitor.npz routed.csv --max-share 0.3
    metarouter suggest labels.csv --text query --out to_label.csv
    metarouter collect prompts.csv --judge gpt-5-mini --dry-run --out labels.csv
    metarouter advise labels.csv --judge-price 0.0004 --gold-price 2
    metarouter report labels.csv --text query --out report.html
    metarouter study --table labels.csv --text query --out study
    ```
    """


add_command(app, demo, "See it")
add_command(app, fit, "Use it")
add_command(app, route, "Use it")
add_command(app, monitor, "Use it")
add_command(app, suggest, "Use it")
add_command(app, collect, "Use it")
add_command(app, label, "Use it")
add_command(app, advise, "Use it")
add_command(app, report, "Study it")
add_command(app, study, "Study it")
