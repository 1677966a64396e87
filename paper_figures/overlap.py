"""Truncation under positivity violation (Meta-Router, section 5), against the truth.

    python -m paper_figures.overlap --out DIR

Gold queries have x1 in [-2, 1] and preference queries in [-1, 2]; or both in [-2, 2]. Up to x1 = 1
the judge's bias is a line. Beyond, where no gold query shows it, it either leaves that line (a
shift learned up to 1 and extrapolated is then wrong) or follows it (it is then right).
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.ensemble import ExtraTreesClassifier, ExtraTreesRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from metarouter import DRLearner, MetaRouter, OverlapRegion, RLearner
from metarouter.fitting import FitLedger
from metarouter.overlap import OverlapWarning
from metarouter.utils.files import write_text
from metarouter.utils.markdown import markdown_table

N_GOLD, N_PREFERENCE, BOUND = 300, 1500, 10.0
WORLDS = ("gap, bias leaves its line", "gap, bias follows its line", "supports agree")


class KnownPropensity(ClassifierMixin, BaseEstimator):
    """P(gold | x1) of the generator with a gap, for comparison with estimates of it."""

    def fit(self, X: np.ndarray, y: np.ndarray) -> KnownPropensity:
        """Learn nothing."""
        self.classes_ = np.array([False, True])
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Return the probabilities of preference and gold, shape (n, 2)."""
        gold = N_GOLD / (N_GOLD + N_PREFERENCE)
        p = np.where(X[:, 0] < -1, 1.0, np.where(X[:, 0] > 1, 0.0, gold))
        return np.column_stack([1 - p, p])


def ridge(degree: int) -> Pipeline:
    features = PolynomialFeatures(degree, include_bias=False)
    return make_pipeline(features, StandardScaler(), RidgeCV(np.logspace(-1, 3, 5)))


def forest(kind: type, **leaves: float) -> BaseEstimator:
    """Return a forest as the defaults have it, with a quarter of their trees."""
    return kind(25, bootstrap=True, random_state=0, **leaves)


# What psi and the outcomes are regressed with, and the shift.
LEARNERS = {
    "line": (ridge(1), ridge(1)),
    "cubic": (ridge(3), ridge(3)),
    "forest": (
        forest(ExtraTreesRegressor, min_samples_split=20, max_features=0.5),
        forest(ExtraTreesRegressor, min_weight_fraction_leaf=5 / N_GOLD),
    ),
}
PROPENSITY = forest(ExtraTreesClassifier, min_samples_split=40, max_features=0.5)
SHIFTS = {"R": RLearner, "DR": DRLearner}
REGIONS = {
    "none": None,
    "classifier": OverlapRegion(bound=BOUND, random_state=0),
    "ulsif": OverlapRegion("ulsif", bound=BOUND, random_state=0),
    "kliep": OverlapRegion("kliep", bound=BOUND, random_state=0),
    "classifier, downweight": OverlapRegion(bound=BOUND, outside="downweight", random_state=0),
}
KNOWN = OverlapRegion(bound=BOUND, classifier=KnownPropensity(), random_state=0)


def psi(X: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(1.5 * X[:, 0]) + X[:, 1])


def bias(X: np.ndarray, world: str) -> np.ndarray:
    beyond = np.maximum(X[:, 0] - 1, 0)
    slope = 0.0 if world == "gap, bias follows its line" else 3.0
    return np.asarray(0.5 + 0.5 * X[:, 1] + slope * beyond)


