"""The commands, put together."""

from __future__ import annotations

import typer

from bandits.cli.duels import duels
from bandits.cli.scenarios import scenarios
from bandits.cli.study import study
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


@app.callback()
def _about() -> None:
    """Send each query to one of many language models, and learn from the answers that came back.

    A router in use sees the quality and the cost of the model it called and nothing else. Quality
    and cost are learned apart, so that one router serves every trade-off between them.

    ```
    python -m bandits study --dataset routerbench_fewshot --out study
    python -m bandits scenarios --out scenarios
    python -m bandits duels --out duels
    ```
    """


app.command()(study)
app.command()(scenarios)
app.command()(duels)
