"""Truncation under positivity violation (Meta-Router, section 5), against the truth.

    python -m paper_figures.overlap --out DIR

Gold queries have x1 in [-2, 1], preference queries in [-1, 2], or both in [-2, 2]; the judge's bias
is mild up to x1 = 1 and grows beyond, where no gold query tells of it.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures

from metarouter import MetaRouter, OverlapRegion, PropensityPolicy, RLearner
from metarouter.overlap import OverlapWarning
from metarouter.utils.files import write_text
from metarouter.utils.markdown import markdown_table

N_GOLD, N_PREFERENCE, BOUND = 300, 1500, 10.0
CUBIC = make_pipeline(PolynomialFeatures(3), RidgeCV(np.logspace(-2, 3, 6)))
FOREST = ExtraTreesRegressor(50, min_samples_leaf=5, random_state=0)
LEARNERS = {"cubic ridge": CUBIC, "forest": FOREST}
REGIONS = {
    "no truncation": None,
    "classifier": OverlapRegion(bound=BOUND, random_state=0),
    "ulsif": OverlapRegion("ulsif", bound=BOUND, random_state=0),
    "kliep": OverlapRegion("kliep", bound=BOUND, random_state=0),
    "classifier, downweight": OverlapRegion(bound=BOUND, outside="downweight", random_state=0),
}


def psi(X: np.ndarray) -> np.ndarray:
    return np.asarray(np.sin(1.5 * X[:, 0]) + X[:, 1])


def bias(X: np.ndarray) -> np.ndarray:
    return np.asarray(0.5 + 0.5 * X[:, 1] + 3.0 * np.maximum(X[:, 0] - 1, 0))


def draw(gap: bool, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    n = N_GOLD + N_PREFERENCE
    is_gold = np.arange(n) < N_GOLD
    X = rng.normal(size=(n, 4))
    X[:, 0] = rng.uniform(-2, 2, n)
    if gap:
        X[:, 0] = rng.uniform(0, 3, n) + np.where(is_gold, -2, -1)
    y = psi(X) + np.where(is_gold, 0.0, bias(X)) + 0.5 * rng.normal(size=n)
    return X, y, is_gold


def one_round(gap: bool, seed: int) -> list[tuple[object, ...]]:
    rng = np.random.default_rng(seed)
    X, y, is_gold = draw(gap, rng)
    new = rng.normal(size=(2000, 4))
    new[:, 0] = rng.uniform(-2, 2, 2000)
    places = {"where gold queries are": new[:, 0] < 1, "everywhere": np.ones(2000, dtype=bool)}
    rows: list[tuple[object, ...]] = []
    for learner, base in LEARNERS.items():
        policy = PropensityPolicy(density_ratio=BOUND)
        models = {
            name: MetaRouter(
                RLearner(base, final=base), base, scaling=None, overlap=region, random_state=0
            )
            for name, region in REGIONS.items()
        }
        models["policy of the shift alone"] = MetaRouter(
            RLearner(base, final=base, policy=policy), base, scaling=None, random_state=0
        )
        models["gold only"] = MetaRouter(regressor=base, sources="gold", scaling=None)
        for name, model in models.items():
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", OverlapWarning)
                error = (model.fit(X, y, is_gold=is_gold).predict(new) - psi(new)) ** 2
            for place, rows_there in places.items():
                rows.append((gap, learner, place, name, seed, float(error[rows_there].mean())))
    return rows


def ratio_errors(seed: int) -> list[tuple[str, float, float]]:
    """Mean absolute error of log ratios of two normals, and share of the common support found."""
    rng = np.random.default_rng(seed)
    is_gold = np.arange(2000) < 400
    X = rng.normal(size=(2000, 4))
    X[is_gold, 0] += 0.7
    grid = rng.normal(size=(500, 4))
    truth = 0.7 * grid[:, 0] - 0.7**2 / 2
    gap_X, _, gap_gold = draw(True, rng)
    inside = (gap_X[:, 0] > -1) & (gap_X[:, 0] < 1)
    rows = []
    for method in ("classifier", "ulsif", "kliep"):
        found = OverlapRegion(method, bound=BOUND, random_state=0)
        log_ratio = np.log(np.maximum(found.fit(X, is_gold).predict_ratio(grid), 1e-3))
        region = OverlapRegion(method, bound=BOUND, random_state=0).fit(gap_X, gap_gold)
        agree = float(np.mean(region.in_region_ == inside))
        rows.append((method, float(np.mean(np.abs(log_ratio - truth))), agree))
    return rows


def table(result: pd.DataFrame) -> pd.DataFrame:
    """Mean errors, and paired differences from no truncation with twice their standard error."""
    lines = []
    for (gap, learner, place), part in result.groupby(["gap", "learner", "place"], sort=False):
        wide = part.pivot_table(index="seed", columns="truncation", values="error", sort=False)
        for name in wide:
            lead = wide[name] - wide["no truncation"]
            own = name == "no truncation"
            lines.append(
                (
                    "gap" if gap else "supports agree",
                    learner,
                    place,
                    name,
                    f"{wide[name].mean():.4f}",
                    "" if own else f"{lead.mean():+.4f} ({2 * lead.sem():.4f})",
                )
            )
    columns = ["supports", "learner", "queries", "truncation", "MSE", "minus none (2 s.e.)"]
    return pd.DataFrame(lines, columns=columns)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/overlap"))
    options = parser.parse_args(arguments)
    rows = [
        row
        for gap in (True, False)
        for seed in range(options.rounds)
        for row in one_round(gap, seed)
    ]
    columns = ["gap", "learner", "place", "truncation", "seed", "error"]
    errors = markdown_table(table(pd.DataFrame(rows, columns=columns)))
    found = pd.DataFrame(
        [row for seed in range(options.rounds) for row in ratio_errors(seed)],
        columns=["method", "error of the log ratio", "queries placed rightly"],
    )
    ratios = markdown_table(found.groupby("method", sort=False).mean().reset_index())
    text = f"{errors}\n\n{ratios}\n"
    write_text(options.out / "overlap.md", text)
    print(text)


if __name__ == "__main__":
    main()
