"""Dueling routers on votes that people cast: MT-bench and the arena.

    METAROUTER_DATA_HOME=... python -m paper_figures.dueling_votes --out DIR

Nobody knows what an answer was worth: a split is judged by the votes of queries that no router has
seen. The share of votes won counts, on each of them, the votes in which the called model stood,
ties half; a model that met weaker rivals on a query gains by it, for every router alike.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from bandits.dueling import (
    BestSoFar,
    BradleyTerryRouter,
    CategoryEncoder,
    DuelingLinUCB,
    DuelingReplay,
    FGTSRouter,
    ModelEmbeddings,
    RandomPairs,
    play_duels,
)
from metarouter.datasets import data_home
from metarouter.reporting import markdown_table
from metarouter.utils.files import write_text

ROUTERS = {
    "CCFT excel_perf_cost": ("tuned", FGTSRouter, {"prior_variance": 0.3, "prior_similarity": 2.0}),
    "generic encoder": ("generic", FGTSRouter, {"prior_variance": 0.3, "prior_similarity": 2.0}),
    "random embeddings": ("random", FGTSRouter, {"prior_variance": 0.3}),
    "Bradley-Terry, refitted": ("tuned", BradleyTerryRouter, {}),
    "dueling LinUCB": ("tuned", DuelingLinUCB, {}),
    "best so far": ("tuned", BestSoFar, {}),
    "random pairs": ("tuned", RandomPairs, {}),
}
WIDTH = 16


@dataclass(frozen=True)
class Votes:
    """Votes, one row each.

    Attributes
    ----------
    X : ndarray of shape (n_queries, d)
    category, group : ndarray of shape (n_queries,)
        What the query is about, and which queries must stay on one side of a split.
    row : ndarray of int, shape (n_votes,)
        The query of each vote.
    first, second : ndarray of int, shape (n_votes,)
        Positions of the models.
    outcome : ndarray of shape (n_votes,)
        1, 0 or -1.
    models : tuple of str
    """

    X: NDArray[np.float64]
    category: NDArray[np.str_]
    group: NDArray[np.str_]
    row: NDArray[np.intp]
    first: NDArray[np.intp]
    second: NDArray[np.intp]
    outcome: NDArray[np.float64]
    models: tuple[str, ...]


def read_votes(name: str) -> Votes:
    """Read the human votes of mtbench_human_gpt4 or arena_frontier that have a text."""
    folder = data_home() / name
    table = pd.read_parquet(folder / f"{name}.parquet")
    embedded = pd.read_parquet(folder / "embeddings.parquet").set_index("id").astype(float)
    table = table[table["id"].isin(embedded.index)]
    queries = table.drop_duplicates("id").set_index("id")
    models = tuple(sorted({*table["model_primary"], *table["model_alternative"]}))
    place = {model: k for k, model in enumerate(models)}
    mtbench = "question_id" in queries
    group = queries["question_id"].astype(str) if mtbench else queries.index.astype(str)
    category = queries["category"].astype(str)
    if not mtbench:  # code, or "other" and its language
        category = category.str.partition(":")[0].str.strip()
    return Votes(
        embedded.loc[queries.index].to_numpy(),
        np.asarray(category, dtype=str),
        np.asarray(group, dtype=str),
        queries.index.get_indexer(table["id"]),
        table["model_primary"].map(place).to_numpy(np.intp),
        table["model_alternative"].map(place).to_numpy(np.intp),
        np.sign(table["gold"].to_numpy(float)),
        models,
    )


def win_shares(votes: Votes, rows: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the share of votes that each model won on each query, ties half; NaN without votes."""
    won = np.zeros((len(votes.X), len(votes.models)))
    cast = np.zeros_like(won)
    for arm, sign in ((votes.first, 1.0), (votes.second, -1.0)):
        np.add.at(won, (votes.row, arm), (1.0 + sign * votes.outcome) / 2.0)
        np.add.at(cast, (votes.row, arm), 1.0)
    with np.errstate(invalid="ignore"):
        return np.asarray((won / cast)[rows])


