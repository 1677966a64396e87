from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command_line import refused, run

from metarouter.datasets import make_judged_queries, read_table


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = make_judged_queries(120, 6, gold_share=0.4, pairing=1.0, random_state=0)
    frame = pd.DataFrame(data.X, columns=data.feature_names).assign(
        id=[f"{k:03d}" for k in range(120)], gold=data.gold, preference=data.preference
    )
    frame["query"] = [f"what of {k % 7} and {k % 5}" for k in range(120)]
    path = tmp_path_factory.mktemp("suggest") / "labels.csv"
    frame.to_csv(path, index=False)
    return path


@pytest.mark.parametrize("options", [["--features", "x*"], ["--text", "query"]])
def test_rows_to_label_are_written_with_their_weights(
    table: Path, tmp_path: Path, options: list[str]
) -> None:
    out = tmp_path / "to_label.csv"
    code, said, _ = run("suggest", table, *options, "--n", 12, "--out", out)
    assert code == 0
    assert "12 of" in said
    chosen = pd.read_csv(out, dtype={"id": str})
    assert len(chosen) == 12
    assert chosen["gold"].isna().all()
    np.testing.assert_allclose(chosen["weight"] * chosen["inclusion_probability"], 1.0)


def test_the_first_batch_needs_no_gold_labels(table: Path, tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    pd.read_csv(table).assign(gold=np.nan).to_csv(bare, index=False)
    words = ("suggest", bare, "--features", "x*", "--n", 5, "--out", tmp_path / "o.csv")
    assert "begin with --strategy random" in refused(*words, "--strategy", "threshold")
    assert run(*words)[0] == 0


def test_rows_without_text_shift_no_other_row_and_booleans_have_a_meaning(tmp_path: Path) -> None:
    prompts = [None, "one", "two", None, "three", "four", "five", "six"]
    frame = pd.DataFrame({"prompt": prompts, "id": range(8), "gold": [True, False, *[None] * 6]})
    frame.to_csv(tmp_path / "t.csv", index=False)
    words = ("suggest", tmp_path / "t.csv", "--text", "prompt", "--n", 5, "--out")
    assert "--zero-means" in refused(*words, tmp_path / "o.csv")
    code, _, error = run(*words, tmp_path / "o.csv", "--zero-means", "loss")
    assert code == 0, error
    chosen = pd.read_csv(tmp_path / "o.csv").set_index("id")["prompt"]
    assert chosen.to_dict() == {k: prompts[k] for k in (2, 4, 5, 6, 7)}


def test_the_table_itself_is_not_overwritten(table: Path) -> None:
    assert "name another file" in refused("suggest", table, "--features", "x*", "--out", table)


def test_what_was_suggested_can_be_put_back_into_the_table(table: Path, tmp_path: Path) -> None:
    out, again = tmp_path / "to_label.csv", tmp_path / "table.csv"
    columns = [f"x{k}" for k in range(1, 7)]
    frame = pd.read_csv(table).drop(columns=["id", "query"])
    frame.to_csv(again, index=False)
    assert run("suggest", again, "--n", 12, "--strategy", "design", "--out", out)[0] == 0
    chosen = pd.read_csv(out).assign(gold=0.5)
    rest = frame.merge(chosen[columns], how="left", indicator=True)._merge == "left_only"
    whole = pd.concat([frame[rest].assign(weight=1.0, inclusion_probability=1.0), chosen])
    whole.to_csv(again, index=False)
    queries = read_table(again, allow_unlabelled=True)
    assert "inclusion_probability" not in queries.feature_names
    assert queries.n_gold == frame["gold"].notna().sum() + 12
    weight = queries.weight[np.isfinite(queries.gold)]
    # Those that were certain weigh 1, those drawn at random stand for all the others.
    assert weight.sum() == pytest.approx(len(frame))
