"""What a threshold must keep, as options of several commands, and what they make of it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from metarouter.exceptions import BudgetError

__all__ = [
    "CONSTRAINTS",
    "DEFAULT_DELTA",
    "DeltaToCertify",
    "MaxCost",
    "MaxShare",
    "MinGain",
    "check_constraints",
    "constraints_of",
]

CONSTRAINTS = "What the threshold must keep"
DEFAULT_DELTA = 0.1

_NAMES = ("max_share", "max_cost", "min_gain")

MaxShare = Annotated[
    float | None,
    typer.Option(
        "--max-share",
        help="Largest share of queries to send to the primary model, from 0 to 1.",
        rich_help_panel=CONSTRAINTS,
        show_default=False,
    ),
]
MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        help="Largest mean cost per query, in the unit of the costs.",
        rich_help_panel=CONSTRAINTS,
        show_default=False,
    ),
]
MinGain = Annotated[
    float | None,
    typer.Option(
        "--min-gain",
        help="Smallest mean gain over always asking the alternative, in gold units; certified.",
        rich_help_panel=CONSTRAINTS,
        show_default=False,
    ),
]
DeltaToCertify = Annotated[
    float | None,
    typer.Option(
        "--delta",
        help="Certify w: the constraints may be broken with this probability.",
        rich_help_panel=CONSTRAINTS,
        show_default=f"{DEFAULT_DELTA} with --min-gain, else w is tuned",
    ),
]


def constraints_of(settings: Any) -> dict[str, float]:
    """Return the constraints that are given, by name."""
    asked = {name: getattr(settings, name) for name in _NAMES}
    return {name: limit for name, limit in asked.items() if limit is not None}


def check_constraints(settings: Any) -> float | None:
    """Check constraints before any work; return the probability to certify with, None to tune.

    Raises
    ------
    BudgetError
        If w is given besides, there is no constraint, two budgets are to be tuned, or a limit is
        out of range.
    """
    from metarouter.inference.guarantees import as_delta, constraint_of

    constraints = constraints_of(settings)
    options = [f"--{name.replace('_', '-')}" for name in constraints]
    if settings.w is not None and (constraints or settings.delta is not None):
        raise BudgetError(
            f"Both --w and {(options or ['--delta'])[0]} are given: give one of them."
        )
    for name, limit in constraints.items():
        constraint_of(name, limit)
    if settings.delta is not None:
        if not constraints:
            raise BudgetError(
                "--delta is given, but there is no constraint: give --max-share, --max-cost or "
                "--min-gain."
            )
        return as_delta(settings.delta)
    if "min_gain" in constraints:
        return DEFAULT_DELTA
    if len(constraints) > 1:
        raise BudgetError(
            "Both --max-share and --max-cost are given: give one of them, or --delta to have both "
            "certified."
        )
    return None
