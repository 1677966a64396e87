"""Exports of labelling tools and arenas tell the labels that their makers wrote into them."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from metarouter.datasets import read_table
from metarouter.exceptions import DataError

DATA = Path(__file__).parents[3] / "data"
MADE = runpy.run_path(str(DATA / "make_tables.py"))
QUERIES = MADE["distinct"](120, 4, gold_share=0.5, pairing=1.0)
GOLD, VOTE = np.sign(QUERIES.gold), QUERIES.preference


def by_text(queries: Any) -> dict[str, tuple[float, float]]:
    return dict(zip(queries.text, zip(queries.gold, queries.preference, strict=True), strict=True))


def same(found: float, truth: float) -> bool:
    return bool(np.isnan(found) and np.isnan(truth)) or found == truth


def test_files_of_exports_are_those_that_the_script_makes(tmp_path: Path) -> None:
    for name, export in MADE["exports"]().items():
        MADE["write"](tmp_path / name, export)
        assert (tmp_path / name).read_text() == (DATA / "exports" / name).read_text(), name


def test_pairwise_answers_of_label_studio_and_predictions_are_votes_for_models() -> None:
    read = read_table(
        DATA / "exports/label_studio.json",
        text="prompt", gold="better", preference="better.prediction", positive="large",
    )  # fmt: skip
    labels = by_text(read)
    for prompt, gold, vote in zip(QUERIES.text, GOLD, VOTE, strict=True):
        if gold:  # the tag knows no tie: the file has left there
            assert same(labels[prompt][0], gold)
        if vote:
            assert labels[prompt][1] == vote
    assert any("Label Studio" in note for note in read.notes)


@pytest.mark.parametrize("as_csv", [True, False])
def test_minimal_exports_of_label_studio_tell_the_same(tmp_path: Path, as_csv: bool) -> None:
    table = MADE["minimal"](MADE["label_studio"](QUERIES))
    path = tmp_path / ("min.csv" if as_csv else "min.json")
    if as_csv:
        table.to_csv(path, index=False)
    else:
        path.write_text(
            json.dumps(table.assign(better=table["better"].map(json.loads)).to_dict("records"))
        )
    labels = by_text(read_table(path, text="prompt", gold="better", preference="judge",
                                positive="large"))  # fmt: skip
    known = ~np.isnan(GOLD)
    assert len(labels) == known.sum()
    pairs = zip(QUERIES.text[known], GOLD[known], strict=True)
    assert all(labels[prompt][0] == gold for prompt, gold in pairs if gold)


def test_skipped_annotations_are_no_labels_and_every_annotator_has_a_row() -> None:
    def by(who: int, side: str, skipped: bool = False) -> dict[str, Any]:
        result = {"from_name": "pw", "type": "pairwise", "value": {"selected": side}}
        return {"completed_by": who, "was_cancelled": skipped, "result": [result]}

    told = [by(1, "left"), by(2, "right"), by(3, "left", skipped=True)]
    judged = {"result": [{"from_name": "pw", "value": {"selected": "right"}}]}
    frame = pd.DataFrame(
        [{"id": 1, "data": {"prompt": "Why?"}, "annotations": told, "predictions": [judged]}]
    )
    read = read_table(frame, text="prompt", gold="pw", preference="pw.prediction")
    assert read.gold.tolist() == [1.0, -1.0]
    assert read.n_preference == 1  # once per query, not per annotator
    assert len(set(read.groups)) == 1


@pytest.mark.parametrize("kind", ["choices", "rating", "number", "text"])
def test_other_answers_of_label_studio_are_read(kind: str) -> None:
    value = {"choices": ["A"], "rating": 4, "number": 4, "text": ["A"]}[kind]
    result = [{"from_name": "tag", "type": kind, "value": {kind: value}}]
    frame = pd.DataFrame(
        [{"id": k, "data": {"x": 0.5 + k}, "annotations": [{"result": result}]} for k in range(2)]
    )
    read = read_table(frame, features=["x"], gold="tag")
    assert read.gold.tolist() == ([1.0, 1.0] if value in (["A"],) else [4.0, 4.0])


def test_rankings_and_ratings_of_argilla_are_gold_and_suggestions_are_not() -> None:
    path = DATA / "exports/argilla.json"
    ranked = by_text(read_table(path, text="prompt", gold="ranking", positive="large",
                                preference="ranking.suggestion"))  # fmt: skip
    scores = ("rating_large", "rating_small")
    rated = by_text(
        read_table(
            path, text="prompt", gold_scores=scores,
            preference_scores=tuple(f"{name}.suggestion" for name in scores),
        )
    )  # fmt: skip
    for prompt, gold, vote in zip(QUERIES.text, QUERIES.gold, VOTE, strict=True):
        assert same(ranked[prompt][0], np.nan if np.isnan(gold) else 1.0 if gold > 0 else -1.0)
        assert ranked[prompt][1] == (1.0 if vote > 0 else -1.0)
        assert same(rated[prompt][0], np.clip(np.round(3 + 2 * gold), 1, 5) - 3)


def test_flat_records_of_argilla_tell_what_nested_ones_do_and_drafts_do_not_count() -> None:
    flat = pd.DataFrame(
        {
            "id": ["a", "b", "c"],
            "prompt": ["Why?", "How?", "When?"],
            "best.responses": [["A", "B"], ["B"], None],
            "best.responses.users": [["u", "v"], ["u"], None],
            "best.responses.status": [["submitted", "draft"], ["submitted"], None],
            "best.suggestion": ["A", "A", "B"],
            "best.suggestion.score": [0.5, None, None],
        }
    )
    read = read_table(flat, text="prompt", gold="best", preference="best.suggestion")
    assert [float(g) for g in read.gold[:2]] == [1.0, -1.0]
    assert np.isnan(read.gold[2])
    assert read.preference.tolist() == [1.0, 1.0, -1.0]


def test_flat_records_in_a_file_of_text_tell_the_same(tmp_path: Path) -> None:
    flat = pd.DataFrame(
        {
            "prompt": ["Why?", "How?", "When?"],
            "best.responses": ['["A", "B"]', "B", None],
            "best.suggestion": ["A", "A", "B"],
        }
    )
    flat.to_csv(tmp_path / "flat.csv", index=False)
    read = read_table(
        tmp_path / "flat.csv", text="prompt", gold="best", preference="best.suggestion"
    )
    assert read.gold[:3].tolist() == [1.0, -1.0, -1.0]
    assert np.isnan(read.gold[3])


def test_a_column_called_data_makes_no_export() -> None:
    frame = pd.DataFrame({"data": [1.0, 2.0], "fields": [3.0, 4.0], "gold": [0.5, 1.5]})
    assert read_table(frame).feature_names == ["data", "fields"]


def test_a_vote_without_a_winner_is_no_tie() -> None:
    frame = pd.DataFrame(
        {
            "x": [1.0, 2.0], "model_a": "large", "model_b": "small", "gold": [1.0, 2.0],
            "winner_model_a": [1, None], "winner_model_b": [0, None],
        }
    )  # fmt: skip
    read = read_table(frame, features=["x"], preference="winner", positive="large")
    assert read.preference[0] == 1.0
    assert np.isnan(read.preference[1])


def test_rankings_with_ties_and_more_than_two_answers_compare_the_two_that_are_named() -> None:
    ranks = [{"rank": r, "value": v} for r, v in ((1, "x"), (2, "large"), (2, "small"), (3, "y"))]
    frame = pd.DataFrame(
        {"x": [1.0, 2.0, 3.0], "gold": ["small>x>large", "large>small>x", "x>large=small>y"]}
    )
    read = read_table(frame, features=["x"], positive="large", negative="small")
    assert read.gold.tolist() == [-1.0, 1.0, 0.0]
    nested = [{"fields": {"p": "Why?"}, "responses": {"q": [{"value": ranks}]}}]
    read = read_table(
        pd.DataFrame(nested), text="p", gold="q", positive="large", negative="small",
    )  # fmt: skip
    assert read.gold.tolist() == [0.0]


def test_judgments_of_experts_are_gold_and_those_of_a_judge_are_not() -> None:
    rows = MADE["mt_bench"](QUERIES)
    read = read_table(
        pd.DataFrame(rows),
        text="conversation_a", preference="winner", positive="large",
        annotator="judge", gold_annotators=["expert*"],
    )  # fmt: skip
    assert read.n_gold == 2 * int((~np.isnan(GOLD)).sum())
    assert read.n_preference == 2 * QUERIES.n_queries
    assert set(read.text) == set(QUERIES.text)
    votes = {t: p for t, p in zip(read.text, read.preference, strict=True) if not np.isnan(p)}
    assert [votes[prompt] for prompt in QUERIES.text] == VOTE.tolist()


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"gold_annotators": ["nobody*"]}, "No annotator in column 'by'"),
        ({"gold_annotators": ["*"]}, "Every annotator in column 'by'"),
        ({"gold_annotators": ["e*"], "gold": "expert"}, "has a column of gold labels"),
        ({"gold_annotators": ["e*"], "annotator": None}, "name that column with annotator="),
    ],
)
def test_annotators_who_cannot_be_told_apart_are_refused(asked: dict, says: str) -> None:
    frame = pd.DataFrame(
        {"x": [1.0, 2.0], "preference": ["A", "B"], "by": ["e1", "judge"], "expert": [1, -1]}
    )
    with pytest.raises(DataError, match=r"^[^\n]*$") as error:
        read_table(frame, features=["x"], **{"annotator": "by", **asked})
    assert says in str(error.value)


@pytest.mark.parametrize("as_text", [True, False])
def test_winners_in_one_column_per_outcome_are_votes(tmp_path: Path, as_text: bool) -> None:
    frame = pd.DataFrame(
        {
            "model_a": ["large", "small", "other", "large"],
            "model_b": ["small", "large", "large", "small"],
            "prompt": ['["Why?", "And then?"]', '["How?"]', '["When?"]', '["Who?"]'],
            "winner_model_a": [1, 1, 1, 0],
            "winner_model_b": [0, 0, 0, 0],
            "winner_tie": [0, 0, 0, 1],
        }
    )
    source: Any = frame
    if as_text:
        source = tmp_path / "arena.csv"
        frame.to_csv(source, index=False)
    read = read_table(source, text="prompt", preference="winner", positive="large",
                      negative="small")  # fmt: skip
    assert read.text.tolist() == ["Why?", "How?", "Who?"]
    assert read.preference.tolist() == [1.0, -1.0, 0.0]


def test_messages_with_parts_are_read_for_their_text() -> None:
    parts = [{"type": "image", "image": "..."}, {"type": "text", "text": "What is this?"}]
    chat = [{"role": "user", "content": parts}]
    frame = pd.DataFrame({"chat": [chat, json.dumps(chat)], "gold": [1.0, 0.5]})
    assert read_table(frame.iloc[:1], text="chat").text.tolist() == ["What is this?"]
    assert read_table(frame.iloc[1:], text="chat").text.tolist() == ["What is this?"]


def test_text_that_begins_as_a_list_stays_as_it_is() -> None:
    frame = pd.DataFrame({"text": ['["a", "b"] is a list of what?', "Why?"], "gold": [1.0, 0.5]})
    assert read_table(frame, text="text").text.tolist() == frame["text"].tolist()
