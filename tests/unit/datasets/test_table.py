from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from metarouter.datasets import read_table
from metarouter.exceptions import DataError


@pytest.fixture
def frame() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "prompt": ["What is a cold?", "null", "May I sue?"],
            "length": [3.0, 5.0, 8.0],
            "turns": [1, 2, 1],
            "gold": [0.5, np.nan, -0.25],
            "preference": [1.0, -1.0, np.nan],
            "group": ["a", "b", "a"],
            "cost_primary": [0.3, 0.5, 0.2],
            "weight": [1.0, 2.0, 1.0],
        }
    )


def write(frame: pd.DataFrame, path: Path) -> Path:
    {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".parquet": lambda: frame.to_parquet(path),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
    }[path.suffix]()
    return path


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet", ".jsonl"])
def test_every_kind_of_file_gives_the_same_queries(
    frame: pd.DataFrame, tmp_path: Path, suffix: str
) -> None:
    path = write(frame, tmp_path / f"queries{suffix}")
    data = read_table(path, text="prompt", features=["length", "turns"])
    expected = read_table(frame, text="prompt", features=["length", "turns"])
    np.testing.assert_array_equal(data.X, expected.X)
    np.testing.assert_array_equal(data.gold, expected.gold)
    np.testing.assert_array_equal(data.preference, expected.preference)
    assert data.text.tolist() == frame["prompt"].tolist()
    assert data.groups.tolist() == ["a", "b", "a"]
    assert data.weight.tolist() == [1, 2, 1]
    assert data.cost_primary.tolist() == [0.3, 0.5, 0.2]
    assert data.cost_alternative is None
    assert data.name == path.name


def test_features_are_all_columns_without_another_role(frame: pd.DataFrame) -> None:
    data = read_table(frame.drop(columns="prompt"))
    assert data.feature_names == ["length", "turns"]
    assert data.X.dtype == np.float64


def test_text_alone_gives_a_frame_of_one_column(frame: pd.DataFrame) -> None:
    data = read_table(frame.set_index(pd.Index([4, 5, 6])), text="prompt")
    assert data.X.shape == (3, 1)
    assert data.feature_names == list(data.X.columns) == ["prompt"]


def test_labels_may_go_by_other_names(frame: pd.DataFrame) -> None:
    renamed = frame.rename(columns={"gold": "expert", "preference": "vote"})
    data = read_table(renamed, text="prompt", gold="expert", preference="vote")
    assert (data.n_gold, data.n_preference, data.n_paired) == (2, 2, 1)


def test_one_kind_of_label_may_be_absent(frame: pd.DataFrame) -> None:
    data = read_table(frame.drop(columns="gold").dropna(), text="prompt")
    assert (data.n_gold, data.n_preference) == (0, 2)
    assert data.notes == ("no column of gold labels",)


def test_queries_to_route_need_no_labels(frame: pd.DataFrame) -> None:
    bare = frame.drop(columns=["gold", "preference"])
    assert read_table(bare, text="prompt", allow_unlabelled=True).n_queries == 3
    with pytest.raises(DataError, match="neither a column 'gold' nor a column 'preference'"):
        read_table(bare, text="prompt")


def broken(frame: pd.DataFrame, **columns: object) -> pd.DataFrame:
    return frame.drop(columns="prompt").assign(**columns)


