"""Nie & Wager (2021): the boosted R-learner in the four simulation set-ups.

    python -m paper_figures.nie_wager --rounds 50 --n-jobs 2 --out DIR

writes DIR/nie_wager.csv and DIR/nie_wager.md, and keeps every finished replication in
DIR/nie_wager_rounds.csv: a run that was stopped goes on where it was, and ends with the same
numbers. One round of the whole table takes about two minutes of one core.

The published means (n = 500, d = 6, sigma = 1, 200 replications) are in nie_wager_published.csv,
taken from the table of results that the authors keep beside their code (github.com/xnie/rlearner,
experiments_for_paper/output_boost.csv). They come without standard errors.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import joblib
import numpy as np
import pandas as pd
import xgboost
from numpy.random import Generator, SeedSequence

from metarouter import RLearner
from metarouter.datasets import LabelledQueries, TrainingRows, Truth, make_nie_wager
from metarouter.exceptions import MetaRouterError
from metarouter.overlap import PropensityPolicy
from metarouter.shift._pseudo_outcomes import residual_on_residual
from metarouter.utils.files import write_text
from paper_figures._cross_validated_boosting import (
    CrossValidatedBooster,
    shuffled_folds,
    tune_booster,
)
from paper_figures._replications import run_replications, two_or_more

N_QUERIES, N_FEATURES, NOISE = 500, 6, 1.0
PUBLISHED_REPLICATIONS = 200
PUBLISHED = Path(__file__).with_name("nie_wager_published.csv")
SETUPS = ("A", "B", "C", "D")
OLD_DEFAULT, PRESENT_DEFAULT = "0.5", "estimated"
BASE_SCORES: dict[str, float | None] = {OLD_DEFAULT: 0.5, PRESENT_DEFAULT: None}


class Search(NamedTuple):
    """How boosters are tuned; the defaults are the published recipe."""

    base_score: float | None = 0.5
    n_draws: int = 10
    n_folds: int = 10


class Cell(NamedTuple):
    """A set-up, and what boosting starts from."""

    setup: str
    base_score: str


class Replication(NamedTuple):
    """One draw of the data in one cell."""

    seed: int
    round: int
    setup: str
    base_score: str


# Set-up C is where the start of boosting matters most: its effect is the constant 1.
CELLS = (*(Cell(setup, OLD_DEFAULT) for setup in SETUPS), Cell("C", PRESENT_DEFAULT))
COLUMNS = [*Replication._fields, "R", "oracle"]


def replicate(replication: Replication) -> tuple[float, float]:
    """Return the mean squared errors of the R-learner and of the oracle on fresh queries.

    The draw depends on the seed, the set-up and the round alone, so that both starts of boosting
    see the same data, and any number of workers gives the same numbers.
    """
    train, test, learner_rng, oracle_rng = draw(replication)
    search = Search(BASE_SCORES[replication.base_score])
    learner = fit_r_learner(train.training_rows(), search, learner_rng)
    oracle = fit_oracle(train, search, oracle_rng)
    return squared_error(learner, test), squared_error(oracle, test)


def draw(replication: Replication) -> tuple[LabelledQueries, LabelledQueries, Generator, Generator]:
    """Return training and test queries, and the generators of the R-learner and the oracle."""
    seed, round_, setup, _ = replication
    source = SeedSequence([seed, SETUPS.index(setup), round_])
    train_rng, test_rng, learner_rng, oracle_rng = map(np.random.default_rng, source.spawn(4))
    train = make_nie_wager(setup, N_QUERIES, N_FEATURES, NOISE, random_state=train_rng)
    test = make_nie_wager(setup, N_QUERIES, N_FEATURES, NOISE, random_state=test_rng)
    return train, test, learner_rng, oracle_rng


def fit_r_learner(rows: TrainingRows, search: Search, rng: Generator) -> RLearner:
    """Fit the boosted R-learner: nuisances tuned once on all rows, then cross-fitted.

    The parameters and the number of trees are chosen by the very folds that the nuisances are
    cross-fitted on, as in the paper, and no propensity is clipped.
    """
    X, is_gold = np.asarray(rows.X), rows.is_gold
    folds = shuffled_folds(len(X), search.n_folds, rng)
    base_score, n_draws, _ = search
    outcome = tune_booster(
        xgboost.XGBRegressor, X, rows.y, folds, rng, base_score=base_score, n_draws=n_draws
    )
    propensity = tune_booster(
        xgboost.XGBClassifier, X, is_gold, folds, rng, base_score=base_score, n_draws=n_draws
    )
    learner = RLearner(
        outcome=outcome,
        propensity=propensity,
        final=final_booster(search, rng),
        cv=folds,
        policy=PropensityPolicy(clip=None),
    )
    learner.fit(X, rows.y, is_gold=is_gold)
    return learner


def fit_oracle(queries: LabelledQueries, search: Search, rng: Generator) -> CrossValidatedBooster:
    """Fit the last stage of the R-learner on the true nuisances."""
    rows, truth = queries.training_rows(), truth_of(queries)
    truth = truth.subset(rows.query)
    marginal_outcome = truth.propensity * truth.psi + (1 - truth.propensity) * truth.eta
    pseudo_outcome, weight = residual_on_residual(
        rows.y - marginal_outcome, rows.is_gold - truth.propensity
    )
    return final_booster(search, rng).fit(np.asarray(rows.X), pseudo_outcome, weight)


def final_booster(search: Search, rng: Generator) -> CrossValidatedBooster:
    """Return the unfitted regressor of the last stage."""
    return CrossValidatedBooster(**search._asdict(), random_state=int(rng.integers(2**31)))


def truth_of(queries: LabelledQueries) -> Truth:
    """Return the truth of simulated queries."""
    if queries.truth is None:
        raise MetaRouterError(f"{queries.name} has no truth; give simulated queries.")
    return queries.truth


def squared_error(shift: RLearner | CrossValidatedBooster, test: LabelledQueries) -> float:
    """Return the mean squared error of a fitted shift against its truth."""
    return float(np.mean((shift.predict(np.asarray(test.X)) - truth_of(test).delta) ** 2))


def run(
    rounds: int,
    *,
    cells: Sequence[Cell] = CELLS,
    seed: int = 0,
    n_jobs: int | None = None,
    checkpoint: Path | None = None,
) -> pd.DataFrame:
    """Return one row per replication: COLUMNS, the last two being mean squared errors."""
    return run_replications(
        [Replication(seed, round_, *cell) for round_ in range(rounds) for cell in cells],
        lambda missing: _errors(missing, n_jobs),
        COLUMNS,
        what="Nie & Wager",
        checkpoint=checkpoint,
    )


def summarise(replications: pd.DataFrame) -> pd.DataFrame:
    """Compare the means with the published ones, one row per cell and learner.

    ``z`` takes the published mean as exact. ``z_both`` also counts its own Monte Carlo error,
    for which the standard deviation of our replications is divided by the square root of the 200
    published ones.
    """
    long = replications.melt(
        ["base_score", "setup"], ["R", "oracle"], var_name="learner", value_name="error"
    )
    table = (
        long.groupby(["base_score", "setup", "learner"])["error"]
        .agg(rounds="size", mse="mean", sd="std")
        .reset_index()
        .merge(pd.read_csv(PUBLISHED).rename(columns={"mse": "published"}))
    )
    difference = table["mse"] - table["published"]
    table["se"] = table["sd"] / np.sqrt(table["rounds"])
    table["z"] = difference / table["se"]
    table["z_both"] = difference / np.hypot(
        table["se"], table["sd"] / np.sqrt(PUBLISHED_REPLICATIONS)
    )
    names = ["base_score", "setup", "learner", "rounds", "published", "mse", "se", "z", "z_both"]
    return table[names]


def to_markdown(table: pd.DataFrame) -> str:
    """Return the comparison as a table in Markdown."""
    head = "| base_score | set-up | learner | rounds | published | ours | s.e. | z | z, both |"
    rule = "|---|---|---|---:|---:|---:|---:|---:|---:|"
    body = [
        f"| {row.base_score} | {row.setup} | {row.learner} | {row.rounds} | {row.published:.4f} "
        f"| {row.mse:.4f} | {row.se:.4f} | {row.z:+.2f} | {row.z_both:+.2f} |"
        for row in table.itertuples()
    ]
    return "\n".join([head, rule, *body]) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=two_or_more, default=50)
    parser.add_argument("--n-jobs", type=int, default=None, help="workers, as in joblib")
    parser.add_argument("--setups", nargs="+", choices=SETUPS, default=SETUPS, metavar="SETUP")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("nie_wager"))
    options = parser.parse_args(arguments)
    replications = run(
        options.rounds,
        cells=[cell for cell in CELLS if cell.setup in options.setups],
        seed=options.seed,
        n_jobs=options.n_jobs,
        checkpoint=options.out / "nie_wager_rounds.csv",
    )
    table = summarise(replications)
    write_text(options.out / "nie_wager.csv", table.to_csv(index=False))
    write_text(options.out / "nie_wager.md", to_markdown(table))
    print(to_markdown(table))


def _errors(missing: Sequence[Replication], n_jobs: int | None) -> Iterable[tuple[float, float]]:
    pool = joblib.Parallel(n_jobs=n_jobs, return_as="generator", batch_size=1)
    return pool(joblib.delayed(replicate)(item) for item in missing)


if __name__ == "__main__":
    main()
