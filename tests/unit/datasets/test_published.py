from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from metarouter.datasets import (
    LabelledQueries,
    available,
    data_home,
    fetch_arena_frontier,
    fetch_cascades_9model,
    fetch_evouna,
    fetch_llmrouter_14task,
    fetch_llmrouter_14task_matrix,
    fetch_routellm_evals,
    fetch_routerbench_fewshot,
    fetch_wmt_mt,
    fetch_xstest,
    load_dataset,
)
from metarouter.datasets._llmrouter_14task import simulated_vote_mean
from metarouter.exceptions import DataError

MIXTRAL, GPT4 = "mixtral-8x7b-instruct-v0.1", "gpt-4-1106-preview"


def moments(data: LabelledQueries) -> tuple[float, float, float]:
    correlation = np.corrcoef(data.gold, data.preference)[0, 1]
    return data.gold.mean(), data.preference.mean(), correlation


def test_embeddings_are_float32_and_of_unit_length(real_data_home: Path) -> None:
    for name in ("xstest", "wmt_mt"):
        X = load_dataset(name, data_home=real_data_home).X
        assert X.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1, atol=2e-3)


def test_evouna_has_the_moments_of_its_card(real_data_home: Path) -> None:
    data = fetch_evouna(data_home=real_data_home)
    assert data.n_paired == 4957
    assert moments(data) == pytest.approx((0.094, -0.464, 0.62), abs=5e-3)
    lexical = fetch_evouna(judge="lexical", data_home=real_data_home)
    assert moments(lexical) == pytest.approx((0.094, 0.049, 0.70), abs=5e-3)


def test_xstest_has_the_moments_of_its_card_and_groups_by_type(real_data_home: Path) -> None:
    data = fetch_xstest(data_home=real_data_home)
    assert data.n_paired == 450
    assert moments(data)[:2] == pytest.approx((0.047, 0.142), abs=1e-3)
    assert not any(str(group).startswith("contrast_") for group in data.groups)
    assert any(str(domain).startswith("contrast_") for domain in data.domain)


def test_rows_without_a_verdict_are_dropped_and_counted(real_data_home: Path) -> None:
    data = fetch_xstest(judge="judge_gpt4", data_home=real_data_home)
    assert data.n_queries == data.n_paired == 439
    assert moments(data)[:2] == pytest.approx((0.023, 0.052), abs=1e-3)
    assert "11 of 450 rows dropped: no verdict of judge_gpt4" in data.notes


def test_wmt_mt_has_the_moments_of_its_card_and_groups_by_source(real_data_home: Path) -> None:
    data = fetch_wmt_mt(data_home=real_data_home)
    assert data.n_paired == 1862
    assert moments(data) == pytest.approx((0.0505, 0.0527, 0.21), abs=4e-3)
    assert len(set(data.groups)) == 633
    assert all(
        text.endswith(str(source)) for text, source in zip(data.text, data.groups, strict=True)
    )


def test_the_reference_translation_is_no_system() -> None:
    with pytest.raises(DataError, match="'refA' is the reference"):
        fetch_wmt_mt(pair=("refA", "GPT-4"))


def test_the_simulated_judge_votes_with_its_documented_mean(real_data_home: Path) -> None:
    data = fetch_llmrouter_14task(data_home=real_data_home)
    length = np.array([len(text) for text in data.text], dtype=float)
    mean = simulated_vote_mean(data.gold, data.X, length)
    assert np.abs(mean).max() <= 1
    error = data.preference - mean
    for part in np.array_split(np.argsort(mean), 10):
        assert abs(error[part].sum()) <= 4 * np.sqrt((error[part] ** 2).sum())
    assert "simulated" in data.name
    again = fetch_llmrouter_14task(data_home=real_data_home)
    np.testing.assert_array_equal(data.preference, again.preference)


def test_llmrouter_matrix_gives_the_means_of_its_card(real_data_home: Path) -> None:
    matrix = fetch_llmrouter_14task_matrix(real_data_home)
    assert matrix.quality.shape == (5989, 9)
    assert matrix.cost is None
    gpqa = matrix.quality[matrix.task == "gpqa", matrix.models.index("codegemma-7b")]
    assert gpqa.mean() == pytest.approx(0.047, abs=5e-4)


def test_routerbench_gives_the_means_and_costs_of_its_card(real_data_home: Path) -> None:
    matrix = fetch_routerbench_fewshot(real_data_home)
    assert matrix.quality.shape == matrix.cost.shape == (3164, 11)
    column = matrix.models.index(GPT4)
    assert matrix.quality[:, column].mean() == pytest.approx(0.8799, abs=1e-4)
    assert matrix.cost[:, column].mean() * 1000 == pytest.approx(5.0243, abs=1e-4)
    pair = matrix.pair(GPT4, "mixtral-8x7b-chat")
    assert pair.n_preference == 0
    assert pair.cost_primary.mean() > pair.cost_alternative.mean()


def test_routellm_drops_contaminated_prompts_and_groups_by_text(real_data_home: Path) -> None:
    matrix = fetch_routellm_evals(real_data_home)
    assert matrix.n_queries == 15361 - 17
    assert matrix.notes == ("17 of 15361 rows dropped: contaminated prompts",)
    assert len(set(matrix.groups)) < matrix.n_queries
    assert set(matrix.models) == {GPT4, MIXTRAL}


