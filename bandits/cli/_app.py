"""The commands, put together."""

from __future__ import annotations

from typing import Annotated

import typer

from bandits import __version__
from bandits.cli.compare import compare
from bandits.cli.duels import duels
from bandits.cli.rewards import rewards
from bandits.cli.scenarios import scenarios
from bandits.cli.serve import serve
from bandits.cli.study import study
from bandits.cli.value import value
from metarouter.cli.command import add_command
from metarouter.cli.group import OneLineErrors

__all__ = ["app"]

app = typer.Typer(
    cls=OneLineErrors,
    name="bandits",
    rich_markup_mode="markdown",
    no_args_is_help=True,
    pretty_exceptions_show_locals=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"bandits {__version__}")
        raise typer.Exit


@app.callback()
def _about(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show it.")
    ] = False,
) -> None:
    """Send each query to one of many language models, and learn from the answers that came back.

    A router in use sees the quality and the cost of the model it called and nothing else. Quality
    and cost are learned apart, so that one router serves every trade-off between them.

    ```
    bandits study --dataset routerbench_fewshot --out study
    bandits scenarios --out scenarios
    bandits duels --out duels
    bandits rewards pairs.csv --verified label --out rewards
    bandits value log.csv --policy challenger.npz
    bandits compare log.csv --challenger challenger.npz
    ```
    """


add_command(app, study)
add_command(app, scenarios)
add_command(app, duels)
add_command(app, rewards)
add_command(app, value)
add_command(app, compare)
add_command(app, serve)
