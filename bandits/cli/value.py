"""``bandits value``: what a policy would have earned, from a log of another one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from bandits.cli._user_logs import LogOptions
from metarouter.cli.command import command_of

__all__ = ["value"]


@dataclass(frozen=True, kw_only=True)
class ValueSettings(LogOptions):
    """Estimate what a router would have earned, from a log of what was called instead.

    A row of the log is one decision: the features that the router needs, the model that was called
    (**action**), the probability with which it was chosen (**propensity**) and the quality of the
    answer (**quality**; with **--w-cost** its **cost** too). The router must not have been trained
    on these rows. The estimate is doubly robust, its interval an empirical likelihood.

    ```
    bandits value log.csv --policy challenger.npz
    bandits value log.csv --policy router.skops --w-cost 0.3 --cost-cap 0.02
    bandits value live_router_folder --policy challenger.npz --cost-cap 0.02
    ```
    """

    policy: Annotated[
        Path,
        typer.Option(
            "--policy",
            help="A router: .npz of a bandit's `save`, or .skops of `metarouter fit`.",
            show_default=False,
        ),
    ]


def _run(settings: ValueSettings) -> None:
    from bandits.cli._user_logs import load_policy
    from bandits.off_policy import off_policy_value
    from metarouter.cli.console import console
    from metarouter.utils.progress import stages

    router = load_policy(settings.policy)
    read = settings.read(router)
    with stages() as begin:
        begin("estimating the value")
        result = off_policy_value(read.log, read.policy(router), level=settings.level)
    console().print(result.summary(), markup=False, soft_wrap=True)


value = command_of("value", ValueSettings, _run)
