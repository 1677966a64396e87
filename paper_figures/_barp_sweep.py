"""One policy over the whole range of preferences: curves, and whether they run the right way."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bandits.evaluation import BanditStudyResult, dominated_area
from metarouter.evaluation import Estimates
from paper_figures._barp_cells import interval, with_error
from paper_figures._barp_rows import TestedQueries, tested_queries

__all__ = ["runs_of_seeds", "sweep", "volumes"]

FloatArray = NDArray[np.float64]
AVERAGE = "average"
_SPLITS = ("in_distribution", "out_of_distribution")


def sweep(result: BanditStudyResult, router: str) -> pd.DataFrame:
    """Return score and cost per 1000 queries at every weight of cost, by task and on average.

    Returns
    -------
    DataFrame
        Columns ``split``, ``task``, ``w_cost``, ``score`` and ``cost``, each of the last two with
        the lowest and the highest mean of a seed, ``..._low`` and ``..._high``. The average counts
        every task once; it is left out where there is one task.
    """
    rows = []
    for split in _SPLITS:
        tasks = getattr(result, split)
        for w_cost in result.dial:
            queries = tested_queries(result, w_cost, split)
            outcomes = {
                "score": queries.of(queries.quality, router),
                "cost": 1000.0 * queries.of(queries.cost, router),
            }
            by_task = {
                task: {name: _by_seed(queries, of, task) for name, of in outcomes.items()}
                for task in tasks
            }
            if len(tasks) > 1:
                by_task[AVERAGE] = {
                    name: np.mean([by_task[task][name] for task in tasks], axis=0)
                    for name in outcomes
                }
            for task, seeds in by_task.items():
                row: dict[str, object] = {"split": split, "task": task, "w_cost": w_cost}
                for name, means in seeds.items():
                    row |= {name: means.mean(), f"{name}_low": means.min()}
                    row[f"{name}_high"] = means.max()
                rows.append(row)
    return pd.DataFrame(rows)


def points_of_seeds(
    result: BanditStudyResult, router: str, split: str
) -> tuple[FloatArray, FloatArray]:
    """Return mean score and cost of each seed at every weight of cost, shape (seeds, settings)."""
    points = []
    for w_cost in result.dial:
        queries = tested_queries(result, w_cost, split)
        both = (queries.of(table, router) for table in (queries.quality, queries.cost))
        points.append([_by_seed(queries, values) for values in both])
    score, cost = np.moveaxis(np.array(points), 0, -1)
    return score, cost


def _by_seed(queries: TestedQueries, values: FloatArray, task: str | None = None) -> FloatArray:
    """Return the mean of each seed, over all queries or those of one task."""
    kept = np.ones(len(values)) if task is None else (queries.task == task).astype(float)
    seed = queries.groups[:, 0]
    return np.bincount(seed, weights=values * kept) / np.bincount(seed, weights=kept)


def runs_of_seeds(result: BanditStudyResult, router: str, split: str) -> pd.DataFrame:
    """Tell, seed by seed, whether cost falls and score does not rise as cost weighs more."""
    score, cost = points_of_seeds(result, router, split)
    return pd.DataFrame(
        {
            "seed": np.arange(len(score)),
            "cost per 1000, from": 1000 * cost[:, 0],
            "to": 1000 * cost[:, -1],
            "largest rise of cost (%)": 100 * _largest_rise(cost) / cost[:, 0],
            "score, from": score[:, 0],
            "to ": score[:, -1],
            "largest rise of score": _largest_rise(score),
        }
    )


def volumes(result: BanditStudyResult, names: Mapping[str, str], split: str) -> pd.DataFrame:
    """Lay out the area that each router's sweep dominates, and the first one's lead in it.

    Standard errors and intervals are over seeds.
    """
    queries = tested_queries(result, result.dial[0], split)
    largest_cost = np.max([_by_seed(queries, cost) for cost in queries.cost.T], axis=0)
    areas = {}
    for router in names:
        score, cost = points_of_seeds(result, router, split)
        seeds = zip(cost, score, largest_cost, strict=True)
        areas[router] = np.array([dominated_area(*seed) for seed in seeds])
    first = next(iter(names))
    rows = []
    for router, name in names.items():
        lead = _over_seeds(areas[first] - areas[router])
        row = {"router": name, "hypervolume": with_error(_over_seeds(areas[router]), 4)}
        row[f"lead of {names[first]}"] = "" if router == first else interval(lead, "+.4f")
        rows.append(row)
    return pd.DataFrame(rows)


def _largest_rise(values: FloatArray) -> FloatArray:
    """Largest step upwards between neighbouring settings, 0 where there is none."""
    return np.maximum(np.diff(values, axis=1).max(axis=1), 0.0)


def _over_seeds(values: FloatArray) -> Estimates:
    n = len(values)
    se = values.std(ddof=1) / np.sqrt(n) if n > 1 else np.nan
    return Estimates(np.array([values.mean()]), np.array([se]), np.array([max(n - 1.0, 1.0)]))
