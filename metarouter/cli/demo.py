"""``metarouter demo``: the whole job on simulated queries, with the truth beside the estimates."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from metarouter.cli.options import Cores, Seed

__all__ = ["demo"]


def demo(
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="Folder for the results.", show_default=False),
    ],
    seed: Seed = 0,
    rounds: Annotated[
        int, typer.Option("--rounds", min=2, help="Random splits of the small study.")
    ] = 10,
    n_jobs: Cores = -1,
) -> None:
    """See everything at work on simulated queries whose truth is known.

    Fits the routers once and prints every error against the truth, runs a small study, and writes
    report.md, areas.csv, efficiency_gain.png, tables to play with and a router to route with.
    Takes less than a minute.

    ```
    metarouter demo --out demo
    ```
    """
    from metarouter.cli._demo_run import run_demo

    run_demo(out, seed=seed, rounds=rounds, n_jobs=n_jobs)
