"""What ``metarouter fit`` says about the router that it has learned."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.cli._costs import WeighedCosts
from metarouter.cli._out_of_fold import OutOfFold
from metarouter.cli.console import print_frame
from metarouter.datasets import LabelledQueries
from metarouter.datasets._labelled_queries import TrainingRows
from metarouter.reporting import mean_shift, verdict
from metarouter.reporting._routing_report import threshold_text
from metarouter.reporting.certified_router import CertifiedRouter
from metarouter.routing import AdaptiveMetaRouter, ThresholdRouter, TunedThreshold
from metarouter.routing._pipeline import split_router
from metarouter.routing.threshold_router import decision
from metarouter.utils.groups import count_groups
from metarouter.utils.style import router_label

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["FittedRouter", "print_fit_summary"]


@dataclass(frozen=True)
class FittedRouter:
    """A router, and what it was learned from and checked on.

    Parameters
    ----------
    router : ThresholdRouter or Pipeline
    queries : LabelledQueries
    rows : TrainingRows
        Those that the router learned from.
    costs : WeighedCosts or None
    held_out : OutOfFold or None
    tuned : TunedThreshold or None
    certified : CertifiedRouter or None
    """

    router: Any
    queries: LabelledQueries
    rows: TrainingRows
    costs: WeighedCosts | None
    held_out: OutOfFold | None
    tuned: TunedThreshold | None
    certified: CertifiedRouter | None


def print_fit_summary(
    to: Console, fitted: FittedRouter, *, why_not: str, out: Path, route_options: str
) -> None:
    """Print labels, scale, mean shift, what routing gains out of fold, and the share routed."""
    queries, held_out = fitted.queries, fitted.held_out
    last = split_router(fitted.router, fitted.rows.X)[1]
    lines = [
        _labels(queries),
        *(f"Note: {note}." for note in queries.notes),
        *_scale_and_shift(last.model_, fitted.rows),
    ]
    if held_out is None:
        lines.append(f"Not checked out of fold: {why_not}.")
    _print_lines(to, lines)
    if held_out is not None:
        print_frame(
            to,
            _gains(held_out),
            title=f"Area under the efficiency gain, out of fold ({queries.n_gold} gold labels)",
            caption="Random routing has area 0. Differences are paired: this router minus the "
            "other one.",
        )
        for name, reason in held_out.left_out.items():
            _print_lines(to, [f"Not compared with {router_label(name)}: {reason}."])
    lines = [*_threshold(fitted, last)]
    use = f"metarouter route {out} QUERIES{route_options} --out routed.csv"
    lines.append(f"Saved to {out}; use it: {use}")
    _print_lines(to, lines)


def _threshold(fitted: FittedRouter, last: ThresholdRouter) -> list[str]:
    """Say which w is used, and what it does."""
    certified, tuned = fitted.certified, fitted.tuned
    if certified is not None:
        return [f"Certified: {threshold_text(certified.threshold)}", certified.summary()]
    share = _share(fitted, last)
    if tuned is None and last.w == 0:
        share += (
            " No gain is demanded for the primary model's price: give --w or --max-share to send "
            "it fewer."
        )
    if tuned is None:
        return [share]
    if fitted.held_out is not None:
        return [share, f"{tuned.summary()}."]
    return [
        share,
        f"{tuned.summary()}; tuned on the queries that the router was fitted on, so that "
        "the share on new queries may differ more than that.",
    ]


def _print_lines(to: Console, lines: list[str]) -> None:
    for line in lines:
        to.print(line, markup=False, soft_wrap=True)


def _labels(queries: LabelledQueries) -> str:
    text = (
        f"{queries.name}: {queries.n_queries} queries, {queries.n_gold} with a gold label, "
        f"{queries.n_preference} with a preference label, {queries.n_paired} with both"
    )
    if queries.groups is not None:
        text += f", in {count_groups(queries.groups)} groups"
    return text + "."


def _scale_and_shift(model: Any, rows: TrainingRows) -> list[str]:
    if isinstance(model, AdaptiveMetaRouter):
        borrowed = str(model.borrowing_)
        return [
            f"{borrowed[0].upper()}{borrowed[1:]}.",
            f"One unit of the preference score is worth {model.slope_:.3g} in gold units.",
        ]
    if rows.is_gold.all():
        return []
    lines = [f"Gold labels were multiplied by {model.scaler_.factor_:.4g} to share one scale."]
    shift = mean_shift(model, rows)
    if shift is not None:
        says = {
            "held": ": cheap labels understate the primary model.",
            "reversed": ": cheap labels overstate the primary model.",
            "not significantly different": "; not significantly different from 0, though it "
            "may differ between queries.",
        }[verdict(*shift.interval())]
        lines.append(
            f"Mean estimated shift, gold minus preference: {shift} in preference units "
            f"({shift.how}){says}"
        )
    return lines


def _gains(held_out: OutOfFold) -> Any:
    import pandas as pd

    compared = held_out.comparison()
    mine = [name == "this router" for name in compared.routers]
    return pd.DataFrame(
        {
            "router": [router_label(name) for name in compared.routers],
            "area": compared.area,
            "s.e.": compared.area_se,
            "this router's lead": np.where(mine, np.nan, -compared.difference),
            "paired s.e.": np.where(mine, np.nan, compared.difference_se),
        }
    )


def _share(fitted: FittedRouter, last: ThresholdRouter) -> str:
    inputs: dict[str, Any] = {} if fitted.costs is None else fitted.costs.inputs
    features = split_router(fitted.router, fitted.queries.X)[0]
    if fitted.held_out is not None:
        extra = last._cost_model().extra_cost(features, **inputs)
        sent = decision(fitted.held_out.gains["this router"], extra, last.w) > 0
        where = "out of fold"
    else:
        sent = last.decision_function(features, **inputs) > 0
        where = "on the queries it was fitted on"
    n, share = sent.size, float(sent.mean())
    se = np.sqrt(share * (1 - share) / n)
    return (
        f"With w = {last.w:.4g} it sends {share:.1%} (s.e. {se:.1%}) of the queries to "
        f"{last.models[1]} ({where})."
    )
