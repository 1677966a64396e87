"""The tables of the envelope study are told apart, and no test query is trained on."""

from __future__ import annotations

import numpy as np

from paper_figures._no_harm_rows import HELD_OUT_ROWS, ROWS, Row, draw, load_row


def test_names_are_unique_and_held_out_tables_are_others() -> None:
    slugs = [row.slug for row in ROWS + HELD_OUT_ROWS]
    assert len(set(slugs)) == len(slugs)
    assert {row.data_set for row in HELD_OUT_ROWS} - {row.data_set for row in ROWS} == {
        "routerbench_fewshot",
        "generator",
    }


def test_gold_sets_are_nested_and_no_query_is_in_two_parts() -> None:
    row = next(row for row in HELD_OUT_ROWS if row.data_set == "generator")
    data = load_row(row.name)
    split = draw(row, data, number=3)
    parts = [split.gold_X, split.preference_X, split.test_X]
    assert len(np.unique(np.vstack(parts), axis=0)) == sum(map(len, parts))
    few, more = split.training(50), split.training(300)
    np.testing.assert_array_equal(few[0][:50], more[0][:50])
    np.testing.assert_array_equal(few[0][50:], more[0][300:])
    assert (few[2].sum(), more[2].sum()) == (50, 300)


def test_a_small_row_keeps_at_least_a_hundred_test_queries() -> None:
    row = next(row for row in HELD_OUT_ROWS if row.data_set == "generator")
    data = load_row(row.name).subset(np.arange(400))
    split = draw(Row("small", row.load, (50,), n_preference=300), data, number=0)
    assert len(split.test_gold) == 100
    assert len(split.preference) == 250
