"""Votes are read, split by question and counted right; a router learns from nothing but them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

pytest.importorskip("torch")

from metarouter.datasets import data_home
from paper_figures import dueling_votes
from paper_figures.dueling_votes import ROUTERS, Votes, one_split, read_votes, win_shares

TABLES = ("mtbench_human_gpt4", "arena_frontier")
missing = [name for name in TABLES if not (data_home() / name / f"{name}.parquet").exists()]
needs_votes = pytest.mark.skipif(bool(missing), reason=f"{missing} are not here")


def simulated(n=60, seed=0):
    """Votes on every pair of three models; the third wins all of its votes."""
    rng = np.random.default_rng(seed)
    row = np.repeat(np.arange(n), 3)
    first, second = np.tile([0, 0, 1], n), np.tile([1, 2, 2], n)
    outcome = np.where(second == 2, -1.0, rng.choice([-1.0, 0.0, 1.0], size=3 * n))
    category = np.where(np.arange(n) // 4 % 3 == 0, "code", "law")
    X = rng.standard_normal((n, 20)) + 2 * (category == "code")[:, None]
    group = (np.arange(n) // 4).astype(str)  # turns of one question
    return Votes(X, category, group, row, first, second, outcome, ("a", "b", "c"))


def test_shares_of_votes_won_are_counted_by_hand():
    votes = Votes(
        np.zeros((3, 2)), np.array(["x"] * 3), np.array(list("abc")),
        np.array([0, 0, 0, 1]), np.array([0, 0, 1, 2]), np.array([1, 1, 2, 0]),
        np.array([1.0, 0.0, -1.0, -1.0]), ("a", "b", "c"),
    )  # fmt: skip
    # Query 0: a beats b, ties b, and c beats b; query 1: a beats c; nobody voted on query 2.
    wanted = [[0.75, 1 / 6, 1.0], [1.0, np.nan, 0.0], [np.nan] * 3]
    assert win_shares(votes, np.arange(3)) == pytest.approx(np.array(wanted), nan_ok=True)
    assert win_shares(votes, np.array([1]))[0, 2] == 0.0


def test_turns_of_one_question_stay_together():
    votes = simulated()
    parts = dueling_votes._parts(votes, np.random.default_rng(3))
    assert sorted(np.concatenate(parts).tolist()) == list(range(60))
    groups = [set(votes.group[part]) for part in parts]
    assert sum(map(len, groups)) == len(set().union(*groups))
    assert [len(part) for part in parts] == [12, 36, 12]  # a fifth, three fifths, a fifth


def test_a_split_is_judged_on_votes_that_no_router_saw(monkeypatch):
    kept = ("CCFT excel_perf_cost", "generic encoder", "best so far")
    monkeypatch.setattr(dueling_votes, "ROUTERS", {name: ROUTERS[name] for name in kept})
    found = one_split(simulated(), seed=0)
    assert tuple(found)[:3] == kept
    assert found["best constant model of the votes played"][0] == 1.0
    assert all(0 <= share <= 1 for share, _ in found.values())
    assert found["best so far"][0] > found["a model drawn at random"][0]
    assert all(0 < found[name][1] <= 36 for name in kept)  # duels of two models
    assert one_split(simulated(), seed=0) == found


@needs_votes
@pytest.mark.parametrize("name", TABLES)
def test_the_votes_of_the_data_are_read_whole(name):
    votes = read_votes(name)
    assert set(np.unique(votes.outcome)) <= {-1.0, 0.0, 1.0}
    assert np.isfinite(votes.X).all()
    assert votes.row.min() >= 0
    assert votes.row.max() < len(votes.X) == len(votes.category) == len(votes.group)
    assert (votes.first != votes.second).all()
    assert max(votes.first.max(), votes.second.max()) < len(votes.models)
    shares = win_shares(votes, np.arange(len(votes.X)))
    assert (~np.isnan(shares)).any(axis=1).all()  # every query has a vote


@needs_votes
def test_the_tables_are_written(tmp_path, monkeypatch):
    monkeypatch.setattr(dueling_votes, "ROUTERS", {"random pairs": ROUTERS["random pairs"]})
    dueling_votes.main(["--out", str(tmp_path), "--splits", "2"])
    text = (tmp_path / "dueling_votes.md").read_text()
    for name in TABLES:
        assert f"## {name}" in text
    assert text.count("| random pairs |") == 2
    assert "nan" not in text
    assert isinstance(dueling_votes.votes_table(TABLES[0], 2), pd.DataFrame)
