from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metarouter.datasets import (
    ModelMatrix,
    PairedComparisons,
    make_model_comparisons,
    read_comparisons,
    simulate_comparisons,
    simulated_favour,
)
from metarouter.exceptions import DataError


def table(**changes: list[object]) -> pd.DataFrame:
    columns: dict[str, list[object]] = {
        "length": [3.0, 5.0, 5.0],
        "model_a": ["large", "large", "small"],
        "model_b": ["small", "tiny", "tiny"],
        "gold": [0.5, None, 1.0],
        "preference": [None, 1, -1],
    }
    return pd.DataFrame({**columns, **changes})


def test_every_label_of_a_table_is_a_comparison() -> None:
    data = read_comparisons(table())
    assert data.y.tolist() == [0.5, 1.0, 1.0, -1.0]
    assert data.is_gold.tolist() == [True, True, False, False]
    assert data.first.tolist() == ["large", "small", "large", "small"]
    assert data.models == ("large", "small", "tiny")
    rows = data.training_rows()
    assert rows.X[:, 0].tolist() == [3.0, 5.0, 5.0, 5.0]
    assert rows.pairs.shape == (4, 2)


def test_rows_of_one_text_are_one_query(tmp_path: Path) -> None:
    path = tmp_path / "votes.csv"
    table(length=["Hi?", "Why?", "Why?"]).rename(columns={"length": "text"}).to_csv(path)
    data = read_comparisons(path, text="text")
    assert data.n_queries == 2
    assert data.query.tolist() == [0, 1, 1, 1]
    assert data.text is not None
    assert data.text.tolist() == ["Hi?", "Why?"]


def test_scores_of_models_make_all_comparisons_of_a_query() -> None:
    frame = pd.DataFrame(
        {
            "x": [1.0, 2.0],
            "gold__a": [1.0, 0.0],
            "gold__b": [0.5, 1.0],
            "gold__c": [0.0, np.nan],
            "judge__a": [7.0, np.nan],
            "judge__b": [9.0, 3.0],
        }
    )
    data = read_comparisons(frame, gold_scores="gold__", preference_scores="judge__")
    assert (data.n_gold, data.n_preference, data.n_queries) == (4, 1, 2)
    found = {
        (a, b, q): y
        for a, b, q, y in zip(
            data.first[:4], data.second[:4], data.query[:4], data.y[:4], strict=True
        )
    }
    assert found == {
        ("a", "b", 0): 0.5,
        ("a", "c", 0): 1.0,
        ("b", "c", 0): 0.5,
        ("a", "b", 1): -1.0,
    }
    assert data.weight is not None
    by_query = np.bincount(data.query[:4], data.weight[:4])
    np.testing.assert_allclose(by_query, [2.0, 1.0])


def test_counts_say_how_often_two_models_met() -> None:
    counts = read_comparisons(table()).counts()
    assert counts.to_dict("list") == {
        "first": ["large", "large", "small"],
        "second": ["small", "tiny", "tiny"],
        "gold": [1, 0, 1],
        "preference": [0, 1, 1],
    }


@pytest.mark.parametrize(
    ("frame", "match"),
    [
        (table(model_b=["large", "tiny", "tiny"]), "'large' is compared with itself"),
        (table(model_b=["small", "Tiny", "tiny"]), "differ by case"),
        (table(model_a=["large", None, "small"]), "no name in 1 of 3"),
        (table().drop(columns="model_b"), "no column 'model_b' for the second models"),
        (table().drop(columns=["gold", "preference"]), "neither a column 'gold'"),
        (table(gold=["good", None, 1.0]), "no number"),
    ],
)
def test_a_table_that_is_malformed_is_refused(frame: pd.DataFrame, match: str) -> None:
    with pytest.raises(DataError, match=match):
        read_comparisons(frame)


def test_every_row_must_say_which_query_it_is_about() -> None:
    with pytest.raises(DataError, match="no column 'turn' for the queries"):
        read_comparisons(table(), query="turn")
    with pytest.raises(DataError, match="'turn' of the table is empty in 1 of 3 rows"):
        read_comparisons(table(turn=["x", None, "y"]), query="turn")


def test_score_columns_that_are_not_there_are_missed() -> None:
    with pytest.raises(DataError, match="0 columns that begin with 'score_'"):
        read_comparisons(table(), gold_scores="score_")


def test_a_model_that_is_not_listed_is_refused() -> None:
    with pytest.raises(DataError, match="'small', which is none of large, tiny"):
        PairedComparisons(
            np.zeros((1, 1)),
            np.array([0]),
            np.array(["large"]),
            np.array(["small"]),
            np.array([1.0]),
            np.array([True]),
            models=("large", "tiny"),
        )


def test_made_labels_have_the_means_that_they_claim() -> None:
    data = make_model_comparisons(20_000, 20_000, n_models=3, noise=0.5, random_state=0)
    order = {name: k for k, name in enumerate(data.models)}
    first, second = (np.array([order[m] for m in side]) for side in (data.first, data.second))
    gain = data.scores[data.query, first] - data.scores[data.query, second]
    favour = data.bias[data.query, first] - data.bias[data.query, second]
    mean = np.where(data.is_gold, gain, 0.5 * gain + favour)
    for rows in (data.is_gold, ~data.is_gold):
        slope = np.polyfit(mean[rows], data.y[rows], 1)
        np.testing.assert_allclose(slope, [1, 0], atol=0.03)


def matrix(n: int = 200, n_models: int = 4) -> ModelMatrix:
    rng = np.random.default_rng(0)
    return ModelMatrix(
        X=rng.normal(size=(n, 5)),
        quality=(rng.random((n, n_models)) < 0.5).astype(float),
        cost=None,
        models=tuple(f"m{k}" for k in range(n_models)),
        task=np.full(n, "task"),
        text=np.array(["x" * int(k) for k in rng.integers(1, 99, n)], dtype=object),
    )


def test_a_simulated_judge_has_the_mean_that_it_claims() -> None:
    known = matrix()
    data = simulate_comparisons(known, 100, 40_000, random_state=0)
    order = {name: k for k, name in enumerate(known.models)}
    first, second = (np.array([order[m] for m in side]) for side in (data.first, data.second))
    gain = known.quality[data.query, first] - known.quality[data.query, second]
    np.testing.assert_array_equal(data.y[data.is_gold], gain[data.is_gold])
    favour = simulated_favour(known)
    mean = np.clip(0.5 * gain + favour[data.query, first] - favour[data.query, second], -1, 1)
    judged = ~data.is_gold
    np.testing.assert_allclose(np.polyfit(mean[judged], data.y[judged], 1), [1, 0], atol=0.03)


def test_pairs_that_are_never_compared_leave_all_models_connected() -> None:
    data = simulate_comparisons(matrix(n_models=5), 50, 900, never_compared=0.6, random_state=0)
    assert len(data.counts()) == 4


def test_queries_are_drawn_from_those_that_are_named() -> None:
    data = simulate_comparisons(matrix(), 5, 20, queries=[3, 4, 5], random_state=0)
    assert set(data.query) <= {3, 4, 5}


@pytest.mark.parametrize("options", [{"n_gold": -1}, {"never_compared": 1.0}])
def test_a_simulation_of_nothing_is_refused(options: dict[str, float]) -> None:
    with pytest.raises(DataError):
        simulate_comparisons(matrix(), **options)  # type: ignore[arg-type]
