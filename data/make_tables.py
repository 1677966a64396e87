"""Write the tables of this folder anew: `python data/make_tables.py`."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from metarouter.datasets import LabelledQueries, make_prompted_queries

FOLDER = Path(__file__).parent


def distinct(n: int, seed: int, **options: float) -> LabelledQueries:
    """Make n queries, no two with the same text."""
    queries = make_prompted_queries(3 * n, random_state=seed, **options)
    return queries.subset(np.sort(np.unique(queries.text.astype(str), return_index=True)[1])[:n])


def labelled(queries: LabelledQueries) -> pd.DataFrame:
    """Lay out queries with their labels."""
    return pd.DataFrame(
        {
            "prompt": queries.text,
            "topic": queries.domain,
            "gold": queries.gold,
            "preference": pd.array(queries.preference).astype("Int64"),
            "cost_primary": queries.cost_primary,
            "cost_alternative": queries.cost_alternative,
        }
    )


def arena(queries: LabelledQueries) -> pd.DataFrame:
    """Lay out queries as an arena does: two models in either order, and the winner's place."""
    swapped = np.arange(queries.n_queries) % 2 == 1
    sides = np.where(swapped[:, None], ["small", "large"], ["large", "small"])
    vote = np.where(swapped, -1, 1) * queries.preference
    winner = pd.Series(vote).map({1: "model_a", -1: "model_b", 0: "tie"})
    return pd.DataFrame(
        {
            "prompt": queries.text,
            "model_a": sides[:, 0],
            "model_b": sides[:, 1],
            "winner": winner,
            "expert": queries.gold,
        }
    )


def tables() -> dict[str, pd.DataFrame]:
    """Return every table of this folder under its file name."""
    new = distinct(200, 1)
    return {
        "labelled_queries.csv": labelled(distinct(800, 0, gold_share=0.2)),
        "new_queries.csv": pd.DataFrame({"id": range(200), "prompt": new.text}),
        "both_labels.csv": labelled(distinct(600, 2, gold_share=1.0, pairing=1.0)),
        "arena_votes.csv": arena(distinct(600, 3, gold_share=0.25, pairing=1.0)),
    }


if __name__ == "__main__":
    for name, table in tables().items():
        table.to_csv(FOLDER / name, index=False)
