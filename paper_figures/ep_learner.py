"""EP-learner and causal forest in the simulations of van der Laan, Carone & Luedtke (2024).

    python -m paper_figures.ep_learner --rounds 20 --out DIR

writes DIR/ep_learner.csv and DIR/ep_learner.md, and keeps every finished replication in
DIR/ep_learner_rounds.csv. A replication takes some 20 seconds of one core.

The set-ups are those of Nie & Wager (2021) but for the propensities of C and D; d = 5, sigma = 1,
and errors are measured on 10,000 new queries. The published medians and means (100 replications,
random forests as the last stage) are in ep_learner_published.csv, computed from the result files
that the authors keep beside their code (github.com/Larsvanderlaan/hte3,
paper_EPlearner_experiments/experiment_results).

Where the recipe differs from theirs: the stack of nuisance learners has a quadratic ridge
regression in the place of earth, which Python lacks, and five folds instead of ten; the forests of
the last stage are scikit-learn's, not ranger's, of 100 trees; propensities are clipped, as is
the package's default, where theirs are not.
"""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.random import Generator, SeedSequence
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LogisticRegressionCV, RidgeCV
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from xgboost import XGBClassifier, XGBRegressor

from metarouter import DRLearner, EconMLShift, EPLearner, RLearner
from metarouter.datasets import make_nie_wager
from metarouter.nuisance import Nuisances
from metarouter.utils.files import write_text
from paper_figures._replications import Errors, run_replications, two_or_more

SETUPS = ("A", "B", "C", "D")
SIZES = (500, 1000)
LEARNERS = ("EP", "DR", "R", "CF")
N_FEATURES, N_NEW, FOLDS = 5, 10_000, 5
PUBLISHED = Path(__file__).with_name("ep_learner_published.csv")
COLUMNS = ["seed", "round", "setup", "n", *LEARNERS]


class Replication(NamedTuple):
    """One draw of the data."""

    seed: int
    round: int
    setup: str
    n: int


class Draw(NamedTuple):
    """Queries with one label each, and the true effect of the source."""

    X: NDArray[np.float64]
    y: NDArray[np.float64]
    is_gold: NDArray[np.bool_]
    effect: NDArray[np.float64]


def draw(setup: str, n: int, rng: Generator) -> Draw:
    """Draw a set-up of Nie & Wager with the propensities of van der Laan et al. in C and D."""
    queries = make_nie_wager(setup, n, N_FEATURES, random_state=rng)
    truth, X = queries.truth, np.asarray(queries.X)
    assert truth is not None
    propensity = {
        "C": 1 / (1 + np.exp(-(X[:, 1] + X[:, 2]))),
        "D": 1 / (1 + np.exp(-X[:, 0] - X[:, 1])),
    }.get(setup, truth.propensity)
    is_gold = rng.random(n) < propensity
    y = np.where(is_gold, truth.psi, truth.eta) + rng.standard_normal(n)
    return Draw(X, y, is_gold, truth.delta)


def replicate(replication: Replication) -> dict[str, float]:
    """Return the mean squared error of every learner on new queries."""
    seed, round_, setup, n = replication
    source = SeedSequence([seed, SETUPS.index(setup), n, round_])
    train_rng, test_rng, learner_rng = map(np.random.default_rng, source.spawn(3))
    train, new = draw(setup, n, train_rng), draw(setup, N_NEW, test_rng)
    random_state = int(learner_rng.integers(2**31))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of clipped propensities, once for every learner
        fitted = fit_learners(train, random_state)
        return {
            name: float(np.mean((learner.predict(new.X) - new.effect) ** 2))
            for name, learner in fitted.items()
        }


def fit_learners(train: Draw, random_state: int) -> dict[str, Any]:
    """Fit the four learners; the first three share their nuisances."""
    from econml.dml import CausalForestDML

    outcome, propensity = outcome_search(random_state), propensity_search(random_state)
    nuisances = Nuisances(
        outcome=outcome, propensity=propensity, cv=FOLDS, random_state=random_state
    ).fit(train.X, train.y, train.is_gold)
    final = forest_search(random_state)
    learners = {
        "EP": EPLearner(final=final, nuisances=nuisances, random_state=random_state),
        "DR": DRLearner(final=final, nuisances=nuisances, random_state=random_state),
        "R": RLearner(final=final, nuisances=nuisances, random_state=random_state),
        "CF": EconMLShift(
            CausalForestDML(
                model_y=outcome,
                model_t=propensity,
                discrete_treatment=True,
                cv=FOLDS,
                n_estimators=1000,
                random_state=random_state,
                n_jobs=1,
            )
        ),
    }
    return {
        name: learner.fit(train.X, train.y, is_gold=train.is_gold)
        for name, learner in learners.items()
    }


def outcome_search(random_state: int) -> GridSearchCV:
    """Boosting of four depths and a quadratic ridge regression; the best of three folds."""
    quadratic = make_pipeline(
        StandardScaler(), PolynomialFeatures(2, include_bias=False), RidgeCV(np.logspace(-2, 3, 6))
    )
    return _search(XGBRegressor, quadratic, random_state, "neg_mean_squared_error")


