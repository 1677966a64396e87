"""The demonstration in words and tables."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from metarouter.reporting import MeanShift, markdown_table
from metarouter.utils.style import router_label

if TYPE_CHECKING:
    import pandas as pd

    from metarouter.datasets import LabelledQueries
    from metarouter.routing import MetaRouter

__all__ = ["next_steps", "truth_section", "truth_tables"]

_Shifts = Mapping[str, MeanShift | None]
_Titled = tuple[str, "pd.DataFrame", str]

# Counted by tests/statistical/test_demo_coverage.py, with 200 seeds.
_COVERAGE = (
    "One fit cannot show whether intervals cover: over 200 fits like this one, each with data of "
    "its own, 94% to 97% of the 95% intervals held the true mean (s.e. 1.5%)."
)


def truth_tables(
    models: Mapping[str, MetaRouter],
    train: LabelledQueries,
    shifts: _Shifts,
    truth: pd.DataFrame,
    new: LabelledQueries,
) -> list[_Titled]:
    """Return the tables of the fit against the truth: title, frame, caption."""
    return [
        (
            f"Mean shift of the {train.n_queries} training queries, true and estimated",
            _mean_shifts(models, train, shifts),
            "In units of the votes; gold labels were multiplied by the factor c. z is the error in "
            f"standard errors. {_COVERAGE}",
        ),
        (
            f"Learned functions beside the true ones, on {new.n_queries} new queries",
            _agreement(truth),
            "Correlation and root mean squared error of Delta-hat (units of the votes) and of "
            "psi-hat (gold units), for this one fit; over new test queries their standard errors "
            f"are at most {_largest_error(new.n_queries)}, over new training tables more.",
        ),
        (
            "Area under the efficiency gain, when routing pays the true psi",
            _areas(truth),
            "Differences are paired: routing by the true psi minus routing by psi-hat. Standard "
            "errors are over new test queries, with the fitted routers held fixed.",
        ),
    ]


def truth_section(
    models: Mapping[str, MetaRouter],
    train: LabelledQueries,
    shifts: _Shifts,
    truth: pd.DataFrame,
    new: LabelledQueries,
) -> str:
    """Return the same tables as markdown."""
    parts = [
        f"One fit on {train.n_queries} simulated queries, {train.n_gold} of them with a gold label "
        f"and {train.n_preference} with a vote only. The generator knows the truth."
    ]
    for title, frame, caption in truth_tables(models, train, shifts, truth, new):
        parts += [f"**{title}**", markdown_table(frame, decimals=3), caption]
    return "\n\n".join(parts)


def next_steps(out: Path) -> str:
    """Say what to try next."""
    return "\n".join(
        [
            "What to try next:",
            f"  metarouter route {out}/router.skops {out}/new_queries.csv --out {out}/routed.csv"
            " --max-share 0.3",
            f"  metarouter fit {out}/labelled_queries.csv --features 'x*' --out {out}/mine.skops",
            f"  metarouter report {out}/labelled_queries.csv --features 'x*' --propensity constant"
            f" --out {out}/routing.html",
            f"  metarouter study --dataset healthbench_like --pca 20 --rounds 20 --out {out}/study",
            f"  read {out}/report.md",
        ]
    )


def _mean_shifts(
    models: Mapping[str, MetaRouter], train: LabelledQueries, shifts: _Shifts
) -> pd.DataFrame:
    import pandas as pd

    known = train.truth
    assert known is not None
    true = float(known.delta.mean())
    rows = [
        {
            "router": router_label(name),
            "true": true,
            "estimate": shift.value,
            "s.e.": shift.se,
            "z": (shift.value - true) / shift.se,
            "true c": known.gold_scale,
            "estimated c": models[name].scaler_.factor_,
        }
        for name, shift in shifts.items()
        if shift is not None
    ]
    return pd.DataFrame(rows)


def _agreement(truth: pd.DataFrame) -> pd.DataFrame:
    shown = truth.assign(router=truth["router"].map(router_label)).rename(
        columns={
            "shift_correlation": "Delta: corr.",
            "shift_rmse": "Delta: RMSE",
            "gain_correlation": "psi: corr.",
            "gain_rmse": "psi: RMSE",
        }
    )
    return shown[["router", "Delta: corr.", "Delta: RMSE", "psi: corr.", "psi: RMSE"]][:-1]


def _areas(truth: pd.DataFrame) -> pd.DataFrame:
    best = float(truth["area"].iloc[-1])
    return truth.assign(
        router=truth["router"].map(router_label), share=[f"{a / best:.0%}" for a in truth["area"]]
    )[["router", "area", "area_se", "share", "below_truth", "below_truth_se"]].rename(
        columns={
            "area_se": "s.e.",
            "share": "of the best",
            "below_truth": "below the best",
            "below_truth_se": "paired s.e.",
        }
    )


def _largest_error(n: int) -> str:
    # A correlation near 0 has the largest standard error, 1 / sqrt(n); that of an RMSE in
    # relative terms is near 1 / sqrt(2 n) for normal errors.
    return f"{np.ceil(1000 / np.sqrt(n)) / 1000:.3f}"