def draw(world: str, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = N_GOLD + N_PREFERENCE
    is_gold = np.arange(n) < N_GOLD
    X = rng.normal(size=(n, 4))
    X[:, 0] = rng.uniform(-2, 2, n)
    if world != "supports agree":
        X[:, 0] = rng.uniform(0, 3, n) + np.where(is_gold, -2, -1)
    y = psi(X) + np.where(is_gold, 0.0, bias(X, world)) + 0.5 * rng.normal(size=n)
    return X, y, is_gold


def one_round(world: str, seed: int, learners: Sequence[str]) -> list[tuple[object, ...]]:
    rng = np.random.default_rng(seed)
    X, y, is_gold = draw(world, rng)
    new = rng.normal(size=(2000, 4))
    new[:, 0] = rng.uniform(-2, 2, 2000)
    places = {
        "both sources": np.abs(new[:, 0]) < 1,
        "gold alone": new[:, 0] < -1,
        "preferences alone": new[:, 0] > 1,
        "everywhere": np.ones(len(new), dtype=bool),
    }
    regions = dict(REGIONS)
    if world != "supports agree":
        regions["known region"] = KNOWN
    rows: list[tuple[object, ...]] = []
    for learner in learners:
        base, final = LEARNERS[learner]
        gold_only = MetaRouter(regressor=base, sources="gold", scaling=None, calibrate=False)
        for kind, shift in SHIFTS.items():
            models = {
                name: MetaRouter(
                    shift(base, PROPENSITY, final),
                    base,
                    scaling=None,
                    overlap=region,
                    calibrate=False,
                    random_state=0,
                )
                for name, region in regions.items()
            }
            for name, model in {**models, "gold only": gold_only}.items():
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", OverlapWarning)
                    error = (model.fit(X, y, is_gold=is_gold).predict(new) - psi(new)) ** 2
                for place, there in places.items():
                    found = float(error[there].mean())
                    rows.append((world, learner, kind, place, name, seed, found))
    return rows


def ratio_errors(seed: int) -> list[tuple[str, float, float, float]]:
    """Mean absolute errors of log ratios of two normals, and how much of each region is found."""
    rng = np.random.default_rng(seed)
    is_gold = np.arange(2000) < 400
    X = rng.normal(size=(2000, 4))
    X[is_gold, 0] += 0.7
    grid = rng.normal(size=(500, 4))
    truth = 0.7 * grid[:, 0] - 0.7**2 / 2
    gap_X, _, gap_gold = draw(WORLDS[0], rng)
    inside = np.abs(gap_X[:, 0]) < 1
    rows = []
    for method in ("classifier", "ulsif", "kliep"):
        found = OverlapRegion(method, bound=BOUND, random_state=0)
        log_ratio = np.log(np.maximum(found.fit(X, is_gold).predict_ratio(grid), 1e-3))
        region = OverlapRegion(method, bound=BOUND, random_state=0).fit(gap_X, gap_gold).in_region_
        lost, kept = 1 - region[inside].mean(), region[~inside & ~gap_gold].mean()
        rows.append((method, float(np.mean(np.abs(log_ratio - truth))), float(lost), float(kept)))
    return rows


def table(result: pd.DataFrame) -> pd.DataFrame:
    """Mean errors, and paired differences from no truncation with twice their standard error."""
    lines = []
    by = ["world", "learner", "shift", "place"]
    for key, part in result.groupby(by, sort=False):
        wide = part.pivot_table(index="seed", columns="truncation", values="error", sort=False)
        line = [*key, f"{wide['none'].mean():.3f}"]
        for name in [*list(REGIONS)[1:], "known region", "gold only"]:
            lead = wide[name] - wide["none"] if name in wide else None
            line.append("" if lead is None else f"{lead.mean():+.3f} ({2 * lead.sem():.3f})")
        lines.append(line)
    columns = [*by, "MSE, none", *list(REGIONS)[1:], "known region", "gold only"]
    return pd.DataFrame(lines, columns=columns)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--forest-rounds", type=int, default=8, help="rounds with forests")
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/overlap"))
    options = parser.parse_args(arguments)
    rows = []
    for world in WORLDS:
        for seed in range(options.rounds):
            with FitLedger(reuse=True):
                rows += one_round(
                    world, seed, list(LEARNERS)[: 3 if seed < options.forest_rounds else 2]
                )
    columns = ["world", "learner", "shift", "place", "truncation", "seed", "error"]
    errors = markdown_table(table(pd.DataFrame(rows, columns=columns)))
    found = pd.DataFrame(
        [row for seed in range(options.rounds) for row in ratio_errors(seed)],
        columns=["method", "error of the log ratio", "lost inside", "kept outside"],
    )
    summary = found.groupby("method", sort=False).agg(
        lambda part: f"{part.mean():.3f} ({2 * part.sem():.3f})"
    )
    text = f"{errors}\n\n{markdown_table(summary.reset_index())}\n"
    write_text(options.out / "overlap.md", text)
    print(text)


if __name__ == "__main__":
    main()