@pytest.mark.parametrize(
    ("columns", "options", "message"),
    [
        (
            {"length": ["3", "five", "8"]},
            {},
            r"Column 'length' of the table holds no number in 1 row of 3 \(first: 'five' in row 1\)"
            ".*must be numbers",
        ),
        ({"length": [1.0, np.nan, 2]}, {}, r"'length' .* is empty in 1 row of 3 \(first: row 1\)"),
        ({"length": [1, np.inf, -np.inf]}, {}, r"'length' .* infinite in 2 rows of 3"),
        (
            {"length": pd.to_datetime(["2024"] * 3)},
            {"features": ["length"]},
            "'length' .* holds no number in 3 rows",
        ),
        ({"length": [1, "a", 2]}, {}, "'length' .* holds no number in 1 row of 3"),
        ({"length": [1, 1e300, 2]}, {}, "'length' .* numbers of up to 1e[+]300 in size"),
        ({"gold": [1e-300, None, 0]}, {}, "'gold' .* numbers of up to 1e-300 in size"),
        ({"gold": ["good", None, "bad"]}, {}, r"'gold' .* no number in 2 rows .*'good' in row 0"),
        ({"gold": [np.inf, 1, 1]}, {}, r"'gold' .* infinite in 1 row of 3"),
        (
            {"gold": [1, np.nan, np.nan]},
            {},
            r"neither a gold nor a preference label in 1 row of 3 \(first: row 2\)",
        ),
        ({"weight": [1, -1, 1]}, {}, r"'weight' .* negative in 1 row of 3 \(first: -1 in row 1\)"),
        ({"weight": [0, 0, 0]}, {}, "'weight' .* is 0 in all 3 rows"),
        ({"cost_primary": [1, -1, 1]}, {}, "'cost_primary' .* negative in 1 row"),
        ({"group": ["a", None, "b"]}, {}, "'group' .* is empty in 1 row"),
        ({}, {"features": ["lenght"]}, r"no column 'lenght' for the features \(did you mean 'len"),
        ({}, {"features": ["length", "gold"]}, "'gold' .* is named as gold and features"),
        ({}, {"features": ["turns", "turns"]}, "list of features .* has 1 column more than once"),
        ({}, {"features": []}, "no column of features"),
        ({}, {"gold": "rubric"}, "no column 'rubric' for the gold labels"),
        ({}, {"gold": "preference"}, "'preference' .* is named as gold and preference"),
        ({}, {"text": "length"}, "'length' .* holds no text in 3 rows of 3"),
        ({"text": ["", " ", None]}, {"text": "text"}, "'text' .* is empty in all 3 rows"),
    ],
)
def test_a_broken_promise_is_told_in_one_sentence(
    frame: pd.DataFrame, columns: dict, options: dict, message: str
) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read_table(broken(frame, **columns), **options)
    assert "\n" not in str(caught.value)


def test_columns_without_a_number_are_no_features_unless_they_are_named() -> None:
    frame = pd.DataFrame(
        {
            "x": [1.0, 2.0],
            "id": ["q1", "q2"],
            "when": pd.to_datetime(["2024", "2025"]),
            "empty": [None, None],
            "gold": [1.0, -1.0],
        }
    )
    read = read_table(frame)
    assert read.feature_names == ["x"]
    assert any(
        note.startswith("columns that hold no numbers are no features: 'id', 'when', 'empty'")
        for note in read.notes
    )
    with pytest.raises(DataError, match="'id' of the table holds no number"):
        read_table(frame, features=["x", "id"])
    with pytest.raises(DataError, match="holds no number"):
        read_table(frame.drop(columns="x"))


def test_a_misspelt_column_of_labels_is_not_taken_as_a_feature(frame: pd.DataFrame) -> None:
    with pytest.raises(DataError, match="no column 'gold' for the gold labels but has 'Gold'"):
        read_table(broken(frame).rename(columns={"gold": "Gold"}))


def test_repeated_columns_are_refused(frame: pd.DataFrame, tmp_path: Path) -> None:
    doubled = pd.concat([frame, frame[["length"]]], axis=1)
    with pytest.raises(DataError, match=r"has 1 column more than once \('length'\)"):
        read_table(doubled, text="prompt")
    path = tmp_path / "queries.csv"
    doubled.to_csv(path, index=False)
    with pytest.raises(DataError, match=r"queries\.csv has 1 column more than once \('length'\)"):
        read_table(path, text="prompt")


def test_an_empty_table_is_refused(frame: pd.DataFrame, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has 8 columns but no rows"):
        read_table(frame.iloc[:0])
    path = tmp_path / "queries.csv"
    path.write_text("")
    with pytest.raises(DataError, match=r"queries\.csv is empty \(0 bytes\)"):
        read_table(path)
    path.write_text("length,gold\n")
    with pytest.raises(DataError, match="has 2 columns but no rows"):
        read_table(path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.xls", b"PK", r"suffix '\.xls', which is not read"),
        ("a.parquet", b"PAR1 and no more", "cannot be read as Parquet"),
        ("a.csv", "length,gold\n1,é\n".encode("latin-1"), "not encoded as UTF-8 .byte 0xe9"),
        (
            "a.csv",
            b"length,gold\n1,2\n\n1,2,3,4\n",
            r"cannot be read as a delimited table \(row 1 has 4 cells, the header 2\): give every",
        ),
        ("a.csv", b"length,gold\n1,2,3\n4,5,6\n", "row 0 has 3 cells, the header 2"),
        ("a.csv", b"length,gold\n1,2,\n4,5,6\n", "row 1 has 3 cells, the header 2"),
        ("a.tsv", b"length\tgold\n1\t2\t3\n4\t5\n", "row 0 has 3 cells, the header 2"),
        ("a.jsonl", b'{"length": 1, "gold": 1}\n{"length": ', "Line 2 of .* is not JSON"),
        ("a.jsonl", b"[1, 2]\n", "Line 1 of .* holds a list, not an object"),
    ],
)
def test_an_unreadable_file_is_told_in_one_sentence(
    tmp_path: Path, name: str, content: bytes, message: str
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=message) as caught:
        read_table(tmp_path / name)
    assert "\n" not in str(caught.value)


