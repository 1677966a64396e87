"""Unlabelled traffic (Meta-Router, A.4): components, projections and weights learned from it.

    python -m paper_figures.unlabelled --out DIR

The gain of 200 features depends on four hidden ones, which the features show with noise; labelled
queries are few and lie elsewhere than the traffic. Errors are on new queries of the traffic, in
variances of the gain.

The projection is compared where gain and bias depend on the leading components of the queries, or
(half of the gain, and the bias) on two directions of little variance that no component shows.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.decomposition import PCA
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import RidgeCV

from metarouter import DRLearner, MetaRouter
from metarouter.overlap_region import density_weights
from metarouter.torch_projection import TorchProjection
from metarouter.utils.files import write_text
from metarouter.utils.markdown import markdown_table

N_LABELLED, N_TRAFFIC, N_FEATURES, N_HIDDEN = 100, 2000, 200, 4
PENALTIES = np.logspace(-2, 4, 7)


def one_round(seed: int, bend: float, distance: float) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    loadings = rng.normal(size=(N_HIDDEN, N_FEATURES)) / np.sqrt(N_HIDDEN)

    def draw(n: int, at: float) -> tuple[np.ndarray, np.ndarray]:
        hidden = rng.normal(size=(n, N_HIDDEN))
        hidden[:, 0] += at
        gain = hidden[:, 0] + hidden[:, 1] + bend * hidden[:, 0] ** 2
        return hidden @ loadings + 1.5 * rng.normal(size=(n, N_FEATURES)), gain

    X, gain = draw(N_LABELLED, 0.0)
    y = gain + rng.normal(size=N_LABELLED)
    traffic, _ = draw(N_TRAFFIC, distance)
    new, truth = draw(2000, distance)

    def error(train: np.ndarray, test: np.ndarray, weight: np.ndarray | None = None) -> float:
        ridge = RidgeCV(PENALTIES).fit(train, y, sample_weight=weight)
        return float(np.mean((ridge.predict(test) - truth) ** 2) / truth.var())

    own = PCA(N_HIDDEN, random_state=0).fit(X)
    learned = PCA(N_HIDDEN, random_state=0).fit(np.vstack([X, traffic]))
    Z, new_Z = learned.transform(X), learned.transform(new)
    weight = density_weights(Z, learned.transform(traffic), random_state=0)
    return {
        "all features": error(X, new),
        "components of labelled queries": error(own.transform(X), own.transform(new)),
        "components of traffic": error(Z, new_Z),
        "components of traffic, weights": error(Z, new_Z, weight),
    }


def projection_round(seed: int, quiet: bool) -> dict[str, float]:
    rng = np.random.default_rng(seed)
    n_labelled, n_features = 400, 100
    loadings = rng.normal(size=(N_HIDDEN, n_features)) / np.sqrt(N_HIDDEN)
    directions = np.linalg.qr(rng.normal(size=(n_features, 2)))[0]

    def draw(n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        hidden = rng.normal(size=(n, N_HIDDEN))
        X = hidden @ loadings + 1.5 * rng.normal(size=(n, n_features))
        other = X @ directions / 1.5
        first, second = (other[:, 0], other[:, 1]) if quiet else (hidden[:, 1], hidden[:, 2])
        return X, hidden[:, 0] + first, 0.5 * second

    X, gain, bias = draw(n_labelled)
    is_gold = np.arange(n_labelled) % 4 == 0
    y = gain + np.where(is_gold, 0.0, bias) + rng.normal(size=n_labelled)
    traffic, _, _ = draw(N_TRAFFIC)
    new, truth, _ = draw(2000)

    def error(transform: Callable[[np.ndarray], np.ndarray]) -> float:
        ridge = RidgeCV(PENALTIES)
        forest = ExtraTreesRegressor(50, min_samples_split=20, max_features=0.5, random_state=0)
        model = MetaRouter(
            DRLearner(ridge, "constant", ridge), forest, scaling=None, calibrate=False
        )
        found = model.fit(transform(X), y, is_gold=is_gold).predict(transform(new))
        return float(np.mean((found - truth) ** 2) / truth.var())

    def projected(smoothness: float, unlabelled: np.ndarray | None) -> float:
        learner = TorchProjection(smoothness=smoothness, device="cpu", random_state=0)
        return error(learner.fit(X, y, is_gold, unlabelled=unlabelled).transform)

    components = PCA(10, random_state=0).fit(np.vstack([X, traffic]))
    return {
        "all features": error(np.asarray),
        "components of traffic": error(components.transform),
        "projection, labels alone": projected(0.0, None),
        "projection, labels and traffic": projected(1.0, traffic),
    }


def projection_table(rounds: int) -> pd.DataFrame:
    """Mean errors, and paired differences from components with twice their standard error."""
    lines = []
    for place, quiet in (("leading components", False), ("directions of little variance", True)):
        found = pd.DataFrame([projection_round(seed, quiet) for seed in range(rounds)])
        for how in found:
            lead = found[how] - found["components of traffic"]
            own = how == "components of traffic"
            difference = "" if own else f"{lead.mean():+.3f} ({2 * lead.sem():.3f})"
            lines.append((place, how, f"{found[how].mean():.3f}", difference))
    columns = ["gain and bias depend on", "features", "error", "difference (2 s.e.)"]
    return pd.DataFrame(lines, columns=columns)


def table(rounds: int) -> pd.DataFrame:
    lines = []
    for name, bend, distance in (
        ("traffic like the labelled queries, linear gain", 0.0, 0.0),
        ("traffic elsewhere, linear gain", 0.0, 1.0),
        ("traffic elsewhere, bent gain", 0.5, 1.0),
    ):
        found = pd.DataFrame([one_round(seed, bend, distance) for seed in range(rounds)])
        before = found["components of labelled queries"]
        for how in found:
            lead = found[how] - before
            own = how == "components of labelled queries"
            lines.append(
                (
                    name,
                    how,
                    f"{found[how].mean():.3f}",
                    "" if own else f"{lead.mean():+.3f} ({2 * lead.sem():.3f})",
                )
            )
    return pd.DataFrame(lines, columns=["queries", "features", "error", "difference (2 s.e.)"])


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--projection-rounds", type=int, default=10)
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/unlabelled"))
    options = parser.parse_args(arguments)
    first, second = table(options.rounds), projection_table(options.projection_rounds)
    text = f"{markdown_table(first)}\n\n{markdown_table(second)}"
    write_text(options.out / "unlabelled.md", text + "\n")
    print(text)


if __name__ == "__main__":
    main()