def one_split(votes: Votes, seed: int) -> dict[str, tuple[float, float]]:
    """Return the share of held-out votes won by what each router calls, and the duels it saw."""
    rng = np.random.default_rng([seed, 41])
    offline, online, tested = _parts(votes, rng)
    X, labels = votes.X[offline], votes.category[offline]
    shares = win_shares(votes, offline)
    level = np.nan_to_num(np.nanmean(shares, axis=0), nan=0.5)
    names = np.unique(labels)
    performance = np.array([_mean_or(shares[labels == name], level) for name in names]).T
    encoders = {
        "tuned": CategoryEncoder(WIDTH, random_state=seed).fit(X, labels),
        "generic": CategoryEncoder(WIDTH, epochs=0, random_state=seed).fit(X, labels),
    }
    encoders["random"] = encoders["tuned"]
    arms = {
        kind: np.asarray(
            ModelEmbeddings("excel_perf_cost", cost_weight=0.0)
            .fit(encoder.category_embeddings_, performance, np.zeros_like(performance))
            .embeddings_
        )
        for kind, encoder in encoders.items()
    }
    arms["random"] = rng.standard_normal(arms["random"].shape)
    of_row = np.full(len(votes.X), -1)
    of_row[online] = np.arange(len(online))
    played = of_row[votes.row] >= 0
    judged = win_shares(votes, tested)
    found = {}
    for name, (kind, router_class, settings) in ROUTERS.items():
        router = router_class(arms[kind], random_state=seed, **settings)
        encoded = np.asarray(encoders[kind].transform(votes.X))
        replay = DuelingReplay.from_votes(
            encoded[online], of_row[votes.row[played]], votes.first[played],
            votes.second[played], votes.outcome[played], arms=range(len(votes.models)),
        )  # fmt: skip
        log = play_duels(router, replay)
        called = np.asarray(router.predict(encoded[tested]))
        seen = float((log["first"] != log["second"]).sum())
        found[name] = (float(np.nanmean(judged[np.arange(len(tested)), called])), seen)
    best = int(np.nanmean(win_shares(votes, online), axis=0).argmax())
    found["best constant model of the votes played"] = (float(np.nanmean(judged[:, best])), np.nan)
    found["a model drawn at random"] = (float(np.nanmean(judged)), np.nan)
    return found


def _parts(votes: Votes, rng: np.random.Generator) -> tuple[NDArray[np.intp], ...]:
    """Draw offline, online and test queries: a fifth, three fifths and a fifth of each category."""
    part = np.empty(len(votes.X), dtype=int)
    for name in np.unique(votes.category):
        groups = rng.permutation(np.unique(votes.group[votes.category == name]))
        for k, group in enumerate(groups):
            share = (k + 0.5) / len(groups)
            part[votes.group == group] = 0 if share < 0.2 else (1 if share < 0.8 else 2)
    offline, online, tested = (np.flatnonzero(part == k) for k in range(3))
    return offline, rng.permutation(online), tested


def _mean_or(shares: NDArray[np.float64], level: NDArray[np.float64]) -> NDArray[np.float64]:
    count = (~np.isnan(shares)).sum(axis=0)
    return np.where(count > 0, np.nansum(shares, axis=0) / np.maximum(count, 1), level)


def votes_table(name: str, splits: int) -> pd.DataFrame:
    """Return the means of all routers with standard errors, paired with the first of them."""
    votes = read_votes(name)
    found = [one_split(votes, seed) for seed in range(splits)]
    reference = np.array([one[next(iter(ROUTERS))][0] for one in found])
    rows = []
    for router in found[0]:
        share, seen = np.array([one[router] for one in found]).T
        minus = share - reference
        rows.append(
            {
                "router": router,
                "votes won": f"{share.mean():.3f} ({_error(share):.3f})",
                "minus CCFT": f"{minus.mean():+.3f} ({_error(minus):.3f})",
                "duels of two models": "" if np.isnan(seen).all() else f"{seen.mean():.0f}",
            }
        )
    return pd.DataFrame(rows)


def _error(values: NDArray[np.float64]) -> float:
    return float(values.std(ddof=1) / np.sqrt(len(values)))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("paper_figures_out/dueling_votes"))
    parser.add_argument("--splits", type=int, default=20)
    options = parser.parse_args(arguments)
    sections = ["# Votes that people cast"]
    for name in ("mtbench_human_gpt4", "arena_frontier"):
        sections += [f"## {name}", markdown_table(votes_table(name, options.splits))]
    write_text(options.out / "dueling_votes.md", "\n\n".join(sections) + "\n")
    print(options.out / "dueling_votes.md")


if __name__ == "__main__":
    main()