def test_a_truncated_parquet_file_is_refused(frame: pd.DataFrame, tmp_path: Path) -> None:
    path = write(frame, tmp_path / "queries.parquet")
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match="cannot be read as Parquet"):
        read_table(path)


def test_a_missing_file_and_a_foreign_object_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"There is no file .*nowhere\.csv"):
        read_table(tmp_path / "nowhere.csv")
    with pytest.raises(DataError, match="give text, a path or a DataFrame"):
        read_table([1, 2])  # type: ignore[arg-type]


def test_rows_may_leave_out_last_cells_or_end_in_a_separator(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("length,gold,preference\n1,2\n3,,4\n")
    queries = read_table(tmp_path / "a.csv")
    np.testing.assert_array_equal(queries.gold, [2, np.nan])
    np.testing.assert_array_equal(queries.preference, [np.nan, 4])
    (tmp_path / "b.csv").write_text("length,gold\n1,2,\n3,4,\n")
    np.testing.assert_array_equal(read_table(tmp_path / "b.csv").gold, [2, 4])


def test_precisions_of_preference_labels_are_learned_with_and_told() -> None:
    frame = pd.DataFrame(
        {
            "x": [1.0, 2.0, 3.0, 4.0],
            "gold": [0.5, np.nan, np.nan, np.nan],
            "preference": [np.nan, 1.0, 0.0, -1.0],
            "preference_weight": [np.nan, 1.0, 3.0, 2.0],
        }
    )
    data = read_table(frame)
    assert data.feature_names == ["x"]
    assert any("'preference_weight'" in note and "1 to 3" in note for note in data.notes)
    np.testing.assert_allclose(data.training_rows().sample_weight, [1.0, 0.5, 1.5, 1.0])
    np.testing.assert_allclose(
        data.subset([0, 1, 3]).training_rows().sample_weight, [1.0, 2 / 3, 4 / 3]
    )
    assert data.weight is None
    ignored = read_table(frame, preference_weight="none")
    assert ignored.preference_weight is None
    assert ignored.feature_names == ["x"]
    alike = read_table(frame.assign(preference_weight=2.0))
    assert alike.training_rows().sample_weight is None
    judged = frame.rename(columns=lambda c: f"{c}_a" if c.startswith("preference") else c)
    named = read_table(judged, preference="preference_a", features=["x"])
    np.testing.assert_array_equal(named.preference_weight, data.preference_weight)


@pytest.mark.parametrize(
    ("weights", "why"),
    [
        ([np.nan, np.nan, 1.0, 2.0], "is empty in 1 row of 4"),
        ([np.nan, -1.0, 1.0, 2.0], "is negative"),
        ([1.0, 0.0, 0.0, 0.0], "is 0 in all"),
        ([np.nan, np.inf, 1.0, 2.0], "infinite"),
    ],
)
def test_precisions_that_cannot_be_meant_are_refused(weights: list[float], why: str) -> None:
    frame = pd.DataFrame(
        {
            "x": [1.0, 2.0, 3.0, 4.0],
            "gold": [0.5, np.nan, np.nan, np.nan],
            "preference": [np.nan, 1.0, 0.0, -1.0],
            "preference_weight": weights,
        }
    )
    with pytest.raises(DataError, match=why):
        read_table(frame)


def test_precisions_of_several_judges_are_not_asked_for() -> None:
    frame = pd.DataFrame({"x": [1.0, 2.0], "gold": [1.0, 0.0], "a": [1, -1], "b": [-1, 1]})
    with pytest.raises(DataError, match="not in one column"):
        read_table(frame, preference=["a", "b"], preference_weight="x")
