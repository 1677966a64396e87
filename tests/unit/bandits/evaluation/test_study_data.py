"""The published tables that routers are studied on."""

from __future__ import annotations

import numpy as np
import pytest

from bandits.evaluation import STUDY_TABLES, study_table
from metarouter.exceptions import DataError


@pytest.mark.parametrize("name", STUDY_TABLES)
def test_every_table_has_costs_and_the_tasks_that_it_names(name, real_data_home):
    table = study_table(name, real_data_home)
    assert table.matrix.cost is not None
    assert (table.matrix.cost > 0).all()
    tasks = {*table.in_distribution, *table.out_of_distribution}
    assert tasks <= set(table.matrix.task)
    assert not set(table.in_distribution) & set(table.out_of_distribution)
    assert set(table.pair) <= set(table.matrix.models)


def test_mbpp_of_routerbench_is_that_of_the_bandit_paper(real_data_home):
    # BaRP (arXiv:2510.07429), table 3: MBPP 34.43 and 68.62; its prompts hold no worked examples.
    matrix = study_table("routerbench_fewshot", real_data_home).matrix
    mean = dict(zip(matrix.models, matrix.quality[matrix.task == "mbpp"].mean(axis=0), strict=True))
    assert round(100 * mean["mistral-7b-chat"], 2) == 34.43
    assert round(100 * mean["gpt-4-1106-preview"], 2) == 68.62


def test_list_prices_keep_their_ratios_and_long_queries_cost_more(real_data_home):
    matrix = study_table("llmrouter_14task", real_data_home).matrix
    price = matrix.cost[:, matrix.models.index("llama-3.1-nemotron-51b-instruct")]
    assert price / matrix.cost[:, matrix.models.index("gemma-2-9b-it")] == pytest.approx(9.0)
    length = np.array([len(text) for text in matrix.text])
    assert price == pytest.approx(0.9e-6 * (length / 4 + 200))
    assert any("costs are not recorded" in note for note in matrix.notes)


def test_an_unknown_table_is_refused_with_the_nearest_name():
    with pytest.raises(DataError, match="routerbench_fewshot"):
        study_table("routerbench")
