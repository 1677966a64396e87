"""Time per pair of `BayesianRouter`, against equations 5 and 6 by hand and other ways to label.

    OMP_NUM_THREADS=1 python -m benchmarks.reward_router_speed --out DIR/speed.md

384 features, batches of 64 pairs, one core, processor time. A pair is chosen for, with its
propensity, and learned from. The peer inverts the precision at every update and draws coefficients
through an eigendecomposition, as the authors' code does; it gives no propensities. A second peer
is spared the eigendecomposition, which a draw of scores does not need.
The figure beside the table is the paper's figure 2.
Calls of reward models are counted, not timed: what they cost is the user's.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from bandits import BayesianRouter, Constant
from bandits.reward_models import LASER, majority_vote
from metarouter.reporting import markdown_table
from metarouter.utils.files import atomic_path, write_text

WIDTH, BATCH = 384, 64


class ByHand:
    """Equations 4 to 6: an inverse per update, an eigendecomposition per batch and model."""

    def __init__(self, n_models: int, width: int) -> None:
        self.precision = np.stack([np.eye(width)] * n_models)
        self.mean = np.zeros((n_models, width))
        self.rng = np.random.default_rng(0)

    def sample(self, X: np.ndarray) -> tuple[np.ndarray, None]:
        """Return the model of every pair."""
        scores = np.empty((len(X), len(self.mean)))
        for k, precision in enumerate(self.precision):
            values, vectors = np.linalg.eigh(precision)
            root = vectors / np.sqrt(np.maximum(values, 1e-10 * values.max()))
            drawn = self.mean[k] + self.rng.standard_normal((len(X), len(values))) @ root.T
            scores[:, k] = np.einsum("ij,ij->i", X, drawn)
        return scores.argmax(axis=1), None

    def partial_fit(
        self, X: np.ndarray, action: np.ndarray, *, quality: np.ndarray, propensity: Any = None
    ) -> None:
        """Learn from the rewards of a batch."""
        for k in np.unique(action):
            rows = action == k
            moment = self.precision[k] @ self.mean[k] + X[rows].T @ quality[rows]
            self.precision[k] += X[rows].T @ X[rows]
            self.mean[k] = np.linalg.inv(self.precision[k]) @ moment


class ByHandMarginals(ByHand):
    """The same without the eigendecomposition: scores are drawn from their own marginals."""

    def __init__(self, n_models: int, width: int) -> None:
        super().__init__(n_models, width)
        self.covariance = self.precision.copy()

    def sample(self, X: np.ndarray) -> tuple[np.ndarray, None]:
        """Return the model of every pair."""
        variance = np.stack([np.einsum("ij,ij->i", X @ held, X) for held in self.covariance], 1)
        noise = self.rng.standard_normal(variance.shape)
        return (X @ self.mean.T + np.sqrt(variance) * noise).argmax(axis=1), None

    def partial_fit(
        self, X: np.ndarray, action: np.ndarray, *, quality: np.ndarray, propensity: Any = None
    ) -> None:
        """Learn from the rewards of a batch."""
        for k in np.unique(action):
            rows = action == k
            moment = self.precision[k] @ self.mean[k] + X[rows].T @ quality[rows]
            self.precision[k] += X[rows].T @ X[rows]
            self.covariance[k] = np.linalg.inv(self.precision[k])
            self.mean[k] = self.covariance[k] @ moment


def milliseconds(router: Any, n_models: int, n_batches: int) -> np.ndarray:
    """Return processor milliseconds of every batch."""
    rng = np.random.default_rng(1)
    spent = np.empty(n_batches)
    for batch in range(n_batches):
        X = rng.standard_normal((BATCH, WIDTH)) / np.sqrt(WIDTH)
        quality = rng.random(BATCH)
        start = time.thread_time()
        action, propensity = router.sample(X)
        router.partial_fit(X, action, quality=quality, propensity=propensity)
        spent[batch] = 1e3 * (time.thread_time() - start)
    return spent


def _votes(n_models: int, n_batches: int) -> np.ndarray:
    verdict = np.random.default_rng(1).choice([-1.0, 1.0], (BATCH, n_models))
    spent = np.empty(n_batches)
    for batch in range(n_batches):
        start = time.thread_time()
        majority_vote(verdict)
        spent[batch] = 1e3 * (time.thread_time() - start)
    return spent


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("reward_router_speed.md"))
    parser.add_argument("--models", type=int, default=8)
    parser.add_argument("--batches", type=int, default=40)
    options = parser.parse_args(arguments)
    n, models = options.batches, options.models

    def begun(make: Callable[[], Any]) -> Any:
        X = np.random.default_rng(2).standard_normal((models, WIDTH)) / np.sqrt(WIDTH)
        return make().partial_fit(X, list(range(models)), quality=np.full(models, 0.5))

    arms = {"arms": range(models), "random_state": 0}
    spent = {
        "BayesianRouter, with propensities": milliseconds(
            begun(lambda: BayesianRouter(**arms)), models, n
        ),
        "equations 5 and 6 by hand": milliseconds(ByHand(models, WIDTH), models, max(n // 4, 2)),
        "the same, drawn from marginals": milliseconds(
            ByHandMarginals(models, WIDTH), models, max(n // 4, 2)
        ),
        "LASER": milliseconds(begun(lambda: LASER(**arms)), models, n),
        "one model": milliseconds(begun(lambda: Constant(0, **arms)), models, n),
        "majority": _votes(models, n),
    }
    ours = np.median(spent["BayesianRouter, with propensities"])
    rows = [
        {
            "labels by": name,
            "calls per pair": models if name == "majority" else 1,
            "ms per batch, median": np.median(value),
            "last / first tenth": np.mean(value[-len(value) // 10 :])
            / np.mean(value[1 : 1 + max(len(value) // 10, 1)]),
            "pairs per second": 1e3 * BATCH / np.median(value),
            "time / ours": np.median(value) / ours,
        }
        for name, value in spent.items()
    ]
    text = markdown_table(pd.DataFrame(rows), decimals=2) + "\n"
    write_text(options.out, text)
    draw(pd.DataFrame(rows), models, options.out.with_suffix(".png"))
    print(text)


def draw(table: pd.DataFrame, n_models: int, path: Path) -> None:
    """Draw the time of every way to label a batch (figure 2)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 2.8), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    place = -np.arange(len(table))
    calls = table["calls per pair"]
    colours = np.where(calls > 1, "#0072B2", "#7F7F7F")
    colours[0] = "#D55E00"
    axes.barh(place, table["ms per batch, median"], color=colours.tolist())
    names = [f"{row[0]} ({row[1]} call{'s' if row[1] > 1 else ''})" for row in table.to_numpy()]
    axes.set_yticks(place, names, fontsize=8)
    axes.set_xscale("log")
    axes.set_xlabel(f"ms per batch of {BATCH} pairs, {n_models} models, without their calls")
    axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


if __name__ == "__main__":
    main()