def test_arena_frontier_has_the_moments_of_its_card(real_data_home: Path) -> None:
    data = fetch_arena_frontier(data_home=real_data_home)
    assert data.n_paired == 276
    assert moments(data) == pytest.approx((-0.531, -0.283, 0.21), abs=5e-3)
    qwen = ("claude-opus-4-20250514", "qwen3-235b-a22b-no-thinking")
    other = fetch_arena_frontier(qwen, "gpt_4o_mini", data_home=real_data_home)
    assert moments(other)[:2] == pytest.approx((-0.200, -0.549), abs=5e-3)


def test_battles_without_text_are_refused() -> None:
    with pytest.raises(DataError, match=r"'gemini-2\.5-flash' have no text"):
        fetch_arena_frontier(("claude-opus-4-20250514", "gemini-2.5-flash"))


def test_cascades_gives_the_means_and_costs_of_its_card(real_data_home: Path) -> None:
    matrix = fetch_cascades_9model(data_home=real_data_home)
    assert matrix.quality.shape == matrix.cost.shape == (4233, 9)
    medmcqa = fetch_cascades_9model(tasks=("medmcqa",), data_home=real_data_home)
    column = medmcqa.models.index("gpt-4o")
    assert medmcqa.quality[:, column].mean() == pytest.approx(0.7854, abs=5e-5)
    assert medmcqa.cost[:, column].mean() * 1000 == pytest.approx(0.4119, abs=5e-5)
    assert np.median(medmcqa.latency[:, column]) == pytest.approx(0.355, abs=5e-4)


def test_answers_graded_without_a_reference_are_left_out_unless_named(real_data_home: Path) -> None:
    assert "triviaqa" not in set(fetch_cascades_9model(data_home=real_data_home).task)
    named = fetch_cascades_9model(tasks=("triviaqa",), data_home=real_data_home)
    assert named.n_queries == 1300
    assert any("without a reference answer" in note for note in named.notes)
    with pytest.raises(DataError, match=r"no task 'gsm' \(did you mean 'gsm8k'"):
        fetch_cascades_9model(tasks=("gsm",), data_home=real_data_home)


def test_a_matrix_named_with_a_pair_gives_that_pair(real_data_home: Path) -> None:
    data = load_dataset("routellm_evals", data_home=real_data_home, pair=(GPT4, MIXTRAL))
    assert isinstance(data, LabelledQueries)
    assert data.gold.mean() == pytest.approx(0.133, abs=1e-3)
    with pytest.raises(DataError, match=r"has no model 'gpt-4-1106' \(did you mean"):
        load_dataset("routellm_evals", data_home=real_data_home, pair=("gpt-4-1106", MIXTRAL))


def test_an_unknown_pair_or_judge_is_answered_with_the_known_ones(real_data_home: Path) -> None:
    with pytest.raises(DataError, match="no pair with 'a' over 'b': choose one of gpt4 mistral"):
        fetch_xstest(("a", "b"), data_home=real_data_home)
    with pytest.raises(DataError, match=r"no judge 'judge_gtp4' \(did you mean 'judge_gpt4'"):
        fetch_xstest(judge="judge_gtp4", data_home=real_data_home)


def test_missing_files_are_named_with_the_mend(tmp_path: Path) -> None:
    assert not available("xstest", tmp_path)
    with pytest.raises(DataError) as caught:
        fetch_xstest(data_home=tmp_path)
    message = str(caught.value)
    for part in ("xstest.parquet", "embeddings.parquet", "paul-rottger/exaggerated-safety"):
        assert part in message
    assert "METAROUTER_DATA_HOME" in message
    assert "\n" not in message


def test_a_truncated_file_is_told_from_a_missing_one(real_data_home: Path, tmp_path: Path) -> None:
    folder = tmp_path / "xstest"
    folder.mkdir()
    for name in ("xstest.parquet", "embeddings.parquet"):
        whole = (real_data_home / "xstest" / name).read_bytes()
        (folder / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"xstest\.parquet cannot be read as Parquet"):
        fetch_xstest(data_home=tmp_path)


def test_data_home_is_the_argument_then_the_environment_then_the_cache(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("METAROUTER_DATA_HOME", str(tmp_path))
    assert data_home() == tmp_path
    assert data_home(tmp_path / "other") == tmp_path / "other"
    monkeypatch.delenv("METAROUTER_DATA_HOME")
    assert "metarouter" in str(data_home())


def test_load_dataset_helps_with_names_and_options() -> None:
    with pytest.raises(DataError, match=r"no data set 'xtest' \(did you mean 'xstest'\?\)"):
        load_dataset("xtest")
    with pytest.raises(DataError, match=r"no option 'jugde' \(did you mean 'judge'\?\)"):
        load_dataset("xstest", jugde="judge_gpt4")
    with pytest.raises(DataError, match="is simulated and has no models"):
        load_dataset("nie_wager", setup="A", pair=("a", "b"))
    assert load_dataset("nie_wager", setup="A", n=20).n_queries == 20
