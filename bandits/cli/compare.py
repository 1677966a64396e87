"""``bandits compare``: whether a challenger should take the place of the router in use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bandits.cli._user_logs import LogOptions
from metarouter.cli.command import command_of

__all__ = ["compare"]

_WORDS = {
    "promote": "PROMOTE  The challenger is better",
    "keep": "KEEP  The challenger is worse",
    "wait": "WAIT  The log does not tell yet which is better",
}


@dataclass(frozen=True, kw_only=True)
class CompareSettings(LogOptions):
    """Decide whether a challenger should take the place of the router in use.

    The log is as for `bandits value`, in the order of time, and the bounds hold however often one
    looks: run this every day, and stop when it says PROMOTE or KEEP. To see whether a promotion
    should be taken back, name the former router as the challenger and the new one as
    **--incumbent**. By default the incumbent is the policy that logged; where that one was learning
    (a live router), name one.

    ```
    bandits compare log.csv --challenger new.npz --least-propensity 0.05
    bandits compare live_router_folder --challenger new.npz --incumbent old.npz --cost-cap 0.02
    ```
    """

    challenger: Annotated[
        Path,
        typer.Option(
            "--challenger",
            help="A router: .npz of a bandit's `save`, or .skops of `metarouter fit`.",
            show_default=False,
        ),
    ]
    incumbent: Annotated[
        Path | None,
        typer.Option(
            "--incumbent",
            help="The router to compare with.",
            show_default="the policy that logged",
        ),
    ] = None
    figure: Annotated[
        Path | None,
        typer.Option("--figure", help="File for a picture of the bounds.", show_default=False),
    ] = None


def _run(settings: CompareSettings) -> None:
    from bandits.cli._user_logs import load_policy
    from bandits.off_policy import promotion
    from metarouter.cli.console import console
    from metarouter.cli.outputs import output_file

    if settings.figure is not None:
        output_file(settings.figure, suffixes=(".png", ".pdf", ".svg"))
    routers = [
        load_policy(path) for path in (settings.challenger, settings.incumbent) if path is not None
    ]
    read = settings.read(*routers)
    found = promotion(read.log, *(read.policy(router) for router in routers), level=settings.level)
    at = "" if found.decided_at is None else f" (since row {found.decided_at})"
    to = console()
    for line in (
        f"{_WORDS[found.decision]}{at}.",
        f"Challenger minus incumbent: {found.difference:+.4f} (s.e. {found.se:.4f}) reward per "
        f"decision; {found.level:.0%} bounds that hold at all rows at once {found.lower:+.4f} to "
        f"{found.upper:+.4f}; {found.n} rows.",
    ):
        to.print(line, markup=False, soft_wrap=True)
    if settings.figure is not None:
        found.plot().figure.savefig(settings.figure, bbox_inches="tight")
        to.print(f"Written to {settings.figure}.", markup=False, soft_wrap=True)


compare = command_of("compare", CompareSettings, _run)
