from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metarouter.datasets import make_prompted_queries, read_table
from metarouter.exceptions import DataError

DATA = Path(__file__).parents[3] / "data"


def test_labels_are_on_average_what_the_truth_says():
    queries = make_prompted_queries(20_000, gold_share=0.5, pairing=1.0, random_state=0)
    for labels, mean in (
        (queries.gold, queries.truth.psi),
        (queries.preference, queries.truth.eta),
    ):
        difference = (labels - mean)[~np.isnan(labels)]
        assert abs(difference.mean()) < 3 * difference.std() / np.sqrt(difference.size)
    np.testing.assert_allclose(queries.truth.delta, queries.truth.psi - queries.truth.eta)


def test_the_propensity_is_the_share_of_gold_rows():
    queries = make_prompted_queries(20_000, gold_share=0.3, pairing=0.5, random_state=0)
    rows = queries.training_rows()
    assert rows.is_gold.mean() == pytest.approx(queries.truth.propensity[0], abs=0.01)


def test_the_same_seed_gives_the_same_queries():
    first, second = (make_prompted_queries(50, random_state=3) for _ in range(2))
    assert first.text.tolist() == second.text.tolist()
    np.testing.assert_array_equal(first.gold, second.gold)


def test_switches_outside_their_range_are_refused():
    with pytest.raises(DataError, match="gold_share is 0, but it must be above 0"):
        make_prompted_queries(gold_share=0)


def test_the_tables_of_the_repository_are_those_of_the_generator():
    made = runpy.run_path(str(DATA / "make_tables.py"))["tables"]()
    for name, table in made.items():
        stored = pd.read_csv(DATA / name)
        expected = table.astype({"preference": "float64"}) if "preference" in table else table
        pd.testing.assert_frame_equal(stored, expected, check_dtype=False, rtol=1e-12)


def test_votes_of_the_arena_table_are_read_as_those_of_the_generator():
    queries = read_table(
        DATA / "arena_votes.csv",
        text="prompt",
        gold="expert",
        preference="winner",
        positive="large",
    )
    assert (queries.n_queries, queries.n_preference) == (600, 600)
    paired = queries.has_gold & queries.has_preference
    assert np.corrcoef(queries.gold[paired], queries.preference[paired])[0, 1] > 0.1
