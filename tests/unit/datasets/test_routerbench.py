"""RouterBench's published layout, on small tables that we made up."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.feature_extraction.text import TfidfVectorizer

from metarouter.datasets import read_routerbench
from metarouter.encoding import TfidfEncoder
from metarouter.exceptions import DataError

MODELS = ("WizardLM/WizardLM-13B-V1.2", "gpt-4-1106-preview", "small-chat")
TASKS = ["arc-challenge", "mmlu-law", "mmlu-maths", "mtbench", "mbpp", "mbpp"]


@pytest.fixture
def frame() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = {
        "sample_id": [f"{task}.{k}" for k, task in enumerate(TASKS)],
        "prompt": [
            "Which planet is largest?",
            "May a tenant sublet?",
            "What is two times three?",
            '["Write a poem.", "Make it shorter."]',
            "['Reverse a list.', \"Don't sort it.\"]",
            "[1, 2, 3] is a list: add its numbers.",
        ],
        "eval_name": TASKS,
    }
    for model in MODELS:
        table[model] = rng.integers(2, size=6).astype(float)
    for model in MODELS:
        table[f"{model}|model_response"] = ["['...']"] * 6
        table[f"{model}|total_cost"] = rng.random(6).round(4)
    return pd.DataFrame({**table, "oracle_model_to_route_to": "no_model_correct"})


def test_scores_costs_tasks_and_prompts_are_read(frame):
    matrix = read_routerbench(frame)
    assert matrix.models == MODELS
    assert (matrix.quality == frame[list(MODELS)].to_numpy()).all()
    assert (matrix.cost == frame[[f"{model}|total_cost" for model in MODELS]].to_numpy()).all()
    assert matrix.task.tolist() == TASKS
    assert matrix.text[3] == "Write a poem.\n\nMake it shorter."
    assert matrix.text[4] == "Reverse a list.\n\nDon't sort it."
    assert matrix.text[5].startswith("[1, 2, 3] is")


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".jsonl", ".pkl"])
def test_files_of_every_kind_hold_the_same(frame, tmp_path, suffix):
    path = tmp_path / f"routerbench_0shot{suffix}"
    {
        ".csv": lambda: frame.to_csv(path),  # with the column of row numbers that pandas adds
        ".parquet": lambda: frame.to_parquet(path),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".pkl": lambda: frame.to_pickle(path),
    }[suffix]()
    read, expected = read_routerbench(path, allow_pickle=suffix == ".pkl"), read_routerbench(frame)
    assert read.name == path.name
    assert read.models == expected.models
    for field in ("X", "quality", "cost", "task", "text"):
        assert (getattr(read, field) == getattr(expected, field)).all()


def test_turns_may_be_lists_of_a_parquet_file(frame, tmp_path):
    frame["prompt"] = [[text, "Go on."] for text in frame["prompt"]]
    frame.to_parquet(tmp_path / "turns.parquet")
    text = read_routerbench(tmp_path / "turns.parquet").text
    assert text[0] == "Which planet is largest?\n\nGo on."


def test_a_pickle_is_read_only_when_it_is_trusted(frame, tmp_path):
    frame.to_pickle(tmp_path / "table.pkl")
    with pytest.raises(DataError, match=r"can run any code .* allow_pickle=True"):
        read_routerbench(tmp_path / "table.pkl")
    (tmp_path / "table.pkl").write_bytes((tmp_path / "table.pkl").read_bytes()[:50])
    with pytest.raises(DataError, match="cannot be read as a pickle"):
        read_routerbench(tmp_path / "table.pkl", allow_pickle=True)
    pd.to_pickle([1, 2], tmp_path / "list.pkl")
    with pytest.raises(DataError, match="holds a list, not a table"):
        read_routerbench(tmp_path / "list.pkl", allow_pickle=True)


def test_queries_of_one_prompt_form_a_group(frame):
    frame.loc[1, "prompt"] = frame.loc[0, "prompt"]
    groups = read_routerbench(frame).groups
    assert groups[0] == groups[1]
    assert len(set(groups)) == 5


class TestTasks:
    def test_some_tasks_can_be_kept(self, frame):
        assert read_routerbench(frame, tasks="mbpp").task.tolist() == ["mbpp", "mbpp"]
        kept = read_routerbench(frame, tasks=["mmlu-*", "mtbench"])
        assert kept.task.tolist() == ["mmlu-law", "mmlu-maths", "mtbench"]

    def test_what_is_wrong_elsewhere_does_not_matter(self, frame):
        frame.loc[0, "small-chat"] = np.nan
        assert read_routerbench(frame, tasks="mbpp").n_queries == 2

    def test_an_unknown_task_is_refused(self, frame):
        with pytest.raises(DataError, match=r"no task 'mbbp' \(did you mean 'mbpp'\?\): .* 5 val"):
            read_routerbench(frame, tasks="mbbp")


class TestFeatures:
    def test_features_of_the_rows_can_be_given(self, frame):
        X = np.arange(12.0).reshape(6, 2)
        matrix = read_routerbench(frame, X=X)
        assert np.array_equal(matrix.X, X)
        matrix = read_routerbench(frame, X=X, tasks="mbpp")
        assert np.array_equal(matrix.X, X[4:])

    def test_words_are_encoded_by_default(self, frame):
        expected = TfidfEncoder(random_state=0).fit_transform(read_routerbench(frame).text)
        assert np.array_equal(read_routerbench(frame).X, expected)

    def test_a_fitted_encoder_is_used_as_it_is_and_any_other_is_cloned(self, frame):
        text = read_routerbench(frame).text
        fitted = TfidfEncoder(n_components=2, random_state=1).fit(text[:3])
        kept = read_routerbench(frame, encoder=fitted, tasks="mbpp")
        assert np.array_equal(kept.X, fitted.transform(text[4:]))
        fresh = TfidfEncoder(n_components=2)
        assert read_routerbench(frame, encoder=fresh).X.shape == (6, 2)
        assert not hasattr(fresh, "components_")

    @pytest.mark.parametrize(
        ("options", "message"),
        [
            ({"X": np.zeros((5, 2))}, r"X has shape \(5, 2\), but the table has 6 rows"),
            ({"X": [["a"]] * 6}, "X holds values that are not numbers"),
            ({"X": np.zeros((6, 1)), "encoder": TfidfVectorizer()}, "X and encoder are both given"),
        ],
    )
    def test_features_that_do_not_fit_are_refused(self, frame, options, message):
        with pytest.raises(DataError, match=message):
            read_routerbench(frame, **options)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"small-chat": [1.0, np.nan, 0, 1, np.nan, 0]},
            r"'small-chat' of the table is empty in 2 rows of 6 \(first: row 1\)",
        ),
        ({"small-chat": ["1", "0", "yes", "1", "0", "1"]}, "no number in 1 row of 6 .*'yes' in ro"),
        ({"small-chat": [1, np.inf, 0, 1, 0, 0]}, "'small-chat' .* infinite in 1 row of 6"),
        ({"small-chat|total_cost": [0.1, -0.2, 0, 0, 0, -1]}, r"cost' .* negative in 2 rows of 6"),
        ({"small-chat|total_cost": [0.1, None, 0, 0, 0, 0]}, "cost' .* is empty in 1 row of 6"),
        ({"sample_id": list("abcaab")}, r"repeats an earlier value in 3 of 6 rows .*'a' in row 3"),
        ({"sample_id": ["a", None, *"bcde"]}, "'sample_id' .* is empty in 1 row of 6"),
        ({"prompt": ["?", " ", "?", "?", "?", "?"]}, "'prompt' .* is empty in 1 row of 6"),
        ({"prompt": ["?", 7, "?", "?", "?", "?"]}, "'prompt' .* holds no text in 1 row of 6"),
        ({"eval_name": [None, *TASKS[1:]]}, "'eval_name' .* is empty in 1 row of 6"),
        ({"new|total_cost": 0.1}, r"no column 'new' for the scores beside 'new\|total_cost'"),
        ({"new|model_response": "?"}, r"no column 'new\|total_cost' for the costs of 'new'"),
    ],
)
def test_a_broken_promise_is_told_in_one_sentence(frame, columns, message):
    with pytest.raises(DataError, match=message) as caught:
        read_routerbench(frame.assign(**columns))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("column", ["sample_id", "prompt", "eval_name"])
def test_columns_of_the_layout_must_be_there(frame, column):
    with pytest.raises(DataError, match=f"no column '{column}'"):
        read_routerbench(frame.drop(columns=column))


def test_tables_without_models_or_twice_the_same_are_refused(frame, tmp_path):
    with pytest.raises(DataError, match=r"3 columns but none that ends in '\|total_cost'"):
        read_routerbench(frame.iloc[:, :3])
    with pytest.raises(DataError, match="more than once"):
        read_routerbench(pd.concat([frame, frame[["small-chat"]]], axis=1))
    with pytest.raises(DataError, match="no rows"):
        read_routerbench(frame.iloc[:0])
    with pytest.raises(DataError, match="There is no file"):
        read_routerbench(tmp_path / "absent.parquet")
    with pytest.raises(DataError, match=r"source is \[1, 2\]; give text, a path or a DataFrame"):
        read_routerbench([1, 2])
