"""What ``metarouter fit`` says about the router that it has learned."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from metarouter.cli._out_of_fold import OutOfFold
from metarouter.cli.console import print_frame
from metarouter.datasets import LabelledQueries
from metarouter.datasets._labelled_queries import TrainingRows
from metarouter.reporting import mean_shift, verdict
from metarouter.routing import AdaptiveMetaRouter, TunedThreshold
from metarouter.routing._pipeline import split_router
from metarouter.utils.groups import count_groups
from metarouter.utils.style import router_label

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["print_fit_summary"]


def print_fit_summary(
    to: Console,
    router: Any,
    queries: LabelledQueries,
    rows: TrainingRows,
    held_out: OutOfFold | None,
    tuned: TunedThreshold | None,
    *,
    why_not: str,
    out: Path,
) -> None:
    """Print labels, scale, mean shift, what routing gains out of fold, and the share routed."""
    last = split_router(router, rows.X)[1]
    lines = [
        _labels(queries),
        *(f"Note: {note}." for note in queries.notes),
        *_scale_and_shift(last.model_, rows),
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
    lines = [_share(router, rows, held_out)]
    if tuned is None and last.w == 0:
        lines[0] += (
            " No gain is demanded for the primary model's price: give --w or --max-share to send "
            "it fewer."
        )
    if tuned is not None:
        lines.append(
            f"{tuned.summary()}."
            if held_out is not None
            else f"{tuned.summary()}; tuned on the queries that the router was fitted on, so that "
            "the share on new queries may differ more than that."
        )
    lines.append(f"Saved to {out}; use it: metarouter route {out} QUERIES --out routed.csv")
    _print_lines(to, lines)


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


def _share(router: Any, rows: TrainingRows, held_out: OutOfFold | None) -> str:
    features, last = split_router(router, rows.X)
    if held_out is not None:
        sent = held_out.gains["this router"] - last.w > 0
        where = "out of fold"
    else:
        first = np.unique(rows.query, return_index=True)[1]
        sent = (last.decision_function(features) > 0)[first]
        where = "on the queries it was fitted on"
    n, share = sent.size, float(sent.mean())
    se = np.sqrt(share * (1 - share) / n)
    return (
        f"With w = {last.w:.4g} it sends {share:.1%} (s.e. {se:.1%}) of the queries to "
        f"{last.models[1]} ({where})."
    )
