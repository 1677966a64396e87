from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from bandits.reward_models import RewardVerdicts, pair_features, read_verdicts
from metarouter.exceptions import DataError

EMBEDDINGS = arrays(float, (3, 4), elements=st.floats(-1e6, 1e6))


@given(EMBEDDINGS, EMBEDDINGS)
def test_features_are_the_same_for_both_orders_of_a_pair(first, second):
    features = pair_features(first, second)
    assert features.shape == (3, 8)
    assert (features == pair_features(second, first)).all()


def test_features_are_the_sum_and_the_absolute_difference():
    features = pair_features([[1.0, -2.0]], [[3.0, 5.0]])
    assert features.tolist() == [[4.0, 3.0, 2.0, 7.0]]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ([[1.0, 2.0]], [[1.0]], r"first has shape \(1, 2\) but second \(1, 1\)"),
        ([[1.0], [2.0]], [[1.0]], "first has shape"),
        ([[np.nan]], [[1.0]], "first is not finite in 1 of 1 rows"),
        ([1.0, 2.0], [1.0, 2.0], r"first has shape \(2,\)"),
        ("text", [[1.0]], "first is 'text'; give a list or an array"),
    ],
)
def test_embeddings_that_do_not_pair_are_refused(first, second, message):
    with pytest.raises(DataError, match=message):
        pair_features(first, second)


def test_ties_gaps_and_abstentions_are_told_apart():
    nan = np.nan
    verdicts = RewardVerdicts(
        [[1, -1, 0], [nan, nan, 1], [1, 1, 1]],
        ["a", "b", "c"],
        [1, -1, nan],
        [[False] * 3, [True, False, False], [False] * 3],
    )
    np.testing.assert_array_equal(verdicts.correct, [[1, 0, nan], [nan, nan, 0], [nan] * 3])
    np.testing.assert_array_equal(verdicts.credit, [[1, 0, 0.5], [0.5, nan, 0], [nan] * 3])
    summary = verdicts.summary()
    assert summary.loc["a", ["ties", "abstained", "missing"]].tolist() == [0, 1, 0]
    assert summary.loc["b", ["ties", "abstained", "missing"]].tolist() == [0, 0, 1]
    assert summary.loc["c", "credit"] == 0.25
    assert verdicts.take([2, 0]).verdict.tolist() == [[1, 1, 1], [1, -1, 0]]


def test_scores_become_verdicts():
    verdicts = RewardVerdicts.from_scores([[0.2, 1.0]], [[0.1, 1.0]], ["a", "b"], label=[-1])
    assert verdicts.verdict.tolist() == [[1.0, 0.0]]
    np.testing.assert_array_equal(verdicts.correct, [[0.0, np.nan]])


@pytest.mark.parametrize("suffix", ["csv", "parquet", "jsonl"])
def test_a_table_of_pairs_is_read(tmp_path, suffix):
    frame = pd.DataFrame(
        {
            "prompt": ["p", "p", "q"],
            "answer_a": ["x", "y", "z"],
            "answer_b": ["u", "v", "w"],
            "judge": ["A", "tie", "abstain"],
            "scorer_a": [0.2, 0.5, 0.1],
            "scorer_b": [0.1, 0.5, 0.3],
            "signed": [1.0, -0.5, np.nan],
            "label": ["A", "B", None],
        }
    )
    path = tmp_path / f"pairs.{suffix}"
    writers = {
        "csv": lambda: frame.to_csv(path, index=False),
        "parquet": lambda: frame.to_parquet(path),
        "jsonl": lambda: frame.to_json(path, orient="records", lines=True),
    }
    writers[suffix]()
    verdicts = read_verdicts(path)
    assert verdicts.models == ["judge", "scorer", "signed"]
    np.testing.assert_array_equal(verdicts.verdict, [[1, 1, 1], [0, 0, -1], [np.nan, -1, np.nan]])
    assert verdicts.abstained[:, 0].tolist() == [False, False, True]
    np.testing.assert_array_equal(verdicts.label, [1, -1, np.nan])
    assert verdicts.groups.tolist() == ["p", "p", "q"]
    assert list(verdicts.text.columns) == ["prompt", "answer_a", "answer_b"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"judge": ["A", "perhaps"]}, "Column 'judge' holds 'perhaps' in row 1"),
        ({"label": ["A", "tie"]}, "label holds 0 in row 1"),
    ],
)
def test_cells_that_say_nothing_are_refused(change, message):
    frame = pd.DataFrame({"prompt": ["p", "q"], "judge": ["A", "B"], "label": ["A", "B"], **change})
    with pytest.raises(DataError, match=message):
        read_verdicts(frame)


def test_tables_without_models_or_rows_are_refused(tmp_path):
    with pytest.raises(DataError, match="none is of a reward model"):
        read_verdicts(pd.DataFrame({"prompt": ["p"], "label": ["A"]}))
    with pytest.raises(DataError, match="There is no column 'absent' of verdicts"):
        read_verdicts(pd.DataFrame({"prompt": ["p"]}), models=["absent"])
    with pytest.raises(DataError, match="has no rows"):
        read_verdicts(pd.DataFrame({"prompt": []}))
    with pytest.raises(DataError, match="There is no file"):
        read_verdicts(tmp_path / "absent.csv")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([[2.0, 0.0]], ["a", "b"]), "verdict holds 2 in row 0"),
        (([[1.0, 0.0]], ["a", "a"]), "name each once"),
        (([[1.0, 0.0]], ["a", "b"], [0.5]), "label holds 0.5 in row 0"),
        (([[1.0, 0.0]], ["a", "b"], [1.0, 1.0]), r"label has shape \(2,\)"),
        (([[1.0, 0.0]], ["a", "b"], None, [[True, False]]), "cells that hold a verdict"),
    ],
)
def test_verdicts_off_their_range_are_refused(arguments, message):
    with pytest.raises(DataError, match=message):
        RewardVerdicts(*arguments)