def propensity_search(random_state: int) -> GridSearchCV:
    """Return the same candidates as for the outcome, as classifiers."""
    quadratic = make_pipeline(
        StandardScaler(),
        PolynomialFeatures(2, include_bias=False),
        LogisticRegressionCV(Cs=np.logspace(-2, 1, 4), cv=3, scoring="neg_log_loss"),
    )
    return _search(XGBClassifier, quadratic, random_state, "neg_log_loss")


def _search(booster: Any, quadratic: Pipeline, random_state: int, scoring: str) -> GridSearchCV:
    boosters = [
        booster(
            n_estimators=20,
            max_depth=depth,
            min_child_weight=10,
            learning_rate=0.3,
            n_jobs=1,
            random_state=random_state,
        )
        for depth in (2, 3, 4, 5)
    ]
    candidates: list[BaseEstimator] = [*boosters, quadratic]
    return GridSearchCV(
        Pipeline([("learner", quadratic)]), {"learner": candidates}, scoring=scoring, cv=3
    )


def forest_search(random_state: int) -> GridSearchCV:
    """Random forests of four depths; the best of three folds."""
    forest = RandomForestRegressor(
        100, max_features="sqrt", min_samples_leaf=5, random_state=random_state
    )
    return GridSearchCV(
        forest, {"max_depth": [1, 6, 8, 10]}, scoring="neg_mean_squared_error", cv=3
    )


def run(
    rounds: int,
    *,
    setups: Sequence[str] = SETUPS,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
    checkpoint: Path | None = None,
) -> pd.DataFrame:
    """Return one row per replication: COLUMNS, the last four being mean squared errors."""
    wanted = [
        Replication(seed, round_, setup, n)
        for round_ in range(rounds)
        for n in sizes
        for setup in setups
    ]
    return run_replications(
        wanted,
        lambda missing: map(_errors, missing),
        COLUMNS,
        what="EP-learner",
        checkpoint=checkpoint,
    )


def summarise(replications: pd.DataFrame) -> pd.DataFrame:
    """Compare the medians with the published ones, one row per set-up, size and learner.

    The standard error of a median is that of its bootstrap distribution; that of the published
    median is taken to be ours times the square root of our over their replications.
    """
    long = replications.melt(["setup", "n"], list(LEARNERS), var_name="learner", value_name="error")
    table = (
        long.groupby(["setup", "n", "learner"])["error"]
        .agg(rounds="size", median="median", se=_median_error)
        .reset_index()
        .merge(pd.read_csv(PUBLISHED))
    )
    theirs = table["se"] * np.sqrt(table["rounds"] / table["published_rounds"])
    table["z"] = (table["median"] - table["published"]) / np.hypot(table["se"], theirs)
    table["order"] = table["learner"].map(LEARNERS.index)
    return table.sort_values(["setup", "n", "order"], ignore_index=True)[
        ["setup", "n", "learner", "rounds", "published", "median", "se", "z"]
    ]


def paired_differences(replications: pd.DataFrame) -> pd.DataFrame:
    """Difference of the errors of EP to those of each other learner, on identical draws."""
    rows = []
    for (setup, n), block in replications.groupby(["setup", "n"]):
        for other in LEARNERS[1:]:
            difference = block["EP"] - block[other]
            error = difference.std(ddof=1) / np.sqrt(len(block))
            rows.append((setup, n, other, len(block), difference.mean(), error))
    return pd.DataFrame(rows, columns=["setup", "n", "other", "rounds", "difference", "se"])


def to_markdown(table: pd.DataFrame, differences: pd.DataFrame) -> str:
    """Return both comparisons as tables in Markdown."""
    head = "| set-up | n | learner | rounds | published median | ours | s.e. | z, both |"
    lines = [head, "|---|---:|---|---:|---:|---:|---:|---:|"]
    lines += [
        f"| {row.setup} | {row.n} | {row.learner} | {row.rounds} | {row.published:.4f} "
        f"| {row.median:.4f} | {row.se:.4f} | {row.z:+.1f} |"
        for row in table.itertuples()
    ]
    lines += ["", "| set-up | n | EP minus | mean difference | paired s.e. |"]
    lines += ["|---|---:|---|---:|---:|"]
    lines += [
        f"| {row.setup} | {row.n} | {row.other} | {row.difference:+.4f} | {row.se:.4f} |"
        for row in differences.itertuples()
    ]
    return "\n".join(lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=two_or_more, default=20)
    parser.add_argument("--setups", nargs="+", choices=SETUPS, default=SETUPS, metavar="SETUP")
    parser.add_argument("--sizes", nargs="+", type=int, choices=SIZES, default=SIZES, metavar="N")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("ep_learner"))
    options = parser.parse_args(arguments)
    replications = run(
        options.rounds,
        setups=options.setups,
        sizes=options.sizes,
        seed=options.seed,
        checkpoint=options.out / "ep_learner_rounds.csv",
    )
    table = summarise(replications)
    text = to_markdown(table, paired_differences(replications))
    write_text(options.out / "ep_learner.csv", table.to_csv(index=False))
    write_text(options.out / "ep_learner.md", text)
    print(text)


def _median_error(errors: pd.Series) -> float:
    draws = np.random.default_rng(0).choice(errors.to_numpy(), (2000, len(errors)))
    return float(np.median(draws, axis=1).std(ddof=1))


def _errors(replication: Replication) -> Errors:
    found = replicate(replication)
    return tuple(found[name] for name in LEARNERS)


if __name__ == "__main__":
    main()
